#include "codecs/civil_time.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "codecs/limits.h"

namespace runledger::codecs {
namespace {

constexpr int64_t kSecond = 1'000'000;

TEST(CivilTime, ReadsRfc3339) {
  struct Case {
    const char* text;
    int64_t microseconds;
  };
  constexpr Case kCases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-01-12T11:30:08Z", 1'768'217'408 * kSecond},
      {"2026-01-12T11:30:08.5Z", 1'768'217'408 * kSecond + 500'000},
      {"2026-01-12T11:30:08.123456Z", 1'768'217'408 * kSecond + 123'456},
      {"2026-01-12T11:30:08.123456999Z", 1'768'217'408 * kSecond + 123'456},
      {"2026-01-12T06:30:08-05:00", 1'768'217'408 * kSecond},
      {"2026-01-12T17:00:08+05:30", 1'768'217'408 * kSecond},
      {"1969-12-31T23:59:59Z", -kSecond},
      {"0001-01-01T00:00:00Z", kMinTimestampUs},
      {"9999-12-31T23:59:59.999999Z", kMaxTimestampUs},
      {"2024-02-29T00:00:00Z", 1'709'164'800 * kSecond},
  };
  for (const Case& c : kCases) EXPECT_EQ(ParseRfc3339(c.text), c.microseconds) << c.text;
}

TEST(CivilTime, RefusesTimesWithoutZoneAndNonsense) {
  for (const char* text :
       {"", "2026-01-12", "2026-01-12T11:30:08", "2026-01-12 11:30", "2026-13-12T11:30:08Z", "2026-02-30T00:00:00Z",
        "2026-01-12T25:00:00Z", "now", "infinite-future", "infinite-past", "2026-01-12T11:30:08Zx"}) {
    EXPECT_EQ(ParseRfc3339(text), std::nullopt) << text;
  }
}

TEST(CivilTime, WritesFractionsOnlyWhereThereAreSome) {
  EXPECT_EQ(FormatRfc3339(1'768'217'408 * kSecond), "2026-01-12T11:30:08Z");
  EXPECT_EQ(FormatRfc3339(1'768'217'408 * kSecond + 5), "2026-01-12T11:30:08.000005Z");
  EXPECT_EQ(FormatRfc3339(-1), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatRfc3339(kMinTimestampUs), "0001-01-01T00:00:00Z");
}

TEST(CivilTime, ReadsAndWritesDates) {
  EXPECT_EQ(ParseDate("1970-01-01"), 0);
  EXPECT_EQ(ParseDate("2026-01-12"), 20'465);
  EXPECT_EQ(ParseDate("0001-01-01"), kMinDate);
  EXPECT_EQ(ParseDate("9999-12-31"), kMaxDate);
  EXPECT_EQ(FormatDate(20'465), "2026-01-12");
  EXPECT_EQ(FormatDate(-1), "1969-12-31");
  EXPECT_EQ(FormatDate(kMinDate), "0001-01-01");
  for (const char* text : {"", "2026-1-1", "2026-02-30", "2026-00-10", "20260112", "2026-01-12T00:00:00Z", "0000-12-31",
                           "10000-01-01", "soon", "2026-1-012", " 2026-01-1", "2026/01/12", "+026-01-12"}) {
    EXPECT_EQ(ParseDate(text), std::nullopt) << text;
  }
}

TEST(CivilTime, ADayBelongsToTheTimesWithinIt) {
  constexpr int64_t kDay = 86'400 * kSecond;
  EXPECT_EQ(DayOf(0), 0);
  EXPECT_EQ(DayOf(kDay - 1), 0);
  EXPECT_EQ(DayOf(kDay), 1);
  EXPECT_EQ(DayOf(-1), -1);
  EXPECT_EQ(DayOf(-kDay), -1);
  EXPECT_EQ(DayOf(-kDay - 1), -2);
  EXPECT_EQ(DayOf(kMinTimestampUs), kMinDate);
  EXPECT_EQ(DayOf(kMaxTimestampUs), kMaxDate);
}

RC_GTEST_PROP(CivilTime, WhatIsWrittenIsReadBack, ()) {
  const int64_t time = *rc::gen::inRange<int64_t>(kMinTimestampUs, kMaxTimestampUs + 1);
  RC_ASSERT(ParseRfc3339(FormatRfc3339(time)) == time);
  RC_ASSERT(ParseDate(FormatDate(DayOf(time))) == DayOf(time));
  RC_ASSERT(FormatRfc3339(time).starts_with(FormatDate(DayOf(time))));
}

}  // namespace
}  // namespace runledger::codecs
