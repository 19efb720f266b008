#include "aggregators/schedule/time_zone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <limits>
#include <string>

#include "aggregators/schedule/schedule_times.h"
#include "codecs/limits.h"

namespace runledger::aggregators {
namespace {

using test::At;
using test::Date;
using test::Zone;

constexpr int64_t kHourUs = int64_t{3600} * 1'000'000;

struct Day {
  const char* zone;
  const char* date;
  const char* start;  // RFC 3339
  double hours;
};

TEST(TimeZoneTest, DaysBeginAndEndWhereTheClockSays) {
  static constexpr Day kDays[] = {
      {"UTC", "2026-01-12", "2026-01-12T00:00:00Z", 24},
      {"America/New_York", "2026-01-12", "2026-01-12T05:00:00Z", 24},
      {"America/New_York", "2026-03-08", "2026-03-08T05:00:00Z", 23},
      {"America/New_York", "2026-03-09", "2026-03-09T04:00:00Z", 24},
      {"America/New_York", "2026-11-01", "2026-11-01T04:00:00Z", 25},
      {"America/New_York", "2028-02-29", "2028-02-29T05:00:00Z", 24},
      {"America/New_York", "2026-12-31", "2026-12-31T05:00:00Z", 24},
      {"Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", 24.5},
      {"Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30:00Z", 23.5},
      {"Asia/Kolkata", "2026-07-01", "2026-06-30T18:30:00Z", 24},
      {"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", 23},  // from 01:00 -02:00
      {"America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z", 25},  // 23:00 to 24:00 twice
      {"Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00Z", 23},
      {"Asia/Beirut", "2022-03-27", "2022-03-26T22:00:00Z", 23},
      {"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", 25},  // 00:00 to 01:00 twice: the first of them
      {"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", 0},
      {"Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z", 24},
  };
  for (const Day& day : kDays) {
    const TimeZone zone = Zone(day.zone);
    const int32_t date = Date(day.date);
    const int64_t start = DayStart(date, zone);
    EXPECT_EQ(start, At(day.start)) << day.zone << " " << day.date;
    EXPECT_EQ(DayEnd(date, zone) - start, static_cast<int64_t>(day.hours * kHourUs)) << day.zone << " " << day.date;
    if (day.hours == 0) continue;
    EXPECT_EQ(LocalDay(start, zone), date) << day.zone << " " << day.date;
    EXPECT_EQ(LocalDay(DayEnd(date, zone) - 1, zone), date) << day.zone << " " << day.date;
    EXPECT_LT(LocalDay(start - 1, zone), date) << day.zone << " " << day.date;
  }
}

TEST(TimeZoneTest, ADateShownTwiceBeginsWithItsFirstMoment) {
  // St. John's, 2006-10-29: at 00:01 -02:30 back to 23:01 -03:30 of the 28th.
  const TimeZone zone = Zone("America/St_Johns");
  const int32_t date = Date("2006-10-29");
  EXPECT_EQ(DayStart(date, zone), At("2006-10-29T02:30:00Z"));
  EXPECT_EQ(LocalDay(At("2006-10-29T02:30:59Z"), zone), date);
  EXPECT_EQ(LocalDay(At("2006-10-29T02:31:00Z"), zone), date - 1);
  EXPECT_EQ(LocalDay(At("2006-10-29T03:30:00Z"), zone), date);
}

TEST(TimeZoneTest, DatesAndTimesOutOfRangeCountAsTheNearest) {
  const TimeZone zone = Zone("America/New_York");
  EXPECT_EQ(DayStart(std::numeric_limits<int32_t>::max(), zone), DayStart(codecs::kMaxDate, zone));
  EXPECT_EQ(DayStart(std::numeric_limits<int32_t>::min(), zone), DayStart(codecs::kMinDate, zone));
  EXPECT_EQ(DayStart(codecs::kMinDate, TimeZone()), codecs::kMinTimestampUs);
  EXPECT_EQ(LocalDay(std::numeric_limits<int64_t>::max(), TimeZone()), codecs::kMaxDate);
  EXPECT_EQ(LocalDay(std::numeric_limits<int64_t>::min(), TimeZone()), codecs::kMinDate);
  EXPECT_LE(DayStart(codecs::kMaxDate, zone), DayEnd(codecs::kMaxDate, zone));
}

TEST(TimeZoneTest, NamesThatAreNoneOfTheDatabase) {
  for (const char* name : {"", "localtime", "America/Nowhere", "Fixed/UTC+05:00:00", "/etc/localtime",
                           "../zoneinfo/UTC", "EST5EDT,M3.2.0,M11.1.0", "America/New York", "libc:localtime"}) {
    const absl::StatusOr<TimeZone> zone = TimeZone::Load(name);
    EXPECT_TRUE(absl::IsNotFound(zone.status())) << name << ": " << zone.status();
  }
  EXPECT_EQ(TimeZone().name(), "UTC");
  EXPECT_EQ(TimeZone(), Zone("UTC"));
  EXPECT_FALSE(Zone("Europe/London") == TimeZone());
}

TEST(TimeZoneTest, SpansMeetAndHoldTheirTime) {
  const TimeZone zone = Zone("America/New_York");
  const TimeZone::Span winter = zone.SpanAt(At("2026-03-08T06:59:59.999999Z"));
  EXPECT_EQ(winter.end_us, At("2026-03-08T07:00:00Z"));
  EXPECT_EQ(winter.offset_us, -5 * kHourUs);
  const TimeZone::Span summer = zone.SpanAt(winter.end_us);
  EXPECT_EQ(summer.start_us, winter.end_us);
  EXPECT_EQ(summer.previous_offset_us, winter.offset_us);
  EXPECT_EQ(summer.offset_us, -4 * kHourUs);
  const TimeZone::Span always = TimeZone().SpanAt(0);
  EXPECT_EQ(always.start_us, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(always.end_us, std::numeric_limits<int64_t>::max());
}

constexpr std::array<const char*, 12> kZones = {"UTC",
                                                "America/New_York",
                                                "Europe/London",
                                                "Australia/Lord_Howe",
                                                "America/Sao_Paulo",
                                                "Pacific/Apia",
                                                "Asia/Kolkata",
                                                "Pacific/Chatham",
                                                "Africa/Casablanca",
                                                "Asia/Tehran",
                                                "Antarctica/Troll",
                                                "Africa/Monrovia"};

RC_GTEST_PROP(TimeZoneTest, DaysFollowEachOtherAndHoldTheirTimes, ()) {
  const TimeZone zone = Zone(*rc::gen::elementOf(kZones));
  const int64_t time = *rc::gen::inRange(At("1950-01-01T00:00:00Z"), At("2200-01-01T00:00:00Z"));
  const int32_t day = LocalDay(time, zone);
  RC_ASSERT(DayStart(day, zone) <= time);
  RC_ASSERT(time < DayEnd(day, zone));
  RC_ASSERT(DayEnd(day, zone) == DayStart(day + 1, zone));
  const TimeZone::Span span = zone.SpanAt(time);
  RC_ASSERT(span.start_us <= time && time < span.end_us);
  // RC_ASSERT evaluates both sides of an ||, and before the first span there is nothing.
  if (span.start_us != std::numeric_limits<int64_t>::min())
    RC_ASSERT(zone.SpanAt(span.start_us - 1).end_us == span.start_us);
  if (span.end_us != std::numeric_limits<int64_t>::max()) RC_ASSERT(zone.SpanAt(span.end_us).start_us == span.end_us);
}

}  // namespace
}  // namespace runledger::aggregators
