#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>

#include "aggregators/workflow_feed.h"

// Expected runs, decisions and cleanups, as a shard keeps and judges them. The day is 2026-01-12 in New York.

namespace runledger::aggregators {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kSettled = 65 * kMinuteUs;  // match_window and five minutes

std::vector<std::string> SeedsOf(const ExpectedInfo& info) {
  std::vector<std::string> words;
  for (const auto& row : info.seeds) words.push_back(row.status);
  return words;
}

TEST(Workflow, TheBoundsOfEachVerdictAreExact) {
  const auto verdict_of = [](int64_t start_us) {
    WorkflowFeed feed;
    feed.Pass(kDayStart);
    feed.Fold(ExpectedEvent("w", At(9, 0)));
    feed.Fold(DecisionEvent("w", "RUN", start_us));
    return feed.Verdict(At(12, 0));
  };
  EXPECT_EQ(verdict_of(At(8, 30, -1)), RunVerdict::kMissing) << "not this tick's any more";
  EXPECT_EQ(verdict_of(At(8, 30)), RunVerdict::kEarly);
  EXPECT_EQ(verdict_of(At(9, 0, -1)), RunVerdict::kEarly);
  EXPECT_EQ(verdict_of(At(9, 0)), RunVerdict::kOnTime);
  EXPECT_EQ(verdict_of(At(9, 30)), RunVerdict::kOnTime);
  EXPECT_EQ(verdict_of(At(9, 30, 1)), RunVerdict::kLate);
  EXPECT_EQ(verdict_of(At(10, 0)), RunVerdict::kLate);
  EXPECT_EQ(verdict_of(At(10, 0, 1)), RunVerdict::kMissing);

  WorkflowFeed feed;
  feed.Pass(kDayStart);
  feed.Fold(ExpectedEvent("w", At(9, 0)));
  EXPECT_EQ(feed.Verdict(At(9, 30)), RunVerdict::kPending);
  EXPECT_EQ(feed.Verdict(At(9, 30, 1)), RunVerdict::kOverdue);
  EXPECT_EQ(feed.Verdict(At(10, 0)), RunVerdict::kOverdue);
  EXPECT_EQ(feed.Verdict(At(10, 0, 1)), RunVerdict::kMissing);
  EXPECT_THAT(feed.shard->DueVerdicts(10), IsEmpty()) << "it does not stand yet";
  feed.Verdict(At(10, 5));
  EXPECT_THAT(feed.shard->DueVerdicts(10), IsEmpty());
  feed.Verdict(At(10, 5, 1));
  EXPECT_EQ(feed.shard->DueVerdicts(10).size(), 1u);
}

TEST(Workflow, ADayWithOneOfEachVerdict) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  for (const int hour : {6, 8, 10, 12, 14, 15, 17}) feed.Fold(ExpectedEvent("betting_lines", At(hour, 0)));
  feed.Fold(DecisionEvent("betting_lines", "RUN", At(5, 50), "", "d-early"));
  feed.Fold(DecisionEvent("betting_lines", "RUN", At(8, 2), "", "d-on-time"));
  feed.Fold(DecisionEvent("betting_lines", "RUN", At(10, 31), "", "d-late"));
  feed.Fold(DecisionEvent("betting_lines", "SKIP", At(14, 1), "no games today", "d-skip"));
  const int64_t now = At(15, 45);
  EXPECT_THAT(feed.Words(now), ElementsAre("06:00 early", "08:00 on_time", "10:00 late", "12:00 missing",
                                           "14:00 missing", "15:00 overdue", "17:00 pending"));
  const std::vector<ExpectedInfo> day = feed.Schedule(now);
  EXPECT_EQ(*day[0].start_us - day[0].due_us, -10 * kMinuteUs);
  EXPECT_EQ(day[2].start_id, "d-late");
  EXPECT_FALSE(day[3].explained_by);
  ASSERT_TRUE(day[4].explained_by);
  EXPECT_EQ(day[4].explained_by->decision_id, "d-skip");
  EXPECT_EQ(day[4].explained_by->action, "SKIP");
  EXPECT_EQ(day[4].explained_by->reason, "no games today");

