#include "aggregators/log_clock.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "reference/log_time.h"

namespace runledger::aggregators {
namespace {

constexpr int64_t kStep = 60'000'000;

RC_GTEST_PROP(LogClock, AgreesWithTheReference, ()) {
  LogClock clock(kStep);
  reference::LogTime expected(kStep);
  int64_t stamp_us = 1'768'217'408'000'000;
  const auto moves = *rc::gen::container<std::vector<int>>(rc::gen::inRange(-5, 6));
  for (const int move : moves) {
    const bool by_broker = *rc::gen::weightedElement<bool>({{9, false}, {1, true}});
    const int64_t jitter = *rc::gen::inRange<int64_t>(-1, 2);
    const int64_t stamp = move == -5 ? -1 : stamp_us + move * kStep / 2 + jitter;
    if (move != -5 && *rc::gen::arbitrary<bool>()) stamp_us = stamp;
    const int64_t now = clock.Observe(stamp, by_broker ? TimestampKind::kAppendTime : TimestampKind::kCreateTime);
    expected.See(stamp, by_broker);
    RC_ASSERT(now == expected.now_us().value_or(LogClock::kUnknown));
    RC_ASSERT(now == clock.now_us());
  }
}

TEST(LogClock, BrokersAreBelievedAndTimeNeverGoesBack) {
  LogClock clock(kStep);
  EXPECT_EQ(clock.Observe(-1, TimestampKind::kAppendTime), LogClock::kUnknown);
  EXPECT_EQ(clock.Observe(1000, TimestampKind::kAppendTime), 1000);
  EXPECT_EQ(clock.Observe(1000 + 100 * kStep, TimestampKind::kAppendTime), 1000 + 100 * kStep);
  EXPECT_EQ(clock.Observe(5, TimestampKind::kAppendTime), 1000 + 100 * kStep);
}

TEST(LogClock, OneProducerAloneCannotMakeTimeJump) {
  LogClock clock(kStep);
  clock.Observe(1000, TimestampKind::kCreateTime);
  EXPECT_EQ(clock.Observe(1000 + 10 * kStep, TimestampKind::kCreateTime), 1000);  // doubted
  EXPECT_EQ(clock.Observe(2000, TimestampKind::kCreateTime), 2000);               // nobody agreed
  EXPECT_EQ(clock.Observe(2000 + 10 * kStep, TimestampKind::kCreateTime), 2000);
  EXPECT_EQ(clock.Observe(2000 + 11 * kStep, TimestampKind::kCreateTime), 2000 + 10 * kStep);  // what both agree on
  EXPECT_EQ(clock.Observe(2000 + 12 * kStep, TimestampKind::kCreateTime), 2000 + 11 * kStep);
}

TEST(LogClock, AJumpOfExactlyTheStepCounts) {
  LogClock clock(kStep);
  clock.Observe(1000, TimestampKind::kCreateTime);
  EXPECT_EQ(clock.Observe(1000 + kStep, TimestampKind::kCreateTime), 1000 + kStep);
  EXPECT_EQ(clock.Observe(1001 + 2 * kStep, TimestampKind::kCreateTime), 1000 + kStep);
}

}  // namespace
}  // namespace runledger::aggregators
