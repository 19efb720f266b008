#include "ingest/delivery_fixture.h"

// Owners that follow on one another: what they find, how they know the log again, what they leave.

namespace runledger::ingest {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(DeliveryTest, AWarehouseBehindTheCommitIsReadUpAgain) {
  Make({.committed = Position{5, 0}, .log_start = 0, .log_end = 6});
  for (int64_t offset = 0; offset < 6; ++offset) Read(offset, Event(offset));
  Open(Position{3, 0});
  ASSERT_EQ(log_.starts.size(), 2);
  EXPECT_EQ(log_.starts[1].reader, Reader::kRows);
  EXPECT_EQ(log_.starts[1].offset, 3);
  for (int64_t offset = 3; offset < 6; ++offset)
    ReadAt(offset, Event(offset), kStart + offset * kSecond, Reader::kRows);
  std::vector<int64_t> rows;
  for (size_t s = 0; s < sink_.submissions.size(); ++s) {
    for (size_t i = 0; i < sink_.submissions[s].rows->size(); ++i)
      rows.push_back((*sink_.submissions[s].rows)[i].position.offset);
  }
  EXPECT_THAT(rows, ElementsAre(3, 4, 5));
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(0).started, 6) << "folded once";
}

TEST_F(DeliveryTest, ACommittedOffsetThatTheLogHasLostStopsRowsButNotGauges) {
  Make({.committed = Position{10, 0}, .log_start = 50, .log_end = 60});
  EXPECT_THAT(problems_.texts.back(), HasSubstr("committed offset 10"));
  EXPECT_THAT(problems_.texts.back(), HasSubstr("begins at 50"));
  EXPECT_THAT(problems_.texts.back(), HasSubstr("retention"));
  EXPECT_EQ(log_.starts[0].offset, 50);
  EXPECT_TRUE(sink_.opens.empty());
  for (int64_t offset = 50; offset < 60; ++offset) Read(offset, Event(offset));
  Claim();
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(0).started, 10);
  EXPECT_TRUE(sink_.submissions.empty());
  EXPECT_EQ(log_.commits.back().position, (Position{10, 0})) << "says who shows the partition, and no more";
}

// What a predecessor that had read Event(before) at `before` leaves beside the commit behind it.
CommitMetadata Left(int64_t before, const std::string& value) {
  CommitMetadata metadata;
  metadata.before_time_ms = (kStart + before * kSecond) / 1000;
  metadata.before_hash = codecs::Hex(codecs::HashBytes(value));
  return metadata;
}

TEST_F(DeliveryTest, TheLogIsKnownAgainByTheRecordBeforeTheCommit) {
  Make({.committed = Position{3, 0}, .metadata = Left(2, Event(2)), .log_start = 0, .log_end = 5});
  Open(Position{3, 0});
  for (int64_t offset = 0; offset < 5; ++offset) Read(offset, Event(offset));
  EXPECT_TRUE(Published().shown);
  ASSERT_FALSE(sink_.submissions.empty());
  EXPECT_EQ(sink_.submissions[0].rows->from(), (Position{3, 0}));
  EXPECT_TRUE(problems_.texts.empty() || problems_.texts.back().empty());
}

TEST_F(DeliveryTest, ATopicThatWasMadeAgainIsNotReadOn) {
  Make({.committed = Position{3, 0}, .metadata = Left(2, Event(2)), .log_start = 0, .log_end = 5});
  Open(Position{3, 0});
  const size_t commits = log_.commits.size();
  for (int64_t offset = 0; offset < 5; ++offset) Read(offset, Event(offset + 100));
  EXPECT_THAT(problems_.texts.back(), HasSubstr("the record at offset 2"));
  EXPECT_THAT(problems_.texts.back(), HasSubstr("runledger log accept"));
  EXPECT_FALSE(Published().shown);
  EXPECT_FALSE(delivery_->Wants(Reader::kFold));
  Later(600 * kSecond);
  EXPECT_TRUE(sink_.submissions.empty());
  EXPECT_EQ(log_.commits.size(), commits) << "the old position stays as it is";
  EXPECT_TRUE(snapshots_.saves.empty());
}

