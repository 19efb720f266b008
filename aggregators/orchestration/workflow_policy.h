#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregators/orchestration/day_plan.h"

namespace runledger::aggregators {

// What is expected of a workflow, or of a job's own schedule. Section `workflows` of the configuration; durations in
// microseconds, limits strict: a start is late when it is later than late_after, not when it is as late.
struct WorkflowPolicy {
  static constexpr int64_t kMinuteUs = 60'000'000;

  bool enabled = true;                          // false: keeps no state and has no series
  std::string time_zone;                        // IANA; empty: the general one
  std::string priority;                         // empty: as expected runs and decisions say
  int64_t late_after_us = 30 * kMinuteUs;       // after the tick: later starts are late
  int64_t match_window_us = 60 * kMinuteUs;     // after the tick: later starts are not this tick's
  int64_t early_tolerance_us = 30 * kMinuteUs;  // before the tick: earlier starts are not this tick's
  std::optional<DayPlan> plan;                  // from which its expected runs are made; nothing: others send them
  // Without a decision for longer, a workflow is not being evaluated. 0: two hours where the priority is critical, no
  // limit elsewhere.
  int64_t evaluation_overdue_after_us = 0;

  // How long after a tick its verdict stands: what came late in spite of its event time has come by then.
  int64_t settles_after_us() const { return match_window_us + kSettleUs; }
  // The limit for this priority; 0: none.
  int64_t EvaluationLimit(std::string_view known_priority) const;

  static constexpr int64_t kSettleUs = 5 * kMinuteUs;
  static constexpr int64_t kCriticalEvaluationUs = 120 * kMinuteUs;

  friend bool operator==(const WorkflowPolicy&, const WorkflowPolicy&) = default;
};

// "critical", however it is written.
bool IsCritical(std::string_view priority);

// One entry of `workflows`: a name, or a pattern in which '*' stands for any text.
struct WorkflowPolicyRule {
  std::string pattern;
  WorkflowPolicy policy;  // complete: defaults already filled in

  friend bool operator==(const WorkflowPolicyRule&, const WorkflowPolicyRule&) = default;
};

// Chooses a policy as JobPolicies does: the exact name, else the pattern with the most letters, the first in the file
// among equals, else the defaults. Unchanging: any number of threads.
class WorkflowPolicies {
 public:
  WorkflowPolicies() = default;
  WorkflowPolicies(WorkflowPolicy defaults, std::vector<WorkflowPolicyRule> rules);
  const WorkflowPolicy& Find(std::string_view name) const;
  const WorkflowPolicy& defaults() const { return defaults_; }
  const std::vector<WorkflowPolicyRule>& rules() const { return rules_; }
  // Those that the configuration names and does not disable: they are missed where nothing is heard of them.
  std::vector<std::string> Names() const;
  // Some subject is disabled, or would be if there were one.
  bool DisableAny() const;

  friend bool operator==(const WorkflowPolicies&, const WorkflowPolicies&) = default;

 private:
  WorkflowPolicy defaults_;
  std::vector<WorkflowPolicyRule> rules_;  // most specific first
};

}  // namespace runledger::aggregators
