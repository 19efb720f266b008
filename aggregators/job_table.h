#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "aggregators/day_table.h"
#include "aggregators/duration_sketch.h"
#include "aggregators/job_policy.h"
#include "aggregators/published.h"
#include "aggregators/run_table.h"
#include "aggregators/windows.h"

namespace runledger::aggregators {

// When a run of a job started. It is current while the run is open and its start still is this one.
struct Start {
  int64_t time_us;
  RunTable::Ref run;

  friend bool operator>(const Start& a, const Start& b) { return a.time_us > b.time_us; }
};

// What a shard keeps of one job, beside what it shows of it. What every event touches comes first: five cache lines.
struct alignas(kCacheLineBytes) Job {
  JobBlock block;  // the live copy of what readers see
  const JobPolicy* policy = nullptr;
  int64_t first_event_us = INT64_MAX;  // least event time of a live event: since when it could have succeeded
  uint32_t last_log_s = 0;             // log time of the newest event, in whole seconds
  uint32_t phase = UINT32_MAX;         // of the run that finished last: its number, the shard's own; UINT32_MAX: none
  uint32_t expected = UINT32_MAX;      // its number among the subjects of expected runs; UINT32_MAX: none is expected
  bool phase_fixed = false;            // the label has its value
  bool retired = false;                // disabled while it was known: nobody sees it, and its events are passed over
  bool days_changed = true;            // since missing dates were counted
  DayTable::Hint day;
  int64_t days_due_us = kNever;  // from then on they are others by time alone
  uint8_t mark = 0;              // the snapshot's own
  uint8_t listed = 0;            // as changed, for each copy that readers see: a bit
  // One for each open run, and some that are not current any more. Those are passed over, and swept out before they are
  // more than half: taking one out of the middle would touch a run at every step. The first `heaped` are a heap, the
  // earliest first; the others wait until somebody asks for the earliest.
  size_t heaped = 0;
  std::vector<Start> starts;
  Windows windows;
  std::shared_ptr<const JobLabels> labels;  // nullptr: the slot is free
  DurationSketch durations;
  JobExemplars exemplars;
};

// The jobs of a shard, numbered in the order of first sight. Numbers of removed jobs are used again. One thread.
class JobTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit JobTable(std::shared_ptr<const JobPolicies> policies);
  ~JobTable();
  JobTable(const JobTable&) = delete;
  JobTable& operator=(const JobTable&) = delete;

  // The job's number; kNone if the configuration disables it. `*is_new` is set if it was not known before. `hash`:
  // Hash64(name).
  uint32_t Intern(std::string_view name, uint64_t hash, bool* is_new);
  uint32_t Find(std::string_view name) const;
  // False: the configuration disables it.
  bool Enabled(std::string_view name) const { return policies_->Find(name).enabled; }
  uint32_t Find(std::string_view name, uint64_t hash) const;  // `hash`: Hash64(name)
  // Puts a job back under its number; false if the configuration disables it. REQUIRES: neither is in use.
  bool Restore(std::string_view name, uint32_t number);
  // Once all are back: the numbers between them are free.
  void FinishRestoring();
  void Remove(uint32_t number);
  // Other settings from now on. Returns the numbers of the jobs for which that makes a difference: their policy, labels
  // and `retired` are set anew. A job that is disabled keeps its number, and has it again when it is enabled.
  std::vector<uint32_t> SetPolicies(std::shared_ptr<const JobPolicies> policies);

  // Fetches what every event of the job touches into the cache.
  void Prefetch(uint32_t number) const {
    const auto* const at = reinterpret_cast<const char*>(jobs_[number].get());
    for (size_t line = 0; line < kHotLines; ++line) __builtin_prefetch(at + line * kCacheLineBytes, 1);
  }

  Job& operator[](uint32_t number) { return *jobs_[number]; }
  const Job& operator[](uint32_t number) const { return *jobs_[number]; }
  bool exists(uint32_t number) const { return number < jobs_.size() && jobs_[number]->labels != nullptr; }
  // One more than the greatest number in use.
  uint32_t end() const { return static_cast<uint32_t>(jobs_.size()); }

 private:
  struct Index;
  static constexpr size_t kHotLines = (offsetof(Job, windows) + kCacheLineBytes - 1) / kCacheLineBytes;

  void Fill(uint32_t number, std::string_view name, const JobPolicy& policy);

  std::shared_ptr<const JobPolicies> policies_;
  std::vector<std::unique_ptr<Job>> jobs_;
  std::vector<uint32_t> free_;
  std::unique_ptr<Index> index_;
};

}  // namespace runledger::aggregators
