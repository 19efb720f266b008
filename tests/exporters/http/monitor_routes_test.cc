#include "exporters/http/monitor_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "codecs/civil_time.h"
#include "exporters/http/mailboxes.h"
#include "exporters/http/router.h"

namespace runledger::exporters {
namespace {

using aggregators::JobPolicy;
using codecs::Status;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kDayLength = 24 * kHour;
const int32_t kDate = codecs::DayOf(kDay);  // 2026-01-12

FeedPolicy Daily(const std::string& job, std::function<void(JobPolicy*)> more = {}) {
  FeedPolicy policy{.pattern = job};
  policy.more = [more = std::move(more)](JobPolicy* to) {
    aggregators::ScheduleSettings settings;
    settings.text = "daily";
    to->schedule = *aggregators::Schedule::Parse(settings);
    if (more) more(to);
  };
  return policy;
}

// Two partitions whose log begins ten days before 2026-01-12, and requests to them.
class MonitorRoutesTest : public testing::Test {
 protected:
  explicit MonitorRoutesTest(std::vector<FeedPolicy> policies = {Daily("nightly"), Daily("never"), Daily("second"),
                                                                 FeedPolicy{.pattern = "off", .more = Disable}})
      : policies_(PoliciesOf(policies)), first_(policies), second_(policies) {
    for (ShardFeed* feed : {&first_, &second_})
      feed->Run("filler", "f" + std::to_string(++filler_), Status::kSuccess, kDay - 10 * kDayLength,
                kDay - 10 * kDayLength + kSecond);
  }
  static void Disable(JobPolicy* policy) { policy->enabled = false; }

  void Ended(ShardFeed* feed, const std::string& job, const std::string& run, Status status, int32_t date, int64_t us) {
    feed->Fold({.job = job, .run_id = run, .status = status, .time_us = us, .data_date = date});
  }
  // All of them up to that moment, as far as is known.
  void Own(int64_t watermark_us, const aggregators::ShardPositions& positions = ShardFeed::kCaughtUp) {
    exporters::Own(&directory_, "t", 0, first_.Watermark(watermark_us).Publish(positions));
    exporters::Own(&directory_, "t", 1, second_.Watermark(watermark_us).Publish(positions));
  }
  Response Get(const std::string& path, Request::Pairs query = {}) {
    const auto sources = [this] { return MonitorSources{&directory_, policies_, std::chrono::minutes(1)}; };
    const Router router(MonitorRoutes(sources));
    const Router::Match match = router.Find("GET", path);
    if (match.route == nullptr) return match.refusal;
    Request request;
    request.parameters = match.parameters;
    request.query = std::move(query);
    return match.route->handler(request);
  }
  json GetJson(const std::string& path, Request::Pairs query = {}) {
    const Response response = Get(path, std::move(query));
    EXPECT_EQ(response.status, 200) << path << ": " << response.body;
    return json::parse(response.body);
  }

