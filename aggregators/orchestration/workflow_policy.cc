#include "aggregators/orchestration/workflow_policy.h"

#include <algorithm>

#include "aggregators/job_policy.h"

namespace runledger::aggregators {
namespace {

size_t Stars(const WorkflowPolicyRule& rule) {
  return static_cast<size_t>(std::count(rule.pattern.begin(), rule.pattern.end(), '*'));
}

}  // namespace

bool IsCritical(std::string_view priority) {
  constexpr std::string_view kWord = "critical";
  return std::equal(priority.begin(), priority.end(), kWord.begin(), kWord.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

int64_t WorkflowPolicy::EvaluationLimit(std::string_view known_priority) const {
  if (evaluation_overdue_after_us > 0) return evaluation_overdue_after_us;
  return IsCritical(priority.empty() ? known_priority : priority) ? kCriticalEvaluationUs : 0;
}

WorkflowPolicies::WorkflowPolicies(WorkflowPolicy defaults, std::vector<WorkflowPolicyRule> rules)
    : defaults_(std::move(defaults)), rules_(std::move(rules)) {
  std::stable_sort(rules_.begin(), rules_.end(), [](const WorkflowPolicyRule& a, const WorkflowPolicyRule& b) {
    if ((Stars(a) == 0) != (Stars(b) == 0)) return Stars(a) == 0;
    return a.pattern.size() - Stars(a) > b.pattern.size() - Stars(b);
  });
}

const WorkflowPolicy& WorkflowPolicies::Find(std::string_view name) const {
  for (const WorkflowPolicyRule& rule : rules_) {
    if (MatchesPattern(rule.pattern, name)) return rule.policy;
  }
  return defaults_;
}

bool WorkflowPolicies::DisableAny() const {
  return !defaults_.enabled ||
         std::any_of(rules_.begin(), rules_.end(), [](const WorkflowPolicyRule& rule) { return !rule.policy.enabled; });
}

std::vector<std::string> WorkflowPolicies::Names() const {
  std::vector<std::string> names;
  for (const WorkflowPolicyRule& rule : rules_) {
    if (Stars(rule) == 0 && rule.policy.enabled) names.push_back(rule.pattern);
  }
  return names;
}

}  // namespace runledger::aggregators
