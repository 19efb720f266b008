#include "exporters/http/orchestration_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "aggregators/workflow_feed.h"
#include "exporters/http/mailboxes.h"
#include "exporters/prometheus/exposition.h"

// What is asked about expected runs, decisions and cleanups, on a day with one of each verdict.

namespace runledger::exporters {
namespace {

using aggregators::At;
using aggregators::DecisionEvent;
using aggregators::ExpectedEvent;
using aggregators::WorkflowFeed;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OrchestrationRoutesTest : public testing::Test {
 protected:
  static constexpr int64_t kNow = At(15, 45);

  void SetUp() override {
    feed_.Pass(aggregators::kDayStart);
    for (const int hour : {6, 8, 10, 12, 14, 15, 17}) feed_.Fold(ExpectedEvent("betting_lines", At(hour, 0)));
    feed_.Fold(DecisionEvent("betting_lines", "RUN", At(5, 50), "", "d-early"));
    feed_.Fold(DecisionEvent("betting_lines", "RUN", At(8, 2), "", "d-on-time"));
    feed_.Fold(DecisionEvent("betting_lines", "RUN", At(10, 31), "", "d-late"));
    v1::Event skip = DecisionEvent("betting_lines", "SKIP", At(14, 1), "no games today", "d-skip");
    skip.mutable_decision()->set_priority("CRITICAL");
    skip.mutable_decision()->set_next_check_time_us(At(15, 1));
    feed_.Fold(skip);
    v1::Event cleanup;
    cleanup.set_event_time_us(At(15, 30));
    cleanup.mutable_cleanup()->set_cleanup_id("c1");
    cleanup.mutable_cleanup()->set_missing_files(R"([
      {"scraper_name": "s", "gcs_path": "gs://x/1", "age_minutes": 120, "republished": true},
      {"scraper_name": "s", "gcs_path": "gs://x/2", "age_minutes": 241, "republished": false},
      {"scraper_name": "s", "gcs_path": "gs://x/3", "age_minutes": 240}])");
    feed_.Fold(cleanup);
    feed_.shard->AdvanceWatermark(kNow);
    shard_ = std::move(feed_.shard);
    Publish(/*caught_up=*/true);
    directory_.Add({{"t", 0}, shard_, std::make_shared<DirectMailbox>(shard_)});
  }
  void Publish(bool caught_up) {
    aggregators::ShardPositions positions = ShardFeed::kCaughtUp;
    positions.caught_up = caught_up;
    ASSERT_TRUE(shard_->Publish(positions));
  }
  Response Get(const std::string& path, Request::Pairs query = {}) {
    for (const Route& route : OrchestrationRoutes({&directory_, [] { return std::string("America/New_York"); }})) {
      if (route.pattern == path) return route.handler({.method = "GET", .path = path, .query = std::move(query)});
    }
    ADD_FAILURE() << path;
    return {};
  }
  json GetJson(const std::string& path, Request::Pairs query = {}) {
    const Response response = Get(path, std::move(query));
    EXPECT_EQ(response.status, 200) << response.body;
    return json::parse(response.body);
  }
  std::vector<std::string> Words(const std::string& name, Request::Pairs query = {}) {
    std::vector<std::string> words;
    const json answer = GetJson("/api/v1/schedule", std::move(query));
    for (const json& run : answer["expected_runs"]) words.push_back(run[name]);
    return words;
  }

