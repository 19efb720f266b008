#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aggregators/whole_snapshot.h"
#include "exporters/prometheus/exposition.h"
#include "exporters/support/shard_feed.h"

// Metrics that only jobs have that are configured for them. Each is a function of the log's prefix and the watermark.

namespace runledger::exporters {
namespace {

using aggregators::JobPolicy;
using codecs::Status;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kDayLength = 24 * kHour;
const int32_t kDate = 20465;  // 2026-01-12

class MonitorMetrics : public testing::Test {
 protected:
  void Use(std::function<void(JobPolicy*)> more) {
    feed_ = std::make_unique<ShardFeed>(FeedPolicy{.more = std::move(more)});
  }
  void Ended(const std::string& run, Status status, int32_t date, int64_t start_us, int64_t end_us) {
    feed_->Fold({.run_id = run, .time_us = start_us, .data_date = date});
    feed_->Fold({.run_id = run, .status = status, .time_us = end_us, .data_date = date});
  }
  // The value of the job's series at that watermark; -1: there is none.
  int Value(const std::string& name, int64_t watermark_us) {
    feed_->Watermark(watermark_us).Publish();
    ingest::PartitionDirectory directory;
    directory.Add({{"t", 0}, feed_->shard(), nullptr});
    ingest::OwnMetrics own;
    const std::string text = Exposition(directory, own, {}).Scrape(Format::kText004);
    const std::string series = "\n" + name + "{topic=\"t\",partition=\"0\",processor=\"job\",phase=\"\"} ";
    const size_t at = text.find(series);
    return at == std::string::npos ? -1 : std::atoi(text.c_str() + at + series.size());
  }

  std::unique_ptr<ShardFeed> feed_;
};

void Daily(JobPolicy* policy) {
  aggregators::ScheduleSettings settings;
  settings.text = "daily";
  policy->schedule = *aggregators::Schedule::Parse(settings);
  policy->lookback_days = 3;
}

TEST_F(MonitorMetrics, NothingOfWhatIsNotConfigured) {
  Use({});
  Ended("a", Status::kSuccess, kDate, kDay, kDay + kHour);
  for (const char* name : {"missing_dates", "long_running", "concurrent", "flapping"})
    EXPECT_EQ(Value(std::string("runledger_job_") + name, kDay + kHour), -1) << name;
}

TEST_F(MonitorMetrics, ADateIsMissingWhenItIsOver) {
  Use(Daily);
  Ended("a", Status::kSuccess, kDate - 4, kDay - 4 * kDayLength, kDay - 4 * kDayLength + kHour);
  Ended("b", Status::kSuccess, kDate - 1, kDay - kDayLength, kDay - kDayLength + kHour);
  // 10th, 11th and 12th: the 11th is there, the 10th is not, the 12th has just begun.
  EXPECT_EQ(Value("runledger_job_missing_dates", kDay), 1);
  EXPECT_EQ(Value("runledger_job_missing_dates", kDay + kDayLength - 1), 1);
  // The 11th, 12th and 13th: by time alone, to the microsecond.
  EXPECT_EQ(Value("runledger_job_missing_dates", kDay + kDayLength), 1);
  EXPECT_EQ(Value("runledger_job_missing_dates", kDay + 2 * kDayLength), 2);
  Ended("late", Status::kSuccess, kDate, kDay + 2 * kDayLength, kDay + 2 * kDayLength + kSecond);
  EXPECT_EQ(Value("runledger_job_missing_dates", kDay + 2 * kDayLength + kSecond), 1);
}

TEST_F(MonitorMetrics, LongRunningIsStrictlyLonger) {
  Use([](JobPolicy* policy) { policy->long_running_after_us = kHour; });
  feed_->Fold({.run_id = "a", .time_us = kDay});
  EXPECT_EQ(Value("runledger_job_long_running", kDay + kHour), 0);
  EXPECT_EQ(Value("runledger_job_long_running", kDay + kHour + 1), 1) << "by time alone";
  feed_->Fold({.run_id = "a", .status = Status::kSuccess, .time_us = kDay + kHour + 2});
  EXPECT_EQ(Value("runledger_job_long_running", kDay + kHour + 2), 0);
}

TEST_F(MonitorMetrics, LongRunningByTheUsualLength) {
  Use([](JobPolicy* policy) { policy->long_running_factor = 2; });
  for (int i = 0; i < 4; ++i) {
    const int64_t start_us = kDay + i * kHour;
    Ended(std::to_string(i), Status::kSuccess, kDate, start_us, start_us + 10 * kMinute);
  }
  feed_->Fold({.run_id = "x", .time_us = kDay + 5 * kHour});
  EXPECT_EQ(Value("runledger_job_long_running", kDay + 8 * kHour), 0) << "four say too little";
  Ended("5", Status::kSuccess, kDate, kDay + 8 * kHour, kDay + 8 * kHour + 10 * kMinute);
  EXPECT_EQ(Value("runledger_job_long_running", kDay + 8 * kHour + 10 * kMinute), 1);
}

TEST_F(MonitorMetrics, MoreAtOnceThanTheyMay) {
  Use([](JobPolicy* policy) { policy->max_concurrent = 2; });
  for (const char* run : {"a", "b"}) feed_->Fold({.run_id = run, .time_us = kDay});
  EXPECT_EQ(Value("runledger_job_concurrent", kDay), 0);
  feed_->Fold({.run_id = "c", .time_us = kDay});
  EXPECT_EQ(Value("runledger_job_concurrent", kDay), 1);
  feed_->Fold({.run_id = "b", .status = Status::kFailed, .time_us = kDay + 1});
  EXPECT_EQ(Value("runledger_job_concurrent", kDay + 1), 0);
}

TEST_F(MonitorMetrics, FlappingCountsChangesAmongTheLastTwenty) {
  Use([](JobPolicy* policy) { policy->flapping_changes = 3; });
  int next = 0;
  const auto end = [&](Status status) {
    const int64_t start_us = kDay + ++next * kMinute;
    Ended(std::to_string(next), status, kDate, start_us, start_us + kSecond);
    return Value("runledger_job_flapping", start_us + kSecond);
  };
  EXPECT_EQ(end(Status::kSuccess), 0);
  EXPECT_EQ(end(Status::kFailed), 0);
  EXPECT_EQ(end(Status::kNoData), 0) << "neither good nor bad";
  EXPECT_EQ(end(Status::kSuccess), 0);
  EXPECT_EQ(end(Status::kAborted), 0) << "three changes are not more than three";
  EXPECT_EQ(end(Status::kSuccess), 1);
  for (int i = 0; i < 15; ++i) EXPECT_EQ(end(Status::kSuccess), 1) << i;
  EXPECT_EQ(end(Status::kSuccess), 0) << "the first change is the 21st run back now";

  for (const Status status : {Status::kFailed, Status::kSuccess, Status::kFailed}) EXPECT_EQ(end(status), 0);
  EXPECT_EQ(end(Status::kPartial), 0) << "as bad as failed";
  EXPECT_EQ(end(Status::kSuccess), 1);

  // A snapshot keeps it.
  const std::string bytes = aggregators::SnapshotOf(feed_->shard().get());
  Use([](JobPolicy* policy) { policy->flapping_changes = 3; });
  ASSERT_TRUE(feed_->shard()->RestoreSnapshot(bytes).ok());
  EXPECT_EQ(Value("runledger_job_flapping", kDay + kDayLength), 1);
}

}  // namespace
}  // namespace runledger::exporters
