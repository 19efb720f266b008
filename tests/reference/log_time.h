#pragma once

#include <cstdint>
#include <optional>

namespace runledger::reference {

// Log time of a partition. Stamped by the broker: the greatest stamp so far. Stamped by producers: the same, but a
// stamp more than `step_us` ahead waits until the next stamped record is about as far ahead; then what both agree on
// counts, and what the second has beyond that waits in turn.
class LogTime {
 public:
  explicit LogTime(int64_t step_us) : step_us_(step_us) {}

  // Below 0: the record has none.
  void See(int64_t stamp_us, bool by_broker);
  std::optional<int64_t> now_us() const { return now_us_; }

 private:
  int64_t step_us_;
  std::optional<int64_t> now_us_;
  std::optional<int64_t> doubted_us_;
};

}  // namespace runledger::reference
