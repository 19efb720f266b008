#include "exporters/http/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "exporters/http/http_client.h"
#include "exporters/http/http_server.h"
#include "exporters/http/mailboxes.h"

namespace runledger::exporters {
namespace {

using codecs::Status;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

aggregators::ShardPositions Restoring(int64_t remaining) {
  aggregators::ShardPositions positions = ShardFeed::kCaughtUp;
  positions.shown = false;
  positions.restore_remaining = remaining;
  return positions;
}

aggregators::ShardPositions Behind() {
  aggregators::ShardPositions positions = ShardFeed::kCaughtUp;
  positions.caught_up = false;
  return positions;
}

// An instance that serves its API over HTTP.
class ApiTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started =
        HttpServer::Start({.listen = "127.0.0.1:0"},
                          ApiRoutes(directory_, exposition_, {.question_timeout = timeout_, .version = "0.1.0"}));
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  HttpReply Get(const std::string& path) { return client_.Get(server_->url() + path); }
  // The body of an answer with status 200.
  json GetJson(const std::string& path) {
    const HttpReply reply = Get(path);
    EXPECT_EQ(reply.status, 200) << path << ": " << reply.body << reply.error;
    EXPECT_EQ(reply.headers.at("content-type"), "application/json") << path;
    EXPECT_EQ(reply.headers.at("cache-control"), "no-store") << path;
    return json::parse(reply.body);
  }
  // The detail of a problem with this status.
  std::string GetProblem(const std::string& path, int status) {
    const HttpReply reply = Get(path);
    EXPECT_EQ(reply.status, status) << path << ": " << reply.body;
    EXPECT_EQ(reply.headers.at("content-type"), "application/problem+json") << path;
    return json::parse(reply.body)["detail"];
  }
  std::vector<std::string> RunIds(const std::string& path) {
    std::vector<std::string> ids;
    const json answer = GetJson(path);
    for (const json& run : answer["runs"]) ids.push_back(run["run_id"]);
    return ids;
  }

  std::chrono::milliseconds timeout_{60'000};
  ingest::PartitionDirectory directory_;
  ingest::OwnMetrics own_;
  Exposition exposition_{directory_, own_, {}};
  std::unique_ptr<HttpServer> server_;
  HttpClient client_;
};

ShardFeed Boxscores() {
  ShardFeed feed({{}, {.pattern = "box/scores", .display_name = "Box scores", .priority = "high"}});
  feed.Fold({.job = "box/scores",
             .run_id = "box_20260112_fea26b01",
             .time_us = kDay,
             .phase = "phase_2_raw",
             .data_date = 20465});
  feed.Fold({.job = "box/scores",
             .run_id = "box_20260112_fea26b01",
             .status = Status::kSuccess,
             .time_us = kDay + 90 * kSecond});
  feed.Fold({.job = "box/scores",
             .run_id = "box_20260113_0a0a0a0a",
             .status = Status::kFailed,
             .time_us = kDay + 2 * kHour,
             .data_date = 20466});
  feed.Fold({.job = "box/scores", .run_id = "box_20260114_stuck", .time_us = kDay + 3 * kHour, .data_date = 20467});
  feed.Fold({.job = "quiet", .run_id = "q1", .status = Status::kSuccess, .time_us = kDay + kHour, .duration_s = 8});
  feed.Fold({.job = "quiet",
             .run_id = "q1",
             .status = Status::kSuccess,
             .time_us = kDay + kHour,
             .attempt = 2,
             .duration_s = 9});
  feed.Watermark(kDay + 8 * kHour);
  return feed.Publish();
}

// Three partitions of one topic, of which others own those that are not here. Jobs are at home by their first letter.
class FakeFleet : public ingest::Fleet {
 public:
  absl::StatusOr<std::vector<ingest::PartitionOwner>> Owners() override { return owners; }
  std::optional<size_t> PartitionCount() const override { return 3; }
  std::optional<std::vector<ingest::TopicPartition>> HomesOf(std::string_view job) const override {
    if (!homes_known) return std::nullopt;
    return std::vector<ingest::TopicPartition>{{"t", job.starts_with('a') ? 1 : job.starts_with('z') ? 2 : 0}};
  }

