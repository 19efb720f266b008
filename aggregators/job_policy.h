#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace runledger::aggregators {

inline constexpr int64_t kSecondUs = 1'000'000;
inline constexpr int64_t kHourUs = 3600 * kSecondUs;
inline constexpr int64_t kDayUs = 24 * kHourUs;

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
};

// One entry of `jobs`: the defaults, a name, or a pattern in which '*' stands for any text.
struct JobPolicyRule {
  std::string pattern;
  JobPolicy policy;  // complete: defaults already filled in
};

// Chooses a job's policy: its exact name, else the pattern with the most letters, the first in the file among equals,
// else the defaults. Unchanging: any number of threads.
class JobPolicies {
 public:
  JobPolicies() = default;
  JobPolicies(JobPolicy defaults, std::vector<JobPolicyRule> rules);
  const JobPolicy& Find(std::string_view job_name) const;
  const JobPolicy& defaults() const { return defaults_; }
  const std::vector<JobPolicyRule>& rules() const { return rules_; }

 private:
  JobPolicy defaults_;
  std::vector<JobPolicyRule> rules_;  // most specific first
};

// True if '*' in the pattern can stand for parts of the text so that both are equal.
bool MatchesPattern(std::string_view pattern, std::string_view text);

}  // namespace runledger::aggregators