TEST_F(DeliveryTest, ASnapshotOfAnotherLogIsFoundOutBeforeAnythingIsFolded) {
  Make({.log_start = 0, .log_end = 3});
  Claim();
  for (int64_t offset = 0; offset < 3; ++offset) Read(offset, Event(offset));
  Later(61 * kSecond);
  FinishSnapshot("");
  ASSERT_FALSE(snapshots_.saves.empty());
  const auto save = snapshots_.saves.back();
  EXPECT_EQ(save.identity.before_hash, codecs::Hex(codecs::HashBytes(Event(2))));
  snapshot_ = Snapshot{save.identity, save.bytes};
  log_ = {};
  Make({.committed = Position{3, 0}, .log_start = 0, .log_end = 9});
  ASSERT_EQ(log_.starts.size(), 1);
  EXPECT_EQ(log_.starts[0].offset, 2) << "one earlier, to compare";
  Read(2, Event(102));
  EXPECT_THAT(problems_.texts.back(), HasSubstr("the record at offset 2"));
  EXPECT_EQ(delivery_->applied(), (Position{3, 0}));
  EXPECT_FALSE(Published().shown);

  // The same log: the record is compared and not folded again.
  log_ = {};
  Make({.committed = Position{3, 0}, .log_start = 0, .log_end = 4});
  Read(2, Event(2));
  Read(3, Event(3));
  EXPECT_TRUE(Published().shown);
  EXPECT_EQ(shard_->Read()->jobs.at(0).started, 4);

  // The record went while it was asked for: there is nothing to compare any more.
  log_ = {};
  Make({.committed = Position{3, 0}, .log_start = 0, .log_end = 4});
  delivery_->OnReadError(Reader::kFold, absl::OutOfRangeError("gone"), now_);
  ASSERT_EQ(log_.starts.size(), 2);
  EXPECT_EQ(log_.starts[1].offset, 3);
  EXPECT_TRUE(delivery_->Wants(Reader::kFold));
}

TEST_F(DeliveryTest, RowsWhoseRecordToCompareWentMeanwhileBeginBehindIt) {
  Make({.log_start = 0, .log_end = 4});
  Open(Position{0, 0});
  for (int64_t offset = 0; offset < 4; ++offset) Read(offset, Event(offset));
  Later(61 * kSecond);
  FinishSnapshot("");
  const auto save = snapshots_.saves.back();
  snapshot_ = Snapshot{save.identity, save.bytes};
  log_ = {};
  problems_ = {};
  Make({.committed = Position{3, 0}, .metadata = Left(2, Event(2)), .log_start = 0, .log_end = 5});
  const auto begins = [&](Reader reader) {
    std::vector<int64_t> offsets;
    for (const auto& start : log_.starts) {
      if (start.reader == reader) offsets.push_back(start.offset);
    }
    return offsets;
  };
  ASSERT_THAT(begins(Reader::kFold), ElementsAre(3)) << "one earlier than the snapshot, to compare";
  ASSERT_THAT(begins(Reader::kRows), ElementsAre(2)) << "one earlier than the commit, to compare";
  Read(3, Event(3));  // the fold knows the log again
  delivery_->OnReadError(Reader::kRows, absl::OutOfRangeError("gone"), now_);
  EXPECT_THAT(begins(Reader::kRows), ElementsAre(2, 3));
  EXPECT_THAT(problems_.texts, Each(IsEmpty()));
  delivery_->OnReadError(Reader::kRows, absl::OutOfRangeError("gone"), now_);
  EXPECT_THAT(begins(Reader::kRows), ElementsAre(2, 3)) << "now it is a record that is needed";
  EXPECT_THAT(problems_.texts.back(), HasSubstr("reading stopped at offset 3"));
  EXPECT_THAT(problems_.texts.back(), HasSubstr("runledger log accept"));
}

TEST_F(DeliveryTest, AWarehouseThatKnowsNothingOfWhatWasCommittedIsTold) {
  for (const bool asked : {false, true}) {
    problems_ = {};
    CommitMetadata left;
    left.unopened = !asked;  // the owner before did not get as far as to ask the warehouse
    Make({.committed = Position{3, 0}, .metadata = left, .log_start = 0, .log_end = 6});
    SinkOpened opened;
    opened.metadata = sink_.opened_with.back();
    opened.position = Position{3, 0};
    opened.knew_partition = false;
    delivery_->OnSinkOpened(opened, now_);
    EXPECT_THAT(problems_.begun_anew,
                asked ? ElementsAre(Position{3, 0}) : testing::Matcher<std::vector<Position>>(IsEmpty()));
    EXPECT_THAT(problems_.texts, Each(IsEmpty())) << "rows go on";
  }
}

