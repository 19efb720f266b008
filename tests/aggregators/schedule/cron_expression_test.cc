#include "aggregators/schedule/cron_expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aggregators/schedule/schedule_times.h"
#include "aggregators/schedule/time_zone.h"

namespace runledger::aggregators {
namespace {

using test::At;
using test::Shown;
using test::Zone;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CronExpression Cron(std::string_view text) {
  const absl::StatusOr<CronExpression> expression = CronExpression::Parse(text);
  EXPECT_TRUE(expression.ok()) << expression.status();
  return expression.ok() ? *expression : CronExpression();
}

// The ticks of [from, to), as the zone's clock shows them with its offset.
std::vector<std::string> Ticks(std::string_view text, const std::string& zone, const std::string& from,
                               const std::string& to) {
  return Shown(Cron(text).TicksBetween(At(from), At(to), Zone(zone)), zone);
}

constexpr char kNewYork[] = "America/New_York";

// New York, 2026-03-08: at 02:00 -05:00 (07:00 UTC) the clock is put to 03:00 -04:00.
std::vector<std::string> OnTheShortDay(std::string_view text) {
  return Ticks(text, kNewYork, "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z");
}

// New York, 2026-11-01: at 02:00 -04:00 (06:00 UTC) the clock is put to 01:00 -05:00.
std::vector<std::string> OnTheLongDay(std::string_view text) {
  return Ticks(text, kNewYork, "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z");
}

TEST(CronExpressionTest, FixedTimeInTheSkippedHourTicksOnceRightAfterTheChange) {
  EXPECT_THAT(OnTheShortDay("30 2 * * *"), ElementsAre("03-08 03:00 -0400"));
  EXPECT_THAT(OnTheShortDay("0 2 * * *"), ElementsAre("03-08 03:00 -0400"));
  EXPECT_THAT(OnTheShortDay("59 2 * * *"), ElementsAre("03-08 03:00 -0400"));
  EXPECT_THAT(OnTheShortDay("0,20,40 2 * * *"), ElementsAre("03-08 03:00 -0400")) << "one for all that were skipped";
}

TEST(CronExpressionTest, WhatTicksAtTheChangeAnywayIsNotDoubled) {
  EXPECT_THAT(OnTheShortDay("0 2,3 * * *"), ElementsAre("03-08 03:00 -0400"));
  EXPECT_THAT(OnTheShortDay("30 1-3 * * *"),
              ElementsAre("03-08 01:30 -0500", "03-08 03:00 -0400", "03-08 03:30 -0400"));
}

TEST(CronExpressionTest, FixedTimesBesideTheSkippedHourStay) {
  EXPECT_THAT(OnTheShortDay("59 1 * * *"), ElementsAre("03-08 01:59 -0500"));
  EXPECT_THAT(OnTheShortDay("0 3 * * *"), ElementsAre("03-08 03:00 -0400"));
  EXPECT_THAT(OnTheShortDay("0 5 * * *"), ElementsAre("03-08 05:00 -0400"));
}

TEST(CronExpressionTest, OfTheClockGoesByWhatIsShown) {
  EXPECT_THAT(OnTheShortDay("*/30 2 * * *"), IsEmpty()) << "two o'clock was not shown";
  EXPECT_THAT(OnTheShortDay("0 */2 * * *").size(), 11);
  EXPECT_EQ(OnTheShortDay("0 * * * *").size(), 23);
  EXPECT_EQ(OnTheShortDay("*/15 * * * *").size(), 92);
  EXPECT_THAT(OnTheLongDay("*/30 1 * * *"),
              ElementsAre("11-01 01:00 -0400", "11-01 01:30 -0400", "11-01 01:00 -0500", "11-01 01:30 -0500"));
  EXPECT_EQ(OnTheLongDay("0 * * * *").size(), 25);
  EXPECT_EQ(OnTheLongDay("@hourly").size(), 25);
}

TEST(CronExpressionTest, FixedTimeInTheRepeatedHourTicksTheFirstTimeOnly) {
  EXPECT_THAT(OnTheLongDay("30 1 * * *"), ElementsAre("11-01 01:30 -0400"));
  EXPECT_THAT(OnTheLongDay("0 1,2 * * *"), ElementsAre("11-01 01:00 -0400", "11-01 02:00 -0500"));
  EXPECT_EQ(OnTheLongDay("0 0-23 * * *").size(), 24) << "each hour named is of fixed times, not of the clock";
}

TEST(CronExpressionTest, AWindowThatBeginsWithinTheRepeatedHourKnowsThatItIsRepeated) {
  EXPECT_THAT(Ticks("30 1 * * *", kNewYork, "2026-11-01T06:10:00Z", "2026-11-02T05:00:00Z"), IsEmpty());
  EXPECT_THAT(Ticks("30 1 * * *", kNewYork, "2026-11-01T05:30:00Z", "2026-11-01T05:30:01Z"),
              ElementsAre("11-01 01:30 -0400"));
  EXPECT_THAT(Ticks("30 1 * * *", kNewYork, "2026-11-01T05:30:00.000001Z", "2026-11-02T05:00:00Z"), IsEmpty());
}

TEST(CronExpressionTest, TheStarThatCountsIsTheFirstCharacter) {
  EXPECT_THAT(OnTheLongDay("30,* 1 * * *").size(), 60) << "does not begin with a star: of fixed times";
  EXPECT_THAT(OnTheLongDay("*,30 1 * * *").size(), 120);
}

TEST(CronExpressionTest, HalfAnHourOfLordHowe) {
  // 2026-04-05: at 02:00 +11:00 back to 01:30 +10:30. 2026-10-04: at 02:00 +10:30 on to 02:30 +11:00.
  EXPECT_THAT(Ticks("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T13:00:00Z", "2026-04-05T13:00:00Z"),
              ElementsAre("04-05 01:45 +1100"));
  EXPECT_THAT(Ticks("45 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", "2026-04-04T17:00:00Z"),
              ElementsAre("04-05 01:45 +1100", "04-05 01:45 +1030", "04-05 02:45 +1030"));
  EXPECT_THAT(Ticks("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T13:00:00Z", "2026-10-04T13:00:00Z"),
              ElementsAre("10-04 02:30 +1100"));
}

TEST(CronExpressionTest, MidnightSkipped) {
  // Sao Paulo, 2018-11-04: 00:00 -03:00 became 01:00 -02:00. Beirut, 2022-03-27: 00:00 +02:00 became 01:00 +03:00.
  EXPECT_THAT(Ticks("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z"),
              ElementsAre("11-04 01:00 -0200", "11-05 00:00 -0200"));
  EXPECT_THAT(Ticks("0 0 4 11 *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z"),
              ElementsAre("11-04 01:00 -0200"));
  EXPECT_THAT(Ticks("*/20 0 4 11 *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z"), IsEmpty());
  EXPECT_THAT(Ticks("15 0 * * *", "Asia/Beirut", "2022-03-26T12:00:00Z", "2022-03-27T12:00:00Z"),
              ElementsAre("03-27 01:00 +0300"));
}

TEST(CronExpressionTest, AJumpOfThreeHoursOrMoreIsACorrection) {
  // Apia had no 2011-12-30. Casey went back three hours (which still counts as a change) on 2010-03-05.
  EXPECT_THAT(Ticks("0 5 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z"),
              ElementsAre("12-29 05:00 -1000", "12-31 05:00 +1400", "01-01 05:00 +1400"));
  EXPECT_THAT(Ticks("30 0 * * *", "Antarctica/Casey", "2010-03-04T12:00:00Z", "2010-03-05T12:00:00Z"),
              ElementsAre("03-05 00:30 +1100"));
}

TEST(CronExpressionTest, DayOfMonthOrDayOfWeek) {
  // 2026-11-01 is a Sunday.
  const auto days = [](std::string_view text) {
    return Ticks(text, "UTC", "2026-11-01T00:00:00Z", "2026-11-16T00:00:00Z").size();
  };
  EXPECT_EQ(days("0 0 13 * 5"), 2u) << "the Fridays 6 and 13";
  EXPECT_EQ(days("0 0 10 * fri"), 3u);
  EXPECT_EQ(days("0 0 */2 * fri"), 1u) << "begins with a star: both; odd Fridays are the 13th";
  EXPECT_EQ(days("0 0 1-31/2 * fri"), 9u) << "the same days, no star: either";
  EXPECT_EQ(days("0 0 13 * */5"), 1u) << "Sunday and Friday, with a star: both";
  EXPECT_EQ(days("0 0 * * 0"), 3u);
  EXPECT_EQ(days("0 0 * * 7"), 3u);
  EXPECT_EQ(days("0 0 * * sun-mon,5-7"), 9u);
}

TEST(CronExpressionTest, Shorthands) {
  for (const auto& [shorthand, fields] : std::vector<std::pair<std::string, std::string>>{{"@hourly", "0 * * * *"},
                                                                                          {"@daily", "0 0 * * *"},
                                                                                          {"@MIDNIGHT", "0 0 * * *"},
                                                                                          {" @weekly ", "0 0 * * 0"},
                                                                                          {"@monthly", "0 0 1 * *"},
                                                                                          {"@yearly", "0 0 1 1 *"},
                                                                                          {"@annually", "0 0 1 1 *"}}) {
    EXPECT_EQ(Cron(shorthand).pattern(), Cron(fields).pattern()) << shorthand;
  }
}

TEST(CronExpressionTest, ErrorsNameFieldValueAndRange) {
  const auto error = [](std::string_view text) { return std::string(CronExpression::Parse(text).status().message()); };
  EXPECT_EQ(error("60 * * * *"), "cron \"60 * * * *\": minute: \"60\" is not a number from 0 to 59");
  EXPECT_EQ(error("0 24 * * *"), "cron \"0 24 * * *\": hour: \"24\" is not a number from 0 to 23");
  EXPECT_EQ(error("0 0 0 * *"), "cron \"0 0 0 * *\": day-of-month: \"0\" is not a number from 1 to 31");
  EXPECT_EQ(error("0 0 * 13 *"),
            "cron \"0 0 * 13 *\": month: \"13\" is not a number from 1 to 12 or a name from jan to dec");
  EXPECT_EQ(error("0 0 * * 8"),
            "cron \"0 0 * * 8\": day-of-week: \"8\" is not a number from 0 to 7 or a name from sun to sat");
  EXPECT_THAT(error("0 0 * * unm"), HasSubstr("day-of-week: \"unm\" is not")) << "between two names";
  EXPECT_THAT(error("*/90 * * * *"), HasSubstr("minute: the step \"90\" of \"*/90\" is not a number from 1 to 59"));
  EXPECT_THAT(error("*/0 * * * *"), HasSubstr("the step \"0\""));
  EXPECT_THAT(error("0 0 * * fri-sun"), HasSubstr("the range \"fri-sun\" runs backwards; Sunday as its end is 7"));
  EXPECT_THAT(error("30-10 * * * *"), HasSubstr("minute: the range \"30-10\" runs backwards"));
  EXPECT_THAT(error("1,,2 * * * *"), HasSubstr("minute: \"\" is not"));
  EXPECT_THAT(error("1, * * * *"), HasSubstr("minute: \"\" is not"));
  EXPECT_THAT(error("99999999999999999999 * * * *"), HasSubstr("minute: \"99999999999999999999\" is not"));
  EXPECT_THAT(error("0 0 * *"), HasSubstr("it has 4 fields, not 5"));
  EXPECT_THAT(error("0 0 0 * * *"),
              HasSubstr("it has 6 fields, not 5: minute hour day-of-month month day-of-week; there are none"));
  EXPECT_THAT(error("@reboot"), HasSubstr("not one of @hourly @daily"));
  EXPECT_THAT(error(std::string(2000, '1')), HasSubstr("longer than 1000 characters"));
  EXPECT_THAT(error("\x01 * * * *"), HasSubstr("\\001"));
}

TEST(CronExpressionTest, WhatNeverTicksIsRefused) {
  const auto error = [](std::string_view text) { return std::string(CronExpression::Parse(text).status().message()); };
  EXPECT_THAT(error("0 0 30 2 *"), HasSubstr("it would never tick: no month of \"2\" has a day of month \"30\""));
  EXPECT_THAT(error("0 0 31 2,4,6,9,11 *"), HasSubstr("never tick"));
  EXPECT_THAT(error("0 0 31 4 */2"), HasSubstr("never tick"));
  EXPECT_TRUE(CronExpression::Parse("0 0 30 2 mon").ok()) << "every Monday of February";
  EXPECT_TRUE(CronExpression::Parse("0 0 29 2 *").ok());
}

TEST(CronExpressionTest, Next) {
  const TimeZone utc;
  EXPECT_EQ(Cron("0 0 29 2 *").Next(At("2026-01-01T00:00:00Z"), utc), At("2028-02-29T00:00:00Z"));
  EXPECT_EQ(Cron("0 0 29 2 *").Next(At("2097-01-01T00:00:00Z"), utc), At("2104-02-29T00:00:00Z"))
      << "2100 has no 29 February";
  EXPECT_EQ(Cron("0 0 29 2 */7").Next(At("2088-03-01T00:00:00Z"), utc), At("2128-02-29T00:00:00Z"))
      << "a 29 February that is a Sunday";
  EXPECT_EQ(Cron("* * * * *").Next(At("2026-01-01T00:00:00Z"), utc), At("2026-01-01T00:01:00Z")) << "after, not at";
  EXPECT_EQ(Cron("* * * * *").Next(At("2026-01-01T00:00:00Z") - 1, utc), At("2026-01-01T00:00:00Z"));
  EXPECT_EQ(Cron("0 0 1 1 *").Next(At("2026-12-31T23:59:59Z"), utc), At("2027-01-01T00:00:00Z"));
  EXPECT_EQ(Cron("30 2 * * *").Next(At("2026-03-08T06:00:00Z"), Zone(kNewYork)), At("2026-03-08T07:00:00Z"));
  EXPECT_EQ(Cron("* * * * *").Next(std::numeric_limits<int64_t>::max(), utc), std::nullopt);
  EXPECT_TRUE(Cron("* * * * *").Next(std::numeric_limits<int64_t>::min(), utc).has_value());
}

TEST(CronExpressionTest, IntervalsAreHalfOpenAndMayBeEmpty) {
  EXPECT_THAT(Ticks("0 * * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"),
              ElementsAre("01-01 00:00 +0000"));
  EXPECT_THAT(Ticks("0 * * * *", "UTC", "2026-01-01T01:00:00Z", "2026-01-01T01:00:00Z"), IsEmpty());
  EXPECT_THAT(Ticks("0 * * * *", "UTC", "2026-01-01T01:00:00Z", "2025-01-01T01:00:00Z"), IsEmpty());
  EXPECT_THAT(Ticks("0 * * * *", "UTC", "1969-12-31T22:30:00Z", "1970-01-01T00:00:01Z"),
              ElementsAre("12-31 23:00 +0000", "01-01 00:00 +0000"));
}

}  // namespace
}  // namespace runledger::aggregators
