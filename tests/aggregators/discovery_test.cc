#include "aggregators/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aggregators/monitor_testing.h"

namespace runledger::aggregators {
namespace {

using codecs::Status;
using ::testing::HasSubstr;
using Action = Discovery::Action;

// The injury report: published between 11:00 and 15:00 in New York, which is 16:00 to 20:00 UTC in January.
JobPolicy InjuryReport() {
  JobPolicy policy = InZone("America/New_York");
  policy.publication_window = PublicationWindow{11 * 60, 15 * 60};
  return policy;
}

const char kDate[] = "2026-01-12";

Discovery Ask(const JobPolicy& policy, FactsMaker& facts, const std::string& now) {
  const int64_t now_us = At(now);
  const JobFacts made = facts.Make();
  return Discover(policy, &made, DiscoveryDate(policy, now_us), KnownUpTo(now_us));
}

// The example day of the three statuses, line by line: an hourly evaluation from 11:00.
TEST(Discovery, TheExampleDay) {
  FactsMaker facts("nbac_injury_report");
  const JobPolicy policy = InjuryReport();

  EXPECT_EQ(Ask(policy, facts, "2026-01-12T16:00:00Z").action, Action::kRun) << "11:00: no attempt yet";
  facts.Ran(kDate, Status::kNoData, At("2026-01-12T16:00:25Z")).LastAttemptAt(At("2026-01-12T16:00:05Z"));
  Discovery answer = Ask(policy, facts, "2026-01-12T16:01:00Z");
  EXPECT_EQ(answer.action, Action::kSkip) << "11:01: no_data, try again at 12:00";
  EXPECT_EQ(answer.next_check_us, At("2026-01-12T17:00:00Z"));

  EXPECT_EQ(Ask(policy, facts, "2026-01-12T16:59:59Z").action, Action::kSkip);
  EXPECT_EQ(Ask(policy, facts, "2026-01-12T17:00:00Z").action, Action::kRun) << "12:00, although an attempt takes 20 s";
  facts.Ran(kDate, Status::kNoData, At("2026-01-12T17:00:25Z")).LastAttemptAt(At("2026-01-12T17:00:05Z"));
  EXPECT_EQ(Ask(policy, facts, "2026-01-12T17:30:00Z").next_check_us, At("2026-01-12T18:00:00Z"));

  EXPECT_EQ(Ask(policy, facts, "2026-01-12T18:00:00Z").action, Action::kRun) << "1:00 PM";
  facts.Ran(kDate, Status::kSuccess, At("2026-01-12T18:00:30Z"));
  answer = Ask(policy, facts, "2026-01-12T19:00:00Z");
  EXPECT_EQ(answer.action, Action::kSkip) << "2:00 PM: already success today";
  EXPECT_THAT(answer.reason, HasSubstr("already success"));
  EXPECT_EQ(answer.attempts, 3);
  EXPECT_EQ(answer.next_check_us, At("2026-01-13T16:00:00Z"));
}

TEST(Discovery, FailuresAreTriedAgainAtOnceUntilNoRetryIsLeft) {
  const JobPolicy policy = InjuryReport();
  FactsMaker facts;
  for (int failures = 1; failures <= 3; ++failures) {
    facts.Ran(kDate, Status::kFailed, At("2026-01-12T16:00:00Z") + failures * kSecondUs);
    const Discovery answer = Ask(policy, facts, "2026-01-12T16:00:10Z");
    EXPECT_EQ(answer.action, Action::kRun) << failures;
    EXPECT_EQ(answer.failed_attempts, failures);
  }
  facts.Ran(kDate, Status::kFailed, At("2026-01-12T16:00:09Z"));
  const Discovery answer = Ask(policy, facts, "2026-01-12T16:00:10Z");
  EXPECT_EQ(answer.action, Action::kSkip);
  EXPECT_EQ(answer.next_check_us, At("2026-01-13T16:00:00Z")) << "the next window";
}

TEST(Discovery, AFailureAfterNoDataIsTriedAgainAtOnce) {
  const JobPolicy policy = InjuryReport();
  FactsMaker facts;
  facts.Ran(kDate, Status::kNoData, At("2026-01-12T16:00:20Z")).Ran(kDate, Status::kFailed, At("2026-01-12T17:00:20Z"));
  EXPECT_EQ(Ask(policy, facts, "2026-01-12T17:00:21Z").action, Action::kRun);
}

TEST(Discovery, RunningIsLeftAloneAndADeadRunIsNot) {
  FactsMaker running, dead;
  running.Running(kDate, "r1", At("2026-01-12T16:00:00Z"), false);
  dead.Running(kDate, "r1", At("2026-01-12T16:00:00Z"), true);
  JobPolicy policy = InjuryReport();
  EXPECT_EQ(Ask(policy, running, "2026-01-12T19:00:00Z").action, Action::kSkip);
  EXPECT_EQ(Ask(policy, dead, "2026-01-12T19:00:00Z").action, Action::kRun);
}

TEST(Discovery, TheWindowsEdges) {
  FactsMaker none;
  const JobPolicy policy = InjuryReport();
  Discovery answer = Ask(policy, none, "2026-01-12T15:59:59Z");
  EXPECT_EQ(answer.action, Action::kSkip);
  EXPECT_EQ(answer.next_check_us, At("2026-01-12T16:00:00Z"));
  EXPECT_EQ(Ask(policy, none, "2026-01-12T19:59:59Z").action, Action::kRun);
  answer = Ask(policy, none, "2026-01-12T20:00:00Z");
  EXPECT_EQ(answer.action, Action::kSkip);
  EXPECT_EQ(answer.next_check_us, At("2026-01-13T16:00:00Z"));
  // The clock is set forward in the night to 2026-03-08: 11:00 is 15:00 UTC from then on.
  EXPECT_EQ(Ask(policy, none, "2026-03-07T20:00:00Z").next_check_us, At("2026-03-08T15:00:00Z"));
}

TEST(Discovery, AWindowPastMidnightIsThatOfTheDayBefore) {
  JobPolicy policy = InZone("America/New_York");
  policy.publication_window = PublicationWindow{22 * 60, 2 * 60};
  EXPECT_EQ(DiscoveryDate(policy, At("2026-01-13T06:59:59Z")), Date("2026-01-12")) << "01:59 in New York";
  EXPECT_EQ(DiscoveryDate(policy, At("2026-01-13T07:00:00Z")), Date("2026-01-13"));
  FactsMaker facts;
  EXPECT_EQ(Ask(policy, facts, "2026-01-13T06:00:00Z").action, Action::kRun);
  facts.Ran(kDate, Status::kSuccess, 1);
  EXPECT_EQ(Ask(policy, facts, "2026-01-13T06:00:00Z").action, Action::kSkip);
}

TEST(Discovery, NoDataLateInTheWindowWaitsForTheNext) {
  FactsMaker facts;
  facts.Ran(kDate, Status::kNoData, At("2026-01-12T19:30:20Z"));
  const Discovery answer = Ask(InjuryReport(), facts, "2026-01-12T19:45:00Z");
  EXPECT_EQ(answer.action, Action::kSkip);
  EXPECT_EQ(answer.next_check_us, At("2026-01-13T16:00:00Z"));
}

TEST(Discovery, ADateThatIsOverNamesNoTimeThatHasPassed) {
  const JobPolicy policy = InjuryReport();
  const int64_t now_us = At("2026-01-14T16:30:00Z");
  FactsMaker nothing, done;
  nothing.Ran(kDate, Status::kNoData, At("2026-01-12T16:00:25Z"));
  done.Ran(kDate, Status::kSuccess, At("2026-01-12T16:00:25Z"));
  for (FactsMaker* facts : {&nothing, &done}) {
    const JobFacts made = facts->Make();
    const Discovery answer = Discover(policy, &made, Date(kDate), KnownUpTo(now_us));
    EXPECT_EQ(answer.action, Action::kSkip);
    EXPECT_EQ(answer.next_check_us, std::nullopt);
  }
}

TEST(Discovery, WhatIsNotKnownIsNotTried) {
  const JobPolicy policy = InjuryReport();
  FactsMaker none;
  Knowledge known = KnownUpTo(At("2026-01-12T17:00:00Z"));
  known.began_us = At("2026-01-12T10:00:00Z");  // the date was under way
  EXPECT_EQ(Discover(policy, nullptr, Date(kDate), known).action, Action::kUnknown);
  known = KnownUpTo(At("2026-01-12T17:00:00Z"));
  EXPECT_EQ(Discover(policy, nullptr, Date(kDate), known).action, Action::kRun);
  known.caught_up = false;
  EXPECT_EQ(Discover(policy, nullptr, Date(kDate), known).action, Action::kUnknown);
}

}  // namespace
}  // namespace runledger::aggregators