  const WorkflowBlock block = feed.Of("betting_lines", now);
  EXPECT_EQ(block.pending, 1u);
  EXPECT_EQ(block.overdue, 1u);
  EXPECT_EQ(block.missing, 1u);
  EXPECT_EQ(block.missing_explained, 1u);
  EXPECT_THAT(block.verdicts, ElementsAre(0, 0, 0, 0)) << "counted once the log has them";

  EXPECT_EQ(feed.WriteVerdicts(now), 5u);
  EXPECT_EQ(feed.WriteVerdicts(now), 0u);
  EXPECT_THAT(feed.Of("betting_lines", now).verdicts, ElementsAre(1, 1, 1, 2));
  const std::vector<ExpectedInfo> after = feed.Schedule(now);
  EXPECT_TRUE(after[4].final);
  EXPECT_EQ(after[4].explained_by->reason, "no games today");
}

// Trap 4: the join of old has no lower bound and joins everything with everything.
TEST(WorkflowTrap4, ARunOfHoursBeforeIsNoRunOfThisTick) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  feed.Fold(ExpectedEvent("w", At(9, 0)));
  feed.Fold(DecisionEvent("w", "RUN", At(3, 0)));
  const ExpectedInfo info = feed.Schedule(At(12, 0))[0];
  EXPECT_EQ(info.verdict, RunVerdict::kMissing);
  EXPECT_THAT(SeedsOf(info), ElementsAre("ON TIME")) << "as the dashboards show it";
}

TEST(WorkflowTrap4, SeveralTicksAndRunsAreMatchedOneToOne) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  feed.Fold(ExpectedEvent("w", At(9, 0)));
  feed.Fold(ExpectedEvent("w", At(9, 40)));
  feed.Fold(DecisionEvent("w", "RUN", At(9, 1), "", "first"));
  feed.Fold(DecisionEvent("w", "RUN", At(9, 41), "", "second"));
  const std::vector<ExpectedInfo> day = feed.Schedule(At(12, 0));
  EXPECT_EQ(day[0].start_id, "first");
  EXPECT_EQ(day[1].start_id, "second");
  EXPECT_THAT(SeedsOf(day[0]), ElementsAre("ON TIME", "LATE"));
  EXPECT_THAT(SeedsOf(day[1]), ElementsAre("ON TIME", "ON TIME"));
}

TEST(WorkflowTrap4, ALateRunIsLateUpToTheWindow) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  feed.Fold(ExpectedEvent("w", At(9, 0)));
  feed.Fold(DecisionEvent("w", "RUN", At(10, 0)));
  const ExpectedInfo info = feed.Schedule(At(12, 0))[0];
  EXPECT_EQ(info.verdict, RunVerdict::kLate);
  EXPECT_THAT(SeedsOf(info), ElementsAre("MISSING"));
}

// Trap 5: whole minutes, towards zero.
TEST(WorkflowTrap5, TheDashboardsOfOldCountWholeMinutes) {
  constexpr int64_t kTick = At(9, 0);
  EXPECT_EQ(SeedsStatus(kTick, kTick + 31 * kMinuteUs - 1), "ON TIME");
  EXPECT_EQ(SeedsStatus(kTick, kTick + 31 * kMinuteUs), "LATE");
  EXPECT_EQ(SeedsStatus(kTick, kTick + 60 * kMinuteUs - 1), "LATE");
  EXPECT_EQ(SeedsStatus(kTick, kTick + 60 * kMinuteUs), std::nullopt);
  EXPECT_EQ(SeedsStatus(kTick, kTick - 1), "ON TIME") << "no whole minute before";
  EXPECT_EQ(SeedsStatus(kTick, kTick - 20 * kHourUs), "ON TIME") << "there is no lower bound";
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  feed.Fold(ExpectedEvent("w", kTick));
  feed.Fold(DecisionEvent("w", "RUN", kTick + 30 * kMinuteUs + 1));
  const ExpectedInfo info = feed.Schedule(At(12, 0))[0];
  EXPECT_EQ(info.verdict, RunVerdict::kLate);
  EXPECT_THAT(SeedsOf(info), ElementsAre("ON TIME"));
}

