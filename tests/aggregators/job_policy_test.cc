#include "aggregators/job_policy.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "reference/policy.h"

namespace runledger::aggregators {
namespace {

JobPolicyRule Rule(const std::string& pattern, int64_t stale_after_us) {
  JobPolicyRule rule{pattern, {}};
  rule.policy.stale_after_us = stale_after_us;
  return rule;
}

TEST(MatchesPattern, StarsStandForAnyText) {
  struct Case {
    const char* pattern;
    const char* text;
    bool matches;
  };
  for (const Case& c :
       {Case{"", "", true}, Case{"", "a", false}, Case{"*", "", true}, Case{"*", "abc", true}, Case{"a*", "abc", true},
        Case{"a*", "ba", false}, Case{"*c", "abc", true}, Case{"*c", "abcd", false}, Case{"a*c*e", "abcde", true},
        Case{"a*c*e", "abde", false}, Case{"**", "x", true}, Case{"a**b", "ab", true}, Case{"*ab*ab", "abab", true},
        Case{"*ab*ab", "ab", false}, Case{"abc", "abc", true}, Case{"abc", "abcd", false}}) {
    EXPECT_EQ(MatchesPattern(c.pattern, c.text), c.matches) << c.pattern << " on " << c.text;
  }
}

RC_GTEST_PROP(MatchesPattern, AgreesWithTheReference, ()) {
  const auto word = rc::gen::container<std::string>(rc::gen::element('a', 'b', '*'));
  const std::string pattern = *word;
  const std::string text = *word;
  RC_ASSERT(MatchesPattern(pattern, text) == reference::Matches(pattern, text));
}

TEST(JobPolicies, NamedAreThoseThatAreNamedAndEnabled) {
  JobPolicyRule off = Rule("off", 1);
  off.policy.enabled = false;
  const JobPolicies policies(JobPolicy(), {Rule("a", 1), Rule("b*", 1), off});
  EXPECT_EQ(policies.Names(), std::vector<std::string>{"a"});
  for (const char* name : {"a", "b", "b*", "off", "c"})
    EXPECT_EQ(policies.IsNamed(name), std::string(name) == "a") << name;
}

RC_GTEST_PROP(JobPolicies, ChooseAsTheReferenceDoes, ()) {
  const auto patterns =
      *rc::gen::container<std::vector<std::string>>(rc::gen::container<std::string>(rc::gen::element('a', 'b', '*')));
  JobPolicy defaults;
  defaults.stale_after_us = -1;
  std::vector<JobPolicyRule> rules;
  reference::Policies expected;
  expected.defaults.stale_after_us = -1;
  for (size_t i = 0; i < patterns.size(); ++i) {
    rules.push_back(Rule(patterns[i], static_cast<int64_t>(i)));
    expected.rules.emplace_back(patterns[i], reference::Policy{});
    expected.rules.back().second.stale_after_us = static_cast<int64_t>(i);
  }
  const JobPolicies policies(defaults, rules);
  const std::string job = *rc::gen::container<std::string>(rc::gen::element('a', 'b'));
  RC_ASSERT(policies.Find(job).stale_after_us == expected.Of(job).stale_after_us);
}

TEST(JobPolicies, ExactNameThenMostLettersThenFirst) {
  JobPolicy defaults;
  defaults.stale_after_us = 1;
  const JobPolicies policies(defaults, {Rule("Bdl*", 2), Rule("*LiveBoxscoresProcessor", 3), Rule("Bdl*Processor", 4),
                                        Rule("BdlLiveBoxscoresProcessor", 5), Rule("Odds*", 6), Rule("*sddO", 7)});
  EXPECT_EQ(policies.Find("BdlLiveBoxscoresProcessor").stale_after_us, 5);
  EXPECT_EQ(policies.Find("BdlPlayerBoxscoresProcessor").stale_after_us, 4);
  EXPECT_EQ(policies.Find("NbacLiveBoxscoresProcessor").stale_after_us, 3);
  EXPECT_EQ(policies.Find("bdl").stale_after_us, 1);
  EXPECT_EQ(policies.Find("Odds-sddO").stale_after_us, 6);
}

}  // namespace
}  // namespace runledger::aggregators
