#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "aggregators/published.h"

namespace runledger::exporters {

// Since when both know. kNever wins: of one of them nothing is known.
inline int64_t LaterBegin(int64_t a, int64_t b) {
  return a == aggregators::kNever || b == aggregators::kNever ? aggregators::kNever : std::max(a, b);
}

// Since when partitions know their log, put together. Log times in microseconds; kNever: nothing was read yet.
class LogBegins {
 public:
  void Add(const std::string& topic, int64_t began_us) {
    int64_t& least_us = by_topic_.try_emplace(topic, aggregators::kNever).first->second;
    if (began_us == aggregators::kNever) return;
    least_us = least_us == aggregators::kNever ? began_us : std::min(least_us, began_us);
  }
  // Of one partition. One that was read from its beginning (`whole`) is as old as its topic, though nothing came for
  // long. REQUIRES: it was added.
  int64_t Of(const std::string& topic, int64_t began_us, bool whole) const {
    return whole ? by_topic_.at(topic) : began_us;
  }

 private:
  std::map<std::string, int64_t> by_topic_;  // the least of its partitions
};

}  // namespace runledger::exporters