  WorkflowFeed feed_;
  std::shared_ptr<aggregators::Shard> shard_;
  ingest::PartitionDirectory directory_;
  ingest::OwnMetrics own_;
};

TEST_F(OrchestrationRoutesTest, ExpectedVersusActualOfADay) {
  EXPECT_THAT(Words("verdict"), ElementsAre("early", "on_time", "late", "missing", "missing", "overdue", "pending"));
  EXPECT_THAT(Words("seeds_status"),
              ElementsAre("ON TIME", "ON TIME", "LATE", "ON TIME", "ON TIME", "ON TIME", "ON TIME"))
      << "hours before: the dashboards of old have no lower bound";
  const json answer = GetJson("/api/v1/schedule", {{"date", "2026-01-12"}, {"workflow", "betting_lines"}});
  EXPECT_EQ(answer["as_of"], "2026-01-12T20:45:00Z");
  EXPECT_EQ(answer["caught_up"], true);
  const json& late = answer["expected_runs"][2];
  EXPECT_EQ(late["expected_at"], "2026-01-12T15:00:00Z");
  EXPECT_EQ(late["expected_local"], "2026-01-12T10:00:00-05:00");
  EXPECT_EQ(late["actual_local"], "2026-01-12T10:31:00-05:00");
  EXPECT_EQ(late["difference_seconds"], 31 * 60.0);
  EXPECT_EQ(late["decision_id"], "d-late");
  EXPECT_EQ(late["seeds_rows"].size(), 3u);
  EXPECT_EQ(late["seeds_rows"][2]["status"], "LATE");
  const json& skipped = answer["expected_runs"][4];
  EXPECT_EQ(skipped["explained_by"]["decision_id"], "d-skip");
  EXPECT_EQ(skipped["explained_by"]["action"], "SKIP");
  EXPECT_EQ(skipped["explained_by"]["reason"], "no games today");
  EXPECT_EQ(answer["expected_runs"][3]["explained_by"], nullptr);
  EXPECT_EQ(answer["known_from"].get<std::string>().substr(0, 10), "2026-01-12") << "what was before is not known";
  EXPECT_TRUE(GetJson("/api/v1/schedule", {{"date", "2026-01-13"}})["expected_runs"].empty());
  EXPECT_TRUE(GetJson("/api/v1/schedule", {{"workflow", "other"}})["expected_runs"].empty());
  EXPECT_EQ(answer["to_be_made"], json::array()) << "nobody makes any";
}

// Another partition that has read nothing may hold what is expected of any day.
TEST_F(OrchestrationRoutesTest, SinceWhenItIsKnown) {
  ASSERT_TRUE(GetJson("/api/v1/schedule", {{"date", "2020-01-01"}})["expected_runs"].empty());
  EXPECT_TRUE(GetJson("/api/v1/schedule")["known_from"].is_string());
  ShardFeed nothing;
  const std::shared_ptr<aggregators::Shard> other = nothing.shard();
  ASSERT_TRUE(other->Publish(ShardFeed::kCaughtUp));
  directory_.Add({{"t", 1}, other, std::make_shared<DirectMailbox>(other)});
  EXPECT_TRUE(GetJson("/api/v1/schedule")["known_from"].is_null());
}

TEST_F(OrchestrationRoutesTest, BehindTheLogNothingIsSaidForCertain) {
  Publish(/*caught_up=*/false);
  EXPECT_THAT(Words("verdict"),
              ElementsAre("unknown", "unknown", "unknown", "unknown", "unknown", "unknown", "unknown"));
  EXPECT_EQ(Words("at_watermark")[3], "missing");
  const json workflow = GetJson("/api/v1/workflows")["workflows"][0];
  EXPECT_EQ(workflow["missing"], nullptr);
  EXPECT_EQ(workflow["at_watermark"]["missing"], 1);
  EXPECT_EQ(workflow["not_evaluated"], nullptr);
  EXPECT_EQ(Get("/api/v1/workflows", {{"workflow", "other"}}).status, 503);
}

TEST_F(OrchestrationRoutesTest, WhyAWorkflowWasSkipped) {
  const json all = GetJson("/api/v1/workflows");
  ASSERT_EQ(all["workflows"].size(), 1u);
  EXPECT_EQ(all["workflows"][0]["decisions"].size(), 1u);
  const json workflow = GetJson("/api/v1/workflows", {{"workflow", "betting_lines"}})["workflows"][0];
  EXPECT_EQ(workflow["decisions"].size(), 4u);
  EXPECT_EQ(workflow["decisions"][0]["action"], "SKIP");
  EXPECT_EQ(workflow["decisions"][0]["reason"], "no games today");
  EXPECT_EQ(workflow["decisions"][0]["next_check_at"], "2026-01-12T20:01:00Z");
  EXPECT_EQ(workflow["priority"], "CRITICAL");
  EXPECT_EQ(workflow["not_evaluated"], false);
  EXPECT_EQ(workflow["overdue"], 1);
  EXPECT_EQ(workflow["missing_explained"], 1);
  EXPECT_EQ(Get("/api/v1/workflows", {{"workflow", "other"}}).status, 404);
}

TEST_F(OrchestrationRoutesTest, MissingFilesTheOldestFirst) {
  const json cleanup = GetJson("/api/v1/missing-files")["cleanup"];
  EXPECT_EQ(cleanup["cleanup_id"], "c1");
  EXPECT_EQ(cleanup["urgencies"], (json{{"critical", 1}, {"warning", 1}, {"recent", 1}}));
  EXPECT_EQ(cleanup["files"][0]["urgency"], "critical");
  EXPECT_EQ(cleanup["files"][1]["urgency"], "warning");
  EXPECT_EQ(cleanup["files"][2]["urgency"], "recent");
  EXPECT_EQ(cleanup["files"][2]["republished"], true);
}

TEST_F(OrchestrationRoutesTest, WrongQuestionsAreRefused) {
  EXPECT_EQ(Get("/api/v1/schedule", {{"date", "12.1.2026"}}).status, 400);
  EXPECT_EQ(Get("/api/v1/schedule", {{"day", "2026-01-12"}}).status, 400);
  EXPECT_EQ(Get("/api/v1/workflows", {{"limit", "0"}}).status, 400);
}

TEST_F(OrchestrationRoutesTest, TheSameAsMetrics) {
  const std::string text = Exposition(directory_, own_, {}).Scrape(Format::kText004);
  const std::string labels = "{topic=\"t\",partition=\"0\",workflow=\"betting_lines\"";
  const std::vector<std::string> lines = {
      "runledger_expected_runs_total" + labels + ",verdict=\"missing\"} 0\n",
      "runledger_expected_runs_pending" + labels + "} 1\n",
      "runledger_expected_runs_overdue" + labels + "} 1\n",
      "runledger_expected_runs_missing" + labels + ",explained=\"false\"} 1\n",
      "runledger_expected_runs_missing" + labels + ",explained=\"true\"} 1\n",
      "runledger_workflow_last_decision_timestamp_seconds" + labels + ",action=\"SKIP\"} 1768244460\n",
      "runledger_workflow_not_evaluated" + labels + "} 0\n",
      "runledger_missing_files{topic=\"t\",partition=\"0\",urgency=\"critical\"} 1\n",
      "runledger_last_cleanup_timestamp_seconds{topic=\"t\",partition=\"0\"} 1768249800\n",
  };
  for (const std::string& line : lines) EXPECT_THAT(text, HasSubstr("\n" + line));
}

}  // namespace
}  // namespace runledger::exporters
