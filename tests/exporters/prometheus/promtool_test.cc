// The exposition as other people's parsers see it: promtool for the text, the strict parser of prometheus_client for
// OpenMetrics, which promtool does not read.

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "exporters/prometheus/exposition.h"
#include "exporters/prometheus/metric_catalogue.h"
#include "exporters/support/shard_feed.h"
#include "exporters/support/subprocess.h"

namespace runledger::exporters {
namespace {

using codecs::Status;

// Prints the families and samples that it found.
constexpr const char* kParseOpenMetrics = R"(
import sys
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    sys.exit(77)
families = list(text_string_to_metric_families(sys.stdin.read()))
exemplars = [s.exemplar.labels["run_id"] for f in families for s in f.samples if s.exemplar]
print(len(families), sum(len(f.samples) for f in families), sorted(exemplars))
)";

ShardFeed SomethingOfEverything() {
  ShardFeed feed(FeedPolicy{.max_runtime_us = kHour, .display_name = "a \"display\\ name\"\n", .priority = "high"});
  feed.Run("job", "ok", Status::kSuccess, kDay, kDay + kSecond + 1);
  feed.Run("job", "bad", Status::kFailed, kDay, kDay + 2 * kSecond);
  feed.Fold({.job = "job", .run_id = "bad", .status = Status::kSuccess, .time_us = kDay + 3 * kSecond});
  feed.Fold({.job = "say \"hi\"\\\n",
             .run_id = "r \"1\"\\\n",
             .status = Status::kAborted,
             .time_us = kDay,
             .phase = "größe",
             .duration_s = 1e300});
  feed.Fold({.job = "tab\tand\rreturn\x01", .run_id = "long", .time_us = -62'135'596'800'000'000 + kDay});
  feed.Fold({.job = "old", .run_id = "o", .status = Status::kSuccess, .time_us = kDay, .backfill = true});
  feed.Watermark(kDay + 5 * kHour);
  return feed.Publish();
}

struct Instance {
  ingest::PartitionDirectory directory;
  ingest::OwnMetrics own;
  Exposition exposition{directory, own, {}};

  void Fill() {
    const ShardFeed feed = SomethingOfEverything();
    directory.Add({{"runledger.events", 0}, feed.shard(), nullptr});
    directory.Add({{"other topic", 1}, feed.shard(), nullptr});
    directory.Add({{"restoring", 0}, ShardFeed().shard(), nullptr});
    own.events.Add({{"topic", "t"}, {"body", "run"}, {"framing", "json"}}).Increment(1e6);
    own.events_rejected.Add({{"category", "decode"}}).Increment();
    own.dead_letters.Add({{"category", "decode"}}).Increment();
    own.partition_violations.Add({{"topic", "t"}}).Increment();
    own.warehouse_rows.Add({{"table", "events"}}).Increment();
    own.warehouse_rows_in_flight.Add({{"table", "events"}}).Set(1);
    own.warehouse_retries.Add({{"table", "events"}}).Increment();
    own.warehouse_circuit_open.Add({{"table", "events"}}).Set(0);
    own.warehouse_append_duration.Add({{"table", "events"}}, prometheus::Histogram::BucketBoundaries{0.005, 0.1, 1})
        .Observe(0.02);
    own.build_info.Add({{"version", "0.1.0"}}).Set(1);
  }
};

void ExpectCleanInPromtool(const std::string& text) {
  const ProcessResult result = RunProcess({"promtool", "check", "metrics"}, text);
  if (!result.started) {
    ASSERT_TRUE(MayBeSkipped()) << "promtool is missing (Debian package prometheus)";
    std::cerr << "SKIPPED: promtool is missing (Debian package prometheus); the exposition was not checked\n";
    GTEST_SKIP() << "promtool is missing";
  }
  EXPECT_EQ(result.exit_status, 0) << result.output << "\n" << text;
  EXPECT_EQ(result.output, "");
}

// `expected`: families, samples, exemplars.
void ExpectOpenMetrics(const std::string& text, const std::string& expected) {
  const ProcessResult result = RunProcess({"/usr/bin/python3", "-c", kParseOpenMetrics}, text);
  if (!result.started || result.exit_status == 77) {
    ASSERT_TRUE(MayBeSkipped())
        << "python3 with prometheus_client is missing (Debian package python3-prometheus-client)";
    std::cerr << "SKIPPED: prometheus_client is missing (Debian package python3-prometheus-client); OpenMetrics was "
                 "not checked\n";
    GTEST_SKIP() << "prometheus_client is missing";
  }
  EXPECT_EQ(result.exit_status, 0) << result.output << "\n" << text;
  EXPECT_EQ(result.output, expected);
}

TEST(Promtool, WithoutData) {
  Instance instance;
  ExpectCleanInPromtool(instance.exposition.Scrape(Format::kText004));
}

TEST(Promtool, WithData) {
  Instance instance;
  instance.Fill();
  instance.exposition.Scrape(Format::kText004);
  ExpectCleanInPromtool(instance.exposition.Scrape(Format::kText004));
}

// The check itself can fail.
TEST(Promtool, NoticesWhatIsWrong) {
  const ProcessResult result = RunProcess({"promtool", "check", "metrics"}, "# TYPE runs counter\nruns 1\n");
  if (!result.started) {
    ASSERT_TRUE(MayBeSkipped()) << "promtool is missing (Debian package prometheus)";
    GTEST_SKIP() << "promtool is missing";
  }
  EXPECT_NE(result.exit_status, 0);
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void ExpectPromtoolTakes(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"promtool"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const ProcessResult result = RunProcess(command, "");
  if (!result.started) {
    ASSERT_TRUE(MayBeSkipped()) << "promtool is missing (Debian package prometheus)";
    std::cerr << "SKIPPED: promtool is missing (Debian package prometheus); the example rules were not checked\n";
    GTEST_SKIP() << "promtool is missing";
  }
  EXPECT_EQ(result.exit_status, 0) << result.output;
}

// docs/prometheus: a configuration for scraping, and the alert rules that it names.
TEST(Examples, ConfigurationAndRulesAreValid) {
  ExpectPromtoolTakes({"check", "config", SOURCE_DIR "/docs/prometheus/prometheus.yml"});
}

TEST(Examples, RulesSpeakWhenTheyShould) {
  ExpectPromtoolTakes({"test", "rules", SOURCE_DIR "/tests/exporters/prometheus/alerts_test.yml"});
}

TEST(Examples, RulesUseMetricsThatThereAre) {
  const std::string rules = ReadAll(SOURCE_DIR "/docs/prometheus/alerts.yml");
  std::set<std::string> known;
  for (const Metric& metric : MetricCatalogue()) known.insert(std::string(metric.name));
  const std::regex name(R"(runledger_[a-z_]+)");
  int found = 0;
  for (auto at = std::sregex_iterator(rules.begin(), rules.end(), name); at != std::sregex_iterator(); ++at, ++found)
    EXPECT_TRUE(known.contains(at->str())) << at->str();
  EXPECT_GT(found, 20);
}

TEST(OpenMetricsParser, WithoutData) {
  Instance instance;
  ExpectOpenMetrics(instance.exposition.Scrape(Format::kOpenMetrics100), "2 2 []\n");
}

TEST(OpenMetricsParser, WithData) {
  Instance instance;
  instance.Fill();
  instance.exposition.Scrape(Format::kOpenMetrics100);
  const std::string text = instance.exposition.Scrape(Format::kOpenMetrics100);
  uint64_t samples = 0;
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) samples += text[at] != '#' ? 1 : 0;
  ExpectOpenMetrics(
      text, "43 " + std::to_string(samples) + " ['bad', 'bad', 'ok', 'ok', 'r \"1\"\\\\\\n', 'r \"1\"\\\\\\n']\n");
}

}  // namespace
}  // namespace runledger::exporters
