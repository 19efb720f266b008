#include "aggregators/orchestration/match_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace runledger::aggregators {
namespace {

using ::testing::ElementsAre;

constexpr MatchBounds kBounds{30, 60};

std::vector<int32_t> Match(std::vector<int64_t> expected, std::vector<int64_t> actual, MatchBounds bounds = kBounds) {
  return MatchRuns(expected, actual, bounds);
}

TEST(MatchRuns, BothBoundsBelongToTheWindow) {
  EXPECT_THAT(Match({100}, {70}), ElementsAre(0));
  EXPECT_THAT(Match({100}, {69}), ElementsAre(kUnmatched));
  EXPECT_THAT(Match({100}, {160}), ElementsAre(0));
  EXPECT_THAT(Match({100}, {161}), ElementsAre(kUnmatched));
}

TEST(MatchRuns, NobodyIsMatchedTwice) {
  EXPECT_THAT(Match({100, 110}, {105}), ElementsAre(0, kUnmatched)) << "as near to both: the earlier tick";
  EXPECT_THAT(Match({100}, {99, 101}), ElementsAre(0));
  EXPECT_THAT(Match({100, 110}, {109}), ElementsAre(kUnmatched, 0)) << "the nearer tick";
}

TEST(MatchRuns, AsManyAsPossibleGoBeforeNear) {
  // 100 would take 105 from 110, which can have no other.
  EXPECT_THAT(Match({100, 110}, {75, 101}), ElementsAre(0, 1));
  EXPECT_THAT(Match({100, 140}, {139, 201}), ElementsAre(kUnmatched, 0)) << "201 is nobody's; 139 is nearer to 140";
}

TEST(MatchRuns, NothingIsMatchedWithNothing) {
  EXPECT_THAT(Match({}, {1, 2}), ElementsAre());
  EXPECT_THAT(Match({1, 2}, {}), ElementsAre(kUnmatched, kUnmatched));
}

TEST(MatchRuns, BeyondItsBoundItStillPairsAsManyAsThereCanBe) {
  std::vector<int64_t> expected(3'000), actual(3'000);
  for (int64_t i = 0; i < 3'000; ++i) expected[static_cast<size_t>(i)] = actual[static_cast<size_t>(i)] = i;
  const std::vector<int32_t> matched = Match(expected, actual, {3'000, 3'000});
  EXPECT_EQ(std::count(matched.begin(), matched.end(), kUnmatched), 0);
}

// Tries every assignment there is, crossing ones too.
class BruteForce {
 public:
  BruteForce(const std::vector<int64_t>& expected, const std::vector<int64_t>& actual, MatchBounds bounds)
      : expected_(expected), actual_(actual), bounds_(bounds), used_(actual.size()) {
    current_.assign(expected.size(), kUnmatched);
    Try(0, 0, 0);
  }
  const std::vector<int32_t>& best() const { return best_; }

 private:
  // Lists that are unmatched later, or matched with earlier ones, go first.
  static bool Before(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](int32_t x, int32_t y) {
      return static_cast<uint32_t>(x) < static_cast<uint32_t>(y);  // kUnmatched is the greatest
    });
  }
  void Try(size_t tick, int pairs, int64_t distance) {
    if (tick == expected_.size()) {
      const bool better =
          best_.size() != expected_.size() || pairs > pairs_ ||
          (pairs == pairs_ && (distance < distance_ || (distance == distance_ && Before(current_, best_))));
      if (better) best_ = current_, pairs_ = pairs, distance_ = distance;
      return;
    }
    Try(tick + 1, pairs, distance);
    for (size_t i = 0; i < actual_.size(); ++i) {
      const int64_t difference = actual_[i] - expected_[tick];
      if (used_[i] || difference < -bounds_.before_us || difference > bounds_.after_us) continue;
      used_[i] = true;
      current_[tick] = static_cast<int32_t>(i);
      Try(tick + 1, pairs + 1, distance + std::abs(difference));
      current_[tick] = kUnmatched;
      used_[i] = false;
    }
  }

  const std::vector<int64_t>& expected_;
  const std::vector<int64_t>& actual_;
  MatchBounds bounds_;
  std::vector<bool> used_;
  std::vector<int32_t> current_, best_;
  int pairs_ = -1;
  int64_t distance_ = 0;
};

RC_GTEST_PROP(MatchRuns, AsEveryAssignmentTried, ()) {
  const auto times = [](int most) {
    return rc::gen::map(
        rc::gen::resize(most, rc::gen::container<std::vector<int64_t>>(rc::gen::inRange<int64_t>(0, 40))),
        [](std::vector<int64_t> all) {
          std::sort(all.begin(), all.end());
          return all;
        });
  };
  std::vector<int64_t> expected = *times(6);
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  const std::vector<int64_t> actual = *times(6);
  const MatchBounds bounds{*rc::gen::inRange<int64_t>(0, 12), *rc::gen::inRange<int64_t>(0, 20)};
  RC_ASSERT(MatchRuns(expected, actual, bounds) == BruteForce(expected, actual, bounds).best());
}

}  // namespace
}  // namespace runledger::aggregators
