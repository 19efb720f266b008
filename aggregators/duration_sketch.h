#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace runledger::aggregators {

// Durations in fixed buckets that grow by the square root of 2 (a quantile is off by at most 19 %), from one
// millisecond to about 50 days. 256 bytes. One thread.
class DurationSketch {
 public:
  void Add(double seconds) {
    ++counts_[BucketOf(seconds)];
    ++total_;
  }
  // Upper bound of the bucket in which the quantile lies, in seconds; below 0 if nothing was added.
  double Quantile(double q) const {
    if (total_ == 0) return -1;
    const auto rank = static_cast<uint64_t>(std::ceil(q * static_cast<double>(total_)));
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= rank && seen > 0) return std::exp2(static_cast<double>(i) / 2) / 1000;
    }
    return std::exp2(static_cast<double>(counts_.size() - 1) / 2) / 1000;
  }
  uint64_t total() const { return total_; }

  static constexpr size_t kBuckets = 64;
  // For snapshots.
  const std::array<uint32_t, kBuckets>& counts() const { return counts_; }
  void Restore(size_t bucket, uint32_t count) {
    total_ += count;
    counts_[bucket] += count;
  }

 private:
  static size_t BucketOf(double seconds) {
    const double ms = seconds * 1000;
    if (!(ms > 1)) return 0;
    if (ms > 0x1p31) return kBuckets - 1;
    // ceil(2 log2(ms)), without a logarithm: ms = fraction * 2^exponent, the fraction in [0.5, 1).
    int exponent;
    const double fraction = std::frexp(ms, &exponent);
    const int bucket = 2 * exponent - (fraction <= std::numbers::sqrt2 / 2 ? fraction == 0.5 ? 2 : 1 : 0);
    return static_cast<size_t>(bucket);
  }

  std::array<uint32_t, kBuckets> counts_{};
  uint64_t total_ = 0;
};

}  // namespace runledger::aggregators
