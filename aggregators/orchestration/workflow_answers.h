#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aggregators/orchestration/event_details.h"
#include "aggregators/orchestration/orchestration_block.h"
#include "aggregators/orchestration/run_verdict.h"
#include "codecs/hash.h"
#include "codecs/missing_files.h"

namespace runledger::aggregators {

// Answers about decisions, expected runs and cleanups, as of the applied position and judged at the watermark. Times in
// microseconds since the epoch.

struct ScheduleQuery {
  // Days since 1970-01-01, in each subject's own zone; nothing: the one that it is there at the watermark.
  std::optional<int32_t> date;
  std::string subject;    // a workflow, or a job with expected runs of its own; empty: all
  std::string time_zone;  // of subjects that the configuration gives none
};

// Why nothing is said about an expected run.
enum class Unknown : uint8_t {
  kNo,          // something is
  kNotHome,     // decisions or starts may be in other partitions
  kIncomplete,  // the log is not known from the beginning of its window on
  kNoWatermark,
};

struct ExpectedInfo {
  std::string subject;
  bool of_job = false;
  std::string workflow;  // of a job's: the one that it names
  int64_t due_us = 0;
  int32_t date = 0;
  std::string time_zone;
  std::string reason;
  std::string priority;
  RunVerdict verdict = RunVerdict::kUnknown;
  Unknown unknown = Unknown::kNo;
  bool final = false;  // the log holds the verdict
  std::optional<int64_t> start_us;
  codecs::Hash128 start{};  // which run that is
  std::string start_id;     // the decision's id, or the run's
  struct Explanation {
    std::string decision_id, action, reason;
    int64_t time_us = 0;  // 0: the decision itself is not kept any more
  };
  std::optional<Explanation> explained_by;
  // What the dashboards of old would show: one row for every actual time of the day that they join, else one of
  // kSeedsMissing without time.
  struct SeedsRow {
    std::optional<int64_t> actual_us;
    std::string status;
  };
  std::vector<SeedsRow> seeds;
};

struct DecisionInfo {
  std::string decision_id;
  int64_t time_us = 0;
  Action action = Action::kRun;
  std::string reason, priority, alert_level;
  std::optional<int64_t> next_check_us;
};

struct WorkflowInfo {
  std::string name;
  std::string priority;
  bool configured = false;
  WorkflowBlock block;
  int64_t evaluation_limit_us = 0;      // 0: none
  std::vector<DecisionInfo> decisions;  // the newest first
};

struct WorkflowQuery {
  std::string name;             // empty: all
  size_t decisions = 1;         // of each, at most
  std::optional<int32_t> date;  // only decisions of this day in the workflow's own zone
  std::string time_zone;        // of workflows that the configuration gives none
};

// The newest cleanup.
struct CleanupInfo {
  static constexpr size_t kMostFiles = 10'000;

  int64_t time_us = INT64_MIN;
  uint64_t event_hash = 0;
  std::string cleanup_id;
  int64_t files_checked = -1;  // below 0: not told
  int64_t missing_files_found = -1;
  int64_t republished_count = -1;
  bool files_known = false;  // false: what it lists is no list of files
  std::vector<codecs::MissingFile> files;
};

// A verdict that stands and that the log does not hold yet.
struct DueVerdict {
  FinalVerdict verdict;
  codecs::Hash128 start{};  // the run that it rests on, where its id is not known
};

}  // namespace runledger::aggregators
