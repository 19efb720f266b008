#include "aggregators/day_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

namespace runledger::aggregators {
namespace {

using codecs::Status;

struct Entry {
  codecs::Hash128 run;
  Status status;
  int64_t time_us;
};

// More runs than are kept, in any order, some again: the same day, and the runs kept are the smallest.
RC_GTEST_PROP(DayTable, KeepsTheSameRunsInWhateverOrderTheyCome, ()) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  const int count = *rc::gen::inRange(1, 60);
  std::vector<Entry> entries;
  for (int i = 0; i < count; ++i) {
    entries.push_back(
        {{random(), random() % 50}, static_cast<Status>(random() % 7 + 1), static_cast<int64_t>(random() % 9)});
  }
  std::vector<Entry> shuffled = entries;
  shuffled.insert(shuffled.end(), entries.begin(), entries.begin() + count / 2);
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  DayTable table(30);
  DayTable::Hint hint;
  std::set<uint64_t> runs;
  for (const Entry& entry : entries) {
    table.Add(0, 20'000, entry.run, entry.status, entry.time_us, &hint);
    runs.insert(entry.run.low);
  }
  for (const Entry& entry : shuffled) table.Add(1, 20'000, entry.run, entry.status, entry.time_us, &hint);
  const DayState& one = *table.Find(0, 20'000);
  const DayState& other = *table.Find(1, 20'000);
  RC_ASSERT(one.runs == other.runs);
  RC_ASSERT(one.attempts == other.attempts);
  RC_ASSERT(one.best == other.best);
  RC_ASSERT(one.last_status == other.last_status);
  RC_ASSERT(one.last_time_us == other.last_time_us);
  RC_ASSERT(one.attempts == std::min<size_t>(runs.size(), DayState::kMaxAttempts));
  RC_ASSERT(std::equal(one.runs.begin(), one.runs.begin() + one.attempts, runs.begin()));
}

TEST(DayTable, KeepsDaysNearTheLogsOwn) {
  DayTable table(2);
  DayTable::Hint hint;
  for (int32_t date = 90; date <= 110; ++date) table.Add(0, date, {1, 1}, Status::kSuccess, 1, &hint);
  EXPECT_EQ(table.size(), 21u);  // no log day yet
  table.AdvanceTo(100);
  EXPECT_EQ(table.size(), 5u);
  table.Add(0, 97, {1, 1}, Status::kSuccess, 1, &hint);
  table.Add(0, 103, {1, 1}, Status::kSuccess, 1, &hint);
  EXPECT_EQ(table.size(), 5u);
  table.AdvanceTo(99);  // never back
  table.AdvanceTo(102);
  EXPECT_EQ(table.Find(0, 99), nullptr);
  EXPECT_NE(table.Find(0, 100), nullptr);
}

TEST(DayTable, ForgetsAJob) {
  DayTable table(2);
  DayTable::Hint hint;
  table.Add(0, 100, {1, 1}, Status::kSuccess, 1, &hint);
  table.Add(1, 100, {1, 1}, Status::kFailed, 1, &hint);
  table.RemoveJob(0);
  EXPECT_EQ(table.Find(0, 100), nullptr);
  ASSERT_NE(table.Find(1, 100), nullptr);
  EXPECT_EQ(table.Find(1, 100)->best, Status::kFailed);
}

TEST(Goodness, SuccessFirstRunningLast) {
  const Status order[] = {Status::kSuccess, Status::kPartial, Status::kNoData, Status::kSkipped,
                          Status::kFailed,  Status::kAborted, Status::kRunning};
  for (size_t i = 1; i < std::size(order); ++i) EXPECT_GT(Goodness(order[i - 1]), Goodness(order[i]));
}

TEST(DayTable, AHintThatIsWrongChangesNothing) {
  DayTable table(2);
  table.AdvanceTo(100);
  DayTable::Hint one, other, foreign{12'345};
  table.Add(0, 100, {1, 1}, Status::kFailed, 1, &one);
  table.Add(0, 101, {2, 2}, Status::kSuccess, 2, &one);  // another day than the hint's
  table.Add(0, 100, {1, 1}, Status::kSuccess, 3, &one);
  EXPECT_EQ(table.Find(0, 100)->attempts, 1);
  EXPECT_EQ(table.Find(0, 100)->best, Status::kSuccess);
  EXPECT_EQ(table.Find(0, 101)->attempts, 1);
  table.RemoveJob(0);
  table.Add(1, 100, {3, 3}, Status::kFailed, 4, &other);  // takes a slot that has become free
  table.Add(0, 100, {4, 4}, Status::kPartial, 5, &one);   // whose hint is still there
  table.Add(0, 101, {4, 4}, Status::kPartial, 5, &foreign);
  EXPECT_EQ(table.Find(1, 100)->best, Status::kFailed);
  EXPECT_EQ(table.Find(0, 100)->best, Status::kPartial);
  EXPECT_EQ(table.Find(0, 100)->attempts, 1);
  EXPECT_EQ(table.Find(0, 101)->best, Status::kPartial);
  EXPECT_EQ(table.size(), 3);
}

}  // namespace
}  // namespace runledger::aggregators