TEST_F(DeliveryTest, AWarehouseWithRowsOfAPartitionThatNobodyCommittedStopsRows) {
  Make({.log_start = 0, .log_end = 3});
  SinkOpened opened;
  opened.metadata = sink_.opened_with.back();
  opened.position = Position{5, 0};
  delivery_->OnSinkOpened(opened, now_);
  EXPECT_THAT(problems_.texts.back(), HasSubstr("up to offset 5"));
  EXPECT_THAT(problems_.texts.back(), HasSubstr("runledger log accept"));
  for (int64_t offset = 0; offset < 9; ++offset) Read(offset, Event(offset));
  Later(60 * kSecond);
  EXPECT_TRUE(sink_.submissions.empty()) << "the rows of offsets below 5 would be lost without a word";
  EXPECT_EQ(log_.commits.back().position, (Position{0, 0}));
  EXPECT_TRUE(log_.commits.back().metadata.unopened) << "the next owner has to find it out too";
  AcceptCommit();
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(0).started, 9);
}

TEST_F(DeliveryTest, AnOwnerThatBeganAtASnapshotLeavesNoFloorOfItsOwn) {
  Make({.log_start = 0, .log_end = 3});
  Claim();
  for (int64_t offset = 0; offset < 3; ++offset) Read(offset, Event(offset));
  Later(61 * kSecond);
  FinishSnapshot("");
  snapshot_ = Snapshot{snapshots_.saves.back().identity, snapshots_.saves.back().bytes};
  Make({.committed = Position{3, 0}, .log_start = 0, .log_end = 5});
  Open(Position{3, 0});
  for (int64_t offset = 2; offset < 5; ++offset) Read(offset, Event(offset));
  Later(60 * kSecond);
  EXPECT_EQ(log_.commits.back().metadata.replay_floor, -1) << "a successor without the snapshot needs the whole log";
}

TEST_F(DeliveryTest, AnotherClusterIsAnotherLog) {
  CommitMetadata metadata;
  metadata.cluster_id = "there";
  Make({.committed = Position{3, 0}, .metadata = metadata, .log_start = 0, .log_end = 5, .cluster_id = "here"});
  EXPECT_THAT(problems_.texts.back(), HasSubstr("cluster there"));
  EXPECT_TRUE(log_.starts.empty());
  EXPECT_TRUE(sink_.opens.empty());
}

TEST_F(DeliveryTest, ACommitAlwaysSaysWhatComesBeforeIt) {
  Make({.log_start = 0, .log_end = 6});
  Open(std::nullopt);
  std::vector<std::string> values;
  std::vector<Record> records;
  for (int64_t offset = 0; offset < 6; ++offset) values.push_back(Event(offset));
  for (int64_t offset = 0; offset < 6; ++offset)
    records.push_back({.offset = offset, .timestamp_us = kStart, .has_value = true, .value = values[offset]});
  delivery_->OnRecords(Reader::kFold, std::span(records).first(4), now_);
  delivery_->OnRecords(Reader::kFold, std::span(records).subspan(4), now_);
  Later(5 * kSecond);
  for (size_t i = 0; i < sink_.submissions.size(); ++i) Done(i);
  AcceptCommit();
  Later(60 * kSecond);
  EXPECT_EQ(log_.commits.back().position, (Position{6, 0}));
  EXPECT_EQ(log_.commits.back().metadata.before_hash, codecs::Hex(codecs::HashBytes(values[5])));
}

TEST_F(DeliveryTest, SeriesAreHiddenUntilWhatWasShownBeforeIsPassed) {
  Make({.committed = Position{1, 0}, .log_start = 0, .log_end = 3});
  EXPECT_FALSE(Published().shown);
  EXPECT_EQ(Published().restore_remaining, 3);
  Read(0, Event(0));
  Read(1, Event(1));
  EXPECT_FALSE(Published().shown);
  Read(2, Event(2));
  EXPECT_TRUE(Published().shown);
}

