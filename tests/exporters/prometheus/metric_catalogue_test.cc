#include "exporters/prometheus/metric_catalogue.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "ingest/own_metrics.h"

namespace runledger::exporters {
namespace {

TEST(MetricCatalogue, NamesFollowTheConventions) {
  std::set<std::string_view> names;
  for (const Metric& metric : MetricCatalogue()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name << " twice";
    EXPECT_TRUE(metric.name.starts_with("runledger_")) << metric.name;
    EXPECT_EQ(metric.type == MetricType::kCounter, metric.name.ends_with("_total")) << metric.name;
    EXPECT_TRUE(metric.unit.empty() || metric.name.ends_with("_" + std::string(metric.unit))) << metric.name;
    EXPECT_EQ(metric.name.ends_with("_seconds"), metric.unit == "seconds") << metric.name;
    EXPECT_TRUE(metric.help.ends_with('.')) << metric.name;
    EXPECT_EQ(metric.labels.find("run_id"), std::string_view::npos) << metric.name;
  }
}

// What OwnMetrics registers and what is declared here is the same.
TEST(MetricCatalogue, HoldsTheInstancesOwnMetrics) {
  ingest::OwnMetrics own;
  own.events.Add({});
  own.events_rejected.Add({});
  own.dead_letters.Add({});
  own.dead_letters_truncated.Add({});
  own.partition_violations.Add({});
  own.warehouse_rows.Add({});
  own.warehouse_rows_in_flight.Add({});
  own.warehouse_retries.Add({});
  own.warehouse_circuit_open.Add({});
  own.warehouse_append_duration.Add({}, prometheus::Histogram::BucketBoundaries{1});
  own.clock_unknown.Add({});
  own.state_lost.Add({});
  own.spool_events.Add({});
  own.spool_bytes.Add({});
  own.spool_sent.Add({});
  own.config_reload_successful.Add({});
  own.config_reload_time.Add({});
  own.ready.Add({});
  own.build_info.Add({});
  std::map<std::string, prometheus::MetricFamily> registered;
  for (auto& family : own.registry().Collect()) registered[family.name] = family;

  size_t declared = 0;
  for (const Metric& metric : MetricCatalogue()) {
    if (!std::holds_alternative<FromRegistry>(metric.source)) continue;
    ++declared;
    ASSERT_TRUE(registered.contains(std::string(metric.name))) << metric.name;
    const prometheus::MetricFamily& family = registered[std::string(metric.name)];
    EXPECT_EQ(family.help, metric.help) << metric.name;
    const prometheus::MetricType type = metric.type == MetricType::kCounter     ? prometheus::MetricType::Counter
                                        : metric.type == MetricType::kHistogram ? prometheus::MetricType::Histogram
                                                                                : prometheus::MetricType::Gauge;
    EXPECT_EQ(family.type, type) << metric.name;
  }
  EXPECT_EQ(declared, registered.size());
}

TEST(MetricCatalogue, PageHasEveryMetricOnce) {
  const std::string page = MetricsPage();
  for (const Metric& metric : MetricCatalogue()) {
    const std::string row = "\n| `" + std::string(metric.name) + "` | ";
    const size_t at = page.find(row);
    ASSERT_NE(at, std::string::npos) << metric.name;
    EXPECT_EQ(page.find(row, at + 1), std::string::npos) << metric.name;
  }
  EXPECT_NE(page.find("| `runledger_runs_corrected_total` | counter |  | `from`, `to` | Runs whose status changed"),
            std::string::npos)
      << page;
  EXPECT_NE(page.find("Labels of all: `topic`, `partition`, `processor`, `phase`."), std::string::npos);
}

// RUNLEDGER_REWRITE=1 writes the page anew.
TEST(MetricCatalogue, TheCommittedPageIsTheGeneratedOne) {
  if (std::getenv("RUNLEDGER_REWRITE") != nullptr) std::ofstream(METRICS_PAGE) << MetricsPage();
  std::ifstream file(METRICS_PAGE);
  ASSERT_TRUE(file) << METRICS_PAGE;
  std::ostringstream committed;
  committed << file.rdbuf();
  EXPECT_EQ(committed.str(), MetricsPage()) << "run `runledger config metrics > docs/metrics.md`";
}

}  // namespace
}  // namespace runledger::exporters
