#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregators/orchestration/orchestration_block.h"
#include "aggregators/windows.h"
#include "codecs/status.h"

namespace runledger::aggregators {

inline constexpr size_t kCacheLineBytes = 64;
inline constexpr int64_t kNever = INT64_MIN;  // a time that there is none of
inline constexpr int kFlappingRuns = 20;      // finished runs among which changes are counted

// What readers see of one job. Times are microseconds since the epoch, kNever if there is none.
struct JobBlock {
  // Counters: functions of the log's prefix. They never fall.
  uint64_t started = 0;
  std::array<uint64_t, codecs::kTerminalStatuses> finished{};  // by TerminalIndex
  uint64_t forgotten = 0;
  uint64_t late_events = 0;
  double duration_sum_s = 0;
  uint64_t duration_count = 0;
  // As of the applied position.
  uint64_t running = 0;
  uint64_t consecutive_failures = 0;
  int64_t oldest_running_start_us = kNever;
  int64_t last_start_us = kNever;
  int64_t last_success_us = kNever;
  int64_t last_failure_us = kNever;
  double last_duration_s = -1;  // below 0: none
  double p95_duration_s = -1;   // below 0: none
  // Of the runs that finished last, in the order of the log: bit 0 is the newest, set where it ended badly (partial,
  // failed, aborted). Runs that ended with no_data or skipped are not among them.
  uint32_t outcomes = 0;
  uint8_t outcome_count = 0;  // of those bits, at most kFlappingRuns
  // What only jobs have that are configured for it; below 0: not looked for.
  int32_t flapping = -1;    // 1: more changes among the outcomes than flapping_changes
  int32_t concurrent = -1;  // 1: more running than max_concurrent
  // Judged at the watermark; meaningless without one.
  uint64_t stale = 0;
  uint64_t silent = 0;
  uint64_t timed_out = 0;
  int32_t missing_dates = -1;  // expected dates that are over and have no success; below 0: no schedule
  int32_t long_running = -1;   // 1: one has been running for longer than it should; below 0: not looked for
  std::array<Outcomes, kWindows> windows{};
  bool job_stale = false;  // no success within the staleness threshold
  bool moved = false;      // its home is another partition now: counted here, judged there
  bool live = false;       // false: known from history only, which makes no gauge
};

// Names and settings of a job that are labels. Never changed once published, but replaced.
struct JobLabels {
  std::string name;
  std::string phase;
  std::string display_name;
  std::string priority;
  int64_t stale_after_us = 0;
  int64_t staleness_threshold_us = 0;
};

// Runs of one job whose verdict was corrected after they had been counted, from one terminal status to another.
struct Correction {
  uint32_t job = 0;
  codecs::Status from = codecs::Status::kSuccess;
  codecs::Status to = codecs::Status::kSuccess;
  uint64_t count = 0;
};

// The newest run that finished with a status: what an exemplar shows. Longer ids are left out.
struct Exemplar {
  int64_t time_us = kNever;
  uint8_t size = 0;
  std::array<char, 95> run_id{};

