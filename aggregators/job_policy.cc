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
    return !IsExact(a) && Letters(a) > Letters(b);
  });
  first_pattern_ = static_cast<size_t>(std::find_if_not(rules_.begin(), rules_.end(), IsExact) - rules_.begin());
  for (size_t i = 0; i < first_pattern_; ++i) {
    by_name_.emplace(rules_[i].pattern, i);  // the first among equals stays
    if (!rules_[i].policy.key.empty()) by_key_.emplace(rules_[i].policy.key, i);
  }
}

const JobPolicy& JobPolicies::Find(std::string_view job_name) const {
  if (const auto named = by_name_.find(job_name); named != by_name_.end()) return rules_[named->second].policy;
  for (size_t i = first_pattern_; i < rules_.size(); ++i) {
    if (MatchesPattern(rules_[i].pattern, job_name)) return rules_[i].policy;
  }
  return defaults_;
}

std::vector<std::string> JobPolicies::Names() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < first_pattern_; ++i) {
    if (rules_[i].policy.enabled) names.push_back(rules_[i].pattern);
  }
  return names;
}

bool JobPolicies::IsNamed(std::string_view job_name) const {
  const auto named = by_name_.find(job_name);
  return named != by_name_.end() && rules_[named->second].policy.enabled;
}

std::string JobPolicies::NameOf(std::string_view name_or_key) const {
  if (by_name_.contains(name_or_key)) return std::string(name_or_key);
  const auto found = by_key_.find(name_or_key);
  return found == by_key_.end() ? std::string(name_or_key) : rules_[found->second].pattern;
}

}  // namespace runledger::aggregators
