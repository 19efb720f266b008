#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "aggregators/published.h"
#include "aggregators/shard.h"

namespace runledger::aggregators {

// Numbers the (phase, workflow) pairs of a shard in the order of first sight. Beyond kMaxPairs all further ones share
// the last number, whose labels say so: a histogram a pair must not grow with somebody's run ids.
struct Shard::PhaseIndex {
  static constexpr size_t kMaxPairs = 1000;
  static constexpr std::string_view kOverflow = "_other";

  size_t Intern(std::string_view phase, std::string_view workflow, bool* is_new) {
    key.assign(phase);
    key += '\0';
    key += workflow;
    const auto found = numbers.find(key);
    *is_new = false;
    if (found != numbers.end()) return found->second;
    if (labels.size() > kMaxPairs) return kMaxPairs;
    *is_new = true;
    const size_t number = labels.size();
    if (number == kMaxPairs) {
      labels.push_back({std::string(kOverflow), std::string(kOverflow)});
    } else {
      labels.push_back({std::string(phase), std::string(workflow)});
      numbers.emplace(key, number);
    }
    return number;
  }
  const PhaseLabels& LabelsOf(size_t number) const { return labels[number]; }

  std::string key;  // kept, so that a look-up allocates nothing
  absl::flat_hash_map<std::string, size_t> numbers;
  std::vector<PhaseLabels> labels;
};

}  // namespace runledger::aggregators
