#include "aggregators/orchestration/run_verdict.h"

#include <algorithm>

namespace runledger::aggregators {

std::string_view VerdictName(RunVerdict verdict) {
  switch (verdict) {
    case RunVerdict::kOnTime:
      return "on_time";
    case RunVerdict::kEarly:
      return "early";
    case RunVerdict::kLate:
      return "late";
    case RunVerdict::kMissing:
      return "missing";
    case RunVerdict::kPending:
      return "pending";
    case RunVerdict::kOverdue:
      return "overdue";
    case RunVerdict::kUnknown:
      return "unknown";
  }
  return "unknown";
}

std::optional<RunVerdict> VerdictFromName(std::string_view name) {
  for (const RunVerdict verdict : kFinalVerdicts) {
    if (VerdictName(verdict) == name) return verdict;
  }
  return std::nullopt;
}

RunVerdict JudgeStart(int64_t difference_us, const WorkflowPolicy& policy) {
  if (difference_us < 0) return RunVerdict::kEarly;
  return difference_us > policy.late_after_us ? RunVerdict::kLate : RunVerdict::kOnTime;
}

RunVerdict JudgeWithout(int64_t due_us, int64_t watermark_us, const WorkflowPolicy& policy) {
  if (watermark_us > due_us + policy.match_window_us) return RunVerdict::kMissing;
  return watermark_us > due_us + policy.late_after_us ? RunVerdict::kOverdue : RunVerdict::kPending;
}

int64_t NextChange(int64_t due_us, int64_t watermark_us, const WorkflowPolicy& policy) {
  switch (JudgeWithout(due_us, watermark_us, policy)) {
    case RunVerdict::kPending:
      return due_us + std::min(policy.late_after_us, policy.match_window_us) + 1;
    case RunVerdict::kOverdue:
      return due_us + policy.match_window_us + 1;
    default:
      return INT64_MAX;
  }
}

std::optional<std::string_view> SeedsStatus(int64_t expected_us, int64_t actual_us) {
  const int64_t minutes = (actual_us - expected_us) / WorkflowPolicy::kMinuteUs;  // both are bounded: years 1 to 9999
  if (minutes >= 60) return std::nullopt;
  return minutes > 30 ? "LATE" : "ON TIME";
}

}  // namespace runledger::aggregators