  ingest::PartitionDirectory directory_;
  std::shared_ptr<const aggregators::JobPolicies> policies_;
  ShardFeed first_, second_;
  int filler_ = 0;
};

TEST_F(MonitorRoutesTest, UpstreamOfOneJob) {
  Ended(&first_, "nightly", "n1", Status::kSuccess, kDate, kDay + kHour);
  Own(kDay + 2 * kHour);
  json answer = GetJson("/api/v1/jobs/nightly/upstream", {{"date", "2026-01-12"}});
  EXPECT_EQ(answer["caught_up"], true);
  EXPECT_EQ(answer["upstream"]["status"], "success");
  EXPECT_EQ(answer["upstream"]["safe_to_process"], true);
  // Without a date: today.
  EXPECT_EQ(GetJson("/api/v1/jobs/nightly/upstream")["upstream"]["date"], "2026-01-12");
  answer = GetJson("/api/v1/jobs/nightly/upstream", {{"date", "2026-01-11"}});
  EXPECT_EQ(answer["upstream"]["status"], "missing");
  EXPECT_EQ(answer["upstream"]["safe_to_process"], false);
  EXPECT_EQ(GetJson("/api/v1/jobs/off/upstream")["upstream"]["status"], "unknown") << "disabled";
  EXPECT_FALSE(GetJson("/api/v1/jobs/off/upstream")["upstream"].contains("warning")) << "it is named";
}

// A run of 11:30:08 is stale from 15:30:08 on: strictly more than 4 h (trap 3), and then others may go on.
TEST_F(MonitorRoutesTest, Trap3_StaleFromOneMicrosecondAfterFourHours) {
  first_.Fold({.job = "nightly", .run_id = "dead", .time_us = kDay + kHour, .data_date = kDate});
  Own(kDay + 5 * kHour);
  EXPECT_EQ(GetJson("/api/v1/jobs/nightly/upstream")["upstream"]["status"], "running");
  Own(kDay + 5 * kHour + 1);
  const json upstream = GetJson("/api/v1/jobs/nightly/upstream")["upstream"];
  EXPECT_EQ(upstream["status"], "stale_running");
  EXPECT_EQ(upstream["safe_to_process"], true);
  EXPECT_NEAR(upstream["stale_age_hours"].get<double>(), 4, 1e-6);
  EXPECT_THAT(upstream["warning"].get<std::string>(),
              HasSubstr("STALE RUNNING DETECTED: nightly on 2026-01-12 has been"));
}

TEST_F(MonitorRoutesTest, SeveralUpstreamsAreSafeTogether) {
  Ended(&first_, "nightly", "n1", Status::kSuccess, kDate, kDay + kHour);
  Ended(&second_, "second", "s1", Status::kFailed, kDate, kDay + kHour);
  Own(kDay + 2 * kHour);
  EXPECT_EQ(GetJson("/api/v1/upstream", {{"jobs", "nightly"}, {"date", "2026-01-12"}})["safe_to_process"], true);
  const json both = GetJson("/api/v1/upstream", {{"jobs", "nightly,second"}, {"date", "2026-01-12"}});
  EXPECT_EQ(both["safe_to_process"], false);
  EXPECT_EQ(both["upstream"][0]["job"], "nightly");
  EXPECT_EQ(both["upstream"][1]["status"], "failed");
  EXPECT_FALSE(both["upstream"][0].contains("warning"));
  const json typo = GetJson("/api/v1/upstream", {{"jobs", "nightyl"}, {"date", "2026-01-12"}})["upstream"][0];
  EXPECT_EQ(typo["safe_to_process"], false);
  EXPECT_THAT(typo["warning"].get<std::string>(), testing::HasSubstr("is the name right?"));
  EXPECT_FALSE(GetJson("/api/v1/jobs/never/discovery")["discovery"].contains("warning")) << "configured";
  EXPECT_TRUE(GetJson("/api/v1/jobs/nightyl/discovery")["discovery"].contains("warning"));
  EXPECT_EQ(Get("/api/v1/upstream").status, 400);
  EXPECT_EQ(Get("/api/v1/upstream", {{"of", "nightly"}}).status, 400) << "it names none";
}

TEST_F(MonitorRoutesTest, GapsBeforeTheDateAreADefenceOfTheirOwn) {
  Ended(&first_, "nightly", "n1", Status::kSuccess, kDate, kDay + kHour);
  Ended(&first_, "nightly", "n0", Status::kSuccess, kDate - 1, kDay + kHour);
  Own(kDay + 2 * kHour);
  const auto ask = [&](const char* days) {
    return GetJson("/api/v1/jobs/nightly/upstream", {{"date", "2026-01-12"}, {"lookback_days", days}})["upstream"];
  };
  EXPECT_EQ(ask("1")["safe_to_process"], true);
  EXPECT_EQ(ask("2")["safe_to_process"], false);
  EXPECT_EQ(ask("2")["look_back"]["missing"], json({"2026-01-10"}));
  EXPECT_EQ(ask("2")["status"], "success");
}

TEST_F(MonitorRoutesTest, CheckKnowsJobsThatWereNeverSeen) {
  Ended(&first_, "nightly", "n1", Status::kSuccess, kDate, kDay + kHour);
  Own(kDay + 2 * kHour);
  const json answer = GetJson("/api/v1/check", {{"lookback_days", "1"}});
  std::map<std::string, json> jobs;
  for (const json& job : answer["jobs"]) jobs[job["job"]] = job;
  EXPECT_EQ(jobs["nightly"]["status"], "healthy");
  ASSERT_TRUE(jobs.contains("never"));
  EXPECT_EQ(jobs["never"]["status"], "issues");
  EXPECT_EQ(jobs["never"]["seen"], false);
  EXPECT_EQ(jobs["never"]["level"], "CRITICAL");
  EXPECT_FALSE(jobs.contains("off"));
  EXPECT_EQ(answer["status"], "issues");
  EXPECT_EQ(answer["level"], "CRITICAL");
  EXPECT_EQ(answer["alerts"].back()["job"], nullptr) << "several jobs";
  EXPECT_EQ(answer["alerts"].back()["level"], "WARNING");

  const json one = GetJson("/api/v1/check", {{"lookback_days", "1"}, {"processors", "nightly"}});
  EXPECT_EQ(one["status"], "healthy");
  EXPECT_EQ(one["level"], "INFO");
  EXPECT_EQ(GetJson("/api/v1/check", {{"processors", " nightly, nightly,"}})["jobs"].size(), 1);
  EXPECT_EQ(Get("/api/v1/check", {{"processors", " , "}}).status, 400);
  EXPECT_EQ(Get("/api/v1/check", {{"processors", "nightly,nobody"}}).status, 400);
  EXPECT_EQ(Get("/api/v1/check", {{"processors", "nightly,off"}}).status, 400) << "disabled: nothing is kept of it";
  EXPECT_EQ(Get("/api/v1/check", {{"lookback_days", "0"}}).status, 400);
  EXPECT_EQ(Get("/api/v1/check", {{"date", "yesterday"}}).status, 400);
  EXPECT_EQ(Get("/api/v1/check", {{"jobs", "a"}}).status, 400);
}

TEST_F(MonitorRoutesTest, BehindNothingIsSaid) {
  Ended(&first_, "nightly", "n1", Status::kFailed, kDate, kDay + kHour);
  aggregators::ShardPositions behind = ShardFeed::kCaughtUp;
  behind.caught_up = false;
  Own(kDay + 2 * kHour, behind);
  EXPECT_EQ(GetJson("/api/v1/check")["status"], "unknown");
  EXPECT_EQ(GetJson("/api/v1/check")["level"], nullptr);
  const json upstream = GetJson("/api/v1/jobs/nightly/upstream")["upstream"];
  EXPECT_EQ(upstream["status"], "unknown");
  EXPECT_EQ(upstream["at_watermark"], "failed");
  EXPECT_EQ(GetJson("/api/v1/jobs/nightly/discovery")["discovery"]["action"], "UNKNOWN");
}

TEST_F(MonitorRoutesTest, AnAbsenceIsToldByTheHomeAlone) {
  class Fleet : public ingest::Fleet {
   public:
    absl::StatusOr<std::vector<ingest::PartitionOwner>> Owners() override {
      std::vector<ingest::PartitionOwner> owners;
      for (int32_t i = 0; i < static_cast<int32_t>(partitions); ++i)
        owners.push_back({{"t", i}, "http://owner-" + std::to_string(i)});
      return owners;
    }
    std::optional<size_t> PartitionCount() const override { return partitions; }
    std::optional<std::vector<ingest::TopicPartition>> HomesOf(std::string_view) const override { return homes; }

    size_t partitions = 3;
    std::optional<std::vector<ingest::TopicPartition>> homes;
  } fleet;
  directory_.SetFleet(&fleet);
  Own(kDay + 2 * kHour);
  const auto status = [&] {
    return GetJson("/api/v1/upstream", {{"jobs", "never"}, {"date", "2026-01-11"}})["upstream"][0]["status"];
  };
  fleet.homes = {{{"t", 2}}};
  EXPECT_EQ(status(), "unknown") << "the third partition is another instance's";
  const Response elsewhere = Get("/api/v1/jobs/never/upstream", {{"date", "2026-01-11"}});
  EXPECT_EQ(elsewhere.status, 421);
  EXPECT_EQ(json::parse(elsewhere.body)["owner"], "http://owner-2");
  EXPECT_EQ(Get("/api/v1/jobs/never/discovery").status, 421);
  fleet.homes = {{{"t", 1}}};
  EXPECT_EQ(status(), "missing");
  // Nobody knows how keys are placed: all partitions together know.
  fleet.homes.reset();
  EXPECT_EQ(status(), "unknown");
  fleet.partitions = 2;
  EXPECT_EQ(status(), "missing");
  directory_.SetFleet(nullptr);
}

TEST_F(MonitorRoutesTest, Gaps) {
  Ended(&first_, "nightly", "n1", Status::kSuccess, kDate - 1, kDay);
  Ended(&first_, "nightly", "n2", Status::kNoData, kDate - 2, kDay);
  Own(kDay + 2 * kHour);
  const json job = GetJson("/api/v1/gaps", {{"job", "nightly"}, {"lookback_days", "4"}})["jobs"][0];
  EXPECT_EQ(job["expected"], 4);
  EXPECT_EQ(job["gaps"].size(), 2u);
  EXPECT_EQ(job["gaps"][0]["date"], "2026-01-09");
  EXPECT_EQ(job["gaps"][0]["status"], "missing");
  EXPECT_EQ(job["gaps"][1]["status"], "no_data");
  EXPECT_EQ(job["pending"], json({"2026-01-12"}));
  EXPECT_EQ(GetJson("/api/v1/gaps")["jobs"].size(), 3u) << "those with a schedule";
  EXPECT_EQ(Get("/api/v1/gaps", {{"job", "nobody"}}).status, 404);
  EXPECT_EQ(Get("/api/v1/gaps", {{"job", "off"}}).status, 400) << "disabled: nothing is kept of it";
  // Behind the log it may yet come.
  auto behind = ShardFeed::kCaughtUp;
  behind.caught_up = false;
  Own(kDay + 2 * kHour, behind);
  EXPECT_EQ(GetJson("/api/v1/gaps", {{"job", "nobody"}})["caught_up"], false);
}

TEST_F(MonitorRoutesTest, DiscoveryCountsFromTheAttemptsStart) {
  first_.Fold({.job = "nightly", .run_id = "a", .time_us = kDay + kHour + 5 * kSecond, .data_date = kDate});
  Ended(&first_, "nightly", "a", Status::kNoData, kDate, kDay + kHour + 55 * kMinute);
  Own(kDay + kHour + 56 * kMinute);
  json discovery = GetJson("/api/v1/jobs/nightly/discovery")["discovery"];
  EXPECT_EQ(discovery["action"], "SKIP");
  EXPECT_EQ(discovery["next_check"], "2026-01-12T02:00:00Z");
  Own(kDay + 2 * kHour);
  EXPECT_EQ(GetJson("/api/v1/jobs/nightly/discovery")["discovery"]["action"], "RUN");
  EXPECT_EQ(Get("/api/v1/jobs/off/discovery").status, 400);
}

class DatesOfStarts : public MonitorRoutesTest {
 protected:
  DatesOfStarts() : MonitorRoutesTest({Daily("scraper", [](JobPolicy* policy) { policy->date_is_start = true; })}) {}
};

// Scrapers name no data date: the day of the start is it, for the end after midnight too.
TEST_F(DatesOfStarts, ARunWithoutADateIsOfTheDayOfItsStart) {
  first_.Fold({.job = "scraper", .run_id = "s", .time_us = kDay + 23 * kHour});
  first_.Fold({.job = "scraper", .run_id = "s", .status = Status::kSuccess, .time_us = kDay + 25 * kHour});
  Own(kDay + 26 * kHour);
  const auto status = [&](const char* date) {
    return GetJson("/api/v1/jobs/scraper/upstream", {{"date", date}})["upstream"]["status"];
  };
  EXPECT_EQ(status("2026-01-12"), "success");
  EXPECT_EQ(status("2026-01-13"), "missing");
}

// Until it ends, too: it is not started a second time while it is alive, nor waited for when it is dead.
TEST_F(DatesOfStarts, ARunUnderWayWithoutADateIsOfTheDayOfItsStart) {
  const auto answer = [&](const char* question, const char* member) {
    return GetJson(std::string("/api/v1/jobs/scraper/") + question, {{"date", "2026-01-12"}})[member];
  };
  first_.Fold({.job = "scraper", .run_id = "s", .status = Status::kNoData, .time_us = kDay + 20 * kHour});
  first_.Fold({.job = "scraper", .run_id = "t", .time_us = kDay + 21 * kHour});
  Own(kDay + 21 * kHour + 5 * kMinute);
  EXPECT_EQ(answer("upstream", "upstream")["status"], "running");
  json discovery = answer("discovery", "discovery");
  EXPECT_EQ(discovery["action"], "SKIP");
  EXPECT_EQ(discovery["reason"], "a run of it is under way: t");
  Own(kDay + 25 * kHour + kMinute);
  EXPECT_EQ(answer("upstream", "upstream")["status"], "stale_running");
  discovery = answer("discovery", "discovery");
  EXPECT_EQ(discovery["action"], "RUN");
  EXPECT_EQ(discovery["reason"], "the last attempt is dead: t never ended");
}

// A running row may stay where an end was written as a second one: runs are counted, not rows.
TEST_F(MonitorRoutesTest, Trap19_ARunThatEndedIsNotRunning) {
  first_.Fold({.job = "nightly", .run_id = "n", .time_us = kDay + kHour, .data_date = kDate});
  Ended(&first_, "nightly", "n", Status::kSuccess, kDate, kDay + 2 * kHour);
  first_.Fold({.job = "nightly", .run_id = "n", .time_us = kDay + kHour, .data_date = kDate});  // the row comes again
  Own(kDay + 9 * kHour);
  EXPECT_EQ(GetJson("/api/v1/jobs/nightly/upstream")["upstream"]["status"], "success");
  EXPECT_EQ(GetJson("/api/v1/check", {{"processors", "nightly"}, {"lookback_days", "1"}})["status"], "healthy");
}

TEST_F(MonitorRoutesTest, AFullMailboxIsBusy) {
  const auto mailbox = std::make_shared<HeldMailbox>();
  mailbox->SetFull(true);
  directory_.Add({{"t", 0}, first_.shard(), mailbox});
  EXPECT_EQ(Get("/api/v1/check").status, 503);
}

}  // namespace
}  // namespace runledger::exporters