// Trap 6: a controller that is dead all day makes no decision that a query over decisions could find.
TEST(WorkflowTrap6, ACriticalWorkflowThatNobodyEvaluatesIsFound) {
  WorkflowPolicy critical;
  critical.priority = "CRITICAL";
  WorkflowFeed feed(WorkflowPolicies({}, {{"morning_operations", critical}}));
  feed.shard->SetWorkflowHome([](std::string_view) { return true; }, /*configured=*/true);
  feed.Pass(kDayStart);
  EXPECT_FALSE(feed.Of("morning_operations", kDayStart + 2 * kHourUs).not_evaluated);
  EXPECT_TRUE(feed.Of("morning_operations", kDayStart + 2 * kHourUs + 1).not_evaluated);
  feed.Fold(DecisionEvent("morning_operations", "SKIP", At(3, 0)));
  EXPECT_FALSE(feed.Of("morning_operations", At(5, 0)).not_evaluated);
  EXPECT_TRUE(feed.Of("morning_operations", At(5, 0, 1)).not_evaluated);
}

TEST(WorkflowTrap6, SoIsOneThatOnlyTheScheduleNames) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  v1::Event row = ExpectedEvent("betting_lines", At(9, 0));
  row.mutable_expected()->set_priority("CRITICAL");
  feed.Fold(At(5, 0), row);
  EXPECT_TRUE(feed.Of("betting_lines", At(5, 0)).not_evaluated);
  row.mutable_expected()->set_workflow("weekly_report");
  row.mutable_expected()->set_priority("LOW");
  feed.Fold(At(5, 0), row);
  EXPECT_FALSE(feed.Of("weekly_report", At(23, 0)).not_evaluated) << "no limit but for critical ones";
}

TEST(WorkflowTrap6, AConfiguredWorkflowIsMissedInALogWithoutARecord) {
  WorkflowPolicy policy;
  policy.evaluation_overdue_after_us = kHourUs;
  WorkflowFeed feed(WorkflowPolicies({}, {{"w", policy}}));
  feed.shard->SetWorkflowHome([](std::string_view) { return true; }, true);
  EXPECT_FALSE(feed.Of("w", At(1, 0)).not_evaluated);
  EXPECT_FALSE(feed.Of("w", At(2, 0)).not_evaluated);
  EXPECT_TRUE(feed.Of("w", At(2, 0, 1)).not_evaluated);
}

TEST(Workflow, TheFirstRowOfATickIsLocked) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  feed.Fold(ExpectedEvent("w", At(9, 0), "first"));
  feed.Fold(ExpectedEvent("w", At(9, 0), "second", kDayStart + 1));
  const std::vector<ExpectedInfo> day = feed.Schedule(At(6, 0));
  ASSERT_EQ(day.size(), 1u);
  EXPECT_EQ(day[0].reason, "first");
}

TEST(Workflow, DecisionsMayComeInAnyOrderAndAnyNumberOfTimes) {
  std::vector<v1::Event> events;
  for (const int minute : {0, 5, 20, 40}) events.push_back(DecisionEvent("w", "RUN", At(9, minute)));
  events.push_back(DecisionEvent("w", "SKIP", At(9, 30), "a", "d"));
  v1::Event corrected = DecisionEvent("w", "ABORT", At(9, 31), "b", "d");
  corrected.set_event_time_us(At(9, 32));
  events.push_back(corrected);
  std::mt19937_64 random(1);
  std::vector<std::string> first;
  for (int i = 0; i < 50; ++i) {
    std::vector<v1::Event> shuffled = events;
    shuffled.insert(shuffled.end(), events.begin(), events.end());
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    WorkflowFeed feed;
    feed.Pass(kDayStart);
    for (const int minute : {0, 10, 20, 50}) feed.Fold(ExpectedEvent("w", At(9, minute)));
    for (const v1::Event& event : shuffled) feed.Fold(At(9, 45), event);
    const WorkflowInfo info = feed.shard->FindWorkflows({.name = "w", .decisions = 10})[0];
    ASSERT_EQ(info.decisions.size(), 5u);
    EXPECT_EQ(info.decisions[1].action, Action::kAbort) << "the greatest event of a decision holds";
    std::vector<std::string> words = feed.Words(At(9, 50));
    if (i == 0) first = words;
    EXPECT_EQ(words, first);
  }
}

