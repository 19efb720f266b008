#include "ingest/anchored_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <tuple>
#include <vector>

namespace runledger::ingest {
namespace {

using testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kStart = 1'768'000'000 * kSecond;
constexpr int64_t kStep = kMinute;
const TopicPartition kFirst{"events", 0};
const TopicPartition kSecondOne{"events", 1};

// The true time, a machine whose wall clock is off by `wall_off`, and brokers.
class AnchoredClockTest : public testing::Test {
 protected:
  AnchoredClockTest() { clock_.Observe(Now()); }

  Moment Now() const { return {mono_us_, true_us() + wall_off_}; }
  int64_t true_us() const { return kStart + mono_us_; }
  // Time passes, and the clocks are looked at every second.
  void Pass(int64_t us) {
    for (const int64_t end = mono_us_ + us; mono_us_ < end;) {
      mono_us_ = std::min(mono_us_ + kSecond, end);
      clock_.Observe(Now());
    }
  }
  void SetWall(int64_t off_us) {
    wall_off_ = off_us;
    Pass(kSecond);
  }
  // A new record, stamped by a broker that is off by so much.
  void Record(int64_t broker_off = 0, const TopicPartition& partition = kFirst) {
    clock_.OnBrokerTime(partition, {true_us() + broker_off, mono_us_ - kSecond, mono_us_ + kSecond / 10});
  }

