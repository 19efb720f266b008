// Bounded series: what lies beyond limits.series is added up, and no sum falls.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "exporters/prometheus/exposition.h"
#include "exporters/prometheus/metric_catalogue.h"
#include "exporters/support/shard_feed.h"

namespace runledger::exporters {
namespace {

using codecs::Status;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kOther = "{topic=\"t\",partition=\"0\",processor=\"_other\",phase=\"\"";

class Overflow : public testing::Test {
 protected:
  // Room for `jobs` with series of their own.
  void Start(const ShardFeed& feed, uint64_t jobs) {
    directory_.Add({{"t", 0}, feed.shard(), nullptr});
    const auto series = static_cast<uint64_t>(SeriesPerJob());
    exposition_ =
        std::make_unique<Exposition>(directory_, own_, ExpositionOptions{.series_per_partition = (jobs + 1) * series});
  }
  std::string Scrape(Format format = Format::kText004) { return exposition_->Scrape(format); }

  // Values of the overflow's series of a metric, in order.
  static std::vector<std::string> Other(const std::string& text, const std::string& name) {
    std::vector<std::string> values;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
      if (line.starts_with(name + kOther)) values.push_back(line.substr(line.find("} ") + 2));
    }
    return values;
  }

  ingest::PartitionDirectory directory_;

 private:
  ingest::OwnMetrics own_;
  std::unique_ptr<Exposition> exposition_;
};

TEST_F(Overflow, NoneWhileAllFit) {
  ShardFeed feed;
  feed.Run("a", "1", Status::kSuccess, kDay, kDay + kSecond)
      .Run("b", "1", Status::kSuccess, kDay, kDay + kSecond)
      .Publish();
  Start(feed, 2);
  const std::string text = Scrape();
  EXPECT_THAT(text, Not(HasSubstr("_other\"")));
  EXPECT_THAT(text, HasSubstr("\nrunledger_series_dropped_total 0\n"));
}

TEST_F(Overflow, AddsUpWhatCanBeAdded) {
  ShardFeed feed;
  feed.Run("kept", "1", Status::kSuccess, kDay, kDay + kSecond);
  feed.Run("b", "b1", Status::kSuccess, kDay + kMinute, kDay + kMinute + 10 * kSecond);
  feed.Run("c", "c1", Status::kSuccess, kDay + 2 * kMinute, kDay + 2 * kMinute + 20 * kSecond);
  feed.Run("c", "c2", Status::kFailed, kDay + 3 * kMinute, kDay + 3 * kMinute + 30 * kSecond);
  feed.Fold({.job = "c", .run_id = "c2", .status = Status::kSuccess, .time_us = kDay + 4 * kMinute});
  feed.Fold({.job = "b", .run_id = "b2", .time_us = kDay + 6 * kMinute});
  feed.Fold({.job = "c", .run_id = "c3", .time_us = kDay + 5 * kMinute});
  feed.Fold({.job = "old", .run_id = "o", .status = Status::kSuccess, .time_us = kDay, .backfill = true});
  feed.Watermark(kDay + 5 * kMinute + 4 * kHour + 1).Publish();
  Start(feed, 1);
  const std::string text = Scrape(Format::kOpenMetrics100);

  EXPECT_THAT(text,
              HasSubstr("runledger_runs_started_total{topic=\"t\",partition=\"0\",processor=\"kept\",phase=\"\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("processor=\"b\"")));
  EXPECT_THAT(text, Not(HasSubstr("processor=\"c\"")));
  EXPECT_THAT(Other(text, "runledger_runs_started_total"), ElementsAre("5"));
  EXPECT_THAT(Other(text, "runledger_runs_finished_total"),
              ElementsAre("2 # {run_id=\"c1\"} 1 1768176140", "0", "0", "0", "1 # {run_id=\"c2\"} 1 1768176210", "0"));
  EXPECT_THAT(Other(text, "runledger_runs_corrected_total"), ElementsAre("1"));
  EXPECT_THAT(Other(text, "runledger_late_events_total"), ElementsAre("1"));
  EXPECT_THAT(Other(text, "runledger_runs_running"), ElementsAre("2"));
  EXPECT_THAT(Other(text, "runledger_runs_stale"), ElementsAre("1"));
  EXPECT_THAT(Other(text, "runledger_oldest_running_start_timestamp_seconds"), ElementsAre("1768176300"));
  EXPECT_THAT(Other(text, "runledger_last_start_timestamp_seconds"), ElementsAre("1768176360"));
  EXPECT_THAT(Other(text, "runledger_last_success_timestamp_seconds"), ElementsAre("1768176240"));
  EXPECT_THAT(Other(text, "runledger_last_failure_timestamp_seconds"), ElementsAre("1768176210"));
  EXPECT_THAT(Other(text, "runledger_run_duration_seconds_sum"), ElementsAre("60.0"));
  EXPECT_THAT(Other(text, "runledger_run_duration_seconds_count"), ElementsAre("3"));
  for (const char* name :
       {"last_run_duration_seconds", "consecutive_failures", "success_ratio", "job_stale", "job_info"}) {
    EXPECT_THAT(Other(text, std::string("runledger_") + name), ElementsAre()) << name;
    EXPECT_THAT(text, HasSubstr(std::string("runledger_") + name + "{")) << name;
  }
  // b and c whole, and the one series of a job known from history only; once more with each scrape.
  const int dropped = 2 * SeriesPerJob() + 1;
  EXPECT_THAT(text, HasSubstr("\nrunledger_series_dropped_total " + std::to_string(dropped) + "\n"));
  EXPECT_THAT(Scrape(), HasSubstr("\nrunledger_series_dropped_total " + std::to_string(2 * dropped) + "\n"));
}