TEST(Workflow, WhatStandsDoesNotChangeWithWhatComesLater) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  feed.Fold(ExpectedEvent("w", At(9, 0)));
  feed.Fold(ExpectedEvent("w", At(9, 15)));
  feed.Fold(DecisionEvent("w", "RUN", At(9, 20)));
  EXPECT_THAT(feed.Words(At(10, 0)), ElementsAre("09:00 overdue", "09:15 on_time"));
  // Had it come within the window, both would have a run.
  feed.Fold(At(10, 6), DecisionEvent("w", "RUN", At(10, 14), "", "too late"));
  EXPECT_THAT(feed.Words(At(10, 6)), ElementsAre("09:00 missing", "09:15 on_time"));
  feed.Fold(At(10, 30), DecisionEvent("w", "RUN", At(9, 1), "", "told too late"));
  EXPECT_THAT(feed.Words(At(11, 0)), ElementsAre("09:00 missing", "09:15 on_time"));
}

TEST(Workflow, TheFirstVerdictInTheLogIsFinal) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  feed.Fold(ExpectedEvent("w", At(9, 0)));
  feed.Fold(DecisionEvent("w", "RUN", At(9, 1)));
  const auto verdict = [&](RunVerdict word) {
    FinalVerdict event;
    event.subject = event.workflow = "w";
    event.due_us = At(9, 0);
    event.verdict = word;
    event.stands_at_us = At(10, 5);
    feed.FoldWire(At(10, 6), EncodeVerdict(event));
  };
  verdict(RunVerdict::kLate);
  verdict(RunVerdict::kMissing);
  EXPECT_EQ(feed.Verdict(At(11, 0)), RunVerdict::kLate);
  EXPECT_THAT(feed.Of("w", At(11, 0)).verdicts, ElementsAre(0, 0, 1, 0));
  EXPECT_THAT(feed.shard->DueVerdicts(10), IsEmpty());
  // Of what nobody expects: a row, nothing else.
  FinalVerdict stray;
  stray.subject = "unheard of";
  stray.due_us = At(9, 0);
  stray.stands_at_us = At(10, 5);
  feed.FoldWire(At(10, 7), EncodeVerdict(stray));
  EXPECT_EQ(feed.shard->workflows().subjects(), 1u);
}

TEST(Workflow, AJobsOwnScheduleIsMatchedWithItsRuns) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  feed.Fold(JobEvent("job", "r0", v1::RUNNING, At(7, 55)));  // before anybody expected it
  feed.Fold(At(8, 0), ExpectedJobEvent("job", At(8, 0)));
  for (const int hour : {9, 10, 11}) feed.Fold(At(8, 1), ExpectedJobEvent("job", At(hour, 0)));
  feed.Fold(JobEvent("job", "r1", v1::RUNNING, At(9, 2)));
  feed.Fold(JobEvent("job", "r1", v1::FAILED, At(9, 20)));
  v1::Event second_try = JobEvent("job", "r1", v1::RUNNING, At(9, 45));
  second_try.mutable_run()->set_attempt(2);
  feed.Fold(second_try);
  feed.Fold(JobEvent("other", "r2", v1::RUNNING, At(10, 0)));
  feed.Fold(At(11, 20), JobEvent("job", "r3", v1::RUNNING, At(11, 10)));
  EXPECT_THAT(feed.Words(At(11, 30)), ElementsAre("08:00 early", "09:00 on_time", "10:00 missing", "11:00 on_time"))
      << "a second try is no run of the next tick";
  EXPECT_EQ(feed.Schedule(At(11, 30))[1].start_id, "r1");
  // A start that is known better moves.
  v1::Event corrected = JobEvent("job", "r3", v1::RUNNING, At(11, 40));
  corrected.mutable_run()->set_started_at_us(At(11, 35));
  feed.Fold(corrected);
  EXPECT_THAT(feed.Words(At(11, 41)), ElementsAre("08:00 early", "09:00 on_time", "10:00 missing", "11:00 late"));
  feed.Pass(At(12, 6));
  feed.shard->AdvanceWatermark(At(12, 6));
  const std::vector<FinalVerdict> due = feed.shard->DueVerdicts(10);
  ASSERT_EQ(due.size(), 4u);
  EXPECT_EQ(due[1].job_name, "job");
  EXPECT_EQ(due[1].matched_run_id, "r1");
  EXPECT_EQ(feed.WriteVerdicts(At(12, 7)), 4u);
  EXPECT_THAT(feed.Of("job", At(12, 7)).verdicts, ElementsAre(1, 1, 1, 1));
}

