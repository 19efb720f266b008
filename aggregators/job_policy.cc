#include "aggregators/job_policy.h"

#include <algorithm>

namespace runledger::aggregators {
namespace {

bool IsExact(const JobPolicyRule& rule) { return rule.pattern.find('*') == std::string::npos; }

size_t Letters(const JobPolicyRule& rule) {
  return rule.pattern.size() - static_cast<size_t>(std::count(rule.pattern.begin(), rule.pattern.end(), '*'));
}

}  // namespace

bool MatchesPattern(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0;
  size_t star = std::string_view::npos, restart = 0;  // the last '*' and where its text would grow to
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      restart = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++restart;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

JobPolicies::JobPolicies(JobPolicy defaults, std::vector<JobPolicyRule> rules)
    : defaults_(std::move(defaults)), rules_(std::move(rules)) {
  std::stable_sort(rules_.begin(), rules_.end(), [](const JobPolicyRule& a, const JobPolicyRule& b) {
    if (IsExact(a) != IsExact(b)) return IsExact(a);
    return Letters(a) > Letters(b);
  });
}

const JobPolicy& JobPolicies::Find(std::string_view job_name) const {
  for (const JobPolicyRule& rule : rules_) {
    if (MatchesPattern(rule.pattern, job_name)) return rule.policy;
  }
  return defaults_;
}

}  // namespace runledger::aggregators
