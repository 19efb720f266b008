#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace runledger::simulation {

// What goes wrong around the instances, each for a while.
enum class Fault : uint8_t {
  kPause,             // an instance stands still for longer than the session timeout, and wakes up
  kStop,              // an instance is stopped in order, and comes back
  kJoin,              // one more instance, for a while
  kCommitLost,        // commits do not reach the group
  kCommitUnanswered,  // they do, but the answer is lost
  kCoordinatorGone,   // the group does not answer at all
  kLeaderSilent,      // leaders do not tell the ends of their logs
  kSlowFetch,         // records come late
  kWarehouseSlow,
  kWarehouseDown,      // it refuses every request
  kWarehouseFull,      // it takes some and then no more
  kBadRows,            // it refuses single rows
  kLettersDown,        // the dead-letter topic takes nothing
  kLettersUnanswered,  // it does, but the answer is lost
  kStoreSlow,          // snapshots take long to be durable
  kSnapshotTorn,
  kSnapshotMissing,
  kSnapshotForeign,
  kSnapshotNewer,  // of a version to come
  kRetention,      // the beginning of the log is deleted
  kClockStep,      // the time of day of an instance jumps
};
inline constexpr size_t kFaults = 21;

// Where an instance can be killed: around every request that delivery makes, and between.
enum class CrashPoint : uint8_t {
  kAssigned,       // partitions assigned, nothing done
  kRestoring,      // the snapshot is loaded, the fold begins
  kOpening,        // the warehouse is asked to open
  kOpened,         // it has; not heard yet
  kRecords,        // records were handed over
  kSubmitting,     // rows are on their way
  kWritten,        // they are durable; not heard yet
  kCommitting,     // a commit is on its way
  kCommitted,      // the group has it; not heard yet
  kSendingLetter,  // a dead letter is on its way
  kLetterWritten,  // it is durable; not heard yet
  kSnapshotBegun,
  kSnapshotPiece,
  kSnapshotFinished,  // handed over whole, not durable
  kSnapshotDurable,   // not heard yet
  kRowsReading,       // rows got a reader of their own
  kRevoking,          // partitions are to go
  kReleased,          // they may go
};
inline constexpr size_t kCrashPoints = 18;

const char* NameOf(Fault fault);
const char* NameOf(CrashPoint point);

// How often an instance was killed at a point while a fault was there or had just been.
class FaultTable {
 public:
  void Count(Fault fault, CrashPoint point) { ++counts_[static_cast<size_t>(fault)][static_cast<size_t>(point)]; }
  void Add(const FaultTable& other);
  int64_t zeros() const;
  std::string ToText() const;

 private:
  std::array<std::array<int64_t, kCrashPoints>, kFaults> counts_{};
};

}  // namespace runledger::simulation
