#include "exporters/http/run_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "exporters/http/mailboxes.h"

namespace runledger::exporters {
namespace {

using aggregators::RunQuery;
using codecs::Status;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::vector<std::string> IdsOf(const RunAnswers& answers) {
  std::vector<std::string> ids;
  for (const RunAnswer& answer : answers.runs) ids.push_back(answer.run.run_id);
  return ids;
}

ShardFeed FirstShard() {
  ShardFeed feed;
  feed.Run("a", "closed-1", Status::kSuccess, kDay, kDay + kSecond);
  feed.Fold({.job = "a", .run_id = "open-2", .time_us = kDay + 2 * kHour});
  feed.Watermark(kDay + 3 * kHour);
  return feed.Publish();
}

ShardFeed SecondShard() {
  ShardFeed feed;
  feed.Run("b", "closed-2", Status::kFailed, kDay, kDay + 2 * kSecond);
  feed.Fold({.job = "b", .run_id = "open-1", .time_us = kDay});
  feed.Watermark(kDay + 5 * kHour);
  return feed.Publish();
}

TEST(RunAnswers, MergesPartitions) {
  ingest::PartitionDirectory directory;
  Own(&directory, "t", 0, FirstShard());
  Own(&directory, "t", 1, SecondShard());
  auto answers = AskForRuns(directory, {}, 1min);
  ASSERT_TRUE(answers.ok()) << answers.status();
  EXPECT_THAT(IdsOf(*answers), ElementsAre("open-1", "open-2", "closed-2", "closed-1"));
  EXPECT_FALSE(answers->more);
  EXPECT_EQ(answers->as_of.watermark_us(), kDay + 3 * kHour) << "the least";
  EXPECT_TRUE(answers->as_of.caught_up());
  EXPECT_TRUE(answers->runs[0].run.stale);
  EXPECT_EQ(answers->runs[0].partition.partition, 1);

  RunQuery limited;
  limited.limit = 3;
  answers = AskForRuns(directory, limited, 1min);
  EXPECT_THAT(IdsOf(*answers), ElementsAre("open-1", "open-2", "closed-2"));
  EXPECT_TRUE(answers->more);
  limited.limit = 4;
  EXPECT_FALSE(AskForRuns(directory, limited, 1min)->more);
}

TEST(RunAnswers, NoPartitions) {
  const ingest::PartitionDirectory directory;
  const auto answers = AskForRuns(directory, {}, 1min);
  ASSERT_TRUE(answers.ok());
  EXPECT_TRUE(answers->runs.empty());
  EXPECT_EQ(answers->as_of.watermark_us(), aggregators::kNever);
  EXPECT_FALSE(answers->as_of.caught_up()) << "an instance that owns nothing knows nothing";
}

TEST(RunAnswers, FullMailboxIsUnavailable) {
  ingest::PartitionDirectory directory;
  const auto mailbox = std::make_shared<HeldMailbox>();
  mailbox->SetFull(true);
  directory.Add({{"t", 4}, FirstShard().shard(), mailbox});
  const auto answers = AskForRuns(directory, {}, 1min);
  ASSERT_FALSE(answers.ok());
  EXPECT_EQ(answers.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(answers.status().message()), HasSubstr("t[4]"));
}

// The deadline passes first; the question is run long after whoever asked has gone.
TEST(RunAnswers, QuestionOutlivesItsAsker) {
  const ShardFeed feed = FirstShard();
  const auto mailbox = std::make_shared<HeldMailbox>();
  {
    ingest::PartitionDirectory directory;
    Own(&directory, "t", 0, SecondShard());
    directory.Add({{"t", 1}, feed.shard(), mailbox});
    auto query = std::make_unique<RunQuery>();
    query->job = "a job whose name is too long to stand in the string itself";
    const auto answers = AskForRuns(directory, *query, 1ms);
    ASSERT_FALSE(answers.ok());
    EXPECT_EQ(answers.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(answers.status().message()), HasSubstr("t[1] is busy"));
  }
  EXPECT_EQ(mailbox->Serve(*feed.shard()), 1U);
}

TEST(RunAnswers, DroppedQuestionEndsTheWait) {
  ingest::PartitionDirectory directory;
  const auto mailbox = std::make_shared<HeldMailbox>();
  directory.Add({{"t", 0}, FirstShard().shard(), mailbox});
  std::thread dropper([&] {
    while (mailbox->Drop() == 0) std::this_thread::yield();
  });
  const auto answers = AskForRuns(directory, {}, 1h);
  dropper.join();
  ASSERT_FALSE(answers.ok());
  EXPECT_THAT(std::string(answers.status().message()), HasSubstr("has just left this instance"));
}

TEST(RunAnswers, AnswersFromAnotherThread) {
  ingest::PartitionDirectory directory;
  const ShardFeed feed = FirstShard();
  const auto mailbox = std::make_shared<HeldMailbox>();
  directory.Add({{"t", 0}, feed.shard(), mailbox});
  std::thread owner([&] {
    while (mailbox->Serve(*feed.shard()) == 0) std::this_thread::yield();
  });
  const auto answers = AskForRuns(directory, {}, 1h);
  owner.join();
  ASSERT_TRUE(answers.ok());
  EXPECT_THAT(IdsOf(*answers), ElementsAre("open-2", "closed-1"));
}

class Verdicts : public testing::Test {
 protected:
  // The one run that the shard holds, as JSON.
  static Json Only(const ShardFeed& feed) {
    ingest::PartitionDirectory directory;
    Own(&directory, "t", 0, feed);
    const auto answers = AskForRuns(directory, {}, 1min);
    EXPECT_TRUE(answers.ok());
    EXPECT_EQ(answers->runs.size(), 1U);
    return RunJson(answers->runs.at(0));
  }
  static aggregators::ShardPositions Behind() {
    aggregators::ShardPositions positions = ShardFeed::kCaughtUp;
    positions.caught_up = false;
    return positions;
  }
};

TEST_F(Verdicts, OfOpenRuns) {
  const FeedEvent start{.job = "j", .run_id = "r", .time_us = kDay};
  const FeedEvent beat{.job = "j", .run_id = "r", .time_us = kDay, .heartbeat = true};
  const FeedPolicy limited{.max_runtime_us = kHour};
  // Strictly longer than the threshold.
  EXPECT_EQ(Only(ShardFeed().Fold(start).Watermark(kDay + 4 * kHour).Publish())["verdict"], "running");
  EXPECT_EQ(Only(ShardFeed().Fold(start).Watermark(kDay + 4 * kHour + 1).Publish())["verdict"], "stale");
  EXPECT_EQ(Only(ShardFeed().Fold(beat).Watermark(kDay + 5 * kMinute).Publish())["verdict"], "running");
  EXPECT_EQ(Only(ShardFeed().Fold(beat).Watermark(kDay + 5 * kMinute + 1).Publish())["verdict"], "silent");
  EXPECT_EQ(Only(ShardFeed(limited).Fold(start).Watermark(kDay + kHour).Publish())["verdict"], "running");
  EXPECT_EQ(Only(ShardFeed(limited).Fold(start).Watermark(kDay + kHour + 1).Publish())["verdict"], "timed_out");
  EXPECT_EQ(Only(ShardFeed(limited).Fold(start).Watermark(kDay + 5 * kHour).Publish())["verdict"], "stale");
  EXPECT_FALSE(Only(ShardFeed().Fold(start).Watermark(kDay + 5 * kHour).Publish()).contains("at_watermark"));
}

TEST_F(Verdicts, AreUnknownBehindTheLog) {
  const FeedEvent start{.job = "j", .run_id = "r", .time_us = kDay};
  Json json = Only(ShardFeed().Fold(start).Watermark(kDay + 5 * kHour).Publish(Behind()));
  EXPECT_EQ(json["verdict"], "unknown");
  EXPECT_EQ(json["at_watermark"], "stale");
  json = Only(ShardFeed().Fold(start).Watermark(kDay + kHour).Publish(Behind()));
  EXPECT_EQ(json["verdict"], "unknown");
  EXPECT_EQ(json["at_watermark"], "running");

  aggregators::ShardPositions restoring = ShardFeed::kCaughtUp;
  restoring.shown = false;
  ingest::PartitionDirectory directory;
  Own(&directory, "t", 0, ShardFeed().Fold(start).Watermark(kDay + 5 * kHour).Publish(restoring));
  const auto answers = AskForRuns(directory, {}, 1min);
  ASSERT_TRUE(answers.ok());
  EXPECT_TRUE(answers->runs.empty()) << "runs that ended would be running once more";
  EXPECT_FALSE(answers->as_of.caught_up()) << "what is being restored knows less than the log";

  json = Only(ShardFeed().Fold(start).Publish());
  EXPECT_EQ(json["verdict"], "unknown") << "no watermark";
  EXPECT_FALSE(json.contains("at_watermark"));
}

TEST_F(Verdicts, ClosedRunsHaveNone) {
  const Json json =
      Only(ShardFeed()
               .Fold({.job = "j", .run_id = "r", .time_us = kDay, .attempt = 2, .data_date = 20465})
               .Fold({.job = "j", .run_id = "r", .status = Status::kPartial, .time_us = kDay + 1'500'000, .attempt = 2})
               .Watermark(kDay + kHour)
               .Publish(Behind()));
  EXPECT_EQ(json.dump(2), R"({
  "job": "j",
  "run_id": "r",
  "attempt": 2,
  "kind": "processor",
  "status": "partial",
  "started_at": "2026-01-12T00:00:00Z",
  "last_event_at": "2026-01-12T00:00:01.500000Z",
  "completed_at": "2026-01-12T00:00:01.500000Z",
  "duration_seconds": 1.5,
  "data_date": "2026-01-12",
  "closed_by_runledger": false,
  "topic": "t",
  "partition": 0
})");
}

TEST_F(Verdicts, OpenRunInFull) {
  const Json json =
      Only(ShardFeed().Fold({.job = "j", .run_id = "r", .time_us = kDay}).Watermark(kDay + kHour).Publish());
  EXPECT_EQ(json.dump(2), R"({
  "job": "j",
  "run_id": "r",
  "attempt": 0,
  "kind": "processor",
  "status": "running",
  "verdict": "running",
  "started_at": "2026-01-12T00:00:00Z",
  "last_event_at": "2026-01-12T00:00:00Z",
  "completed_at": null,
  "duration_seconds": null,
  "data_date": null,
  "stale_after_seconds": 14400.0,
  "topic": "t",
  "partition": 0
})");
}

}  // namespace
}  // namespace runledger::exporters
