#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregators/day_verdicts.h"

namespace runledger::aggregators {

// Did it run, did it succeed, on time: what is wrong with a job, and how badly.

enum class Level : uint8_t {
  kInfo,      // nothing is wrong
  kWarning,   // something to look at: a run that hangs, too many at once; or several jobs with issues
  kError,     // failed or missing dates, no start at the time of the schedule
  kCritical,  // no success for longer than staleness_threshold, or no records at all
};
inline constexpr std::array kAllLevels = {Level::kInfo, Level::kWarning, Level::kError, Level::kCritical};
std::string_view LevelName(Level level);  // "CRITICAL"

struct Issue {
  Level level = Level::kInfo;
  std::string_view
      kind;  // stale, no_records, missing, failed, overdue, stale_running, timed_out, silent, long_running, ...
  std::string text;
};

struct JobCheck {
  std::string name;
  int32_t first = 0, last = 0;  // the dates looked at
  bool seen = false;            // an event of it is known
  bool known = true;            // false: behind, or told by another instance; then nothing else is said
  std::string why_unknown;
  Gaps gaps;
  bool stale = false;                              // no success for longer than the threshold, at the watermark
  std::optional<double> hours_since_last_success;  // nothing: none is known
  std::optional<int64_t> overdue_since_us;         // the tick that nothing started for
  Level level = Level::kInfo;
  std::vector<Issue> issues;  // the worst first

  bool healthy() const { return known && issues.empty() && gaps.unknown.empty(); }
};

// `facts`: of the dates first..last at least; nullptr: no event of the job is known.
JobCheck CheckJob(const JobPolicy& policy, std::string_view name, const JobFacts* facts, int32_t first, int32_t last,
                  const Knowledge& known);

// The last tick of the schedule that nothing started for although start_grace has passed since: strictly longer. A
// start counts for a tick from start_grace before it on. Nothing: all is well, or no grace is set.
std::optional<int64_t> OverdueSince(const JobPolicy& policy, int64_t last_start_us, const Knowledge& known);

// "2026-01-08, 2026-01-10 and 3 more".
std::string DatesText(const std::vector<int32_t>& dates);

}  // namespace runledger::aggregators
