#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "aggregators/orchestration/workflow_policy.h"

namespace runledger::aggregators {

// What is known of an expected run. D = start less tick, W = the watermark, everything to the microsecond:
//
//        early        on_time              late
//   |-------------|-----------|-------------------------|
//   tick          tick        tick                      tick               + 5 min
//   -early_tolerance          +late_after               +match_window      it stands
//                  pending    |  overdue                |  missing
//
//   early     -early_tolerance <= D < 0
//   on_time   0 <= D <= late_after
//   late      late_after < D <= match_window
//   pending   no start, W <= tick + late_after
//   overdue   no start, tick + late_after < W <= tick + match_window
//   missing   no start, W > tick + match_window
//   unknown   no start is known, and not all is known that there could have been
enum class RunVerdict : uint8_t { kOnTime, kEarly, kLate, kMissing, kPending, kOverdue, kUnknown };

// Those that end in the log. Label `verdict` and column of that name.
inline constexpr std::array<RunVerdict, 4> kFinalVerdicts = {RunVerdict::kOnTime, RunVerdict::kEarly, RunVerdict::kLate,
                                                             RunVerdict::kMissing};
constexpr bool IsFinal(RunVerdict verdict) { return verdict <= RunVerdict::kMissing; }

std::string_view VerdictName(RunVerdict verdict);
// Of a final one.
std::optional<RunVerdict> VerdictFromName(std::string_view name);

// Of an expected run with a start at `difference_us` after its tick, within the bounds.
RunVerdict JudgeStart(int64_t difference_us, const WorkflowPolicy& policy);
// Of one without. REQUIRES: a watermark.
RunVerdict JudgeWithout(int64_t due_us, int64_t watermark_us, const WorkflowPolicy& policy);
// When the latter changes next; INT64_MAX: it does not.
int64_t NextChange(int64_t due_us, int64_t watermark_us, const WorkflowPolicy& policy);

// What the dashboards of old say of a pair of expected and actual time: ON TIME, or LATE from 31 whole minutes on; and
// that they are no pair from 60 whole minutes on. They have no lower bound: a run of hours before is ON TIME.
// TIMESTAMP_DIFF counts whole minutes, towards zero.
inline constexpr std::string_view kSeedsMissing = "MISSING";
std::optional<std::string_view> SeedsStatus(int64_t expected_us, int64_t actual_us);

}  // namespace runledger::aggregators
