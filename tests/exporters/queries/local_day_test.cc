#include "exporters/queries/local_day.h"

#include <gtest/gtest.h>

#include "codecs/civil_time.h"

namespace runledger::exporters {
namespace {

constexpr char kEastern[] = "America/New_York";
constexpr int64_t kHourUs = int64_t{3'600} * 1'000'000;

int64_t Time(const char* text) { return codecs::ParseRfc3339(text).value(); }
int32_t Day(const char* text) { return codecs::ParseDate(text).value(); }

TEST(LocalDay, AnEveningInNewYorkIsTheNextDayInUtc) {
  EXPECT_EQ(LocalDayOf(Time("2026-01-13T02:30:00Z"), kEastern), Day("2026-01-12"));
  EXPECT_EQ(LocalDayOf(Time("2026-01-13T02:30:00Z"), "UTC"), Day("2026-01-13"));
  EXPECT_EQ(LocalDayOf(Time("2026-01-12T16:00:00Z"), "Asia/Tokyo"), Day("2026-01-13"));
}

TEST(LocalDay, BoundsOfDaysOnWhichClocksAreChanged) {
  const auto spring = BoundsOfDay(Day("2026-03-08"), kEastern);
  EXPECT_EQ(spring->start_us, Time("2026-03-08T05:00:00Z"));
  EXPECT_EQ(spring->end_us - spring->start_us, 23 * kHourUs);
  const auto autumn = BoundsOfDay(Day("2026-11-01"), kEastern);
  EXPECT_EQ(autumn->start_us, Time("2026-11-01T04:00:00Z"));
  EXPECT_EQ(autumn->end_us - autumn->start_us, 25 * kHourUs);
}

TEST(LocalDay, OffsetsBeforeAndAfterTheChange) {
  const auto spring = OffsetsAround(*BoundsOfDay(Day("2026-03-08"), kEastern), kEastern);
  EXPECT_EQ(spring->before_us, -5 * kHourUs);
  EXPECT_EQ(spring->after_us, -4 * kHourUs);
  EXPECT_EQ(spring->changes_at_us, Time("2026-03-08T07:00:00Z"));
  const auto winter = OffsetsAround(*BoundsOfDay(Day("2026-01-12"), kEastern), kEastern);
  EXPECT_EQ(winter->before_us, winter->after_us);
}

TEST(LocalDay, NoSuchZone) {
  EXPECT_FALSE(LocalDayOf(0, "America/Newyork"));
  EXPECT_FALSE(BoundsOfDay(0, "America/Newyork"));
}

}  // namespace
}  // namespace runledger::exporters
