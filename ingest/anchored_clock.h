#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "ingest/position.h"
#include "ingest/watermark.h"

namespace runledger::ingest {

// When a broker stamped a record that was certainly new: after `after_us` and before `before_us` of CLOCK_BOOTTIME.
struct BrokerTime {
  int64_t append_time_us = 0;
  int64_t after_mono_us = 0;
  int64_t before_mono_us = 0;
};

// The time of day that watermarks are told, and whether it is known at all. Verdicts are final at a watermark, so a
// wall clock that is set wrong for a minute must not reach one.
//
// Three clocks speak: CLOCK_BOOTTIME, which nobody sets and which counts while the machine sleeps; the wall clock; and
// brokers, by the timestamps of records that were appended after the end of the log had been asked for.
//
//   kAgreed    the wall clock goes on as CLOCK_BOOTTIME does since the last anchor, or deviates by at most `step_us`
//              (log.clock_step) from it: its time is taken, and the anchor follows at a tenth of the time that passes,
//              so that slewing is taken over and many small steps are not
//   kUnknown   it deviates by more: no time is told. It ends when the wall clock is back, or when a broker's timestamp
//              agrees with one of the two
//   kEarlier   the same after `patience_us` in which the wall clock was steady and no broker said anything (a quiet
//              topic, or one of producers' timestamps): the earlier of the two is told. A verdict of an earlier time is
//              never false, it only comes later
//   kBoottime  a broker agreed with CLOCK_BOOTTIME: its time is told until the wall clock is back
//
// Without a step, a broker whose timestamps are off by more than `step_us` makes the time unknown for the partition
// that it leads; where no other broker agrees with this machine, for all. That lasts until a new record agrees, or
// patience_us after the last one that did not.
//
// Pure: one thread, or under a lock.
class AnchoredClock {
 public:
  static constexpr int64_t kPatienceUs = int64_t{15} * 60 * 1'000'000;

  explicit AnchoredClock(int64_t step_us, int64_t patience_us = kPatienceUs)
      : step_us_(step_us), patience_us_(patience_us) {}

  // Both clocks as they are. To be called about once a second.
  void Observe(const Moment& now);
  // What the leader of `partition` said. May come late; what is older than a step is of no use.
  void OnBrokerTime(const TopicPartition& partition, const BrokerTime& told);
  // The partition is not read here any more.
  void Forget(const TopicPartition& partition) { brokers_.erase(partition); }

  // The time of day at the last Observe; nothing: not known.
  std::optional<int64_t> Time() const;
  // The same for the watermark of one partition.
  std::optional<int64_t> TimeFor(const TopicPartition& partition) const;
  // A time of day for stamps on rows: never unknown, and of the times that it may be the earliest by the clocks of this
  // machine.
  int64_t Earliest(const Moment& now) const;
  // A time of day for what cannot be taken back, deleting old rows: of the times that it may be the earliest, brokers'
  // among them. Nothing while the clock as it was at the first Observe has only its own word: until a broker's
  // timestamp agreed with it, or patience_us have passed.
  std::optional<int64_t> TimeToDeleteBy(const Moment& now) const;
  // What an operator should know and do; empty: nothing.
  std::string Problem() const;

 private:
  enum class State { kAgreed, kUnknown, kEarlier, kBoottime };
  // The last timestamp that a partition's leader gave.
  struct Broker {
    int64_t off_us = 0;  // after CLOCK_BOOTTIME's time; 0: within the step
    int64_t at_mono_us = 0;
  };

  void Step(int64_t offset_us);
  // `*offset_us` follows `towards_us` by a tenth of the time that has passed.
  void Follow(int64_t towards_us, int64_t elapsed_us, int64_t* offset_us) const;
  // How far a broker's timestamp lies outside of the time in which it was given, by a clock of this offset.
  static int64_t Off(const BrokerTime& told, int64_t offset_us);
  bool Near(int64_t a_us, int64_t b_us) const { return a_us - b_us <= step_us_ && b_us - a_us <= step_us_; }
  // No broker agrees with this machine, and at least one does not.
  bool AllOff() const;
  int64_t BoottimeUs() const { return last_.mono_us + anchor_us_; }

  const int64_t step_us_;
  const int64_t patience_us_;
  State state_ = State::kAgreed;
  bool observed_ = false;
  Moment last_;
  // Wall clock less CLOCK_BOOTTIME:
  int64_t anchor_us_ = 0;   // as it was while they agreed
  int64_t stepped_us_ = 0;  // as it is after a step
  int64_t steady_since_us_ = 0;
  bool confirmed_ = false;  // a broker has agreed
  int64_t since_us_ = 0;    // CLOCK_BOOTTIME of the first Observe
  std::map<TopicPartition, Broker> brokers_;
};

}  // namespace runledger::ingest
