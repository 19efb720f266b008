#include "ingest/delivery_fixture.h"

// Snapshots: when they are taken, and what a successor makes of them.

namespace runledger::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(DeliveryTest, SnapshotsAreTakenAtTheirIntervalAndTheirPointerIsCommitted) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  Done(0);
  EXPECT_TRUE(snapshots_.saves.empty());
  Later(61 * kSecond);
  AcceptCommit();
  ASSERT_EQ(snapshots_.saves.size(), 1);
  EXPECT_EQ(snapshots_.saves[0].identity.position, (Position{1, 0}));
  EXPECT_EQ(snapshots_.saves[0].identity.cluster_id, "cluster");
  EXPECT_EQ(snapshots_.saves[0].identity.before_time_ms, kStart / 1000);
  Read(1, Event(1));  // the log goes on meanwhile
  FinishSnapshot("p1");
  Later(10 * kSecond);
  EXPECT_EQ(log_.commits.back().metadata.snapshot, "p1");
  Later(120 * kSecond);
  EXPECT_EQ(snapshots_.saves.size(), 1)
      << "nobody would find another one while the first one's pointer is not committed";
  AcceptCommit();
  EXPECT_EQ(snapshots_.saves.size(), 2) << "there is news since";
  FinishSnapshot("p2");
  Later(600 * kSecond);
  EXPECT_EQ(snapshots_.saves.size(), 2) << "there is none";
}

TEST_F(DeliveryTest, TheStoreHearsWhichPointerTheGroupHasAccepted) {
  Assignment taken{.committed = Position{0, 0}, .log_start = 0, .log_end = 0};
  taken.metadata.snapshot = "predecessor's";
  Make(std::move(taken));
  Open(Position{0, 0});
  EXPECT_THAT(snapshots_.committed, ElementsAre("predecessor's"));
  Read(0, Event(0));
  Later(61 * kSecond);
  FinishSnapshot("p1");
  ASSERT_EQ(log_.commits.back().metadata.snapshot, "p1");
  delivery_->OnCommitted(log_.commits.back().id, absl::UnavailableError("no answer"), now_);
  EXPECT_EQ(snapshots_.committed.size(), 1) << "it may have been accepted or not: both snapshots are needed";
  Later(10 * kSecond);
  AcceptCommit();
  EXPECT_THAT(snapshots_.committed, ElementsAre("predecessor's", "p1"));
}

TEST_F(DeliveryTest, APointerThatComesWhileACommitIsInFlightIsCommittedToo) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  Later(61 * kSecond);  // a snapshot begins
  Done(0);              // and a commit is sent
  ASSERT_EQ(log_.commits.back().position, (Position{1, 0}));
  FinishSnapshot("p1");
  AcceptCommit();
  Later(10 * kSecond);
  EXPECT_EQ(log_.commits.back().metadata.snapshot, "p1");
}

TEST_F(DeliveryTest, AStoreThatIsFullIsNotGivenMoreAndTheLogGoesOn) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  Later(61 * kSecond);
  ASSERT_EQ(snapshots_.saves.size(), 1);
  snapshots_.wants = false;
  EXPECT_FALSE(delivery_->Continue(now_));
  EXPECT_TRUE(snapshots_.saves.back().bytes.empty());
  Read(1, Event(1));
  EXPECT_EQ(delivery_->applied(), (Position{2, 0}));
  snapshots_.wants = true;
  FinishSnapshot("p1");
}

TEST_F(DeliveryTest, ASnapshotThatFailedIsNotTriedAgainAtOnce) {
  DeliveryOptions options;
  options.snapshot_records = 1;
  Make({.log_start = 0, .log_end = 0}, options);
  Open(Position{0, 0});
  Read(0, Event(0));
  ASSERT_EQ(snapshots_.saves.size(), 1);
  while (delivery_->Continue(now_)) {
  }
  delivery_->OnSnapshotSaved(snapshots_.saves.back().id, absl::UnavailableError("disk full"), now_);
  Read(1, Event(1));
  EXPECT_EQ(snapshots_.saves.size(), 1);
  Later(11 * kSecond);
  EXPECT_EQ(snapshots_.saves.size(), 2);
}

