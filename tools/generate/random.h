#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>

namespace runledger::tools {

// SplitMix64: small, and the same numbers on every machine, which the standard distributions do not promise. One
// thread.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }  // [0, 1)
  bool Chance(double probability) { return Unit() < probability; }
  // [low, high]. REQUIRES: low <= high.
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Next() % (static_cast<uint64_t>(high - low) + 1));
  }
  double Exponential(double mean) { return -mean * std::log(1 - Unit()); }
  // Half of the values below the median, the logarithm normal.
  double LogNormal(double median, double sigma) {
    const double normal = std::sqrt(-2 * std::log(1 - Unit())) * std::cos(6.283185307179586 * Unit());
    return median * std::exp(sigma * normal);
  }
  // One of the elements, each as likely.
  template <typename Range>
  auto& Of(Range& range) {
    return range[Next() % std::size(range)];
  }
  // An index, as likely as its weight. REQUIRES: a weight above 0.
  size_t Weighted(std::span<const double> weights) {
    double sum = 0;
    for (const double weight : weights) sum += weight;
    double at = Unit() * sum;
    for (size_t i = 0; i + 1 < weights.size(); ++i) {
      if (at < weights[i]) return i;
      at -= weights[i];
    }
    return weights.size() - 1;
  }

 private:
  uint64_t state_;
};

}  // namespace runledger::tools
