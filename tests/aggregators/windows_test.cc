#include "aggregators/windows.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "aggregators/duration_sketch.h"
#include "aggregators/job_policy.h"
#include "reference/fold.h"

namespace runledger::aggregators {
namespace {

constexpr int64_t kMinuteUs = 60 * kSecondUs;

struct Outcome {
  int64_t time_us;
  int good;
};

// Counts the outcomes whose bucket is one of the last `count`.
Outcomes Naive(const std::vector<Outcome>& outcomes, int64_t watermark_us, int64_t width_us, int64_t count) {
  Outcomes sum;
  const int64_t last = reference::BucketOf(watermark_us, width_us);
  for (const Outcome& outcome : outcomes) {
    const int64_t bucket = reference::BucketOf(outcome.time_us, width_us);
    if (bucket > last || bucket < last - count + 1) continue;
    sum.good += static_cast<uint32_t>(outcome.good);
    ++sum.all;
  }
  return sum;
}

// Outcomes come and are taken back in any order; the watermark only rises, and what it leaves behind may be forgotten.
RC_GTEST_PROP(Windows, AgreeWithCountingEveryOutcome, ()) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  const int64_t spread_us = *rc::gen::elementOf(std::vector<int64_t>{kMinuteUs, kHourUs, kDayUs, 40 * kDayUs});
  const int64_t start_us = *rc::gen::elementOf(std::vector<int64_t>{0, 1'768'217'408'000'000});
  Windows windows;
  std::vector<Outcome> outcomes;
  int64_t watermark_us = start_us;
  for (int i = 0; i < 300; ++i) {
    if (random() % 4 == 0 && !outcomes.empty()) {
      std::swap(outcomes[random() % outcomes.size()], outcomes.back());
      windows.Add(outcomes.back().time_us, -outcomes.back().good, -1);
      outcomes.pop_back();
    } else {
      const auto span = static_cast<int64_t>(random() % static_cast<uint64_t>(2 * spread_us));
      const Outcome outcome{watermark_us + span - spread_us, static_cast<int>(random() % 2)};
      windows.Add(outcome.time_us, outcome.good, 1);
      outcomes.push_back(outcome);
    }
    if (random() % 3 == 0) watermark_us += static_cast<int64_t>(random() % static_cast<uint64_t>(spread_us));
    if (random() % 5 == 0) windows.Forget(watermark_us);
    const auto sums = windows.At(watermark_us);
    RC_ASSERT(sums[0] == Naive(outcomes, watermark_us, kMinuteUs, 60));
    RC_ASSERT(sums[1] == Naive(outcomes, watermark_us, kHourUs, 24));
    RC_ASSERT(sums[2] == Naive(outcomes, watermark_us, kHourUs, 168));
    RC_ASSERT(sums[3] == Naive(outcomes, watermark_us, kDayUs, 30));
  }
}

TEST(Windows, AnHourIsSixtyWholeMinutes) {
  Windows windows;
  const int64_t minute = 29'470'290 * kMinuteUs;
  windows.Add(minute, 1, 1);
  EXPECT_EQ(windows.At(minute - 1)[0], Outcomes{});  // not yet
  EXPECT_EQ(windows.At(minute)[0], (Outcomes{1, 1}));
  EXPECT_EQ(windows.At(minute + 60 * kMinuteUs - 1)[0], (Outcomes{1, 1}));
  EXPECT_EQ(windows.At(minute + 60 * kMinuteUs)[0], Outcomes{});
}

TEST(Windows, WhatIsTakenBackLeavesNothing) {
  BucketSeries series;
  series.Add(5, 1, 1);
  series.Add(7, 0, 1);
  series.Add(5, -1, -1);
  ASSERT_EQ(series.entries().size(), 1u);
  EXPECT_EQ(series.entries()[0].bucket, 7);
}

TEST(BucketOf, RoundsDownBeforeTheEpochToo) {
  EXPECT_EQ(BucketOf(-1, 60), -1);
  EXPECT_EQ(BucketOf(-60, 60), -1);
  EXPECT_EQ(BucketOf(-61, 60), -2);
  EXPECT_EQ(BucketOf(0, 60), 0);
  EXPECT_EQ(BucketOf(59, 60), 0);
}

RC_GTEST_PROP(DurationSketch, AQuantileIsNeverBelowAndAtMostOneBucketAbove, ()) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  const int count = *rc::gen::inRange(1, 300);
  const double q = *rc::gen::element(0.5, 0.95, 1.0);
  DurationSketch sketch;
  std::vector<double> seconds;
  for (int i = 0; i < count; ++i) {
    seconds.push_back(std::exp(static_cast<double>(random() % 1000) / 70.0) / 100);  // 10 ms to some hours
    sketch.Add(seconds.back());
  }
  std::sort(seconds.begin(), seconds.end());
  const double exact = seconds[static_cast<size_t>(std::ceil(q * count)) - 1];
  RC_ASSERT(sketch.Quantile(q) >= exact * (1 - 1e-12));
  RC_ASSERT(sketch.Quantile(q) <= exact * std::sqrt(2.0) * (1 + 1e-12));
}

}  // namespace
}  // namespace runledger::aggregators
