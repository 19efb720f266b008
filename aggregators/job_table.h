#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "aggregators/duration_sketch.h"
#include "aggregators/job_policy.h"
#include "aggregators/published.h"
#include "aggregators/run_table.h"
#include "aggregators/windows.h"

namespace runledger::aggregators {

// What a shard keeps of one job, beside what it shows of it.
struct Job {
  JobBlock block;                           // the live copy of what readers see
  std::shared_ptr<const JobLabels> labels;  // nullptr: the slot is free
  const JobPolicy* policy = nullptr;
  uint64_t name_hash = 0;
  std::vector<RunTable::Ref> starts;  // heap of its open runs, the earliest start first
  Windows windows;
  DurationSketch durations;
  JobExemplars exemplars;
  int64_t first_event_us = INT64_MAX;  // least event time of a live event: since when it could have succeeded
  uint32_t last_log_s = 0;             // log time of the newest event, in whole seconds
  bool phase_fixed = false;            // the label has its value
  uint8_t mark = 0;                    // the snapshot's own
};

// The jobs of a shard, numbered in the order of first sight. Numbers of removed jobs are used again. One thread.
class JobTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit JobTable(std::shared_ptr<const JobPolicies> policies);
  ~JobTable();
  JobTable(const JobTable&) = delete;
  JobTable& operator=(const JobTable&) = delete;

  // The job's number; kNone if the configuration disables it. `*is_new` is set if it was not known before.
  uint32_t Intern(std::string_view name, bool* is_new);
  uint32_t Find(std::string_view name) const;
  // Puts a job back under its number; false if the configuration disables it. REQUIRES: neither is in use.
  bool Restore(std::string_view name, uint32_t number);
  // Once all are back: the numbers between them are free.
  void FinishRestoring();
  void Remove(uint32_t number);

  Job& operator[](uint32_t number) { return *jobs_[number]; }
  const Job& operator[](uint32_t number) const { return *jobs_[number]; }
  bool exists(uint32_t number) const { return number < jobs_.size() && jobs_[number]->labels != nullptr; }
  // One more than the greatest number in use.
  uint32_t end() const { return static_cast<uint32_t>(jobs_.size()); }

 private:
  struct Index;

  void Fill(uint32_t number, std::string_view name, const JobPolicy& policy);

  std::shared_ptr<const JobPolicies> policies_;
  std::vector<std::unique_ptr<Job>> jobs_;
  std::vector<uint32_t> free_;
  std::unique_ptr<Index> index_;
};

}  // namespace runledger::aggregators