  std::string_view text() const { return {run_id.data(), size}; }
};
using JobExemplars = std::array<Exemplar, codecs::kTerminalStatuses>;

inline constexpr std::array<double, 13> kDurationBoundsS = {1,   5,    15,   30,   60,    120,  300,
                                                            600, 1800, 3600, 7200, 14400, 28800};

// Durations of the runs of one (phase, workflow). counts[i]: of at most kDurationBoundsS[i] seconds and more than the
// bound before.
struct PhaseBlock {
  std::array<uint64_t, kDurationBoundsS.size() + 1> counts{};
  double sum_s = 0;
};
struct PhaseLabels {
  std::string phase;
  std::string workflow;
};

// Positions and times of a shard; -1 and kNever where not known. Offsets count as Kafka's commits do: the next one.
struct ShardPositions {
  int64_t applied_offset = -1;
  int64_t acked_offset = -1;
  int64_t log_start_offset = -1;
  int64_t log_end_offset = -1;
  int64_t watermark_us = kNever;
  int64_t log_time_us = kNever;
  int64_t restore_remaining = 0;      // records until the series may be shown
  int64_t snapshot_time_us = kNever;  // when the newest snapshot of this owner was durable, by the time of day
  int64_t snapshot_bytes = -1;        // its size as it is kept; -1: none yet
  bool caught_up = false;
  bool shown = false;  // false: series would go back behind what was shown before
};

// Everything that readers see of one shard, all of the same moment between two records.
struct ShardBlock {
  ShardPositions positions;
  std::vector<JobBlock> jobs;  // by job number: the order of first sight
  std::vector<std::shared_ptr<const JobLabels>> labels;
  std::vector<JobExemplars> exemplars;
  std::vector<Correction> corrections;
  std::vector<PhaseBlock> phases;
  std::vector<std::shared_ptr<const PhaseLabels>> phase_labels;
  OrchestrationBlock orchestration;
};

// Two copies of a value: readers read one while the single writer fills the other, then they change places. The writer
// never waits and never tears a value under a reader; readers never wait for the writer.
//
// Why no reader sees the copy being written. Writer: (W1) flips active_ to A; (W2), next time, looks at readers_[B], B
// being the other copy, and writes to B only if it is 0; (W3) flips active_ to B. Reader: (R1) reads active_ as X; (R2)
// adds itself to readers_[X]; (R3) reads active_ again and takes X only if it still is X. All five are sequentially
// consistent, so they have one order. A reader that holds B has R3 before W1 or after W3. After W3 it sees all that was
// written. Before W1 its R2 comes before W2 in the one order, so W2 sees it and the writer leaves B alone. Weaker
// orders would let W2 miss an R2 that R3 does not notice either (store-load on both sides).
template <typename T>
class LeftRight {
 public:
  // A copy that stays as it is while this lives. Any thread; short-lived.
  class ReadGuard {
   public:
    ~ReadGuard() {
      if (owner_ != nullptr) owner_->readers_[index_].count.fetch_sub(1, std::memory_order_release);  // pairs with W2
    }
    ReadGuard(ReadGuard&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), index_(other.index_) {}
    ReadGuard(const ReadGuard&) = delete;
    ReadGuard& operator=(const ReadGuard&) = delete;

    const T& operator*() const { return owner_->copies_[index_]; }
    const T* operator->() const { return &owner_->copies_[index_]; }

   private:
    friend class LeftRight;
    ReadGuard(const LeftRight* owner, int index) : owner_(owner), index_(index) {}
    const LeftRight* owner_;
    int index_;
  };

  ReadGuard Read() const {
    for (;;) {  // goes round only if the writer flipped in between, at most a few times a second
      const int index = active_.load(std::memory_order_seq_cst);                            // R1
      readers_[index].count.fetch_add(1, std::memory_order_seq_cst);                        // R2
      if (active_.load(std::memory_order_seq_cst) == index) return ReadGuard(this, index);  // R3
      readers_[index].count.fetch_sub(1, std::memory_order_release);
    }
  }

  // Writer thread only. The copy to fill, which holds what was published before last; nullptr while somebody still
  // reads it: then go on and try again later.
  T* TryBeginWrite() {
    const int inactive = 1 - active_.load(std::memory_order_relaxed);  // only this thread changes it
    return readers_[inactive].count.load(std::memory_order_seq_cst) == 0 ? &copies_[inactive] : nullptr;  // W2
  }
  // Shows the copy that TryBeginWrite returned.
  void EndWrite() {
    active_.store(1 - active_.load(std::memory_order_relaxed), std::memory_order_seq_cst);  // W1, W3
  }

 private:
  struct alignas(kCacheLineBytes) Readers {
    // Written by readers, read by the writer.
    mutable std::atomic<uint32_t> count{0};
  };

  std::array<T, 2> copies_;
  // Written by the writer, read by readers.
  alignas(kCacheLineBytes) std::atomic<int> active_{0};
  std::array<Readers, 2> readers_;
};

}  // namespace runledger::aggregators
