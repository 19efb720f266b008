#pragma once

#include <cstdint>

namespace runledger::aggregators {

// Who stamped a record.
enum class TimestampKind : uint8_t { kAppendTime, kCreateTime };

// Log time of a partition: the greatest record timestamp so far. On a CreateTime topic, where a producer with a wrong
// clock can stamp anything, a jump forward by more than `step_us` counts only once the next record agrees with it.
// A function of the records alone. One thread.
class LogClock {
 public:
  static constexpr int64_t kUnknown = INT64_MIN;

  explicit LogClock(int64_t step_us) : step_us_(step_us) {}

  // Takes the next record's timestamp (microseconds; below 0: it has none) and returns the log time.
  int64_t Observe(int64_t timestamp_us, TimestampKind kind) {
    if (timestamp_us < 0) return now_us_;
    if (now_us_ == kUnknown || kind == TimestampKind::kAppendTime || timestamp_us - now_us_ <= step_us_) {
      if (timestamp_us > now_us_) now_us_ = timestamp_us;
      pending_us_ = kUnknown;
    } else if (pending_us_ != kUnknown && timestamp_us >= pending_us_ - step_us_) {
      now_us_ = timestamp_us < pending_us_ ? timestamp_us : pending_us_;  // what both agree on
      pending_us_ = timestamp_us > now_us_ ? timestamp_us : kUnknown;
    } else {
      pending_us_ = timestamp_us;
    }
    return now_us_;
  }

  int64_t now_us() const { return now_us_; }

  // For snapshots.
  struct State {
    int64_t now_us = kUnknown;
    int64_t pending_us = kUnknown;
  };
  State state() const { return {now_us_, pending_us_}; }
  void Restore(const State& state) {
    now_us_ = state.now_us;
    pending_us_ = state.pending_us;
  }

 private:
  int64_t step_us_;
  int64_t now_us_ = kUnknown;
  int64_t pending_us_ = kUnknown;  // a jump that one record has shown so far
};

}  // namespace runledger::aggregators
