#pragma once

#include <cstdint>
#include <vector>

#include "runledger/v1/event.pb.h"

namespace runledger::exporters {

// Events of every kind such as a platform sends in a week before `now_us`: retries, duplicates, disorder, runs that
// died, runs without a start or a date, heartbeats, attributes, JSON of every shape; decisions, expectations and
// cleanups around the day of `now_us` in America/New_York. A function of the arguments alone.
std::vector<v1::Event> HistoryEvents(uint32_t seed, int64_t now_us, int runs);

}  // namespace runledger::exporters
