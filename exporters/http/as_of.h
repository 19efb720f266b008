#pragma once

#include <algorithm>
#include <cstdint>

#include "aggregators/published.h"

namespace runledger::exporters {

// How far the partitions are known that an answer rests on.
class AsOf {
 public:
  void Add(int64_t watermark_us, bool caught_up) {
    watermark_us_ = any_ ? std::min(watermark_us_, watermark_us) : watermark_us;
    caught_up_ = (caught_up_ || !any_) && caught_up;
    any_ = true;
  }
  void Add(const aggregators::ShardPositions& positions) { Add(positions.watermark_us, IsCaughtUp(positions)); }
  // A partition that is being restored knows less than the log, whatever its reader has seen.
  static bool IsCaughtUp(const aggregators::ShardPositions& positions) {
    return positions.caught_up && positions.shown;
  }

  // The least; kNever if a partition has none, or there is no partition.
  int64_t watermark_us() const { return watermark_us_; }
  // All of them are; false if there is none.
  bool caught_up() const { return caught_up_; }

 private:
  static_assert(aggregators::kNever == INT64_MIN);  // so that the minimum is "none"
  int64_t watermark_us_ = aggregators::kNever;
  bool caught_up_ = false;
  bool any_ = false;
};

}  // namespace runledger::exporters
