#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "aggregators/day_status.h"
#include "aggregators/schedule/schedule.h"
#include "aggregators/schedule/time_zone.h"

namespace runledger::aggregators {

inline constexpr int64_t kSecondUs = 1'000'000;
inline constexpr int64_t kHourUs = 3600 * kSecondUs;
inline constexpr int64_t kDayUs = 24 * kHourUs;

// The minutes of a local day, [from, to), in which a publisher brings something out; to <= from ends on the next day.
struct PublicationWindow {
  int from_minute = 0;
  int to_minute = 0;

  friend bool operator==(const PublicationWindow&, const PublicationWindow&) = default;
};

// What is expected of a job. Section `jobs` of the configuration; all durations in microseconds, all limits strict:
// a run is stale when it is older than stale_after, not when it is as old.
struct JobPolicy {
  bool enabled = true;                                     // false: the job keeps no state and has no series
  int64_t stale_after_us = 4 * kHourUs;                    // running without a sign of life
  int64_t heartbeat_silent_after_us = 5 * 60 * kSecondUs;  // of a run that beats: without a further beat
  int64_t max_runtime_us = 0;                              // 0 = no limit
  int64_t staleness_threshold_us = 2 * kDayUs;             // without success
  std::string display_name;
  std::string phase;     // empty: the first phase that a run of the job names
  std::string priority;  // label of job_info; e.g. critical, high

  // Its work, date by date.
  std::string key;                   // how the configuration calls the job, where that is not its name
  std::optional<Schedule> schedule;  // nothing: no date is expected
  TimeZone time_zone;                // of its days; the schedule's, where there is one
  bool date_is_start = false;        // a run that names no data date works on the local day of its start
  DayStatusSet success_counts = {DayStatus::kSuccess};  // what closes a date
  DayStatusSet safe_statuses = {DayStatus::kSuccess, DayStatus::kSkipped, DayStatus::kNotExpected,
                                DayStatus::kStaleRunning};  // what others may go on after
  int lookback_days = 7;
  std::vector<std::string> upstream;  // jobs that it waits for
  bool revenue_impact = false;
  // Discovery: asking again until there is something.
  std::optional<PublicationWindow> publication_window;  // nothing: all day
  int64_t retry_after_no_data_us = kHourUs;
  int max_retries = 3;  // at most DayState::kMaxAttempts - 1
  // Further states; 0: not looked for.
  int64_t long_running_after_us = 0;  // running for longer
  double long_running_factor = 0;     // running for longer than so many times its p95
  int64_t max_concurrent = 0;         // more runs at the same time
  int flapping_changes = 0;           // more changes between good and bad among the last kFlappingRuns
  int64_t start_grace_us = 0;         // no start so long after a tick of the schedule

  friend bool operator==(const JobPolicy&, const JobPolicy&) = default;
};

// One entry of `jobs`: the defaults, a name, or a pattern in which '*' stands for any text.
struct JobPolicyRule {
  std::string pattern;
  JobPolicy policy;  // complete: defaults already filled in

  friend bool operator==(const JobPolicyRule&, const JobPolicyRule&) = default;
};

// Chooses a job's policy: its exact name, else the pattern with the most letters, the first in the file among equals,
// else the defaults. Unchanging: any number of threads.
class JobPolicies {
 public:
  JobPolicies() = default;
  JobPolicies(JobPolicy defaults, std::vector<JobPolicyRule> rules);
  const JobPolicy& Find(std::string_view job_name) const;
  // Jobs that are configured by name, in the order of the file: those that are expected, seen or not. `enabled` ones.
  std::vector<std::string> Names() const;
  // Whether it is one of these.
  bool IsNamed(std::string_view job_name) const;
  // The name of the job that the configuration calls so, by name or by key; the text itself if it calls none so.
  std::string NameOf(std::string_view name_or_key) const;
  const JobPolicy& defaults() const { return defaults_; }
  const std::vector<JobPolicyRule>& rules() const { return rules_; }

  friend bool operator==(const JobPolicies&, const JobPolicies&) = default;

 private:
  struct HashOfText {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  JobPolicy defaults_;
  std::vector<JobPolicyRule> rules_;  // most specific first: the exact names, in the order of the file, then patterns
  size_t first_pattern_ = 0;
  std::unordered_map<std::string, size_t, HashOfText, std::equal_to<>> by_name_;
  std::unordered_map<std::string, size_t, HashOfText, std::equal_to<>> by_key_;
};

// True if '*' in the pattern can stand for parts of the text so that both are equal.
bool MatchesPattern(std::string_view pattern, std::string_view text);

}  // namespace runledger::aggregators
