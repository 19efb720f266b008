#include "aggregators/job_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aggregators/monitor_testing.h"

namespace runledger::aggregators {
namespace {

using codecs::Status;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const int64_t kNow = At("2026-01-13T12:00:00Z");

std::vector<std::string> KindsOf(const JobCheck& check) {
  std::vector<std::string> kinds;
  for (const Issue& issue : check.issues) kinds.emplace_back(issue.kind);
  return kinds;
}

JobCheck Check(const JobPolicy& policy, FactsMaker& maker, const Knowledge& known = KnownUpTo(kNow)) {
  const JobFacts facts = maker.Make();
  const int32_t today = DateOf(policy, known.watermark_us);
  return CheckJob(policy, "job", &facts, today - policy.lookback_days + 1, today, known);
}

FactsMaker EveryDay() {
  FactsMaker facts;
  for (int day = 7; day <= 13; ++day) {
    char date[32];
    std::snprintf(date, sizeof date, "2026-01-%02d", day);
    facts.Ran(date, Status::kSuccess, At(std::string(date) + "T06:00:00Z"));
  }
  return facts;
}

TEST(CheckJob, Healthy) {
  FactsMaker facts = EveryDay();
  const JobCheck check = Check(Scheduled("daily"), facts);
  EXPECT_TRUE(check.healthy());
  EXPECT_EQ(check.level, Level::kInfo);
  EXPECT_EQ(check.hours_since_last_success, 6.0);
}

TEST(CheckJob, MissingAndFailedAreErrors) {
  FactsMaker facts;
  facts.Ran("2026-01-13", Status::kSuccess, kNow - kHourUs).Ran("2026-01-12", Status::kFailed, kNow - kDayUs);
  const JobCheck check = Check(Scheduled("daily"), facts);
  EXPECT_EQ(check.level, Level::kError);
  EXPECT_THAT(KindsOf(check), ElementsAre("missing", "failed"));
}

TEST(CheckJob, AFailureIsAnIssueWithoutAScheduleToo) {
  FactsMaker facts;
  facts.Ran("2026-01-12", Status::kFailed, kNow - kDayUs).Ran("2026-01-11", Status::kFailed, kNow - 2 * kDayUs);
  facts.Ran("2026-01-11", Status::kSuccess, kNow - kDayUs);
  const JobCheck check = Check({}, facts);
  EXPECT_THAT(check.gaps.unexpected_failures, ElementsAre(Date("2026-01-12")));
  EXPECT_EQ(check.level, Level::kError);
}

// A job that has no dates is judged by its last run.
TEST(CheckJob, AFailureWithoutADataDateIsAnIssueUntilASuccess) {
  FactsMaker facts;
  facts.EndedWithoutDate(Status::kSuccess, kNow - 2 * kHourUs).EndedWithoutDate(Status::kFailed, kNow - kHourUs);
  const JobCheck check = Check({}, facts);
  EXPECT_THAT(KindsOf(check), ElementsAre("failed"));
  EXPECT_EQ(check.level, Level::kError);
  EXPECT_FALSE(check.healthy());
  EXPECT_EQ(check.issues.front().text, "the last run failed, at 2026-01-13T11:00:00Z, without a data date");
  EXPECT_TRUE(Check({}, facts.EndedWithoutDate(Status::kSuccess, kNow - 1)).healthy());
}

TEST(CheckJob, AFailureWithoutADataDateBelongsToTheDaysItHappenedIn) {
  FactsMaker maker;
  maker.EndedWithoutDate(Status::kFailed, At("2026-01-12T23:59:59Z"));
  const JobFacts facts = maker.Make();
  const auto issues = [&](const char* first, const char* last) {
    return KindsOf(CheckJob({}, "job", &facts, Date(first), Date(last), KnownUpTo(kNow)));
  };
  EXPECT_THAT(issues("2026-01-12", "2026-01-13"), ElementsAre("failed"));
  EXPECT_THAT(issues("2026-01-06", "2026-01-12"), ElementsAre("failed"));
  EXPECT_THAT(issues("2026-01-13", "2026-01-13"), IsEmpty());
  EXPECT_THAT(issues("2026-01-05", "2026-01-11"), IsEmpty());
}

// Without a schedule no date is unknown by itself: the job is.
TEST(CheckJob, DatesOfWhichNothingIsKnownAreNoGoodNewsWithoutAScheduleEither) {
  FactsMaker maker;
  maker.EndedWithoutDate(Status::kSuccess, kNow - kHourUs);
  const JobFacts facts = maker.Make();
  Knowledge known = KnownUpTo(kNow);
  const auto check = [&](const char* first, const char* last) {
    return CheckJob({}, "job", &facts, Date(first), Date(last), known);
  };
  EXPECT_TRUE(check("2026-01-06", "2026-01-12").healthy());
  EXPECT_FALSE(check("2025-10-01", "2025-10-07").known) << "more than state.days before the log";
  EXPECT_THAT(check("2025-10-01", "2025-10-07").why_unknown, ::testing::HasSubstr("state.days"));
  EXPECT_FALSE(check("2026-01-14", "2026-01-20").known) << "a week to come";
  EXPECT_THAT(check("2026-01-14", "2026-01-20").why_unknown, ::testing::HasSubstr("and not to 2026-01-20"));
  known.began_us = At("2026-01-13T06:00:00Z");
  EXPECT_FALSE(check("2026-01-06", "2026-01-12").known);
  EXPECT_THAT(check("2026-01-06", "2026-01-12").why_unknown, ::testing::HasSubstr("begins at 2026-01-13T06:00:00Z"));
  EXPECT_TRUE(check("2026-01-07", "2026-01-13").healthy()) << "the day on which the log begins, which is today";
}

// No document says whether "stale when days since the last success > 2" or ">= 2": ours is strictly greater, to the
// microsecond, and configurable.
TEST(Trap20, StaleIsStrictlyLongerThanTheThreshold) {
  JobPolicy policy;
  FactsMaker at, over;
  at.Ran("2026-01-11", Status::kSuccess, kNow - 2 * kDayUs);
  over.Ran("2026-01-11", Status::kSuccess, kNow - 2 * kDayUs - 1);
  EXPECT_FALSE(Check(policy, at).stale);
  EXPECT_TRUE(Check(policy, over).stale);
  EXPECT_EQ(Check(policy, over).level, Level::kCritical);
  policy.staleness_threshold_us = 3 * kDayUs;
  EXPECT_FALSE(Check(policy, over).stale);
}

// A query for what is there finds nothing of a job that is dead: absence is judged against the configuration.
TEST(Trap6, AJobThatWasNeverSeenIsMissing) {
  const JobPolicy policy = Scheduled("daily");
  const JobCheck check = CheckJob(policy, "never", nullptr, Date("2026-01-07"), Date("2026-01-13"), KnownUpTo(kNow));
  EXPECT_FALSE(check.seen);
  EXPECT_EQ(check.level, Level::kCritical);
  EXPECT_EQ(check.gaps.missing.size(), 6u);
  EXPECT_THAT(KindsOf(check), ElementsAre("stale", "no_records", "missing")) << "the seventh date is not over";
  const JobCheck yesterday =
      CheckJob(policy, "never", nullptr, Date("2026-01-06"), Date("2026-01-12"), KnownUpTo(kNow));
  EXPECT_THAT(KindsOf(yesterday), ElementsAre("stale", "no_records", "missing"));
}

TEST(CheckJob, WhatCannotBeKnownIsNeitherHealthyNorAnIssue) {
  Knowledge known = KnownUpTo(kNow);
  known.began_us = kNow - kHourUs;
  const JobCheck fresh = CheckJob(Scheduled("daily"), "job", nullptr, Date("2026-01-07"), Date("2026-01-13"), known);
  EXPECT_THAT(fresh.issues, IsEmpty());
  EXPECT_FALSE(fresh.healthy());
  EXPECT_EQ(fresh.gaps.unknown.size(), 7u);
  known.caught_up = false;
  EXPECT_FALSE(CheckJob(Scheduled("daily"), "job", nullptr, Date("2026-01-07"), Date("2026-01-13"), known).known);
}

TEST(CheckJob, RunsThatNeedALookAreWarnings) {
  FactsMaker maker = EveryDay();
  JobFacts facts = maker.Make();
  facts.block.stale = 2;
  facts.block.silent = facts.block.timed_out = 1;
  facts.block.long_running = facts.block.concurrent = facts.block.flapping = 1;
  const JobCheck check =
      CheckJob(Scheduled("daily"), "job", &facts, Date("2026-01-07"), Date("2026-01-13"), KnownUpTo(kNow));
  EXPECT_EQ(check.level, Level::kWarning);
  EXPECT_THAT(KindsOf(check),
              ElementsAre("stale_running", "timed_out", "silent", "long_running", "concurrent", "flapping"));
}

TEST(OverdueSince, StrictlyLongerThanTheGraceAfterATick) {
  JobPolicy policy = Scheduled("daily at 05:00");
  policy.start_grace_us = 30 * 60 * kSecondUs;
  const int64_t tick = At("2026-01-13T05:00:00Z");
  const int64_t due = tick + policy.start_grace_us;
  const int64_t yesterday = tick - kDayUs;
  EXPECT_EQ(OverdueSince(policy, yesterday, KnownUpTo(due)), std::nullopt);
  EXPECT_EQ(OverdueSince(policy, yesterday, KnownUpTo(due + 1)), tick);
  EXPECT_EQ(OverdueSince(policy, kNever, KnownUpTo(due + 1)), tick);
  EXPECT_EQ(OverdueSince(policy, tick + 1, KnownUpTo(due + 1)), std::nullopt);
  EXPECT_EQ(OverdueSince(policy, tick - policy.start_grace_us, KnownUpTo(due + 1)), std::nullopt) << "a little early";
  EXPECT_EQ(OverdueSince(policy, tick - policy.start_grace_us - 1, KnownUpTo(due + 1)), tick);
  policy.start_grace_us = 0;
  EXPECT_EQ(OverdueSince(policy, kNever, KnownUpTo(due + 1)), std::nullopt) << "not looked for";
}

}  // namespace
}  // namespace runledger::aggregators