TEST(Workflow, OnlyJobsThatAreExpectedCostAnything) {
  WorkflowFeed feed;
  feed.Fold(JobEvent("job", "r", v1::RUNNING, At(8, 0)));
  feed.Fold(JobEvent("job", "r", v1::SUCCESS, At(8, 1)));
  EXPECT_EQ(feed.shard->workflows().items(), 0u);
  EXPECT_EQ(feed.shard->workflows().subjects(), 0u);
}

TEST(Workflow, ARunOfHistoryStartsNothing) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  feed.Fold(ExpectedJobEvent("job", At(9, 0)));
  v1::Event old = JobEvent("job", "r", v1::RUNNING, At(9, 0));
  old.set_backfill(true);
  feed.Fold(At(9, 1), old);
  v1::Event decision = DecisionEvent("w", "RUN", At(9, 0));
  decision.set_backfill(true);
  feed.Fold(At(9, 1), decision);
  EXPECT_EQ(feed.Verdict(At(11, 0)), RunVerdict::kMissing);
  EXPECT_EQ(feed.shard->workflows().subjects(), 1u);
}

TEST(Workflow, WhatTheLogDoesNotCoverIsUnknown) {
  WorkflowFeed feed;
  feed.Pass(At(8, 31));  // the log begins: what was early for 9:00 may have been before it
  feed.Fold(At(8, 32), ExpectedEvent("w", At(9, 0), "", At(8, 32)));
  feed.Fold(At(8, 32), ExpectedEvent("w", At(9, 1), "", At(8, 32)));
  EXPECT_THAT(feed.Words(At(9, 0)), ElementsAre("09:00 pending", "09:01 pending"));
  EXPECT_THAT(feed.Words(At(11, 0)), ElementsAre("09:00 unknown", "09:01 missing"));
  EXPECT_EQ(feed.Schedule(At(11, 0))[0].unknown, Unknown::kIncomplete);
  EXPECT_EQ(feed.shard->DueVerdicts(10).size(), 1u);
  feed.Pass(At(11, 0));
  EXPECT_THAT(feed.Words(At(11, 0)), ElementsAre("09:00 unknown", "09:01 missing"));
  EXPECT_EQ(feed.shard->DueVerdicts(10).size(), 1u);
}

TEST(Workflow, ElsewhereThanAtHomeNothingIsJudged) {
  WorkflowFeed feed;
  feed.shard->SetWorkflowHome([](std::string_view name) { return name == "here"; }, true);
  feed.Pass(kDayStart);
  feed.Fold(ExpectedEvent("here", At(9, 0)));
  feed.Fold(ExpectedEvent("there", At(9, 0)));
  EXPECT_THAT(feed.Words(At(12, 0)), ElementsAre("09:00 missing", "09:00 unknown"));
  EXPECT_EQ(feed.shard->DueVerdicts(10).size(), 1u);
  EXPECT_EQ(feed.Of("there", At(12, 0)).missing, 0u);
  EXPECT_FALSE(feed.Of("there", At(12, 0)).at_home);
  feed.shard->SetWorkflowHome([](std::string_view) { return true; }, true);
  EXPECT_EQ(feed.Of("there", At(12, 0)).missing, 1u);
}

TEST(Workflow, ADisabledWorkflowKeepsNothing) {
  WorkflowPolicy off;
  off.enabled = false;
  WorkflowFeed feed(WorkflowPolicies({}, {{"old_*", off}}));
  feed.Fold(ExpectedEvent("old_one", At(9, 0)));
  feed.Fold(DecisionEvent("old_one", "RUN", At(9, 0)));
  EXPECT_EQ(feed.shard->workflows().subjects(), 0u);
}

