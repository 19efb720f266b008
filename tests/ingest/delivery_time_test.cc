#include "ingest/delivery_fixture.h"

// Watermarks, and partitions that are added.

namespace runledger::ingest {
namespace {

TEST_F(DeliveryTest, TheWatermarkStandsStillWhileTheLeaderIsSilent) {
  Make({.log_start = 0, .log_end = 1});
  ReadAt(0, Event(0), kStart);
  EXPECT_EQ(Published().watermark_us, kStart) << "appended then";
  delivery_->OnLogEnd(0, 1, now_, now_.wall_us, now_);
  const int64_t asked = now_.wall_us;
  EXPECT_TRUE(Published().caught_up);
  EXPECT_EQ(Published().watermark_us, asked);
  Later(29 * kSecond - 2 * kSecond);
  EXPECT_TRUE(Published().caught_up);
  Later(10 * kSecond);
  EXPECT_FALSE(Published().caught_up) << "the answer is older than the contact timeout";
  EXPECT_EQ(Published().watermark_us, asked) << "silence proves nothing";
}

TEST_F(DeliveryTest, AnEmptyPartitionIsCaughtUpOnceTheLeaderSaysSo) {
  Make({.log_start = 0, .log_end = 0});
  EXPECT_FALSE(Published().caught_up);
  const int64_t asked = now_.wall_us;
  delivery_->OnLogEnd(0, 0, now_, asked, now_);
  EXPECT_TRUE(Published().caught_up);
  EXPECT_EQ(Published().watermark_us, asked);
}

TEST_F(DeliveryTest, TheMarkOfATransactionBehindTheLastRecordKeepsNobodyBehind) {
  Make({.log_start = 0, .log_end = 2});
  ReadAt(0, Event(0), kStart);
  delivery_->OnLogEnd(0, 2, now_, now_.wall_us, now_);
  EXPECT_FALSE(Published().caught_up) << "a record may be there still";
  delivery_->OnReadToEnd(Reader::kFold, 2, now_);
  Claim();
  EXPECT_TRUE(Published().caught_up);
  EXPECT_TRUE(Published().shown);
  EXPECT_EQ(Published().applied_offset, 1) << "the next record to be folded, whatever its offset";
}

TEST_F(DeliveryTest, ARunIsStaleAtTheWatermarkAndNotBefore) {
  Make({.log_start = 0, .log_end = 1});
  ReadAt(0, Event(0), kStart);
  const int64_t four_hours = 4 * 3600 * kSecond;
  now_.wall_us = kStart + four_hours;
  delivery_->OnLogEnd(0, 1, now_, now_.wall_us, now_);
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(0).stale, 0) << "exactly four hours is not longer than four hours";
  now_.wall_us = kStart + four_hours + 1;
  delivery_->OnLogEnd(0, 1, now_, now_.wall_us, now_);
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(0).stale, 1);
}

// A run is open, a broker stamps a record five hours ahead: it is not stale for that.
TEST_F(DeliveryTest, ABrokerHoursAheadMakesNoVerdict) {
  Make({.log_start = 0, .log_end = 1});
  ReadAt(0, Event(0), kStart);
  delivery_->OnLogEnd(0, 1, now_, now_.wall_us, now_);
  const int64_t asked_wall = now_.wall_us;
  const Moment asked = now_;
  Later(kSecond);
  const int64_t ahead = now_.wall_us + 5 * 3'600 * kSecond;
  ReadAt(1, fakes::RunEvent("job", "other", v1::RUNNING, now_.wall_us).SerializeAsString(), ahead);
  ASSERT_EQ(problems_.broker_times.size(), 1);
  EXPECT_EQ(problems_.broker_times[0].append_time_us, ahead);
  EXPECT_EQ(problems_.broker_times[0].after_mono_us, asked.mono_us);
  EXPECT_EQ(problems_.broker_times[0].before_mono_us, now_.mono_us);
  EXPECT_EQ(Published().watermark_us, asked_wall);
  EXPECT_EQ(shard_->Read()->jobs.at(0).stale, 0);
  // The clocks disagree: no time is told any more.
  delivery_->OnLogEnd(0, 2, now_, std::nullopt, now_);
  EXPECT_FALSE(Published().caught_up);
  EXPECT_EQ(Published().watermark_us, asked_wall);
  delivery_->OnLogEnd(0, 2, now_, now_.wall_us, now_);
  EXPECT_TRUE(Published().caught_up);
  EXPECT_EQ(shard_->Read()->jobs.at(0).stale, 0);
}

TEST_F(DeliveryTest, OnlyARecordBehindTheEndThatWasNamedTellsTheBrokersTime) {
  Make({.log_start = 0, .log_end = 2});
  delivery_->OnLogEnd(0, 2, now_, now_.wall_us, now_);
  Read(0, Event(0));
  Read(1, Event(1));
  EXPECT_TRUE(problems_.broker_times.empty()) << "appended nobody knows when";
  Read(2, Event(2));
  Read(3, Event(3));
  EXPECT_EQ(problems_.broker_times.size(), 1) << "one for each question";
}

