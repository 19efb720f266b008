#include "exporters/prometheus/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "exporters/prometheus/metric_catalogue.h"
#include "exporters/support/shard_feed.h"

namespace runledger::exporters {
namespace {

using codecs::Status;
using ::testing::HasSubstr;
using ::testing::Not;

// An instance with a clock of its own: each look at it takes a millisecond and a half.
class Instance {
 public:
  explicit Instance(uint64_t series_per_partition = 100'000)
      : exposition_(directory_, own_,
                    {.series_per_partition = series_per_partition, .clock_us = [this] { return now_us_ += 1500; }}) {}

  void Own(const std::string& topic, int32_t partition, const ShardFeed& feed) {
    directory_.Add({{topic, partition}, feed.shard(), nullptr});
  }
  std::string Scrape(Format format = Format::kText004) { return exposition_.Scrape(format); }
  ingest::PartitionDirectory& directory() { return directory_; }
  ingest::OwnMetrics& own() { return own_; }

 private:
  int64_t now_us_ = 0;
  ingest::PartitionDirectory directory_;
  ingest::OwnMetrics own_;
  Exposition exposition_;
};

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Sample lines of one metric.
std::vector<std::string> Samples(const std::string& text, const std::string& name) {
  std::vector<std::string> samples;
  for (const std::string& line : Lines(text)) {
    if (line.starts_with(name + "{") || line.starts_with(name + " ")) samples.push_back(line);
  }
  return samples;
}

// tests/golden/<file>, or the same rewritten if RUNLEDGER_REWRITE_GOLDEN is set.
void ExpectGolden(const std::string& text, const std::string& file) {
  const std::string path = std::string(GOLDEN_DIR) + "/" + file;
  if (std::getenv("RUNLEDGER_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    GTEST_SKIP() << "golden file rewritten: " << path;
  }
  std::ifstream stream(path);
  std::stringstream golden;
  golden << stream.rdbuf();
  ASSERT_FALSE(golden.str().empty()) << path;
  EXPECT_EQ(text, golden.str()) << path;
}

// Two jobs in one partition, with something in every metric.
ShardFeed FullShard() {
  ShardFeed feed({{.max_runtime_us = 5 * kHour, .priority = "normal"},
                  {.pattern = "box*", .display_name = "Box scores", .phase = "phase_2_raw", .priority = "critical"}});
  feed.Run("boxscores", "b1", Status::kSuccess, kDay + kHour, kDay + kHour + 90 * kSecond + 250'000);
  feed.Run("boxscores", "b2", Status::kFailed, kDay + 2 * kHour, kDay + 2 * kHour + 4 * kSecond);
  feed.Run("boxscores", "b3", Status::kPartial, kDay + 3 * kHour, kDay + 3 * kHour + 1);
  feed.Fold(
      {.job = "boxscores", .run_id = "b2", .status = Status::kSuccess, .time_us = kDay + 4 * kHour});  // corrected
  feed.Fold({.job = "features", .run_id = "f1", .time_us = kDay + kHour, .phase = "phase_3", .heartbeat = true});
  feed.Fold({.job = "features",
             .run_id = "f2",
             .status = Status::kAborted,
             .time_us = kDay + 5 * kHour,
             .phase = "phase_3",
             .workflow = "w",
             .duration_s = 30000});
  feed.Fold(
      {.job = "features", .run_id = "f0", .status = Status::kSuccess, .time_us = kDay - 40 * kHour, .backfill = true});
  feed.Watermark(kDay + 8 * kHour + 1);
  return feed.Publish();
}

void FillOwn(ingest::OwnMetrics& own) {
  own.events.Add({{"topic", "runledger.events"}, {"body", "run"}, {"framing", "batch"}}).Increment(12);
  own.warehouse_append_duration.Add({{"table", "events"}}, prometheus::Histogram::BucketBoundaries{0.1, 2.5})
      .Observe(0.5);
  own.build_info.Add({{"version", "0.1.0"}}).Set(1);
}

TEST(Exposition, GoldenText) {
  Instance instance;
  instance.Own("runledger.events", 0, FullShard());
  instance.directory().SetAssigned();
  FillOwn(instance.own());
  instance.Scrape();
  ExpectGolden(instance.Scrape(Format::kText004), "scrape.txt");
}

TEST(Exposition, GoldenOpenMetrics) {
  Instance instance;
  instance.Own("runledger.events", 0, FullShard());
  instance.directory().SetAssigned();
  FillOwn(instance.own());
  instance.Scrape();
  ExpectGolden(instance.Scrape(Format::kOpenMetrics100), "scrape.openmetrics");
}

TEST(Exposition, InstanceWithoutPartitions) {
  Instance instance;
  EXPECT_EQ(instance.Scrape(),
            "# TYPE runledger_ready gauge\n"
            "# HELP runledger_ready 1 once every partition owned shows its series (as /readyz).\n"
            "runledger_ready 0\n"
            "# TYPE runledger_series_dropped_total counter\n"
            "# HELP runledger_series_dropped_total Series left out because of limits.series, added up over all "
            "scrapes. While it rises, "
            "the jobs beyond the limit are in the series with processor _other.\n"
            "runledger_series_dropped_total 0\n");
  instance.directory().SetAssigned();
  const std::string text = instance.Scrape(Format::kOpenMetrics100);
  EXPECT_THAT(text, HasSubstr("\nrunledger_ready 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE runledger_series_dropped counter\n"));
  EXPECT_THAT(text, HasSubstr("\nrunledger_scrape_series 2\n"));
  EXPECT_THAT(text, HasSubstr("# UNIT runledger_scrape_duration_seconds seconds\n"));
  EXPECT_THAT(text, HasSubstr("\nrunledger_scrape_duration_seconds 0.0015\n"));
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
}

TEST(Exposition, JobCostsWhatTheCatalogueSays) {
  Instance instance;
  ShardFeed feed(FeedPolicy{.max_runtime_us = kHour, .more = [](aggregators::JobPolicy* policy) {
                              aggregators::ScheduleSettings settings;
                              settings.text = "daily";
                              policy->schedule = *aggregators::Schedule::Parse(settings);
                              policy->long_running_after_us = kHour;
                              policy->max_concurrent = policy->flapping_changes = 1;
                            }});
  feed.Run("job", "a", Status::kSuccess, kDay, kDay + kSecond);
  feed.Run("job", "b", Status::kFailed, kDay, kDay + kSecond);
  feed.Fold({.job = "job", .run_id = "c", .time_us = kDay});
  feed.Watermark(kDay + kMinute).Publish();
  instance.Own("t", 0, feed);
  int lines = 0;
  for (const std::string& line : Lines(instance.Scrape()))
    lines += line.find("processor=\"job\"") != std::string::npos ? 1 : 0;
  EXPECT_EQ(lines, SeriesPerJob());
}

TEST(Exposition, HiddenShardShowsItsPositionsOnly) {
  Instance instance;
  ShardFeed feed;
  feed.Run("job", "a", Status::kSuccess, kDay, kDay + kSecond);
  aggregators::ShardPositions positions = ShardFeed::kCaughtUp;
  positions.shown = false;
  positions.caught_up = false;
  positions.restore_remaining = 42;
  positions.log_end_offset = -1;
  feed.Watermark(kDay + kMinute).Publish(positions);
  instance.Own("t", 3, feed);
  instance.directory().SetAssigned();
  const std::string text = instance.Scrape();
  EXPECT_THAT(text, Not(HasSubstr("processor=")));
  EXPECT_THAT(text, Not(HasSubstr("phase=")));
  EXPECT_THAT(text, HasSubstr("\nrunledger_restoring{topic=\"t\",partition=\"3\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nrunledger_restore_remaining_records{topic=\"t\",partition=\"3\"} 42\n"));
  EXPECT_THAT(text, HasSubstr("\nrunledger_log_applied_offset{topic=\"t\",partition=\"3\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("\nrunledger_log_caught_up{topic=\"t\",partition=\"3\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\nrunledger_ready 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("log_end_offset"))) << "not known";

  feed.Publish();
  const std::string shown = instance.Scrape();
  EXPECT_THAT(
      shown, HasSubstr("\nrunledger_runs_started_total{topic=\"t\",partition=\"3\",processor=\"job\",phase=\"\"} 1\n"));
  EXPECT_THAT(shown, HasSubstr("\nrunledger_restoring{topic=\"t\",partition=\"3\"} 0\n"));
  EXPECT_THAT(shown, HasSubstr("\nrunledger_ready 1\n"));
}

TEST(Exposition, ShardThatHasPublishedNothing) {
  Instance instance;
  instance.Own("t", 0, ShardFeed());
  const std::string text = instance.Scrape();
  EXPECT_THAT(text, HasSubstr("\nrunledger_restoring{topic=\"t\",partition=\"0\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nrunledger_restore_remaining_records{topic=\"t\",partition=\"0\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("offset")));
}

TEST(Exposition, NothingIsJudgedWithoutWatermark) {
  Instance instance;
  ShardFeed feed;
  feed.Run("job", "a", Status::kSuccess, kDay, kDay + kSecond);
  feed.Fold({.job = "job", .run_id = "b", .time_us = kDay});
  feed.Publish();
  instance.Own("t", 0, feed);
  const std::string text = instance.Scrape();
  for (const Metric& metric : MetricCatalogue()) {
    if (metric.judged) {
      EXPECT_THAT(text, Not(HasSubstr(std::string(metric.name)))) << metric.name;
    }
  }
  EXPECT_THAT(text, Not(HasSubstr("watermark")));
  EXPECT_EQ(Samples(text, "runledger_runs_running").size(), 1U);

  feed.Watermark(kDay + 5 * kHour).Publish();
  const std::string judged = instance.Scrape();
  EXPECT_THAT(Samples(judged, "runledger_runs_stale"), testing::ElementsAre(HasSubstr("} 1")));
  EXPECT_THAT(Samples(judged, "runledger_success_ratio"), testing::SizeIs(3)) << "nothing ended within the last hour";
}

TEST(Exposition, JobKnownFromHistoryOnly) {
  Instance instance;
  ShardFeed feed;
  feed.Fold({.job = "old", .run_id = "a", .status = Status::kSuccess, .time_us = kDay, .backfill = true});
  feed.Watermark(kDay + kHour).Publish();
  instance.Own("t", 0, feed);
  std::vector<std::string> lines;
  for (const std::string& line : Lines(instance.Scrape())) {
    if (line.find("processor=\"old\"") != std::string::npos) lines.push_back(line);
  }
  EXPECT_THAT(lines, testing::ElementsAre(
                         "runledger_late_events_total{topic=\"t\",partition=\"0\",processor=\"old\",phase=\"\"} 1"));
}

// The topic has got more partitions, and a job another home: what adds up stays, nothing is judged in two places.
TEST(Exposition, OfAJobThatHasMovedOnlyWhatAddsUp) {
  Instance instance;
  ShardFeed feed;
  feed.Run("moved", "a", Status::kFailed, kDay, kDay + kSecond);
  feed.Fold({.job = "moved", .run_id = "left open", .time_us = kDay});
  feed.Fold({.job = "stays", .run_id = "open", .time_us = kDay});
  feed.Watermark(kDay + 72 * kHour).Publish();
  instance.Own("t", 0, feed);
  EXPECT_THAT(Samples(instance.Scrape(), "runledger_runs_stale"), testing::SizeIs(2));

  feed.shard()->SetMoved([](std::string_view job) { return job == "moved"; });
  feed.Watermark(kDay + 96 * kHour).Publish();
  std::set<std::string> names;
  for (const std::string& line : Lines(instance.Scrape())) {
    if (line.find("processor=\"moved\"") != std::string::npos) names.insert(line.substr(0, line.find('{')));
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("runledger_runs_started_total", "runledger_runs_finished_total",
                                                   "runledger_runs_forgotten_total", "runledger_late_events_total",
                                                   "runledger_runs_running", "runledger_run_duration_seconds_sum",
                                                   "runledger_run_duration_seconds_count"));
  EXPECT_THAT(Samples(instance.Scrape(), "runledger_runs_stale"), testing::ElementsAre(HasSubstr("\"stays\"")));
  EXPECT_EQ(feed.shard()->Read()->jobs[0].stale, 0U);
  EXPECT_FALSE(feed.shard()->Read()->jobs[0].job_stale);

  feed.shard()->SetMoved(nullptr);
  feed.Publish();
  EXPECT_THAT(Samples(instance.Scrape(), "runledger_runs_stale"), testing::SizeIs(2));
  EXPECT_EQ(feed.shard()->Read()->jobs[0].stale, 1U);
}

TEST(Exposition, ForgottenJobsLeaveNoSeries) {
  Instance instance;
  ShardFeed feed({}, {.forget_job_after_us = kHour});
  feed.Run("one", "a", Status::kSuccess, kDay, kDay + kSecond);
  feed.Run("two", "a", Status::kSuccess, kDay + 49 * kHour, kDay + 49 * kHour + kSecond);
  feed.Publish();
  instance.Own("t", 0, feed);
  const std::string text = instance.Scrape();
  EXPECT_THAT(text, Not(HasSubstr("\"one\"")));
  EXPECT_THAT(text, HasSubstr("\"two\""));
}

TEST(Exposition, LabelsAreEscapedInEveryPlace) {
  Instance instance;
  ShardFeed feed(FeedPolicy{.display_name = "dis\\play \"name\"\nof \xFF it", .priority = "größe"});
  feed.Fold({.job = "a\\b \"c\"\nd 日本",
             .run_id = "run \"1\"\\\n🏀",
             .status = Status::kSuccess,
             .time_us = kDay,
             .phase = "ph\"ase",
             .workflow = "work\\flow",
             .duration_s = 2});
  feed.Publish();
  instance.Own("top\"ic", 0, feed);
  const std::string text = instance.Scrape(Format::kOpenMetrics100);
  const std::string job = R"({topic="top\"ic",partition="0",processor="a\\b \"c\"\nd 日本",phase="ph\"ase")";
  EXPECT_THAT(text, HasSubstr("\nrunledger_runs_started_total" + job + "} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nrunledger_runs_finished_total" + job +
                              R"(,status="success"} 1 # {run_id="run \"1\"\\\n🏀"} 1 1768176000)" + "\n"));
  EXPECT_THAT(text, HasSubstr("\nrunledger_job_info" + job +
                              R"(,priority="größe",display_name="dis\\play \"name\"\nof � it"} 1)" + "\n"));
  EXPECT_THAT(text, HasSubstr(R"({topic="top\"ic",partition="0",phase="ph\"ase",workflow="work\\flow",le="5.0"} 1)"));
}

TEST(Exposition, ExemplarsAreTheNewestRunsAndOpenMetricsOnly) {
  Instance instance;
  ShardFeed feed;
  feed.Run("job", "first", Status::kSuccess, kDay, kDay + kSecond);
  feed.Run("job", "second", Status::kSuccess, kDay, kDay + 2 * kSecond + 500'000);
  feed.Run("job", std::string(96, 'x'), Status::kFailed, kDay, kDay + 3 * kSecond);  // too long for an exemplar
  feed.Publish();
  instance.Own("t", 0, feed);
  const std::string prefix =
      "runledger_runs_finished_total{topic=\"t\",partition=\"0\",processor=\"job\",phase=\"\",status=";
  EXPECT_THAT(Samples(instance.Scrape(Format::kOpenMetrics001), "runledger_runs_finished_total"),
              testing::ElementsAre(prefix + "\"success\"} 2 # {run_id=\"second\"} 1 1768176002.5",
                                   prefix + "\"no_data\"} 0", prefix + "\"partial\"} 0", prefix + "\"skipped\"} 0",
                                   prefix + "\"failed\"} 1", prefix + "\"aborted\"} 0"));
  EXPECT_THAT(instance.Scrape(Format::kText004), Not(HasSubstr("run_id")));
}

TEST(Exposition, PartitionsComeAndGoWhole) {
  Instance instance;
  ShardFeed first;
  first.Run("job", "a", Status::kSuccess, kDay, kDay + kSecond).Publish();
  instance.Own("t", 0, first);
  instance.Own("t", 11, first);
  EXPECT_EQ(Samples(instance.Scrape(), "runledger_runs_started_total").size(), 2U);
  instance.directory().Remove({"t", 0});
  EXPECT_THAT(Samples(instance.Scrape(), "runledger_runs_started_total"),
              testing::ElementsAre(HasSubstr("partition=\"11\"")));

  // It comes back with another state, where job number 0 is another one.
  ShardFeed second;
  second.Run("other", "a", Status::kSuccess, kDay, kDay + kSecond).Publish();
  instance.Own("t", 11, second);
  EXPECT_THAT(Samples(instance.Scrape(), "runledger_runs_started_total"),
              testing::ElementsAre(HasSubstr("processor=\"other\"")));
}

TEST(Exposition, PhaseLearntLaterReplacesTheLabel) {
  Instance instance;
  ShardFeed feed;
  feed.Fold({.job = "job", .run_id = "a", .time_us = kDay}).Publish();
  instance.Own("t", 0, feed);
  EXPECT_THAT(instance.Scrape(), HasSubstr("processor=\"job\",phase=\"\"}"));
  feed.Fold({.job = "job", .run_id = "a", .time_us = kDay + 1, .phase = "late"}).Publish();
  const std::string text = instance.Scrape();
  EXPECT_THAT(text, HasSubstr("processor=\"job\",phase=\"late\"}"));
  EXPECT_THAT(text, Not(HasSubstr("phase=\"\"")));
}

// Every family's lines stand together, below its metadata.
TEST(Exposition, FamiliesAreNotInterleaved) {
  Instance instance;
  instance.Own("t", 0, FullShard());
  instance.Own("t", 1, FullShard());
  for (const Format format : {Format::kText004, Format::kOpenMetrics100}) {
    std::map<std::string, int> seen;
    std::string family;
    for (const std::string& line : Lines(instance.Scrape(format))) {
      if (line.starts_with("# TYPE ")) {
        family = line.substr(7, line.find(' ', 7) - 7);
        EXPECT_EQ(++seen[family], 1) << family;
      } else if (!line.starts_with("#")) {
        EXPECT_TRUE(line.starts_with(family)) << line << " below " << family;
      }
    }
    EXPECT_GT(seen.size(), 25U);
  }
}

// A scraper that changes its mind about the format sees the same series with the same values.
TEST(Exposition, FormatsDifferInMetadataAndExemplarsAlone) {
  Instance instance;
  instance.Own("t", 0, FullShard());
  instance.Scrape();
  instance.Scrape();  // the values of its predecessor are in each
  const auto samples = [](const std::string& text) {
    std::vector<std::string> found;
    for (const std::string& line : Lines(text)) {
      if (!line.starts_with("#")) found.push_back(line.substr(0, line.find(" # ")));
    }
    return found;
  };
  EXPECT_EQ(samples(instance.Scrape(Format::kText004)), samples(instance.Scrape(Format::kOpenMetrics100)));
}

// Scrapers and a writer at once: every scrape is whole, and no counter falls from one to the next.
TEST(Exposition, ScrapesWhileTheWriterGoesOn) {
  constexpr int kScrapers = 3;
  constexpr int kScrapes = 60;
  ingest::PartitionDirectory directory;
  ingest::OwnMetrics own;
  Exposition exposition(directory, own, {});
  ShardFeed feed;
  feed.Fold({.job = "job", .run_id = "first", .time_us = kDay}).Publish();
  directory.Add({{"t", 0}, feed.shard(), nullptr});

  std::atomic<int> scraping{kScrapers};  // written by scrapers, read by the writer
  std::thread writer([&] {
    for (int i = 0; scraping.load() > 0; ++i) {
      const std::string number = std::to_string(i);
      feed.Fold({.job = "job" + std::to_string(i % 50), .run_id = number, .time_us = kDay + i});
      feed.Fold({.job = "job" + std::to_string(i % 50),
                 .run_id = number,
                 .status = Status::kSuccess,
                 .time_us = kDay + i + 1,
                 .phase = "p" + std::to_string(i % 7)});
      feed.Watermark(kDay + i);
      feed.shard()->Publish(ShardFeed::kCaughtUp);  // may fail: somebody reads
    }
  });
  const auto sum = [](const std::vector<std::string>& samples) {
    uint64_t total = 0;
    for (const std::string& line : samples) {
      const size_t value = line.find("} ") + 2;
      total += std::stoull(line.substr(value, line.find(' ', value) - value));
    }
    return total;
  };
  std::vector<std::thread> scrapers;
  for (int i = 0; i < kScrapers; ++i) {
    scrapers.emplace_back([&, i] {
      uint64_t before = 0;
      for (int scrape = 0; scrape < kScrapes; ++scrape) {
        const std::string text = exposition.Scrape(i == 0 ? Format::kText004 : Format::kOpenMetrics100);
        const uint64_t started = sum(Samples(text, "runledger_runs_started_total"));
        EXPECT_GE(started, before);
        EXPECT_EQ(started,
                  sum(Samples(text, "runledger_runs_running")) + sum(Samples(text, "runledger_runs_finished_total")));
        before = started;
      }
      --scraping;
    });
  }
  for (std::thread& scraper : scrapers) scraper.join();
  writer.join();
}

}  // namespace
}  // namespace runledger::exporters