TEST_F(DeliveryTest, AnOrderlyPredecessorSaysHowFarItHadShown) {
  CommitMetadata metadata;
  metadata.applied_at_revocation = 2;
  Make({.committed = Position{1, 0}, .metadata = metadata, .log_start = 0, .log_end = 30});
  Read(0, Event(0));
  EXPECT_FALSE(Published().shown);
  Read(1, Event(1));
  EXPECT_FALSE(Published().shown) << "the next owner would go by what the predecessor had shown";
  AcceptCommit();
  EXPECT_TRUE(Published().shown);
}

TEST_F(DeliveryTest, LatestStartsAtTheEndAndSoDoesTheSuccessor) {
  DeliveryOptions options;
  options.start_at_end = true;
  Make({.log_start = 0, .log_end = 100}, options);
  EXPECT_EQ(log_.starts[0].offset, 100);
  Open(Position{100, 0});
  EXPECT_EQ(log_.commits[0].position, (Position{100, 0}));
  EXPECT_EQ(log_.commits[0].metadata.counted_from, 100);
  Assignment next{.committed = Position{120, 0}, .metadata = log_.commits[0].metadata, .log_start = 0, .log_end = 130};
  Make(std::move(next), options);
  EXPECT_EQ(log_.starts.back().offset, 100) << "not at the start of the log";
}

TEST_F(DeliveryTest, RevocationWaitsForRowsAndTheLastSnapshotCommitsAndReleases) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  Read(1, Event(1));
  delivery_->OnRevoke(now_, now_.mono_us + 10 * kSecond);
  EXPECT_FALSE(delivery_->Wants(Reader::kFold));
  for (size_t i = 0; i < sink_.submissions.size(); ++i) Done(i);
  EXPECT_EQ(log_.commits.size(), 1) << "the snapshot is not there yet";
  FinishSnapshot("pointer-7");
  EXPECT_EQ(snapshots_.saves.back().identity.position, (Position{2, 0}));
  EXPECT_EQ(log_.commits.back().position, (Position{2, 0}));
  EXPECT_EQ(log_.commits.back().metadata.applied_at_revocation, 2);
  EXPECT_EQ(log_.commits.back().metadata.snapshot, "pointer-7");
  EXPECT_EQ(log_.releases, 0);
  AcceptCommit();
  EXPECT_EQ(log_.releases, 1);
  EXPECT_EQ(sink_.closes, 1);
  EXPECT_TRUE(delivery_->released());
}

TEST_F(DeliveryTest, RevocationGivesUpAtItsDeadlineAndCommitsWhatIsSafe) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  Read(1, Event(1));
  Done(0);
  delivery_->OnRevoke(now_, now_.mono_us + 10 * kSecond);
  Later(11 * kSecond);
  EXPECT_EQ(log_.commits.back().position, (Position{1, 0}));
  EXPECT_TRUE(snapshots_.saves.back().aborted);
  EXPECT_LE(log_.releases, 1);
  Later(kSecond);
  EXPECT_EQ(log_.releases, 1);
}

TEST_F(DeliveryTest, ALostPartitionCommitsNothing) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  Done(0);
  const size_t commits = log_.commits.size();
  delivery_->OnLost();
  EXPECT_EQ(log_.commits.size(), commits);
  EXPECT_EQ(log_.releases, 1);
  Later(60 * kSecond);
  EXPECT_EQ(log_.commits.size(), commits);
}

TEST_F(DeliveryTest, AWarehouseThatDoesNotAnswerKeepsNobodyFromShowing) {
  CommitMetadata left;
  left.applied_at_revocation = 1;
  left.counters = 5;
  left.counted_from = 0;
  left.stream = "theirs";
  left.stream_base = 3;
  Make({.committed = Position{1, 0}, .metadata = left, .log_start = 0, .log_end = 2});
  Read(0, Event(0));
  Read(1, Event(1));
  EXPECT_FALSE(Published().shown);
  ASSERT_EQ(log_.commits.size(), 1);
  EXPECT_EQ(log_.commits[0].position, (Position{1, 0}));
  EXPECT_EQ(log_.commits[0].metadata.applied_at_revocation, -1) << "this owner shows more than that";
  EXPECT_EQ(log_.commits[0].metadata.stream, "theirs") << "what the warehouse has is as it was";
  EXPECT_EQ(log_.commits[0].metadata.stream_base, 3);
  AcceptCommit();
  EXPECT_TRUE(Published().shown);
  EXPECT_TRUE(sink_.submissions.empty());
}