  absl::StatusOr<std::vector<ingest::PartitionOwner>> owners =
      std::vector<ingest::PartitionOwner>{{{"t", 0}, "http://here:1"}, {{"t", 1}, "http://other:9464"}, {{"t", 2}, ""}};
  bool homes_known = true;
};

TEST_F(ApiTest, AJobOfAnotherInstanceIsNotDeniedButItsOwnerIsNamed) {
  FakeFleet fleet;
  directory_.SetFleet(&fleet);
  Own(&directory_, "t", 0, Boxscores());
  EXPECT_EQ(GetJson("/api/v1/jobs/quiet")["job"]["name"], "quiet");

  const HttpReply reply = Get("/api/v1/jobs/assists");
  EXPECT_EQ(reply.status, 421) << reply.body;
  const json problem = json::parse(reply.body);
  EXPECT_EQ(problem["owner"], "http://other:9464");
  EXPECT_EQ(problem["partition"], 1);
  EXPECT_THAT(std::string(problem["detail"]), HasSubstr("ask there"));

  // Its home is here, so there is none.
  EXPECT_THAT(GetProblem("/api/v1/jobs/nobody", 404), HasSubstr("no job 'nobody'"));
  // Nobody has committed for its home yet; or where it is at home cannot be told.
  EXPECT_THAT(GetProblem("/api/v1/jobs/zone", 503), HasSubstr("unknown"));
  fleet.homes_known = false;
  const HttpReply unknown = Get("/api/v1/jobs/nobody");
  EXPECT_EQ(unknown.status, 503);
  EXPECT_EQ(json::parse(unknown.body)["owners"].size(), 2u);
  fleet.owners = absl::UnavailableError("no coordinator");
  EXPECT_THAT(GetProblem("/api/v1/jobs/nobody", 503), HasSubstr("no coordinator"));
  EXPECT_THAT(GetProblem("/api/v1/partitions", 503), HasSubstr("no coordinator"));
  directory_.SetFleet(nullptr);
}

TEST_F(ApiTest, WhatIsSaidOfAllIsSaidToBeOfAllOnlyWhereItIs) {
  FakeFleet fleet;
  directory_.SetFleet(&fleet);
  Own(&directory_, "t", 0, Boxscores());
  EXPECT_EQ(GetJson("/api/v1/jobs")["complete"], false);
  EXPECT_EQ(GetJson("/api/v1/runs")["complete"], false);
  EXPECT_THAT(GetProblem("/api/v1/runs/unheard-of", 503), HasSubstr("other instances"));
  const json partitions = GetJson("/api/v1/partitions")["partitions"];
  ASSERT_EQ(partitions.size(), 3u);
  EXPECT_EQ(partitions[0]["here"], true);
  EXPECT_EQ(partitions[1]["owner"], "http://other:9464");
  EXPECT_EQ(partitions[2]["owner"], nullptr);
  Own(&directory_, "t", 1, ShardFeed().Publish());
  Own(&directory_, "t", 2, ShardFeed().Publish());
  EXPECT_EQ(GetJson("/api/v1/jobs")["complete"], true);
  directory_.SetFleet(nullptr);
}

TEST_F(ApiTest, Metrics) {
  Own(&directory_, "t", 0, Boxscores());
  const HttpReply plain = Get("/metrics");
  EXPECT_EQ(plain.status, 200);
  EXPECT_EQ(plain.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(plain.headers.at("vary"), "Accept, Accept-Encoding");
  EXPECT_EQ(plain.headers.count("content-encoding"), 0U);
  EXPECT_THAT(
      plain.body,
      HasSubstr("\nrunledger_runs_started_total{topic=\"t\",partition=\"0\",processor=\"quiet\",phase=\"\"} 2\n"));

  const HttpReply open_metrics = client_.Do(
      {.url = server_->url() + "/metrics",
       .headers = {"Accept: application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"},
       .accept_encoding = "gzip"});
  EXPECT_EQ(open_metrics.headers.at("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_EQ(open_metrics.headers.at("content-encoding"), "gzip");
  EXPECT_LT(std::stoul(open_metrics.headers.at("content-length")), open_metrics.body.size() / 4)
      << "curl has unpacked it";
  EXPECT_TRUE(open_metrics.body.ends_with("\n# EOF\n"));
  EXPECT_THAT(open_metrics.body, HasSubstr("# {run_id=\"box_20260112_fea26b01\"} 1 1768176090\n"));

  const HttpReply head = client_.Do({.url = server_->url() + "/metrics", .method = "HEAD"});
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_GT(std::stoul(head.headers.at("content-length")), 1000U);
  EXPECT_EQ(client_.Do({.url = server_->url() + "/metrics", .method = "POST", .body = "x"}).status, 405);
}

TEST_F(ApiTest, HealthAndReadiness) {
  EXPECT_EQ(Get("/healthz").body, "ok\n");
  EXPECT_THAT(GetProblem("/readyz", 503), HasSubstr("has not told this instance yet"));

  directory_.SetAssigned();
  EXPECT_EQ(GetJson("/readyz")["ready"], true) << "it may own nothing";

  ShardFeed feed;
  feed.Publish(Restoring(1234));
  Own(&directory_, "t", 5, feed);
  directory_.SetProblem("t[5]", "the log begins at 10, the state at 7");
  HttpReply reply = Get("/readyz");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(json::parse(reply.body),
            json::parse(R"({"type": "about:blank", "title": "Service Unavailable", "status": 503, "ready": false,
                            "detail": "not ready: 1 of its partitions are being restored",
                            "restoring": [{"topic": "t", "partition": 5, "remaining_records": 1234}],
                            "problems": [{"subject": "t[5]", "text": "the log begins at 10, the state at 7"}]})"));
  EXPECT_EQ(Get("/healthz").status, 200);

  // What it owned it owns no more, and what it owns now it has not been told.
  feed.Publish();
  directory_.SetAssigned(false);
  EXPECT_EQ(Get("/readyz").status, 503);
  directory_.SetAssigned();
  EXPECT_EQ(
      GetJson("/readyz"),
      json::parse(
          R"({"ready": true, "problems": [{"subject": "t[5]", "text": "the log begins at 10, the state at 7"}]})"));
}

TEST_F(ApiTest, JobInFull) {
  Own(&directory_, "t", 0, Boxscores());
  const json answer = GetJson("/api/v1/jobs/box%2Fscores");
  json expected = json::parse(R"({
    "name": "box/scores", "phase": "phase_2_raw", "display_name": "Box scores", "priority": "high",
    "partitions": [{"topic": "t", "partition": 0}], "as_of": "2026-01-12T08:00:00Z", "caught_up": true,
    "running": 1, "stale": 1, "silent": 0, "timed_out": 0, "job_stale": false, "consecutive_failures": 1, "started": 3,
    "finished": {"success": 1, "no_data": 0, "partial": 0, "skipped": 0, "failed": 1, "aborted": 0},
    "forgotten": 0, "late_events": 0, "oldest_running_start": "2026-01-12T03:00:00Z", "last_start": "2026-01-12T03:00:00Z",
    "last_success": "2026-01-12T00:01:30Z", "last_failure": "2026-01-12T02:00:00Z", "last_duration_seconds": 90.0,
    "success_ratio": {"1h": null, "24h": 0.5, "7d": 0.5, "30d": 0.5}})");
  json job = answer["job"];
  EXPECT_NEAR(job["p95_duration_seconds"].get<double>(), 90, 90 * 0.2);
  job.erase("p95_duration_seconds");
  EXPECT_EQ(job, expected);
  EXPECT_EQ(answer["as_of"], "2026-01-12T08:00:00Z");
  EXPECT_EQ(answer["caught_up"], true);
  EXPECT_THAT(GetProblem("/api/v1/jobs/box", 404), HasSubstr("no job 'box'"));
  EXPECT_THAT(GetProblem("/api/v1/jobs/quiet?verbose=1", 400), HasSubstr("no parameter 'verbose'"));
}

TEST_F(ApiTest, JobsWithoutAnything) {
  EXPECT_EQ(GetJson("/api/v1/jobs"),
            json::parse(R"({"as_of": null, "caught_up": false, "complete": true, "jobs": []})"));
}

TEST_F(ApiTest, JobsOfHiddenPartitionsAreNotShown) {
  Own(&directory_, "t", 0, Boxscores().Publish(Restoring(1)));
  EXPECT_EQ(GetJson("/api/v1/jobs"),
            json::parse(R"({"as_of": "2026-01-12T08:00:00Z", "caught_up": false, "complete": true, "jobs": []})"));
}

TEST_F(ApiTest, WhatIsWrongStandsBesideTheJobs) {
  directory_.SetProblem("clock", "set back by 2 h");
  EXPECT_EQ(GetJson("/api/v1/jobs")["problems"], json::parse(R"([{"subject": "clock", "text": "set back by 2 h"}])"));
  directory_.SetProblem("clock", "");
  EXPECT_FALSE(GetJson("/api/v1/jobs").contains("problems"));
}

TEST_F(ApiTest, NothingIsJudgedWithoutWatermark) {
  Own(&directory_, "t", 0, Boxscores());
  Own(&directory_, "t", 1, ShardFeed().Fold({.job = "unjudged", .run_id = "u", .time_us = kDay}).Publish());
  const json jobs = GetJson("/api/v1/jobs");
  EXPECT_EQ(jobs["as_of"], nullptr) << "one partition is known up to no time";
  EXPECT_EQ(jobs["jobs"].size(), 3U);
  const json job = GetJson("/api/v1/jobs/unjudged")["job"];
  EXPECT_EQ(job["running"], 1);
  for (const char* verdict : {"as_of", "stale", "silent", "timed_out", "job_stale"})
    EXPECT_EQ(job[verdict], nullptr) << verdict;
  EXPECT_EQ(GetJson("/api/v1/jobs/quiet")["as_of"], "2026-01-12T08:00:00Z") << "of the partitions concerned";
}

TEST_F(ApiTest, AJobThatHasMovedIsJudgedByItsNewHome) {
  ShardFeed before;
  before.Run("moved", "a", Status::kFailed, kDay, kDay + kSecond)
      .Fold({.job = "moved", .run_id = "left", .time_us = kDay})
      .Watermark(kDay + 72 * kHour);
  before.shard()->SetMoved([](std::string_view) { return true; });
  Own(&directory_, "t", 0, before.Publish());
  json job = GetJson("/api/v1/jobs/moved")["job"];
  EXPECT_EQ(job["started"], 2);
  EXPECT_EQ(job["stale"], nullptr) << "another one knows";
  EXPECT_EQ(job["job_stale"], nullptr);

  Own(&directory_, "t", 3,
      ShardFeed()
          .Run("moved", "b", Status::kFailed, kDay + 60 * kHour, kDay + 60 * kHour + kSecond)
          .Watermark(kDay + 72 * kHour)
          .Publish());
  job = GetJson("/api/v1/jobs/moved")["job"];
  EXPECT_EQ(job["started"], 3);
  EXPECT_EQ(job["running"], 1);
  EXPECT_EQ(job["stale"], 0);
  EXPECT_EQ(job["job_stale"], false);
  EXPECT_EQ(job["consecutive_failures"], 1) << "of its home";
}

// A job whose runs go to several partitions: what can be added is, what cannot is not known.
TEST_F(ApiTest, JobInSeveralPartitions) {
  Own(&directory_, "t", 0,
      ShardFeed()
          .Run("spread", "a", Status::kSuccess, kDay, kDay + 10 * kSecond)
          .Fold({.job = "spread", .run_id = "b", .time_us = kDay + 4 * kHour})
          .Watermark(kDay + 72 * kHour)
          .Publish());
  Own(&directory_, "t", 1,
      ShardFeed()
          .Run("spread", "c", Status::kFailed, kDay + 60 * kHour, kDay + 60 * kHour + 20 * kSecond)
          .Fold({.job = "spread", .run_id = "d", .time_us = kDay + 3 * kHour})
          .Watermark(kDay + 71 * kHour)
          .Publish(Behind()));
  json job = GetJson("/api/v1/jobs/spread")["job"];
  EXPECT_EQ(job["partitions"].size(), 2U);
  EXPECT_EQ(job["running"], 2);
  EXPECT_EQ(job["started"], 4);
  EXPECT_EQ(job["stale"], nullptr) << "one of them is behind";
  EXPECT_EQ(job["at_watermark"], json::parse(R"({"stale": 2, "silent": 0, "timed_out": 0, "job_stale": true})"))
      << "neither had a success within two days";
  EXPECT_EQ(job["oldest_running_start"], "2026-01-12T03:00:00Z");
  EXPECT_EQ(job["last_failure"], "2026-01-14T12:00:20Z");
  EXPECT_EQ(job["last_duration_seconds"], 20);
  EXPECT_EQ(job["as_of"], "2026-01-14T23:00:00Z");
  EXPECT_EQ(job["caught_up"], false);
  EXPECT_EQ(job["success_ratio"]["7d"], 0.5);
  EXPECT_EQ(job["job_stale"], nullptr);
  EXPECT_EQ(job["consecutive_failures"], nullptr);
  EXPECT_EQ(job["p95_duration_seconds"], nullptr);

  // One fresh success is one of the job's.
  Own(&directory_, "t", 2,
      ShardFeed()
          .Run("spread", "e", Status::kSuccess, kDay + 70 * kHour, kDay + 70 * kHour + 1)
          .Watermark(kDay + 72 * kHour)
          .Publish());
  EXPECT_EQ(GetJson("/api/v1/jobs/spread")["job"]["at_watermark"]["job_stale"], false);
  // History alone has no say.
  Own(&directory_, "t", 2,
      ShardFeed()
          .Fold({.job = "spread", .run_id = "f", .status = Status::kSuccess, .time_us = kDay, .backfill = true})
          .Watermark(kDay + 72 * kHour)
          .Publish());
  EXPECT_EQ(GetJson("/api/v1/jobs/spread")["job"]["at_watermark"]["job_stale"], true);
}

// Behind the log there is no verdict, only what held at the watermark; and nobody can say that there is no such run.
TEST_F(ApiTest, BehindTheLogVerdictsAreUnknown) {
  Own(&directory_, "t", 0, Boxscores().Publish(Behind()));
  const json job = GetJson("/api/v1/jobs/box%2Fscores")["job"];
  EXPECT_EQ(job["caught_up"], false);
  EXPECT_EQ(job["running"], 1);
  for (const char* verdict : {"stale", "silent", "timed_out", "job_stale"}) EXPECT_EQ(job[verdict], nullptr) << verdict;
  EXPECT_EQ(job["at_watermark"], json::parse(R"({"stale": 1, "silent": 0, "timed_out": 0, "job_stale": false})"));
  EXPECT_EQ(GetJson("/api/v1/runs?stale=true")["runs"][0]["verdict"], "unknown");
  for (const char* path : {"/api/v1/jobs/absent", "/api/v1/runs/absent"})
    EXPECT_THAT(GetProblem(path, 503), StartsWith("unknown: ")) << path;
}

TEST_F(ApiTest, BeingRestoredItShowsNoRuns) {
  Own(&directory_, "t", 0, Boxscores().Publish(Restoring(1)));
  const json answer = GetJson("/api/v1/runs");
  EXPECT_EQ(answer["caught_up"], false);
  EXPECT_TRUE(answer["runs"].empty());
  EXPECT_THAT(GetProblem("/api/v1/runs/box_20260112_fea26b01", 503), StartsWith("unknown: "));
}

TEST_F(ApiTest, Runs) {
  Own(&directory_, "t", 0, Boxscores());
  Own(&directory_, "t", 1,
      ShardFeed()
          .Fold({.job = "other", .run_id = "o1", .time_us = kDay + 7 * kHour})
          .Watermark(kDay + 9 * kHour)
          .Publish());
  const json answer = GetJson("/api/v1/runs");
  EXPECT_EQ(answer["as_of"], "2026-01-12T08:00:00Z");
  EXPECT_EQ(answer["caught_up"], true);
  EXPECT_EQ(answer["more"], false);
  const std::string stuck = "box_20260114_stuck";
  const std::string failed = "box_20260113_0a0a0a0a";
  const std::string good = "box_20260112_fea26b01";
  EXPECT_THAT(RunIds("/api/v1/runs"), ElementsAre(stuck, "o1", failed, "q1", "q1", good));
  EXPECT_THAT(RunIds("/api/v1/runs?job=box/scores"), ElementsAre(stuck, failed, good));
  EXPECT_THAT(RunIds("/api/v1/runs?job=nobody"), ElementsAre());
  EXPECT_THAT(RunIds("/api/v1/runs?status=failed"), ElementsAre(failed));
  EXPECT_THAT(RunIds("/api/v1/runs?status=RUNNING"), ElementsAre(stuck, "o1"));
  EXPECT_THAT(RunIds("/api/v1/runs?date=2026-01-13"), ElementsAre(failed));
  EXPECT_THAT(RunIds("/api/v1/runs?stale=true"), ElementsAre(stuck));
  EXPECT_THAT(RunIds("/api/v1/runs?stale=false&job=other"), ElementsAre("o1"));
  EXPECT_THAT(RunIds("/api/v1/runs?fragment=fea26b01"), ElementsAre(good));
  EXPECT_THAT(RunIds("/api/v1/runs?limit=2"), ElementsAre(stuck, "o1"));
  EXPECT_EQ(GetJson("/api/v1/runs?limit=2")["more"], true);
  EXPECT_EQ(GetJson("/api/v1/runs?stale=true")["runs"][0]["verdict"], "stale");
}

TEST_F(ApiTest, RunsWithBadParameters) {
  EXPECT_THAT(GetProblem("/api/v1/runs?stauts=failed", 400),
              HasSubstr("no parameter 'stauts' here; use: job, status, date"));
  EXPECT_THAT(GetProblem("/api/v1/runs?status=melted", 400), HasSubstr("'melted'"));
  EXPECT_THAT(GetProblem("/api/v1/runs?date=2026-13-01", 400), HasSubstr("'2026-13-01' is no date"));
  EXPECT_THAT(GetProblem("/api/v1/runs?stale=yes", 400), HasSubstr("true or false"));
  for (const char* limit : {"0", "-1", "ten", "10001", "", "1x", "99999999999999999999999"}) {
    EXPECT_THAT(GetProblem(std::string("/api/v1/runs?limit=") + limit, 400), HasSubstr("from 1 to 10000"));
  }
  EXPECT_THAT(GetProblem("/api/v1/runs?status=%FF", 400), HasSubstr("is not known"));
}

TEST_F(ApiTest, RunAndTrace) {
  Own(&directory_, "t", 0, Boxscores());
  EXPECT_THAT(RunIds("/api/v1/runs/box_20260112_fea26b01"), ElementsAre("box_20260112_fea26b01"));
  EXPECT_THAT(RunIds("/api/v1/runs/q1"), ElementsAre("q1", "q1")) << "attempts are runs";
  EXPECT_THAT(GetProblem("/api/v1/runs/fea26b01", 404), HasSubstr("no run 'fea26b01'"))
      << "a part of an id is not an id";
  EXPECT_THAT(RunIds("/api/v1/trace?id=fea26b01"), ElementsAre("box_20260112_fea26b01"));
  EXPECT_THAT(RunIds("/api/v1/trace?id=absent"), ElementsAre());
  EXPECT_THAT(GetProblem("/api/v1/trace", 400), HasSubstr("id is missing"));
  EXPECT_THAT(GetProblem("/api/v1/trace?id=", 400), HasSubstr("id is missing"));
}

TEST_F(ApiTest, BusyPartition) {
  const auto mailbox = std::make_shared<HeldMailbox>();
  mailbox->SetFull(true);
  directory_.Add({{"t", 0}, Boxscores().shard(), mailbox});
  const HttpReply reply = Get("/api/v1/runs");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.headers.at("retry-after"), "1");
  EXPECT_THAT(json::parse(reply.body)["detail"].get<std::string>(), StartsWith("busy: partition t[0]"));
  EXPECT_EQ(Get("/api/v1/jobs").status, 200) << "copies need nobody's time";
}

TEST_F(ApiTest, StatusPage) {
  ShardFeed feed(FeedPolicy{.display_name = "<script>alert('x')</script>"});
  feed.Run("a fine job", "1", Status::kSuccess, kDay, kDay + kSecond);
  feed.Run("failing & \"failing\"", "2", Status::kFailed, kDay, kDay + kSecond);
  feed.Watermark(kDay + kHour);
  Own(&directory_, "runledger.events", 0, feed.Publish());
  Own(&directory_, "restoring<b>", 1, ShardFeed().Publish(Restoring(77)));
  directory_.SetProblem("warehouse", "takes no rows: <disk full>");
  const HttpReply reply = Get("/");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(reply.headers.at("content-security-policy"), HasSubstr("default-src 'none'"));
  const std::string& page = reply.body;
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("<b>")));
  EXPECT_THAT(page, Not(HasSubstr("src=")));
  EXPECT_THAT(page, HasSubstr("warehouse: takes no rows: &lt;disk full&gt;"));
  EXPECT_THAT(page, HasSubstr("restoring, 77 records to go"));
  EXPECT_THAT(page, HasSubstr("not caught up with the log"));
  EXPECT_THAT(page, HasSubstr("runledger.events[0]"));
  EXPECT_THAT(
      page, HasSubstr("<a href=\"/api/v1/jobs/failing%20%26%20%22failing%22\">failing &amp; &quot;failing&quot;</a>"));
  EXPECT_LT(page.find("failing &amp;"), page.find("a fine job")) << "what needs attention stands first";
  EXPECT_THAT(page, HasSubstr("2 in all, 1 need attention"));
  EXPECT_THAT(page, HasSubstr("100 %"));
}

TEST_F(ApiTest, StatusPageKnowsWhatItDoesNotKnow) {
  const auto page_of = [&](bool caught_up) {
    ShardFeed feed(FeedPolicy{.max_runtime_us = kHour});
    feed.Fold({.job = "stuck", .run_id = "1", .time_us = kDay, .heartbeat = true}).Watermark(kDay + 50 * kHour);
    Own(&directory_, "t", 0, feed.Publish(caught_up ? ShardFeed::kCaughtUp : Behind()));
    return Get("/").body;
  };
  const std::string known = page_of(true);
  EXPECT_THAT(known, HasSubstr("As of <time datetime=\"2026-01-14T02:00:00Z\">2026-01-14 02:00:00Z</time>"));
  EXPECT_THAT(known, HasSubstr("<td class=\"n\"><span class=\"bad\">1</span>, <span class=\"bad\">1 silent</span>, "
                               "<span class=\"bad\">1 over time</span></td>"));
  EXPECT_THAT(known, HasSubstr("stale job"));
  EXPECT_THAT(known, HasSubstr("1 need attention"));
  const std::string behind = page_of(false);
  EXPECT_THAT(behind, HasSubstr("unknown; was</span> <span class=\"bad\">1</span>"));
  EXPECT_THAT(behind, Not(HasSubstr("stale job")));
  EXPECT_THAT(behind, HasSubstr("0 need attention"));
  EXPECT_THAT(behind, HasSubstr(">behind<"));
  EXPECT_THAT(known, HasSubstr("None known."));
  EXPECT_THAT(behind, Not(HasSubstr("None known.")));
}

// Everything at once, over the wire: a writer that folds, publishes and serves its mailbox, scrapers, and people who
// ask.
TEST_F(ApiTest, EverybodyAtOnce) {
  ShardFeed feed;
  feed.Fold({.job = "job0", .run_id = "first", .time_us = kDay}).Publish();
  const auto mailbox = std::make_shared<HeldMailbox>();
  directory_.Add({{"t", 0}, feed.shard(), mailbox});
  directory_.SetAssigned();
  constexpr const char* kPaths[] = {"/metrics", "/api/v1/runs?limit=5", "/api/v1/jobs", "/"};
  std::atomic<int> clients_left{static_cast<int>(std::size(kPaths))};  // written by clients, read by the writer
  std::thread writer([&] {
    for (int i = 0; clients_left.load() > 0; ++i) {
      const std::string number = std::to_string(i);
      feed.Fold({.job = "job" + std::to_string(i % 20),
                 .run_id = number,
                 .status = i % 3 == 0 ? Status::kFailed : Status::kSuccess,
                 .time_us = kDay + i});
      feed.Watermark(kDay + i);
      feed.shard()->Publish(ShardFeed::kCaughtUp);
      mailbox->Serve(*feed.shard());
    }
  });
  std::vector<std::thread> clients;
  for (const char* path : kPaths) {
    clients.emplace_back([&, path] {
      HttpClient client;
      for (int i = 0; i < 40; ++i) {
        const HttpReply reply = client.Do({.url = server_->url() + path, .accept_encoding = "gzip"});
        EXPECT_EQ(reply.status, 200) << path << ": " << reply.body << reply.error;
      }
      --clients_left;
    });
  }
  for (std::thread& client : clients) client.join();
  writer.join();
}

class ImpatientApiTest : public ApiTest {
 protected:
  ImpatientApiTest() { timeout_ = std::chrono::milliseconds(1); }
};

TEST_F(ImpatientApiTest, PartitionThatDoesNotAnswerInTime) {
  directory_.Add({{"t", 0}, Boxscores().shard(), std::make_shared<HeldMailbox>()});
  EXPECT_THAT(GetProblem("/api/v1/trace?id=x", 503), HasSubstr("partition t[0] is busy and did not answer in time"));
}

}  // namespace
}  // namespace runledger::exporters
