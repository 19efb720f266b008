#include "aggregators/day_verdicts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aggregators/monitor_testing.h"

namespace runledger::aggregators {
namespace {

using codecs::Status;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const int64_t kNoon = At("2026-01-13T12:00:00Z");

DayVerdict Judge(const JobPolicy& policy, FactsMaker& facts, const std::string& date, int64_t now_us = kNoon) {
  return JudgeDay(policy, facts.Make(), Date(date), KnownUpTo(now_us));
}

TEST(JudgeDay, EachStatusAndWhoMayGoOn) {
  struct Case {
    Status status;
    DayStatus expected;
    bool safe;
  };
  for (const Case& c :
       {Case{Status::kSuccess, DayStatus::kSuccess, true}, Case{Status::kSkipped, DayStatus::kSkipped, true},
        Case{Status::kPartial, DayStatus::kPartial, false}, Case{Status::kNoData, DayStatus::kNoData, false},
        Case{Status::kFailed, DayStatus::kFailed, false}, Case{Status::kAborted, DayStatus::kAborted, false}}) {
    FactsMaker facts;
    facts.Ran("2026-01-12", c.status);
    const DayVerdict verdict = Judge({}, facts, "2026-01-12");
    EXPECT_EQ(verdict.status, c.expected);
    EXPECT_EQ(verdict.safe_to_process, c.safe) << DayStatusName(c.expected);
    EXPECT_EQ(verdict.attempts, 1);
  }
}

TEST(JudgeDay, WhatIsSafeIsConfigured) {
  JobPolicy policy;
  policy.safe_statuses = {DayStatus::kSuccess, DayStatus::kNoData};
  FactsMaker empty, skipped;
  empty.Ran("2026-01-12", Status::kNoData);
  skipped.Ran("2026-01-12", Status::kSkipped);
  EXPECT_TRUE(Judge(policy, empty, "2026-01-12").safe_to_process);
  EXPECT_FALSE(Judge(policy, skipped, "2026-01-12").safe_to_process);
}

TEST(JudgeDay, ASuccessStandsWhateverWasTriedAfterIt) {
  FactsMaker facts;
  facts.Ran("2026-01-12", Status::kSuccess, 1).Ran("2026-01-12", Status::kFailed, 2);
  facts.Running("2026-01-12", "again", kNoon - kHourUs, false);
  EXPECT_EQ(Judge({}, facts, "2026-01-12").status, DayStatus::kSuccess);
}

TEST(JudgeDay, ARunUnderWayMayChangeTheDate) {
  FactsMaker facts;
  facts.Ran("2026-01-12", Status::kPartial, 1).Running("2026-01-12", "again", kNoon - kHourUs, false);
  const DayVerdict verdict = Judge({}, facts, "2026-01-12");
  EXPECT_EQ(verdict.status, DayStatus::kRunning);
  EXPECT_FALSE(verdict.safe_to_process);
  EXPECT_EQ(verdict.run_id, "again");
}

TEST(JudgeDay, AFailureAfterADeadRunCounts) {
  FactsMaker facts;
  facts.Running("2026-01-12", "dead", kNoon - 9 * kHourUs, true).Ran("2026-01-12", Status::kFailed, kNoon - kHourUs);
  EXPECT_EQ(Judge({}, facts, "2026-01-12").status, DayStatus::kFailed);
  FactsMaker other;
  other.Ran("2026-01-12", Status::kFailed, kNoon - 9 * kHourUs)
      .Running("2026-01-12", "dead", kNoon - 8 * kHourUs, true);
  EXPECT_EQ(Judge({}, other, "2026-01-12").status, DayStatus::kStaleRunning);
}

// The incident's own figures: found at 16:45, verified at 17:53.
TEST(JudgeDay, StaleRunningIsSafeAndSaysSoInTheKnownWords) {
  const int64_t start = At("2026-01-12T11:30:08Z");
  FactsMaker facts("PlayerGameSummaryProcessor");
  facts.Running("2026-01-11", "PlayerGameSummaryProcessor_20260112_113008_d1cb5a05", start, true);
  DayVerdict verdict = Judge({}, facts, "2026-01-11", At("2026-01-12T16:45:00Z"));
  EXPECT_EQ(verdict.status, DayStatus::kStaleRunning);
  EXPECT_TRUE(verdict.safe_to_process);
  EXPECT_NEAR(verdict.stale_age_hours, 5.2, 0.05);
  verdict = Judge({}, facts, "2026-01-11", At("2026-01-12T17:53:00Z"));
  EXPECT_NEAR(verdict.stale_age_hours, 6.4, 0.05);
  EXPECT_EQ(verdict.warning,
            "STALE RUNNING DETECTED: PlayerGameSummaryProcessor on 2026-01-11 has been 'running' for 6.4 hours "
            "(threshold: 4h). Run ID: PlayerGameSummaryProcessor_20260112_113008_d1cb5a05");
}

TEST(JudgeDay, MissingOnlyWhereAbsenceCanBeTold) {
  FactsMaker none;
  const JobPolicy policy;
  Knowledge known = KnownUpTo(kNoon);
  const auto judge = [&](const std::string& date) { return JudgeDay(policy, none.Make(), Date(date), known); };
  EXPECT_EQ(judge("2026-01-12").status, DayStatus::kMissing);
  EXPECT_TRUE(judge("2026-01-12").over);
  EXPECT_FALSE(judge("2026-01-13").over);
  EXPECT_THAT(judge("2026-01-13").reason, HasSubstr("not over"));
  // state.days before and after the log's own day are kept.
  EXPECT_EQ(judge("2025-12-14").status, DayStatus::kMissing);
  EXPECT_EQ(judge("2025-12-13").status, DayStatus::kUnknown);
  EXPECT_EQ(judge("2026-02-13").status, DayStatus::kUnknown);
  // A quiet partition has let nothing go.
  known.log_day = INT32_MIN;
  EXPECT_EQ(judge("2026-01-12").status, DayStatus::kMissing);
  known.log_day = Date("2025-12-01");
  EXPECT_EQ(judge("2026-01-12").status, DayStatus::kMissing);
  known = KnownUpTo(kNoon);
  // A log that begins with the date knows it, one that begins a microsecond later does not.
  known.began_us = At("2026-01-12T00:00:00Z");
  EXPECT_EQ(judge("2026-01-12").status, DayStatus::kMissing);
  ++known.began_us;
  EXPECT_EQ(judge("2026-01-12").status, DayStatus::kUnknown);
  EXPECT_FALSE(judge("2026-01-12").safe_to_process);
  known = KnownUpTo(kNoon);
  known.whole = false;
  known.elsewhere = "another one owns it";
  EXPECT_EQ(judge("2026-01-12").status, DayStatus::kUnknown);
  EXPECT_EQ(judge("2026-01-12").reason, "another one owns it");
}

TEST(JudgeDay, BehindTheLogNothingIsSaid) {
  FactsMaker facts;
  facts.Ran("2026-01-12", Status::kSuccess);
  Knowledge known = KnownUpTo(kNoon);
  known.caught_up = false;
  const DayVerdict verdict = JudgeDay({}, facts.Make(), Date("2026-01-12"), known);
  EXPECT_EQ(verdict.status, DayStatus::kUnknown);
  EXPECT_FALSE(verdict.safe_to_process);
  EXPECT_EQ(verdict.at_watermark, DayStatus::kSuccess);
}

TEST(JudgeDay, ARunThatWasForgottenIsUnknown) {
  FactsMaker facts;
  facts.Ran("2026-01-12", Status::kRunning);
  EXPECT_EQ(Judge({}, facts, "2026-01-12").status, DayStatus::kUnknown);
}

TEST(JudgeDay, NothingIsExpectedOnADateThatTheScheduleLacks) {
  FactsMaker facts;
  const DayVerdict sunday = Judge(Scheduled("weekdays"), facts, "2026-01-11");
  EXPECT_EQ(sunday.status, DayStatus::kNotExpected);
  EXPECT_TRUE(sunday.safe_to_process);
  EXPECT_EQ(Judge(Scheduled("weekdays"), facts, "2026-01-12").status, DayStatus::kMissing);
}

// CURRENT_DATE() is UTC in some queries and New York in others: a game that ends late is played on the day before.
TEST(Trap7, TheDayIsThatOfTheJobsZone) {
  const JobPolicy policy = InZone("America/New_York");
  EXPECT_EQ(DateOf(policy, At("2026-01-13T04:59:59Z")), Date("2026-01-12"));
  EXPECT_EQ(DateOf(policy, At("2026-01-13T05:00:00Z")), Date("2026-01-13"));
  FactsMaker none;
  EXPECT_FALSE(Judge(policy, none, "2026-01-12", At("2026-01-13T04:59:59Z")).over);
  EXPECT_TRUE(Judge(policy, none, "2026-01-12", At("2026-01-13T05:00:00Z")).over);
  // Days of 23 and of 25 hours.
  const TimeSpan spring = SpanOfDate(policy, Date("2026-03-08"));
  EXPECT_EQ(spring.end_us - spring.start_us, 23 * kHourUs);
  const TimeSpan autumn = SpanOfDate(policy, Date("2026-11-01"));
  EXPECT_EQ(autumn.end_us - autumn.start_us, 25 * kHourUs);
}

TEST(Trap7, WorkPastMidnightBelongsToTheDayBefore) {
  JobPolicy policy;
  ScheduleSettings settings;
  settings.text = "daily at 01:30";
  settings.time_zone = "America/New_York";
  settings.day_starts_at = "06:00";
  auto schedule = Schedule::Parse(settings);
  ASSERT_TRUE(schedule.ok()) << schedule.status();
  policy.schedule = *schedule;
  policy.time_zone = schedule->zone();
  EXPECT_EQ(DateOf(policy, At("2026-01-13T10:59:59Z")), Date("2026-01-12"));
  EXPECT_EQ(SpanOfDate(policy, Date("2026-01-12")).end_us, At("2026-01-13T11:00:00Z"));
}

TEST(FindGaps, ExpectedDatesWithoutSuccess) {
  FactsMaker facts;
  facts.Ran("2026-01-07", Status::kSuccess).Ran("2026-01-08", Status::kFailed).Ran("2026-01-08", Status::kSuccess);
  facts.Ran("2026-01-09", Status::kFailed).Ran("2026-01-12", Status::kSuccess).Ran("2026-01-13", Status::kFailed);
  const Gaps gaps =
      FindGaps(Scheduled("daily"), facts.Make(), Date("2026-01-07"), Date("2026-01-13"), KnownUpTo(kNoon));
  EXPECT_EQ(gaps.expected.size(), 7u);
  EXPECT_THAT(gaps.missing, ElementsAre(Date("2026-01-09"), Date("2026-01-10"), Date("2026-01-11")));
  EXPECT_THAT(gaps.failed, ElementsAre(Date("2026-01-09"), Date("2026-01-13"))) << "the 8th was made good";
  EXPECT_THAT(gaps.pending, ElementsAre(Date("2026-01-13")));
  EXPECT_THAT(gaps.unknown, IsEmpty());
}

// A failure is known of it; whether it had succeeded before anybody listened is not.
TEST(FindGaps, AFailedDateOfBeforeTheLogIsNotAccountedFor) {
  FactsMaker facts;
  facts.Ran("2026-01-10", Status::kFailed).Ran("2026-01-11", Status::kSuccess);
  Knowledge known = KnownUpTo(kNoon);
  known.began_us = At("2026-01-11T00:00:00Z") + 1;
  const Gaps gaps = FindGaps(Scheduled("daily"), facts.Make(), Date("2026-01-09"), Date("2026-01-11"), known);
  EXPECT_THAT(gaps.missing, IsEmpty());
  EXPECT_THAT(gaps.failed, ElementsAre(Date("2026-01-10")));
  EXPECT_THAT(gaps.unknown, ElementsAre(Date("2026-01-09"), Date("2026-01-10")));
}

TEST(FindGaps, OnlyWhatTheScheduleExpects) {
  FactsMaker none;
  const Gaps gaps =
      FindGaps(Scheduled("weekdays"), none.Make(), Date("2026-01-09"), Date("2026-01-12"), KnownUpTo(kNoon));
  EXPECT_THAT(gaps.missing, ElementsAre(Date("2026-01-09"), Date("2026-01-12")));
  EXPECT_THAT(FindGaps({}, none.Make(), Date("2026-01-09"), Date("2026-01-12"), KnownUpTo(kNoon)).missing, IsEmpty());
  for (const char* schedule : {"hourly", "0 5 * * *", "*/15 * * * *"}) {
    EXPECT_EQ(FindGaps(Scheduled(schedule), none.Make(), Date("2026-01-06"), Date("2026-01-12"), KnownUpTo(kNoon))
                  .missing.size(),
              7u)
        << schedule;
  }
  EXPECT_THAT(
      FindGaps(Scheduled("weekly on mon"), none.Make(), Date("2026-01-06"), Date("2026-01-12"), KnownUpTo(kNoon))
          .missing,
      ElementsAre(Date("2026-01-12")));
}

TEST(FindGaps, CustomCalendar) {
  ScheduleSettings settings;
  settings.text = "daily";
  settings.only = {"game_days"};
  const Calendars calendars = {{"game_days", MakeDateSet({Date("2026-01-08"), Date("2026-01-11")})}};
  auto schedule = Schedule::Parse(settings, calendars);
  ASSERT_TRUE(schedule.ok()) << schedule.status();
  JobPolicy policy;
  policy.schedule = *schedule;
  FactsMaker none;
  EXPECT_THAT(FindGaps(policy, none.Make(), Date("2026-01-06"), Date("2026-01-12"), KnownUpTo(kNoon)).missing,
              ElementsAre(Date("2026-01-08"), Date("2026-01-11")));
}

// A skipped or no_data day is a gap unless the configuration says otherwise.
TEST(Trap9, WhatClosesADateIsConfigured) {
  FactsMaker facts;
  facts.Ran("2026-01-10", Status::kSkipped).Ran("2026-01-11", Status::kNoData).Ran("2026-01-12", Status::kPartial);
  JobPolicy policy = Scheduled("daily");
  const auto missing = [&] {
    return FindGaps(policy, facts.Make(), Date("2026-01-10"), Date("2026-01-12"), KnownUpTo(kNoon)).missing;
  };
  EXPECT_EQ(missing().size(), 3u);
  policy.success_counts = {DayStatus::kSuccess, DayStatus::kSkipped, DayStatus::kNoData};
  EXPECT_THAT(missing(), ElementsAre(Date("2026-01-12")));
}

// `status` of scrapers and of processors share one vocabulary, and each word keeps its meaning.
TEST(Trap14, EachWordOfBothVocabulariesIsAStatusOfADate) {
  for (const char* word : {"success", "no_data", "failed", "running", "partial", "skipped"}) {
    const auto status = codecs::StatusFromWord(word);
    ASSERT_TRUE(status) << word;
    EXPECT_EQ(DayStatusName(DayStatusOf(*status)), word);
  }
  for (const DayStatus status : kAllDayStatuses) EXPECT_EQ(DayStatusFromName(DayStatusName(status)), status);
}

}  // namespace
}  // namespace runledger::aggregators
