#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "aggregators/published.h"
#include "reference/fold.h"

namespace runledger::aggregators {

// What had been counted when the counters of a shard began anew (Shard::LoseCounters), as the reference has it.
struct CounterBase {
  std::map<std::string, reference::JobView> jobs;
  std::map<std::pair<std::string, std::string>, reference::PhaseView> phases;
};

// The first difference between what a shard published and the reference at the same position, judged at this
// watermark; empty: none. `base`: where the counters began; nullptr: with the fold.
std::string DifferenceOf(const ShardBlock& block, const reference::Fold& fold, std::optional<int64_t> watermark_us,
                         const CounterBase* base = nullptr);

}  // namespace runledger::aggregators
