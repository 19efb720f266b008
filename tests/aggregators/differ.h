#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>

#include "aggregators/published.h"

namespace runledger::aggregators {

inline std::string Text(uint64_t value) { return std::to_string(value); }
inline std::string Text(int64_t value) { return value == kNever ? "none" : std::to_string(value); }
inline std::string Text(const std::optional<int64_t>& value) { return value ? std::to_string(*value) : "none"; }
inline std::string NumberText(double value) {
  std::ostringstream out;
  out.precision(17);
  out << value;
  return out.str();
}

// Notes the first difference.
class Differ {
 public:
  template <typename A, typename B>
  void Compare(const std::string& what, const A& shard, const B& expected) {
    Say(what, Text(shard), Text(expected));
  }
  // `near`: the one was added up in another order.
  void Number(const std::string& what, double shard, double expected, bool near) {
    if (near && std::abs(shard - expected) < 1e-6 * std::max(1.0, std::abs(expected))) return;
    Say(what, NumberText(shard), NumberText(expected));
  }
  void Say(const std::string& what, const std::string& shard, const std::string& expected) {
    if (text_.empty() && shard != expected) text_ = what + ": shard " + shard + ", reference " + expected;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace runledger::aggregators