TEST_F(DeliveryTest, WhatIsBeingWrittenWhenThePartitionIsLostIsGivenUp) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  Later(61 * kSecond);
  ASSERT_EQ(snapshots_.saves.size(), 1);
  delivery_->OnLost();
  EXPECT_TRUE(snapshots_.saves.back().aborted);
}

TEST_F(DeliveryTest, ASuccessorGoesOnFromTheSnapshotAndReadsRowsFromTheCommit) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  for (int64_t offset = 0; offset < 5; ++offset) Read(offset, Event(offset));
  Later(61 * kSecond);
  FinishSnapshot("");
  const Snapshot snapshot{snapshots_.saves.back().identity, snapshots_.saves.back().bytes};

  snapshot_ = snapshot;
  Make({.committed = Position{2, 0}, .log_start = 0, .log_end = 7});
  EXPECT_EQ(log_.starts[log_.starts.size() - 2].reader, Reader::kFold);
  EXPECT_EQ(log_.starts[log_.starts.size() - 2].offset, 4) << "one earlier than the snapshot, to know the log again";
  EXPECT_EQ(log_.starts.back().reader, Reader::kRows) << "rows begin before the fold";
  EXPECT_EQ(log_.starts.back().offset, 2);
  EXPECT_FALSE(Published().shown);
  for (int64_t offset = 5; offset < 7; ++offset) Read(offset, Event(offset));
  EXPECT_TRUE(Published().shown);
  EXPECT_EQ(shard_->Read()->jobs.at(0).started, 7);
  EXPECT_EQ(problems_.lost, 0);
}

TEST_F(DeliveryTest, SnapshotsThatTheLogDoesNotReachArePassedOver) {
  Snapshot foreign;
  foreign.identity.position = {500, 0};
  snapshot_ = foreign;
  Make({.committed = Position{2, 0}, .log_start = 0, .log_end = 7});
  ASSERT_EQ(snapshots_.loads.size(), 2) << "behind the end: an older one is asked for";
  EXPECT_EQ(snapshots_.loads_before[1], (Position{500, 0}));
  delivery_->OnSnapshotLoaded(absl::NotFoundError("none"), now_);
  EXPECT_EQ(log_.starts.back().offset, 0);
}

TEST_F(DeliveryTest, UntilItIsKnownWhereItGoesOnThereIsNoPosition) {
  Assignment assignment{.committed = Position{5, 0}, .log_start = 0, .log_end = 9};
  assignment.partition = {"events", 3};
  assignment.tenure = 7;
  const auto make_shard = [] {
    return std::make_shared<aggregators::Shard>(aggregators::ShardOptions{},
                                                std::make_shared<aggregators::JobPolicies>());
  };
  delivery_ = std::make_unique<Delivery>(
      DeliveryOptions{}, Delivery::Parts{&log_, &sink_, &snapshots_, &encoder_, &problems_, make_shard}, assignment);
  shard_ = delivery_->shared_shard();
  delivery_->OnAssigned(now_);  // the snapshot takes its time
  EXPECT_EQ(Published().applied_offset, -1);
  EXPECT_EQ(Published().acked_offset, -1);
  delivery_->OnSnapshotLoaded(absl::NotFoundError("none"), now_);
  EXPECT_EQ(Published().applied_offset, 0);
  EXPECT_EQ(Published().acked_offset, 5);
}