TEST(Workflow, OldDaysAreForgottenWithLogTime) {
  WorkflowFeed feed({}, /*days=*/2);
  feed.Pass(kDayStart);
  feed.Fold(ExpectedEvent("w", At(9, 0)));
  feed.Fold(DecisionEvent("w", "RUN", At(9, 0)));
  feed.Fold(JobEvent("job", "r", v1::RUNNING, At(9, 0)));
  feed.Fold(ExpectedJobEvent("job", At(9, 0)));
  feed.Pass(At(9, 0) + 2 * kDayUs);
  EXPECT_EQ(feed.shard->workflows().subjects(), 2u);
  feed.Pass(At(9, 0) + 3 * kDayUs);
  EXPECT_EQ(feed.shard->workflows().subjects(), 0u);
  EXPECT_EQ(feed.shard->workflows().items(), 0u);
  feed.Block(At(9, 0) + 3 * kDayUs);
  feed.Fold(At(9, 0) + 3 * kDayUs, JobEvent("job", "r2", v1::RUNNING, At(9, 0) + 3 * kDayUs));
  // Far from the log's own time nothing is kept at all.
  feed.Fold(At(9, 0) + 3 * kDayUs, ExpectedEvent("w", At(9, 0), "", At(9, 0) + 3 * kDayUs));
  feed.Fold(At(9, 0) + 3 * kDayUs, ExpectedEvent("w", At(9, 0) + 300 * kDayUs, "", At(9, 0) + 3 * kDayUs));
  EXPECT_EQ(feed.shard->workflows().items(), 0u);
}

TEST(Workflow, OneSubjectCannotGrowWithoutBound) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  for (size_t i = 0; i < WorkflowTrack::kMostDecisions + 10; ++i)
    feed.Fold(At(9, 0), DecisionEvent("w", "RUN", At(1, 0, static_cast<int64_t>(i))));
  EXPECT_LE(feed.shard->workflows().items(), WorkflowTrack::kMostDecisions);
  // What went cannot be told from what never was.
  feed.Fold(At(9, 0), ExpectedEvent("w", At(1, 20), "", At(9, 0)));
  EXPECT_EQ(feed.Words(At(9, 0)), std::vector<std::string>{"01:20 early"});
  feed.Fold(At(9, 0), ExpectedEvent("w", At(0, 40), "", At(9, 0)));
  EXPECT_EQ(feed.Words(At(9, 0))[0], "00:40 on_time");
}

// Starts that come when nobody expects them are not matched anew; what is asked at the end knows of no such saving.
RC_GTEST_PROP(Workflow, WhoAsksAllAlongHearsWhatWhoAsksAtTheEndHears, ()) {
  WorkflowFeed along, at_end;
  for (WorkflowFeed* feed : {&along, &at_end}) feed->Pass(kDayStart);
  const auto minute = rc::gen::inRange(0, 8 * 60);
  const int count = *rc::gen::inRange(1, 30);
  int64_t now_us = kDayStart;
  for (int i = 0; i < count; ++i) {
    v1::Event event;
    if (*rc::gen::inRange(0, 3) == 0) {
      event = ExpectedJobEvent("j", At(0, *minute));  // said at midnight
    } else {
      // Few runs, so that some are tried again, and some are told of late.
      event = JobEvent("j", "r" + std::to_string(*rc::gen::inRange(0, 6)), v1::RUNNING, At(0, *minute));
      event.mutable_run()->set_attempt(*rc::gen::inRange(0, 3));
    }
    now_us = std::max(now_us, event.event_time_us());
    for (WorkflowFeed* feed : {&along, &at_end}) feed->Fold(now_us, event);
    along.Schedule(now_us);
    if (*rc::gen::arbitrary<bool>()) along.Block(now_us);
  }
  RC_ASSERT(along.Words(At(9, 0)) == at_end.Words(At(9, 0)));
}