TEST_F(DeliveryTest, AnOwnerThatShowedNothingPassesOnWhatWasShownBefore) {
  CommitMetadata left;
  left.applied_at_revocation = 7;
  Make({.committed = Position{1, 0}, .metadata = left, .log_start = 0, .log_end = 20});
  Open(Position{1, 0});
  delivery_->OnRevoke(now_, now_.mono_us + kSecond);
  EXPECT_EQ(log_.commits.back().metadata.applied_at_revocation, 7);
}

TEST_F(DeliveryTest, AnOwnerThatIsGivingUpShowsNothingItHasNotShownBefore) {
  Make({.log_start = 0, .log_end = 9});
  for (int64_t offset = 0; offset < 5; ++offset) Read(offset, Event(offset));
  Later(kSecond);  // its claim is on its way
  delivery_->OnRevoke(now_, now_.mono_us + 10 * kSecond);
  AcceptCommit();
  EXPECT_FALSE(Published().shown);
  FinishSnapshot("");
  EXPECT_EQ(log_.commits.back().metadata.applied_at_revocation, 0) << "nothing was shown";
  EXPECT_FALSE(Published().shown) << "the successor relies on it";
}

// A warehouse of streams that tells a position and no number: what a successor needs is counted by the rows that pass.
TEST_F(DeliveryTest, AStreamsBaseIsCountedFromThePositionThatTheWarehouseTold) {
  CommitMetadata left;
  left.stream = "theirs";
  left.stream_base = 2;
  left.rules = 1;  // other ones than ours
  Make({.committed = Position{4, 0}, .metadata = left, .log_start = 0, .log_end = 9});
  EXPECT_EQ(sink_.opened_with.back().stream_base, -1) << "what they counted is not what we would";
  SinkOpened opened;
  opened.metadata = sink_.opened_with.back();
  opened.metadata.stream = "ours";
  opened.position = Position{6, 1};
  delivery_->OnSinkOpened(opened, now_);
  EXPECT_EQ(log_.commits.back().metadata.stream_base, -1) << "nobody knows yet";
  AcceptCommit();
  for (int64_t offset = 4; offset < 9; ++offset) Read(offset, offset == 5 ? "bad" : Event(offset));
  size_t rows = 0;
  for (const auto& submission : sink_.submissions) rows += submission.rows->size();
  EXPECT_EQ(rows, 2u) << "7 and 8: the others are there";
  for (const auto& letter : log_.letters) delivery_->OnProduced(letter.id, absl::OkStatus(), now_);
  for (size_t i = 0; i < sink_.submissions.size(); ++i) Done(i);
  Later(10 * kSecond);
  const CommitMetadata& told = log_.commits.back().metadata;
  EXPECT_EQ(log_.commits.back().position, (Position{9, 0}));
  EXPECT_EQ(told.stream, "ours");
  EXPECT_EQ(told.stream_base, 0);
  EXPECT_EQ(told.stream_next_row, 2);
}

// The owner itself has asked before, though nobody had when it began.
TEST_F(DeliveryTest, AnOwnerThatOpensAgainGoesOnWhereTheWarehouseIs) {
  Make({.log_start = 0, .log_end = 0});
  Open(std::nullopt);
  Read(0, Event(0));
  Done(0);
  Read(1, Event(1));
  Fence(sink_.submissions.size() - 1);
  AcceptCommit();
  ASSERT_EQ(sink_.opened_with.size(), 2u);
  SinkOpened opened;
  opened.metadata = sink_.opened_with.back();
  opened.metadata.stream = "second";
  opened.metadata.stream_base = -1;
  opened.position = Position{1, 1};  // the row that it was not told of is there
  delivery_->OnSinkOpened(opened, now_);
  AcceptCommit();
  const size_t submitted = sink_.submissions.size();
  Read(2, Event(2));
  ASSERT_EQ(sink_.submissions.size(), submitted + 1) << "rows have not stopped";
  EXPECT_EQ(sink_.submissions.back().rows->size(), 1u);
}

}  // namespace
}  // namespace runledger::ingest