// With no room at all there is the sum alone.
TEST_F(Overflow, HistoryAloneMakesNoGauge) {
  ShardFeed feed;
  feed.Fold({.job = "old", .run_id = "o", .status = Status::kSuccess, .time_us = kDay, .backfill = true}).Publish();
  Start(feed, 0);
  const std::string text = Scrape();
  EXPECT_THAT(Other(text, "runledger_late_events_total"), ElementsAre("1"));
  EXPECT_THAT(Other(text, "runledger_runs_started_total"), ElementsAre());
}

// What was remembered of a shard goes with it.
TEST_F(Overflow, PartitionThatComesBackBeginsAnew) {
  ShardFeed first;
  first.Run("a", "1", Status::kSuccess, kDay, kDay + kSecond).Run("a", "2", Status::kSuccess, kDay, kDay + kSecond);
  Start(first.Publish(), 0);
  EXPECT_THAT(Other(Scrape(), "runledger_runs_started_total"), ElementsAre("2"));
  ShardFeed second;
  second.Run("b", "1", Status::kSuccess, kDay, kDay + kSecond).Publish();
  directory_.Add({{"t", 0}, second.shard(), nullptr});
  EXPECT_THAT(Other(Scrape(), "runledger_runs_started_total"), ElementsAre("1"));
}

// A job of the overflow that is forgotten, and another that takes its number, leave the sums where they were.
TEST_F(Overflow, CountersDoNotFallWhenJobsAreForgotten) {
  ShardFeed feed({}, {.forget_job_after_us = kHour});
  feed.Run("kept", "1", Status::kSuccess, kDay, kDay + kSecond);
  feed.Run("gone", "1", Status::kFailed, kDay, kDay + kSecond);
  feed.Fold({.job = "gone", .run_id = "1", .status = Status::kSuccess, .time_us = kDay + 2 * kSecond});
  feed.Run("gone", "2", Status::kFailed, kDay, kDay + kSecond).Publish();
  Start(feed, 1);
  EXPECT_THAT(Other(Scrape(), "runledger_runs_started_total"), ElementsAre("2"));

  // A day later both are too old: "kept" comes back as number 1 or 0, whatever; "new" takes the other.
  feed.Fold({.job = "new", .run_id = "1", .time_us = kDay + 48 * kHour}).Publish();
  std::string text = Scrape();
  EXPECT_THAT(text, Not(HasSubstr("\"kept\"")));
  const uint64_t with_new = text.find("processor=\"new\"") == std::string::npos ? 1 : 0;
  EXPECT_THAT(Other(text, "runledger_runs_started_total"), ElementsAre(std::to_string(2 + with_new)));
  EXPECT_THAT(Other(text, "runledger_runs_finished_total"), ElementsAre("0", "0", "0", "0", "2", "0"));
  EXPECT_THAT(Other(text, "runledger_runs_corrected_total"), ElementsAre("1"));
  EXPECT_THAT(Other(text, "runledger_runs_running"), ElementsAre(std::to_string(with_new)))
      << "gauges are of those still there";

  // The same name once more, in whatever slot: it counts on top.
  feed.Run("gone", "3", Status::kSuccess, kDay + 48 * kHour, kDay + 48 * kHour + kSecond);
  feed.Run("third", "1", Status::kSuccess, kDay + 48 * kHour, kDay + 48 * kHour + kSecond).Publish();
  text = Scrape();
  uint64_t total = 0;
  for (const char* job : {"_other", "new", "gone", "third"}) {
    const std::string prefix = std::string("\nrunledger_runs_started_total{topic=\"t\",partition=\"0\",processor=\"") +
                               job + "\",phase=\"\"} ";
    const size_t at = text.find(prefix);
    if (at != std::string::npos) total += std::stoull(text.substr(at + prefix.size()));
  }
  EXPECT_EQ(total, 2U + 3U);
}

// The same job forgotten and seen again between two scrapes, in the same slot.
TEST_F(Overflow, JobThatComesBackUnderItsOwnNameCountsOnTop) {
  ShardFeed feed({}, {.forget_job_after_us = kHour});
  feed.Run("job", "1", Status::kSuccess, kDay, kDay + kSecond)
      .Run("job", "2", Status::kSuccess, kDay, kDay + kSecond)
      .Publish();
  Start(feed, 0);
  EXPECT_THAT(Other(Scrape(), "runledger_runs_started_total"), ElementsAre("2"));
  feed.Run("job", "3", Status::kSuccess, kDay + 48 * kHour, kDay + 48 * kHour + kSecond).Publish();
  EXPECT_THAT(Other(Scrape(), "runledger_runs_started_total"), ElementsAre("3"));
  feed.Publish();
  EXPECT_THAT(Other(Scrape(), "runledger_runs_started_total"), ElementsAre("3"));
}

}  // namespace
}  // namespace runledger::exporters