TEST_F(DeliveryTest, WhenTheTopicGrowsAJobThatMovesIsNotJudgedHereAnyMore) {
  const auto home = [](const std::string& job, int32_t of) {
    return kafka::PartitionFor(kafka::Partitioner::kMurmur2, job, of);
  };
  std::string moves, stays;
  for (int i = 0; moves.empty() || stays.empty(); ++i) {
    const std::string job = "job-" + std::to_string(i);
    if (home(job, 4) == 3) (home(job, 8) == 3 ? stays : moves) = job;
  }
  Make({.log_start = 0, .log_end = 0, .partition_count = 4});
  Open(Position{0, 0});
  Read(0, fakes::RunEvent(moves, "open", v1::RUNNING, kStart).SerializeAsString());
  Read(1, fakes::RunEvent(stays, "open", v1::RUNNING, kStart).SerializeAsString());
  EXPECT_EQ(log_.commits.back().metadata.partitions, std::vector<int32_t>{4});
  Later(10 * kSecond);
  Done(0);
  AcceptCommit();
  delivery_->OnPartitions(8);
  Later(10 * kSecond);
  EXPECT_EQ(log_.commits.back().metadata.partitions, (std::vector<int32_t>{4, 8}));
  AcceptCommit();
  const size_t commits = log_.commits.size();
  delivery_->OnPartitions(8);
  delivery_->OnPartitions(0);
  Later(10 * kSecond);
  EXPECT_EQ(log_.commits.size(), commits) << "nothing new";

  Later(5 * 3'600 * kSecond);
  delivery_->OnLogEnd(0, 2, now_, now_.wall_us, now_);
  EXPECT_TRUE(Published().caught_up);
  {
    const auto block = shard_->Read();
    EXPECT_EQ(block->jobs.at(0).stale, 0) << "its end is written elsewhere";
    EXPECT_EQ(block->jobs.at(0).running, 1);
    EXPECT_EQ(block->jobs.at(1).stale, 1);
  }
  // A producer that has not heard of it yet.
  delivery_->TakeCounts();
  const std::string late = [&] {
    for (int i = 1'000;; ++i) {
      const std::string job = "job-" + std::to_string(i);
      if (home(job, 4) == 3 && home(job, 8) != 3) return job;
    }
  }();
  Read(2, fakes::RunEvent(late, "open", v1::RUNNING, kStart).SerializeAsString());
  EXPECT_EQ(delivery_->TakeCounts().violations, 0);
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(2).stale, 0);
}

TEST_F(DeliveryTest, ASuccessorKnowsWhichJobsHaveMoved) {
  Assignment assignment{.committed = Position{0, 0}, .log_start = 0, .log_end = 0, .partition_count = 8};
  assignment.metadata.partitions = {4};
  Make(std::move(assignment));
  Open(Position{0, 0});
  EXPECT_EQ(log_.commits.back().metadata.partitions, (std::vector<int32_t>{4, 8}));
  int moved = 0;
  for (int i = 0; i < 50; ++i) {
    const std::string job = "job-" + std::to_string(i);
    Read(i, fakes::RunEvent(job, "open", v1::RUNNING, kStart).SerializeAsString());
    Published();
    const bool was_here = kafka::PartitionFor(kafka::Partitioner::kMurmur2, job, 4) == 3;
    const bool is_here = kafka::PartitionFor(kafka::Partitioner::kMurmur2, job, 8) == 3;
    EXPECT_EQ(shard_->Read()->jobs.back().moved, was_here && !is_here) << job;
    moved += was_here && !is_here ? 1 : 0;
  }
  EXPECT_GT(moved, 0);
}

// log.start is for groups without a commit: a partition that was added has none, and what is in it is news.
TEST_F(DeliveryTest, APartitionThatWasAddedIsReadFromItsBeginning) {
  DeliveryOptions options;
  options.start_at_end = true;
  Make({.log_start = 0, .log_end = 7, .group_is_new = false}, options);
  EXPECT_EQ(log_.starts.at(0).offset, 0);
}

TEST_F(DeliveryTest, ABacklogWithOldTimesIsJudgedAtItsOwnTime) {
  Make({.log_start = 0, .log_end = 2});
  ReadAt(0, Event(0), kStart);
  now_.wall_us = kStart + 86'400 * kSecond;  // we have been away for a day
  delivery_->OnLogEnd(0, 2, now_, now_.wall_us, now_);
  EXPECT_EQ(Published().watermark_us, kStart) << "the end is not reached";
  EXPECT_EQ(shard_->Read()->jobs.at(0).stale, 0);
  ReadAt(1, fakes::RunEvent("job", "run-0", v1::SUCCESS, kStart + kSecond).SerializeAsString(), kStart + kSecond);
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(0).stale, 0);
  EXPECT_EQ(shard_->Read()->jobs.at(0).running, 0);
  EXPECT_GE(Published().watermark_us, kStart + 86'400 * kSecond);
}

}  // namespace
}  // namespace runledger::ingest