TEST_F(DeliveryTest, ASnapshotThatCannotBeTakenOverIsNoStateAtAll) {
  Snapshot damaged;
  damaged.identity.position = {3, 0};
  damaged.bytes = "nonsense";
  snapshot_ = damaged;
  Make({.committed = Position{2, 0}, .log_start = 0, .log_end = 7});
  ASSERT_EQ(problems_.replaced.size(), 1);
  shard_ = problems_.replaced[0];
  delivery_->OnSnapshotLoaded(absl::NotFoundError("none"), now_);
  EXPECT_EQ(log_.starts.back().offset, 0);
  for (int64_t offset = 0; offset < 7; ++offset) Read(offset, Event(offset));
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(0).started, 7);
}

TEST_F(DeliveryTest, WithoutSnapshotAndWithoutTheWholeLogCountersBeginAgainAndItIsSaid) {
  CommitMetadata metadata;
  metadata.counted_from = 0;
  metadata.replay_floor = 40;
  Make({.committed = Position{60, 0}, .metadata = metadata, .log_start = 10, .log_end = 62});
  EXPECT_EQ(log_.starts[0].offset, 40);
  for (int64_t offset = 40; offset < 62; ++offset)
    Read(offset, Event(offset, offset % 2 == 0 ? v1::RUNNING : v1::SUCCESS));
  EXPECT_EQ(problems_.lost, 0) << "not before the group knows";
  Claim();
  EXPECT_EQ(problems_.lost, 1);
  Published();
  const auto job = shard_->Read()->jobs.at(0);
  EXPECT_EQ(job.started, 11);
  EXPECT_EQ(job.running, 11);
  EXPECT_EQ(job.finished[codecs::TerminalIndex(codecs::Status::kSuccess)], 0);
}

TEST_F(DeliveryTest, ASnapshotWithOtherCountersThanThoseShownGivesItsStateAndLosesThem) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  for (int64_t offset = 0; offset < 4; ++offset) Read(offset, Event(offset, offset < 2 ? v1::SUCCESS : v1::RUNNING));
  Later(61 * kSecond);
  FinishSnapshot("");
  snapshot_ = Snapshot{snapshots_.saves.back().identity, snapshots_.saves.back().bytes};
  // Another instance without snapshots began them anew meanwhile, and said so.
  CommitMetadata left = log_.commits.back().metadata;
  left.counters += 1;
  Make({.committed = Position{4, 0}, .metadata = left, .log_start = 0, .log_end = 4});
  EXPECT_EQ(problems_.lost, 0);
  Open(Position{4, 0});
  EXPECT_NE(log_.commits.back().metadata.counters, left.counters) << "they are others again";
  Read(3, Event(3));  // the log is known again
  EXPECT_TRUE(Published().shown);
  EXPECT_EQ(problems_.lost, 1);
  EXPECT_EQ(shard_->Read()->jobs.at(0).running, 2);
  EXPECT_EQ(shard_->Read()->jobs.at(0).started, 2);
}

TEST_F(DeliveryTest, AStateThatRetentionOvertakesIsBuiltAnewFromWhatTheLogHas) {
  Make({.log_start = 0, .log_end = 2});
  Open(Position{0, 0});
  Read(0, Event(0));
  Read(1, Event(1));
  EXPECT_TRUE(Published().shown);
  delivery_->OnReadError(Reader::kFold, absl::OutOfRangeError("gone"), now_);
  EXPECT_THAT(problems_.texts.back(), HasSubstr("offset 2"));
  EXPECT_FALSE(delivery_->Wants(Reader::kFold));
  delivery_->OnLogEnd(50, 52, now_, now_.wall_us, now_);
  ASSERT_EQ(problems_.replaced.size(), 1);
  shard_ = problems_.replaced.back();
  EXPECT_EQ(log_.starts.back().offset, 50);
  Read(50, Event(50));
  Read(51, Event(51));
  Claim();
  EXPECT_TRUE(Published().shown);
  EXPECT_EQ(problems_.lost, 1);
  EXPECT_EQ(shard_->Read()->jobs.at(0).running, 2);
}

}  // namespace
}  // namespace runledger::ingest
