#pragma once

#include "aggregators/published.h"

namespace runledger::exporters {

// Jobs added up: what can be of several jobs, or of one job in several partitions. Neither touches consecutive
// failures, single durations, windows and staleness, which have no sum.
void AddCounters(const aggregators::JobBlock& job, aggregators::JobBlock* sum);
// Running and judged runs; the oldest start and the newest times.
void AddGauges(const aggregators::JobBlock& job, aggregators::JobBlock* sum);

}  // namespace runledger::exporters
