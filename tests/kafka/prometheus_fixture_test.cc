#include "kafka/prometheus_fixture.h"

#include <gtest/gtest.h>

#include "kafka/peer.h"

namespace runledger::test {
namespace {

// Prometheus is scraped by another Prometheus, so the fixture is tried without anything of ours.
TEST(PrometheusFixture, ScrapesAndAnswersQueries) {
  absl::StatusOr<std::unique_ptr<TestPrometheus>> target = TestPrometheus::Start({});
  if (absl::IsUnavailable(target.status()) && !PeersRequired()) {
    ReportSkipped("PrometheusFixture", std::string(target.status().message()));
    GTEST_SKIP();
  }
  ASSERT_TRUE(target.ok()) << target.status();
  const std::string nobody = "127.0.0.1:" + std::to_string(FreePort());
  absl::StatusOr<std::unique_ptr<TestPrometheus>> started =
      TestPrometheus::Start({.targets = {(*target)->address(), nobody}});
  ASSERT_TRUE(started.ok()) << started.status();
  const TestPrometheus& prometheus = **started;

  // A scrape may come too late on a busy machine; then the next one is waited for.
  const auto comes_to_be = [&](const std::string& query, double value) {
    return prometheus.WaitFor(
        query, [value](const auto& series) { return series.size() == 1 && series[0].value == value; },
        std::chrono::seconds(60));
  };
  EXPECT_EQ(comes_to_be("up{instance='" + (*target)->address() + "'}", 1), absl::OkStatus());
  EXPECT_EQ(comes_to_be("up{instance='" + nobody + "'}", 0), absl::OkStatus());
  EXPECT_EQ(comes_to_be("prometheus_build_info", 1), absl::OkStatus());
  EXPECT_EQ(prometheus.QueryValue("41 + 1").value(), 42);
  EXPECT_TRUE(absl::IsNotFound(prometheus.QueryValue("nothing_of_this_name").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(prometheus.QueryValue("up").status()));
  EXPECT_TRUE(absl::IsInternal(prometheus.Query("not a (query").status()));
}

TEST(PrometheusFixture, TellsWhyItDidNotStart) {
  const absl::StatusOr<std::unique_ptr<TestPrometheus>> started =
      TestPrometheus::Start({.rules = "this is no rules file"});
  if (absl::IsUnavailable(started.status()) && !PeersRequired()) GTEST_SKIP();  // said above
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.status().message().find("rules.yml"), std::string_view::npos) << started.status();
}

}  // namespace
}  // namespace runledger::test
