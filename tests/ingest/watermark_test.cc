#include "ingest/watermark.h"

#include <gtest/gtest.h>

namespace runledger::ingest {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kHour = 3'600 * kSecond;
constexpr int64_t kStart = 1'768'000'000 * kSecond;

Moment At(int64_t s) { return {s * kSecond, kStart + s * kSecond}; }

TEST(Watermark, AnAppendTimeFarAheadIsNoWatermarkUntilTheTimeHasCome) {
  Watermark mark(30 * kSecond, 60 * kSecond);
  mark.OnEnd(1, At(10), At(10).wall_us);
  mark.OnApplied(1, kStart + kHour, At(11));
  EXPECT_EQ(mark.time_us(), At(10).wall_us);
  mark.OnApplied(2, kStart + 5, At(12));
  EXPECT_EQ(mark.time_us(), At(10).wall_us);
  mark.OnApplied(3, -1, At(3'600 - 60));
  EXPECT_EQ(mark.time_us(), kStart + kHour);
}

TEST(Watermark, BeforeTheTimeWasToldTheWallClockBoundsIt) {
  Watermark mark(30 * kSecond, 60 * kSecond);
  mark.OnApplied(1, kStart + kHour, At(10));
  EXPECT_EQ(mark.time_us(), aggregators::kNever);
  mark.OnApplied(1, At(70).wall_us, At(10));
  EXPECT_EQ(mark.time_us(), aggregators::kNever) << "the newest one counts, and that is ahead";
  Watermark other(30 * kSecond, 60 * kSecond);
  other.OnApplied(1, At(70).wall_us, At(10));
  EXPECT_EQ(other.time_us(), At(70).wall_us);
}

TEST(Watermark, WithTheLogsClockNothingIsAhead) {
  Watermark mark(30 * kSecond, Watermark::kNoStep);
  mark.OnApplied(1, kStart + 1'000 * kHour, At(10));
  EXPECT_EQ(mark.time_us(), kStart + 1'000 * kHour);
}

TEST(Watermark, WhereTheTimeIsUnknownItStandsStillAndIsNotCaughtUp) {
  Watermark mark(30 * kSecond, 60 * kSecond);
  mark.OnApplied(1, -1, At(9));
  mark.OnEnd(1, At(10), At(10).wall_us);
  EXPECT_TRUE(mark.CaughtUp(At(11).mono_us));
  mark.OnEnd(1, At(11), std::nullopt);
  EXPECT_FALSE(mark.CaughtUp(At(11).mono_us));
  EXPECT_EQ(mark.time_us(), At(10).wall_us);
  mark.OnEnd(1, At(12), At(12).wall_us - kHour);
  EXPECT_TRUE(mark.CaughtUp(At(12).mono_us));
  EXPECT_EQ(mark.time_us(), At(10).wall_us) << "it never goes back";
}

}  // namespace
}  // namespace runledger::ingest