// Its own expected runs went for want of room, and then everything else of it with the days.
TEST(Workflow, AJobIsNotTakenForTheSubjectThatGotItsPlace) {
  WorkflowFeed feed({}, /*days=*/2);
  feed.Pass(kDayStart);
  feed.Fold(JobEvent("w", "r1", v1::RUNNING, At(1, 0)));
  feed.Fold(At(1, 0), ExpectedJobEvent("w", At(1, 30)));
  for (size_t i = 0; i < WorkflowTrack::kMostExpected + 10; ++i)
    feed.Fold(At(1, 0), ExpectedEvent("w", At(2, 0, static_cast<int64_t>(i))));
  EXPECT_GT(feed.shard->KnownSinceOf("w").kept_from_us, At(2, 0)) << "what went is not known any more";
  EXPECT_LT(feed.shard->KnownSinceOf("other").kept_from_us, At(0, 0));
  const int64_t later_us = At(9, 0) + 5 * kDayUs;
  feed.Fold(later_us, JobEvent("other", "o1", v1::SUCCESS, later_us));
  ASSERT_EQ(feed.shard->workflows().subjects(), 0u);
  v1::Event row = ExpectedJobEvent("other", later_us + kHourUs);
  row.set_event_time_us(later_us);
  row.mutable_expected()->clear_expected_date();
  feed.Fold(row);
  feed.Fold(later_us + kHourUs, JobEvent("w", "r2", v1::RUNNING, later_us + kHourUs));
  EXPECT_EQ(feed.Verdict(later_us + kHourUs), RunVerdict::kPending);
}

TEST(MissingFiles, UrgencyHasExactBoundaries) {
  EXPECT_EQ(UrgencyOf(240.001), Urgency::kCritical);
  EXPECT_EQ(UrgencyOf(240), Urgency::kWarning);
  EXPECT_EQ(UrgencyOf(120.001), Urgency::kWarning);
  EXPECT_EQ(UrgencyOf(120), Urgency::kRecent);
  EXPECT_EQ(UrgencyOf(0), Urgency::kRecent);
}

v1::Event CleanupEvent(int64_t time_us, const std::string& files) {
  v1::Event event;
  event.set_event_time_us(time_us);
  event.mutable_cleanup()->set_cleanup_id("c" + std::to_string(time_us));
  event.mutable_cleanup()->set_missing_files(files);
  return event;
}

TEST(MissingFiles, TheNewestCleanupHolds) {
  WorkflowFeed feed;
  EXPECT_EQ(feed.Block(kDayStart).cleanup_us, kNever);
  feed.Fold(CleanupEvent(At(9, 30), R"([
    {"scraper_name": "a", "gcs_path": "gs://x/1", "age_minutes": 241, "republished": true},
    {"scraper_name": "a", "gcs_path": "gs://x/2", "age_minutes": 240},
    {"scraper_name": "b", "gcs_path": "gs://x/3", "age_minutes": 121},
    {"scraper_name": "b", "gcs_path": "gs://x/4", "age_minutes": 120.0},
    {"scraper_name": "b", "gcs_path": "gs://x/5", "triggered_at": "2026-01-12T09:30:00Z"}])"));
  feed.Fold(At(9, 31), CleanupEvent(At(9, 0), "[]"));  // an older one that comes late
  OrchestrationBlock block = feed.Block(At(9, 31));
  EXPECT_THAT(block.missing_files, ElementsAre(2, 2, 1)) << "triggered 300 minutes before";
  EXPECT_EQ(block.cleanup_us, At(9, 30));
  ASSERT_TRUE(feed.shard->newest_cleanup());
  EXPECT_EQ(feed.shard->newest_cleanup()->files[0].republished, true);
  feed.Fold(CleanupEvent(At(10, 0), "{}"));
  EXPECT_FALSE(feed.Block(At(10, 0)).files_known);
  feed.Fold(CleanupEvent(At(10, 30), "[]"));
  block = feed.Block(At(10, 30));
  EXPECT_TRUE(block.files_known);
  EXPECT_THAT(block.missing_files, ElementsAre(0, 0, 0));
}

}  // namespace
}  // namespace runledger::aggregators
