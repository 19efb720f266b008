#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "aggregators/published.h"

namespace runledger::ingest {

// The moment of an input: `mono_us` advances evenly while the machine runs or sleeps (CLOCK_BOOTTIME) and times waits;
// `wall_us` is the time of day, microseconds since the Unix epoch.
struct Moment {
  int64_t mono_us = 0;
  int64_t wall_us = 0;
};

// Up to which time one partition is known. Two things say so, and the later one counts:
//   - the leader was asked for the end of the log at time t, and the fold has since passed the end it named: t;
//   - a record with time of append T was folded: T, because the log holds nothing older behind it. Not a T that lies
//     more than `clock_step_us` after this machine's own time: one of the two clocks is wrong, and a time that is too
//     late would make verdicts that are not true.
// It never goes back. Without an answer it stands still: a broker that cannot be reached is not a silent one. One
// thread.
class Watermark {
 public:
  static constexpr int64_t kNoStep = INT64_MAX;  // append times are not compared with a clock

  Watermark(int64_t contact_timeout_us, int64_t clock_step_us)
      : contact_timeout_us_(contact_timeout_us), clock_step_us_(clock_step_us) {}

  // The fold passed records up to `applied`, the newest of them appended at `append_time_us` (below 0: not known).
  void OnApplied(int64_t applied, int64_t append_time_us, const Moment& now) {
    append_time_us_ = std::max(append_time_us_, append_time_us);
    if (append_time_us_ >= 0 && (clock_step_us_ == kNoStep || append_time_us_ - OwnTime(now) <= clock_step_us_))
      time_us_ = std::max(time_us_, append_time_us_);
    applied_ = std::max(applied_, applied);
    Settle();
  }
  // The leader, asked at `asked`, named `end` as the end of the log. `time_us`: what the question's moment is worth as
  // a time: AnchoredClock's, or under `log.clock: log` the greatest log time then known. Nothing: the time is not known
  // at present, and the answer is worth none.
  void OnEnd(int64_t end, const Moment& asked, std::optional<int64_t> time_us) {
    time_known_ = time_us.has_value();
    if (!time_known_) return;
    newest_ = Answer{end, asked.mono_us, *time_us};
    if (!waiting_) waiting_ = newest_;
    Settle();
  }

  // Goes on from where a predecessor stood.
  void Restore(int64_t time_us) { time_us_ = std::max(time_us_, time_us); }

  // aggregators::kNever before the first.
  int64_t time_us() const { return time_us_; }
  // The time is known, the end of the log was reached, and that is known from a question younger than the contact
  // timeout.
  bool CaughtUp(int64_t now_mono_us) const {
    return time_known_ && reached_mono_us_ && now_mono_us - *reached_mono_us_ <= contact_timeout_us_;
  }

 private:
  struct Answer {
    int64_t end;
    int64_t asked_mono_us;
    int64_t time_us;
  };

  // Goes on from what was told last as CLOCK_BOOTTIME does.
  int64_t OwnTime(const Moment& now) const {
    return newest_ ? newest_->time_us + (now.mono_us - newest_->asked_mono_us) : now.wall_us;
  }

  void Settle() {
    while (waiting_ && applied_ >= waiting_->end) {
      time_us_ = std::max(time_us_, waiting_->time_us);
      reached_mono_us_ = std::max(reached_mono_us_.value_or(waiting_->asked_mono_us), waiting_->asked_mono_us);
      // On to the newest answer, so that a partition which always lags a little still moves on.
      if (newest_ && newest_->asked_mono_us > waiting_->asked_mono_us) {
        waiting_ = newest_;
      } else {
        waiting_.reset();
      }
    }
  }

  const int64_t contact_timeout_us_;
  const int64_t clock_step_us_;
  bool time_known_ = false;
  int64_t append_time_us_ = -1;
  int64_t time_us_ = aggregators::kNever;
  int64_t applied_ = -1;
  std::optional<Answer> waiting_;  // the oldest answer that the fold has not reached
  std::optional<Answer> newest_;
  std::optional<int64_t> reached_mono_us_;
};

}  // namespace runledger::ingest