  AnchoredClock clock_{kStep};
  int64_t mono_us_ = 5 * kHour;
  int64_t wall_off_ = 0;
};

TEST_F(AnchoredClockTest, TellsTheWallClocksTimeWhileBothGoOnTogether) {
  EXPECT_EQ(clock_.Time(), true_us());
  Pass(kHour);
  EXPECT_EQ(clock_.Time(), true_us());
  EXPECT_EQ(clock_.Problem(), "");
}

TEST(AnchoredClock, KnowsNothingBeforeItHasLooked) { EXPECT_EQ(AnchoredClock(kStep).Time(), std::nullopt); }

TEST_F(AnchoredClockTest, ASmallDifferenceIsTakenOver) {
  SetWall(kStep);
  EXPECT_EQ(clock_.Time(), true_us() + kStep) << "exactly log.clock_step is not more than it";
  EXPECT_EQ(clock_.Problem(), "");
}

TEST_F(AnchoredClockTest, SlewingIsTakenOverHoweverFarItGoes) {
  for (int i = 0; i < 40'000; ++i) {  // chrony slews by a twelfth at most
    wall_off_ += kSecond / 12;
    Pass(kSecond);
    ASSERT_EQ(clock_.Time(), true_us() + wall_off_);
  }
}

TEST_F(AnchoredClockTest, ManySmallStepsInARowAreALargeOne) {
  SetWall(40 * kSecond);
  SetWall(80 * kSecond);
  EXPECT_EQ(clock_.Time(), std::nullopt);
}

TEST_F(AnchoredClockTest, AStepMakesTheTimeUnknownUntilItIsTakenBack) {
  for (const int64_t off : {-kHour, kHour, kStep + kSecond, -kStep - kSecond}) {
    SetWall(off);
    EXPECT_EQ(clock_.Time(), std::nullopt) << off;
    EXPECT_EQ(clock_.TimeFor(kFirst), std::nullopt);
    EXPECT_THAT(clock_.Problem(), HasSubstr(off > 0 ? "forward" : "back"));
    EXPECT_THAT(clock_.Problem(), HasSubstr("log.clock_step"));
    SetWall(0);
    EXPECT_EQ(clock_.Time(), true_us());
    EXPECT_EQ(clock_.Problem(), "");
  }
}

TEST_F(AnchoredClockTest, ABrokerThatAgreesWithTheWallClockEndsIt) {
  // The machine's clock was wrong from the start, and NTP has found it: the broker knows.
  SetWall(-2 * kHour);
  Record(-2 * kHour);
  EXPECT_EQ(clock_.Time(), true_us() - 2 * kHour);
  EXPECT_EQ(clock_.Problem(), "");
  SetWall(0);
  EXPECT_EQ(clock_.Time(), std::nullopt) << "the anchor is the new time";
}

TEST_F(AnchoredClockTest, ABrokerThatAgreesWithBoottimeGoesOnWithoutTheWallClock) {
  SetWall(kHour);
  Record();
  EXPECT_EQ(clock_.Time(), true_us());
  EXPECT_THAT(clock_.Problem(), HasSubstr("Set it right"));
  SetWall(3 * kHour);
  EXPECT_EQ(clock_.Time(), true_us()) << "it was wrong before";
  Pass(kHour);
  Record();
  EXPECT_EQ(clock_.Time(), true_us());
  SetWall(0);
  EXPECT_EQ(clock_.Problem(), "");
  // But when the broker turns to the wall clock, nothing is known but what it says.
  SetWall(kHour);
  Record();
  Record(kHour);
  EXPECT_EQ(clock_.Time(), true_us() + kHour);
}

TEST_F(AnchoredClockTest, ABrokerThatAgreesWithNeitherChangesNothing) {
  SetWall(kHour);
  Record(5 * kHour);
  EXPECT_EQ(clock_.Time(), std::nullopt);
  Record(0, kSecondOne);
  EXPECT_EQ(clock_.TimeFor(kSecondOne), true_us());
}

TEST_F(AnchoredClockTest, ATimestampGivenLongAgoSaysNothing) {
  SetWall(kHour);
  clock_.OnBrokerTime(kFirst, {true_us() - kHour, mono_us_ - 2 * kHour, mono_us_});
  EXPECT_EQ(clock_.Time(), std::nullopt);
  EXPECT_THAT(clock_.Problem(), HasSubstr("until it is back"));
}

TEST_F(AnchoredClockTest, SuspendIsTimeThatPasses) {
  mono_us_ += 9 * kHour;  // both clocks count it
  clock_.Observe(Now());
  EXPECT_EQ(clock_.Time(), true_us());
}

TEST_F(AnchoredClockTest, AQuietLogEndsItWithTheEarlierTime) {
  SetWall(kHour);
  Pass(AnchoredClock::kPatienceUs - 2 * kSecond);
  EXPECT_EQ(clock_.Time(), std::nullopt);
  Pass(2 * kSecond);
  EXPECT_EQ(clock_.Time(), true_us()) << "CLOCK_BOOTTIME's is earlier";
  EXPECT_THAT(clock_.Problem(), HasSubstr("the earlier one"));
  Record(kHour);
  EXPECT_EQ(clock_.Time(), true_us() + kHour) << "the broker still decides";
}

TEST_F(AnchoredClockTest, AQuietLogAndAClockSetBack) {
  SetWall(-kHour);
  Pass(AnchoredClock::kPatienceUs);
  EXPECT_EQ(clock_.Time(), true_us() - kHour);
}

TEST_F(AnchoredClockTest, AClockThatJumpsAboutIsNotSteady) {
  for (int i = 0; i < 30; ++i) {
    SetWall((i % 2 + 1) * kHour);
    Pass(5 * kMinute);
    ASSERT_EQ(clock_.Time(), std::nullopt);
  }
}

TEST_F(AnchoredClockTest, ABrokerThatIsOffMakesTheTimeUnknown) {
  for (const int64_t off : {5 * kHour, -5 * kHour}) {
    Record(off);
    EXPECT_EQ(clock_.Time(), std::nullopt) << "nobody else agrees with this machine";
    EXPECT_THAT(clock_.Problem(), HasSubstr(off > 0 ? "5 h after" : "5 h before"));
    Record(0, kSecondOne);
    EXPECT_EQ(clock_.TimeFor(kSecondOne), true_us());
    EXPECT_EQ(clock_.TimeFor({"events", 2}), true_us()) << "its leader has said nothing yet";
    EXPECT_EQ(clock_.TimeFor(kFirst), std::nullopt);
    EXPECT_THAT(clock_.Problem(), HasSubstr("of these partitions"));
    Record(0);
    EXPECT_EQ(clock_.TimeFor(kFirst), true_us());
    EXPECT_EQ(clock_.Problem(), "");
    clock_.Forget(kSecondOne);
  }
}

TEST_F(AnchoredClockTest, ABrokersTimestampIsForgottenInTheEnd) {
  Record(5 * kHour);
  Pass(AnchoredClock::kPatienceUs + 2 * kSecond);
  EXPECT_EQ(clock_.Time(), true_us());
  EXPECT_EQ(clock_.Problem(), "");
}

TEST_F(AnchoredClockTest, NothingIsDeletedByAClockThatNobodyConfirmed) {
  EXPECT_EQ(clock_.TimeToDeleteBy(Now()), std::nullopt);
  Record(-100 * 24 * kHour);  // the clock has been wrong since the start
  EXPECT_EQ(clock_.TimeToDeleteBy(Now()), std::nullopt);
  Record(0, kSecondOne);
  EXPECT_EQ(clock_.TimeToDeleteBy(Now()), true_us() - 100 * 24 * kHour + kSecond) << "the earlier of the two";
  Record(0);
  EXPECT_EQ(clock_.TimeToDeleteBy(Now()), true_us());
  Record(5 * kHour);
  EXPECT_EQ(clock_.TimeToDeleteBy(Now()), true_us()) << "nor is it later than this machine's";
  SetWall(400 * 24 * kHour);
  EXPECT_EQ(clock_.TimeToDeleteBy(Now()), true_us());
}

TEST_F(AnchoredClockTest, AQuietLogIsSweptAfterSomeTime) {
  Pass(AnchoredClock::kPatienceUs - kSecond);
  EXPECT_EQ(clock_.TimeToDeleteBy(Now()), std::nullopt);
  Pass(2 * kSecond);
  EXPECT_EQ(clock_.TimeToDeleteBy(Now()), true_us());
}

TEST_F(AnchoredClockTest, WhatCannotBeTakenBackIsDoneAtTheEarliestTime) {
  EXPECT_EQ(AnchoredClock(kStep).Earliest(Now()), Now().wall_us);
  EXPECT_EQ(clock_.Earliest(Now()), true_us());
  wall_off_ = 400 * 24 * kHour;  // nobody has looked yet
  EXPECT_EQ(clock_.Earliest(Now()), true_us());
  Pass(kSecond);
  EXPECT_EQ(clock_.Earliest(Now()), true_us());
  SetWall(-kHour);
  EXPECT_EQ(clock_.Earliest(Now()), true_us() - kHour);
  SetWall(kSecond);
  EXPECT_EQ(clock_.Earliest(Now()), true_us() + kSecond);
}

TEST_F(AnchoredClockTest, APartitionThatGoesTakesItsWordAlong) {
  Record(5 * kHour);
  clock_.Forget(kFirst);
  EXPECT_EQ(clock_.Time(), true_us());
}

// However the wall clock is set, the machine sleeps and true brokers speak: what is told is never later than the truth,
// and it is the truth as soon as a broker has spoken.
TEST(AnchoredClockProperty, NeverAheadOfTheTruth) {
  const bool holds = rc::check([] {
    AnchoredClock clock(kStep);
    int64_t mono = *rc::gen::inRange<int64_t>(0, kHour);
    int64_t off = 0;
    const auto now = [&] { return Moment{mono, kStart + mono + off}; };
    clock.Observe(now());
    const auto steps = *rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(0, 5), rc::gen::inRange(-20, 21)));
    for (const auto& [what, size] : steps) {
      bool spoken = false;
      switch (what) {
        case 0:
          off = size * 10 * kMinute;  // the wall clock is set
          break;
        case 1:
          mono += std::abs(size) * kHour;  // asleep
          break;
        case 2:
        case 3:
          for (int i = 0; i < std::abs(size) * 20; ++i) {
            mono += kSecond;
            clock.Observe(now());
          }
          break;
        default:
          spoken = true;
      }
      mono += kSecond;
      clock.Observe(now());
      if (spoken) {
        const int64_t asked = mono - kSecond / 2;
        clock.OnBrokerTime(size % 2 == 0 ? kFirst : kSecondOne, {kStart + asked + kSecond / 4, asked, mono});
        RC_ASSERT(clock.Time() == std::optional(kStart + mono));
      }
      if (clock.Time()) RC_ASSERT(*clock.Time() <= kStart + mono);
      RC_ASSERT(clock.Time().has_value() || !clock.Problem().empty());
    }
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace runledger::ingest
