#include "aggregators/schedule/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "aggregators/schedule/schedule_times.h"
#include "codecs/civil_time.h"

namespace runledger::aggregators {
namespace {

using test::At;
using test::Date;
using test::Shown;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kNewYork[] = "America/New_York";
constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;

Schedule Parsed(const ScheduleSettings& settings, const Calendars& calendars = {}) {
  const absl::StatusOr<Schedule> schedule = Schedule::Parse(settings, calendars);
  EXPECT_TRUE(schedule.ok()) << settings.text << ": " << schedule.status();
  return schedule.ok() ? *schedule : Schedule();
}

std::string Error(const ScheduleSettings& settings, const Calendars& calendars = {}) {
  return std::string(Schedule::Parse(settings, calendars).status().message());
}

// "03-08 05:00 -0400 for 2026-03-08"
std::vector<std::string> Ticks(const Schedule& schedule, const std::string& from, const std::string& to) {
  std::vector<std::string> shown;
  for (const Schedule::Tick& tick : schedule.TicksBetween(At(from), At(to))) {
    shown.push_back(Shown(tick.time_us, schedule.zone().name()) + " for " + codecs::FormatDate(tick.work_day));
  }
  return shown;
}

std::vector<std::string> Dates(const std::vector<int32_t>& dates) {
  std::vector<std::string> shown;
  for (const int32_t date : dates) shown.push_back(codecs::FormatDate(date));
  return shown;
}

TEST(ScheduleTest, WordsMeanWhatCronMeans) {
  const struct {
    const char* words;
    const char* cron;
  } kCases[] = {
      {"hourly", "0 * * * *"},
      {"hourly at :15", "15 * * * *"},
      {"hourly at :15, :45", "15,45 * * * *"},
      {"daily", "0 0 * * *"},
      {"daily at 05:00", "0 5 * * *"},
      {"Daily AT 5:00", "0 5 * * *"},
      {"daily at 05:00,17:00", "0 5,17 * * *"},
      {"weekdays at 05:30", "30 5 * * 1-5"},
      {"weekends at 05:30", "30 5 * * 0,6"},
      {"weekly", "@weekly"},
      {"weekly on mon at 05:00", "0 5 * * 1"},
      {"weekly on monday, thu at 05:00", "0 5 * * 1,4"},
      {"weekly on fri-mon", "0 0 * * 0,1,5,6"},
      {"monthly", "@monthly"},
      {"monthly on 1,15 at 06:00", "0 6 1,15 * *"},
      {"every 15m", "*/15 * * * *"},
      {"every 6h", "0 */6 * * *"},
      {"every 900s", "*/15 * * * *"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Parsed({c.words}).pattern(), Parsed({c.cron}).pattern()) << c.words;
  }
  EXPECT_EQ(Parsed({"every 1d"}).pattern(), Parsed({"every 24h"}).pattern());
}

TEST(ScheduleTest, EveryBeginsAnewAtLocalMidnight) {
  EXPECT_THAT(Ticks(Parsed({"every 7h", kNewYork}), "2026-01-12T05:00:00Z", "2026-01-13T06:00:00Z"),
              ElementsAre("01-12 00:00 -0500 for 2026-01-12", "01-12 07:00 -0500 for 2026-01-12",
                          "01-12 14:00 -0500 for 2026-01-12", "01-12 21:00 -0500 for 2026-01-12",
                          "01-13 00:00 -0500 for 2026-01-13"));
}

TEST(ScheduleTest, TimesThatNoSingleCronHas) {
  EXPECT_THAT(Ticks(Parsed({"daily at 05:00,17:30", kNewYork}), "2026-01-12T05:00:00Z", "2026-01-13T05:00:00Z"),
              ElementsAre("01-12 05:00 -0500 for 2026-01-12", "01-12 17:30 -0500 for 2026-01-12"));
}

TEST(ScheduleTest, ErrorsSayWhatIsPermitted) {
  EXPECT_THAT(Error({"daily at 25:00"}),
              HasSubstr("schedule \"daily at 25:00\": \"25:00\" is not a time of day from 00:00 to 23:59"));
  EXPECT_THAT(Error({"daily at"}), HasSubstr("\"\" is not a time of day"));
  EXPECT_THAT(Error({"daily at 05:00 sharp"}), HasSubstr("\"sharp\" is not understood"));
  EXPECT_THAT(Error({"fortnightly"}), HasSubstr("a schedule is cron of five fields"));
  EXPECT_THAT(Error({""}), HasSubstr("a schedule is cron of five fields"));
  EXPECT_THAT(Error({"weekly on someday"}), HasSubstr("\"someday\" is not a day of the week from sun to sat"));
  EXPECT_THAT(Error({"weekly on"}), HasSubstr("\"\" is not a day of the week"));
  EXPECT_THAT(Error({"monthly on 32"}), HasSubstr("day-of-month: \"32\" is not a number from 1 to 31"));
  EXPECT_THAT(Error({"hourly at :60"}), HasSubstr("\":60\" is not a minute of the hour from :00 to :59"));
  for (const char* period : {"0m", "25h", "90s", "m", "1w", "-5m", "999999m", "1441m"}) {
    EXPECT_THAT(Error({std::string("every ") + period}), HasSubstr("is not a duration of whole minutes from 1m to 24h"))
        << period;
  }
  EXPECT_THAT(Error({"61 * * * *"}), HasSubstr("minute: \"61\" is not a number from 0 to 59"));
  EXPECT_THAT(Error({"daily", "Mars/Phobos"}), HasSubstr("time_zone: the time zone database has no \"Mars/Phobos\""));
  EXPECT_THAT(Error({.text = "daily", .only = {"2026-02-30"}}), HasSubstr("only: \"2026-02-30\" is neither a date"));
  EXPECT_THAT(Error({.text = "daily", .include = {"2026-02-02..2026-02-01"}}),
              HasSubstr("include: \"2026-02-02..2026-02-01\" ends before"));
  EXPECT_THAT(Error({.text = "daily", .exclude = {"2026-02-02..tomorrow"}}),
              HasSubstr("exclude: \"2026-02-02..tomorrow\" is no span"));
  EXPECT_THAT(Error({.text = "daily", .exclude = {"0001-01-01..9999-12-31"}}), HasSubstr("more than"));
  EXPECT_THAT(Error({.text = "daily", .day_starts_at = "6"}), HasSubstr("day_starts_at: \"6\" is not a time of day"));
  EXPECT_THAT(Error({.text = "daily", .data_date_offset = -367}),
              HasSubstr("data_date_offset: -367 is not a number of days from -366"));
}

TEST(ScheduleTest, OvernightWindows) {
  const Schedule schedule = Parsed({.text = "daily at 01:30, 22:00", .time_zone = kNewYork, .day_starts_at = "06:00"});
  EXPECT_THAT(Ticks(schedule, "2026-01-12T06:00:00Z", "2026-01-13T12:00:00Z"),
              ElementsAre("01-12 01:30 -0500 for 2026-01-11", "01-12 22:00 -0500 for 2026-01-12",
                          "01-13 01:30 -0500 for 2026-01-12"));
  EXPECT_EQ(schedule.WorkDay(At("2026-01-13T10:59:59Z")), Date("2026-01-12")) << "05:59:59";
  EXPECT_EQ(schedule.WorkDay(At("2026-01-13T11:00:00Z")), Date("2026-01-13"));
  EXPECT_EQ(schedule.WorkDayWindow(Date("2026-01-12")).start_us, At("2026-01-12T11:00:00Z"));
  EXPECT_EQ(schedule.WorkDayWindow(Date("2026-01-12")).end_us, At("2026-01-13T11:00:00Z"));
  EXPECT_EQ(schedule.WorkDayWindow(Date("2026-03-07")).end_us - schedule.WorkDayWindow(Date("2026-03-07")).start_us,
            23 * kDayUs / 24);
}

TEST(ScheduleTest, YesterdaysData) {
  const Schedule schedule = Parsed({.text = "daily at 05:00", .time_zone = kNewYork, .data_date_offset = -1});
  EXPECT_THAT(Ticks(schedule, "2026-01-01T05:00:00Z", "2026-01-02T05:00:00Z"),
              ElementsAre("01-01 05:00 -0500 for 2025-12-31"));
  EXPECT_EQ(schedule.WorkDay(At("2026-01-01T10:00:00Z")), Date("2025-12-31"));
  EXPECT_EQ(schedule.WorkDayWindow(Date("2025-12-31")).start_us, At("2026-01-01T05:00:00Z"));
  EXPECT_THAT(Dates(schedule.ExpectedDates(Date("2025-12-30"), Date("2026-01-01"))),
              ElementsAre("2025-12-30", "2025-12-31", "2026-01-01"));
}

TEST(ScheduleTest, ATickThatMakesUpBelongsToTheDayItWasMeantFor) {
  // 2026-03-08 02:30 was skipped; 03:00 is already the next work day's.
  const Schedule schedule = Parsed({.text = "daily at 02:30", .time_zone = kNewYork, .day_starts_at = "03:00"});
  EXPECT_THAT(Ticks(schedule, "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
              ElementsAre("03-08 03:00 -0400 for 2026-03-07"));
  EXPECT_THAT(Dates(schedule.ExpectedDates(Date("2026-03-07"), Date("2026-03-07"))), ElementsAre("2026-03-07"));
}

TEST(ScheduleTest, CalendarsSpeakOfWorkDays) {
  const Calendars calendars = {{"games", MakeDateSet({Date("2026-01-12"), Date("2026-01-14")})},
                               {"holidays", {Date("2026-01-14")}}};
  const Schedule games =
      Parsed({.text = "daily at 01:30", .time_zone = kNewYork, .only = {"games"}, .day_starts_at = "06:00"}, calendars);
  EXPECT_THAT(Ticks(games, "2026-01-11T05:00:00Z", "2026-01-18T05:00:00Z"),
              ElementsAre("01-13 01:30 -0500 for 2026-01-12", "01-15 01:30 -0500 for 2026-01-14"));
  EXPECT_THAT(Dates(games.ExpectedDates(Date("2026-01-01"), Date("2026-01-31"))),
              ElementsAre("2026-01-12", "2026-01-14"));

  // 2026-01-12 is a Monday.
  const Schedule office = Parsed(
      {.text = "weekdays at 09:00", .include = {"2026-01-17"}, .exclude = {"holidays", "2026-01-15..2026-01-16"}},
      calendars);
  EXPECT_THAT(Dates(office.ExpectedDates(Date("2026-01-11"), Date("2026-01-18"))),
              ElementsAre("2026-01-12", "2026-01-13", "2026-01-17"));
  const Schedule both = Parsed({.text = "daily", .include = {"2026-01-14"}, .exclude = {"holidays"}}, calendars);
  EXPECT_THAT(both.ExpectedDates(Date("2026-01-14"), Date("2026-01-14")), IsEmpty()) << "exclude wins";
  EXPECT_THAT(Error({.text = "daily", .only = {"game"}}, calendars), HasSubstr("\"game\" is neither a date"));
}

TEST(ScheduleTest, NextEndsWithItsCalendar) {
  const Schedule schedule = Parsed({.text = "daily at 05:00", .only = {"2026-01-12"}});
  const std::optional<Schedule::Tick> tick = schedule.Next(At("2026-01-01T00:00:00Z"));
  ASSERT_TRUE(tick.has_value());
  EXPECT_EQ(*tick, (Schedule::Tick{At("2026-01-12T05:00:00Z"), Date("2026-01-12")}));
  EXPECT_EQ(schedule.Next(tick->time_us), std::nullopt);
}

TEST(ScheduleTest, ExpectedDatesOverLeapDayYearEndAndSkippedDay) {
  EXPECT_THAT(Dates(Parsed({"daily"}).ExpectedDates(Date("2028-02-28"), Date("2028-03-01"))),
              ElementsAre("2028-02-28", "2028-02-29", "2028-03-01"));
  EXPECT_THAT(Dates(Parsed({"weekdays"}).ExpectedDates(Date("2026-12-31"), Date("2027-01-04"))),
              ElementsAre("2026-12-31", "2027-01-01", "2027-01-04"));
  EXPECT_THAT(Dates(Parsed({"daily at 05:00", "Pacific/Apia"}).ExpectedDates(Date("2011-12-29"), Date("2011-12-31"))),
              ElementsAre("2011-12-29", "2011-12-31"))
      << "there was no 30 December";
  EXPECT_THAT(Dates(Parsed({"daily", "America/Sao_Paulo"}).ExpectedDates(Date("2018-11-03"), Date("2018-11-05"))),
              ElementsAre("2018-11-03", "2018-11-04", "2018-11-05"))
      << "midnight of the 4th was made up for at 01:00";
  EXPECT_THAT(Parsed({"daily"}).ExpectedDates(5, 4), IsEmpty());
}

// ExpectedDates looks at dates; this looks at ticks.
RC_GTEST_PROP(ScheduleTest, ExpectedDatesAreThoseOfTheTicks, ()) {
  ScheduleSettings settings;
  settings.text = *rc::gen::element<std::string>("0 0 * * *", "30 2 * * *", "*/20 0 * * *", "30 23 * * 6,0",
                                                 "0 0 1,15 * 3", "every 7h", "weekdays at 02:30,02:45", "45 23 * * *",
                                                 "0 1-3 */2 * *", "hourly at :59");
  settings.time_zone = *rc::gen::element<std::string>("UTC", "America/New_York", "Australia/Lord_Howe",
                                                      "America/Sao_Paulo", "Pacific/Apia", "America/St_Johns",
                                                      "Asia/Beirut", "Pacific/Chatham", "America/Havana");
  settings.day_starts_at = *rc::gen::element<std::string>("00:00", "00:30", "02:40", "03:00", "06:00", "23:30");
  settings.data_date_offset = *rc::gen::inRange(-2, 3);
  // Within years in which all of these zones changed their clocks, or near Apia's skipped day.
  const int32_t first = *rc::gen::oneOf(rc::gen::inRange(Date("2005-01-01"), Date("2019-01-01")),
                                        rc::gen::inRange(Date("2011-12-15"), Date("2012-01-05")));
  const int32_t last = first + *rc::gen::inRange(0, 40);
  const Calendars calendars = {{"some", MakeDateSet({first, first + 3, first + 4, last})}};
  if (*rc::gen::weightedElement<bool>({{4, false}, {1, true}})) settings.only = {"some"};
  if (*rc::gen::weightedElement<bool>({{4, false}, {1, true}})) settings.exclude = {"some"};
  if (*rc::gen::weightedElement<bool>({{4, false}, {1, true}})) settings.include = {"some"};
  const Schedule schedule = Parsed(settings, calendars);
  std::vector<int32_t> dates;
  schedule.ForEachTick((first - 5) * kDayUs, (last + 5) * kDayUs, [&](const Schedule::Tick& tick) {
    if (tick.work_day >= first && tick.work_day <= last) dates.push_back(tick.work_day);
    return true;
  });
  std::sort(dates.begin(), dates.end());
  dates.erase(std::unique(dates.begin(), dates.end()), dates.end());
  RC_ASSERT(schedule.ExpectedDates(first, last) == dates);
}

// Cutting an interval in two changes nothing, and Next is the first of what follows.
RC_GTEST_PROP(ScheduleTest, IntervalsJoin, ()) {
  const Schedule schedule =
      Parsed({.text = *rc::gen::element<std::string>("30 2 * * *", "*/30 1,2 * * *", "0,30 0-3 * * *", "every 45m"),
              .time_zone = *rc::gen::element<std::string>("America/New_York", "Australia/Lord_Howe", "America/Havana",
                                                          "Asia/Beirut"),
              .day_starts_at = "02:00"});
  const int64_t change =
      *rc::gen::element<int64_t>(At("2026-03-08T07:00:00Z"), At("2026-11-01T06:00:00Z"), At("2026-04-04T15:00:00Z"),
                                 At("2026-10-03T15:30:00Z"), At("2022-03-26T22:00:00Z"), At("2026-11-01T05:00:00Z"));
  const int64_t hour = kDayUs / 24;
  const int64_t from = change - *rc::gen::inRange<int64_t>(0, 6 * hour);
  const int64_t to = change + *rc::gen::inRange<int64_t>(0, 6 * hour);
  const int64_t cut = *rc::gen::inRange<int64_t>(from, to + 1);
  std::vector<Schedule::Tick> joined = schedule.TicksBetween(from, cut);
  const std::vector<Schedule::Tick> rest = schedule.TicksBetween(cut, to);
  joined.insert(joined.end(), rest.begin(), rest.end());
  RC_ASSERT(joined == schedule.TicksBetween(from, to));
  if (!rest.empty()) RC_ASSERT(schedule.Next(cut - 1) == rest.front());
}

}  // namespace
}  // namespace runledger::aggregators
