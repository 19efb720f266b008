#include "ingest/delivery.h"

#include "codecs/hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes/events.h"
#include "fakes/recording_log.h"

namespace runledger::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kStart = 1'768'000'000 * kSecond;

class Problems : public DeliveryListener {
 public:
  void OnProblem(const TopicPartition&, const std::string& text) override { texts.push_back(text); }
  void OnShardReplaced(const TopicPartition&, std::shared_ptr<aggregators::Shard> shard) override {
    replaced.push_back(std::move(shard));
  }
  void OnStateLost(const TopicPartition&) override { ++lost; }
  std::vector<std::string> texts;
  std::vector<std::shared_ptr<aggregators::Shard>> replaced;
  int lost = 0;
};

// One delivery, its surroundings and its time, driven by hand.
class DeliveryTest : public testing::Test {
 protected:
  void Make(Assignment assignment, DeliveryOptions options = {}) {
    assignment.partition = {"events", 3};
    assignment.tenure = 7;
    assignment.cluster_id = "cluster";
    options.rows.batch_age_us = 0;
    const auto make_shard = [] {
      return std::make_shared<aggregators::Shard>(aggregators::ShardOptions{},
                                                  std::make_shared<aggregators::JobPolicies>());
    };
    delivery_ = std::make_unique<Delivery>(
        options, Delivery::Parts{&log_, with_sink_ ? &sink_ : nullptr, &snapshots_, &encoder_, &problems_, make_shard},
        std::move(assignment));
    shard_ = delivery_->shared_shard();
    snapshots_ = {};
    delivery_->OnAssigned(now_);
    ASSERT_EQ(snapshots_.loads.size(), 1);
    delivery_->OnSnapshotLoaded(snapshot_ ? absl::StatusOr<Snapshot>(*snapshot_) : absl::NotFoundError("none"), now_);
  }
  // The store takes what is being written.
  void FinishSnapshot(const std::string& pointer) {
    while (delivery_->Continue(now_)) {
    }
    ASSERT_TRUE(snapshots_.saves.back().finished);
    delivery_->OnSnapshotSaved(snapshots_.saves.back().id, SavedSnapshot{.pointer = pointer, .bytes = 1}, now_);
  }

  // The warehouse opens, the first commit is accepted: rows may flow.
  void Open(std::optional<Position> position) {
    SinkOpened opened;
    opened.metadata = sink_.opened_with.back();
    opened.position = position;
    delivery_->OnSinkOpened(opened, now_);
    AcceptCommit();
  }
  void AcceptCommit() {
    ASSERT_FALSE(log_.commits.empty());
    delivery_->OnCommitted(log_.commits.back().id, absl::OkStatus(), now_);
  }

  void Read(int64_t offset, const std::string& value) { ReadAt(offset, value, kStart + offset * kSecond); }
  void ReadAt(int64_t offset, const std::string& value, int64_t time_us, Reader reader = Reader::kFold) {
    Record record;
    record.offset = offset;
    record.timestamp_us = time_us;
    record.has_value = true;
    record.value = value;
    record.has_key = true;
    record.key = "key";
    delivery_->OnRecords(reader, std::span(&record, 1), now_);
  }
  std::string Event(int64_t offset, v1::Status status = v1::RUNNING) {
    return fakes::RunEvent("job", "run-" + std::to_string(offset), status, kStart + offset * kSecond)
        .SerializeAsString();
  }
  void Done(size_t submission) { delivery_->OnSubmitted(sink_.submissions[submission].id, {}, now_); }
  void Later(int64_t us) {
    now_.mono_us += us;
    now_.wall_us += us;
    delivery_->OnTime(now_);
  }
  aggregators::ShardPositions Published() {
    Later(kSecond);
    return shard_->Read()->positions;
  }

  bool with_sink_ = true;
  std::optional<Snapshot> snapshot_;  // what the store has
  Moment now_{1'000 * kSecond, kStart};
  fakes::RecordingLog log_;
  fakes::RecordingSink sink_;
  fakes::RecordingSnapshots snapshots_;
  Problems problems_;
  codecs::RowEncoder encoder_{codecs::SecretNames()};
  std::shared_ptr<aggregators::Shard> shard_;
  std::unique_ptr<Delivery> delivery_;
};

TEST_F(DeliveryTest, AFirstOwnerReadsFromTheStartCommitsAndThenWrites) {
  Make({.log_start = 0, .log_end = 2});
  ASSERT_EQ(log_.starts.size(), 1);
  EXPECT_EQ(log_.starts[0].offset, 0);
  EXPECT_THAT(sink_.opens, ElementsAre(Position{0, 0}));
  Read(0, Event(0));
  EXPECT_TRUE(sink_.submissions.empty()) << "no row before the warehouse is open and the commit accepted";
  SinkOpened opened;
  opened.position = Position{0, 0};
  delivery_->OnSinkOpened(opened, now_);
  EXPECT_TRUE(sink_.submissions.empty());
  ASSERT_EQ(log_.commits.size(), 1);
  EXPECT_EQ(log_.commits[0].position, (Position{0, 0}));
  EXPECT_EQ(log_.commits[0].metadata.cluster_id, "cluster");
  EXPECT_NE(log_.commits[0].metadata.rules, 0);
  AcceptCommit();
  ASSERT_EQ(sink_.submissions.size(), 1);
  EXPECT_EQ(sink_.submissions[0].rows->size(), 1);
  EXPECT_EQ(delivery_->acked(), (Position{0, 0}));
  Done(0);
  EXPECT_EQ(delivery_->acked(), (Position{1, 0}));
  Later(10 * kSecond);
  ASSERT_EQ(log_.commits.size(), 2);
  EXPECT_EQ(log_.commits[1].position, (Position{1, 0}));
  EXPECT_EQ(log_.commits[1].metadata.before_time_ms, kStart / 1000);
  EXPECT_EQ(log_.commits[1].metadata.before_hash.size(), 32);
}

TEST_F(DeliveryTest, RowsThatTheWarehouseHasAreNotWrittenAgain) {
  Make({.committed = Position{2, 0}, .log_start = 0, .log_end = 5});
  EXPECT_EQ(log_.starts[0].offset, 0) << "the state is rebuilt from the start of the log";
  for (int64_t offset = 0; offset < 3; ++offset) Read(offset, Event(offset));
  Open(Position{4, 0});  // its own position is ahead of the commit
  for (int64_t offset = 3; offset < 6; ++offset) Read(offset, Event(offset));
  Done(0);
  std::vector<int64_t> rows;
  for (const auto& submission : sink_.submissions) {
    for (size_t i = 0; i < submission.rows->size(); ++i) rows.push_back((*submission.rows)[i].position.offset);
  }
  EXPECT_THAT(rows, ElementsAre(4, 5));
  EXPECT_EQ(sink_.submissions[0].rows->from(), (Position{4, 0})) << "they follow on those that are there";
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(0).started, 6);
}

TEST_F(DeliveryTest, DeadLettersFromTheCommitOnAreMadeAgainAlthoughTheRowsAreThere) {
  Make({.committed = Position{0, 0}, .log_start = 0, .log_end = 3});
  Open(Position{3, 0});
  Read(0, "\xff\xff");
  Read(1, Event(1));
  Read(2, Event(2));
  ASSERT_EQ(log_.letters.size(), 1);
  EXPECT_EQ(delivery_->acked(), (Position{0, 0})) << "not safe until the log has the letter";
  delivery_->OnProduced(log_.letters[0].id, absl::OkStatus(), now_);
  EXPECT_EQ(delivery_->acked(), (Position{3, 0}));
  EXPECT_TRUE(sink_.submissions.empty());
}

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

TEST_F(DeliveryTest, ABadEventGoesWholeWithItsReasonAndHoldsTheCommit) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  const std::string garbage = "no event \xff";
  kafka::Header header{"trace", "abc"};
  Record record;
  record.offset = 1;
  record.timestamp_us = kStart;
  record.has_value = true;
  record.value = garbage;
  record.has_key = true;
  record.key = "k";
  record.headers = std::span(&header, 1);
  delivery_->OnRecords(Reader::kFold, std::span(&record, 1), now_);
  Read(2, Event(2));
  ASSERT_EQ(log_.letters.size(), 1);
  const OutgoingRecord& letter = log_.letters[0].record;
  EXPECT_EQ(letter.topic, "runledger.dead-letters");
  EXPECT_EQ(letter.value, garbage);
  EXPECT_EQ(letter.key, "k");
  std::map<std::string, std::string> headers(letter.headers.begin(), letter.headers.end());
  EXPECT_EQ(headers["trace"], "abc");
  EXPECT_EQ(headers["runledger-category"], "decode");
  EXPECT_EQ(headers["runledger-topic"], "events");
  EXPECT_EQ(headers["runledger-partition"], "3");
  EXPECT_EQ(headers["runledger-offset"], "1");
  EXPECT_EQ(headers["runledger-index"], "0");
  EXPECT_EQ(headers["runledger-attempts"], "1");
  EXPECT_EQ(headers["runledger-first-seen"], "2026-01-09T23:06:40Z");
  for (size_t i = 0; i < sink_.submissions.size(); ++i) Done(i);
  EXPECT_EQ(delivery_->acked(), (Position{1, 0}));
  // The topic is down for a while: the letter is tried again, and says so.
  delivery_->OnProduced(log_.letters[0].id, absl::UnavailableError("down"), now_);
  EXPECT_THAT(problems_.texts.back(), HasSubstr("dead letters: down"));
  Read(3, Event(3));
  Done(sink_.submissions.size() - 1);
  EXPECT_THAT(problems_.texts.back(), HasSubstr("dead letters: down")) << "rows that are well do not hide it";
  Later(60 * kSecond);
  ASSERT_EQ(log_.letters.size(), 2);
  headers = {log_.letters[1].record.headers.begin(), log_.letters[1].record.headers.end()};
  EXPECT_EQ(headers["runledger-attempts"], "2");
  delivery_->OnProduced(log_.letters[1].id, absl::OkStatus(), now_);
  EXPECT_EQ(problems_.texts.back(), "");
  EXPECT_EQ(delivery_->acked(), (Position{4, 0}));
  EXPECT_EQ(delivery_->TakeCounts().rows.dead_letters[static_cast<size_t>(codecs::Category::kDecode)], 1);
}

TEST_F(DeliveryTest, ALetterThatTheTopicRefusesForItsSizeIsCutAndSaysSo) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, std::string(300'000, '\xff'));
  ASSERT_EQ(log_.letters.size(), 1);
  delivery_->OnProduced(log_.letters[0].id, absl::InvalidArgumentError("too large"), now_);
  ASSERT_EQ(log_.letters.size(), 2);
  EXPECT_EQ(log_.letters[1].record.value->size(), kDeadLetterHeadBytes);
  std::map<std::string, std::string> headers(log_.letters[1].record.headers.begin(),
                                             log_.letters[1].record.headers.end());
  EXPECT_EQ(headers["runledger-truncated"], "300000");
}

TEST_F(DeliveryTest, ABadColumnKeepsTheFoldAndTheCoreOfTheRow) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  v1::Event event = fakes::RunEvent("job", "r", v1::SUCCESS, kStart);
  event.mutable_run()->set_summary("{not json");
  Read(0, event.SerializeAsString());
  ASSERT_EQ(sink_.submissions.size(), 1);
  EXPECT_EQ((*sink_.submissions[0].rows)[0].refused, "summary: is not JSON");
  ASSERT_EQ(log_.letters.size(), 1);
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(0).finished[codecs::TerminalIndex(codecs::Status::kSuccess)], 1);
  Done(0);
  EXPECT_EQ(delivery_->acked(), (Position{0, 0}));
  delivery_->OnProduced(log_.letters[0].id, absl::OkStatus(), now_);
  EXPECT_EQ(delivery_->acked(), (Position{1, 0}));
}

TEST_F(DeliveryTest, RowsThatTheWarehouseRefusesAreReplacedOnlyAfterTheirLetters) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  SubmitResult refused;
  refused.kind = SubmitResult::Kind::kRefused;
  refused.refused = {{0, "the column is too clever"}};
  delivery_->OnSubmitted(sink_.submissions[0].id, refused, now_);
  ASSERT_EQ(log_.letters.size(), 1);
  EXPECT_EQ(log_.letters[0].record.value, Event(0));
  Later(60 * kSecond);
  EXPECT_EQ(sink_.submissions.size(), 1) << "the letter is not acknowledged yet";
  delivery_->OnProduced(log_.letters[0].id, absl::OkStatus(), now_);
  ASSERT_EQ(sink_.submissions.size(), 2);
  EXPECT_EQ((*sink_.submissions[1].rows)[0].refused, "the column is too clever");
  Done(1);
  EXPECT_EQ(delivery_->acked(), (Position{1, 0}));
}

TEST_F(DeliveryTest, AStoppedWarehouseIsTriedAgainInOrderWithPauses) {
  DeliveryOptions options;
  options.rows.in_flight = 2;
  Make({.log_start = 0, .log_end = 0}, options);
  Open(Position{0, 0});
  for (int64_t offset = 0; offset < 3; ++offset) Read(offset, Event(offset));
  ASSERT_EQ(sink_.submissions.size(), 2);
  SubmitResult stopped;
  stopped.kind = SubmitResult::Kind::kStopped;
  stopped.status = absl::UnavailableError("disk full");
  delivery_->OnSubmitted(sink_.submissions[0].id, stopped, now_);
  EXPECT_THAT(problems_.texts.back(), HasSubstr("disk full"));
  EXPECT_EQ(sink_.submissions.size(), 2) << "not before the other one is answered, and not at once";
  delivery_->OnSubmitted(sink_.submissions[1].id, stopped, now_);
  EXPECT_EQ(sink_.submissions.size(), 2);
  Later(2 * kSecond);
  ASSERT_EQ(sink_.submissions.size(), 4);
  EXPECT_EQ(sink_.submissions[2].rows->from(), (Position{0, 0}));
  EXPECT_EQ(sink_.submissions[3].rows->from(), (Position{1, 0}));
  Done(2);
  EXPECT_EQ(problems_.texts.back(), "");
  Done(3);
  ASSERT_EQ(sink_.submissions.size(), 5);
  Done(4);
  EXPECT_EQ(delivery_->acked(), (Position{3, 0}));
}

TEST_F(DeliveryTest, AFencedOwnerAsksTheGroupAndStopsIfItIsRefused) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  SubmitResult fenced;
  fenced.kind = SubmitResult::Kind::kFenced;
  fenced.status = absl::FailedPreconditionError("opened by another");
  const size_t commits = log_.commits.size();
  delivery_->OnSubmitted(sink_.submissions[0].id, fenced, now_);
  ASSERT_EQ(log_.commits.size(), commits + 1);
  EXPECT_EQ(sink_.opens.size(), 1);
  delivery_->OnCommitted(log_.commits.back().id, absl::OkStatus(), now_);  // still ours: open again
  ASSERT_EQ(sink_.opens.size(), 2);
  Open(Position{0, 0});
  ASSERT_EQ(sink_.submissions.size(), 2);
  delivery_->OnSubmitted(sink_.submissions[1].id, fenced, now_);
  delivery_->OnCommitted(log_.commits.back().id, absl::FailedPreconditionError("illegal generation"), now_);
  EXPECT_EQ(sink_.opens.size(), 2);
  EXPECT_THAT(problems_.texts.back(), HasSubstr("does not own it any more"));
  Later(60 * kSecond);
  EXPECT_EQ(sink_.submissions.size(), 2);
}

TEST_F(DeliveryTest, ACommittedOffsetThatTheLogHasLostStopsRowsButNotGauges) {
  Make({.committed = Position{10, 0}, .log_start = 50, .log_end = 60});
  EXPECT_THAT(problems_.texts.back(), HasSubstr("committed offset 10"));
  EXPECT_THAT(problems_.texts.back(), HasSubstr("begins at 50"));
  EXPECT_THAT(problems_.texts.back(), HasSubstr("retention"));
  EXPECT_EQ(log_.starts[0].offset, 50);
  EXPECT_TRUE(sink_.opens.empty());
  for (int64_t offset = 50; offset < 60; ++offset) Read(offset, Event(offset));
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(0).started, 10);
  EXPECT_TRUE(sink_.submissions.empty());
  EXPECT_TRUE(log_.commits.empty());
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
  EXPECT_TRUE(log_.commits.empty());
  EXPECT_EQ(shard_->Read()->jobs.at(0).started, 9);
}

TEST_F(DeliveryTest, AnOwnerThatBeganAtASnapshotLeavesNoFloorOfItsOwn) {
  Make({.log_start = 0, .log_end = 3});
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
  EXPECT_EQ(snapshots_.saves.size(), 2) << "there is news since";
  FinishSnapshot("p2");
  Later(600 * kSecond);
  EXPECT_EQ(snapshots_.saves.size(), 2) << "there is none";
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
  EXPECT_EQ(problems_.lost, 1);
  Published();
  const auto job = shard_->Read()->jobs.at(0);
  EXPECT_EQ(job.started, 11);
  EXPECT_EQ(job.running, 11);
  EXPECT_EQ(job.finished[codecs::TerminalIndex(codecs::Status::kSuccess)], 0);
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

TEST_F(DeliveryTest, WithoutWarehouseOnlyDeadLettersHoldTheCommit) {
  with_sink_ = false;
  Make({.log_start = 0, .log_end = 0});
  AcceptCommit();
  Read(0, Event(0));
  EXPECT_EQ(delivery_->acked(), (Position{1, 0}));
  Read(1, "\xff");
  Read(2, Event(2));
  EXPECT_EQ(delivery_->acked(), (Position{1, 0}));
  delivery_->OnProduced(log_.letters[0].id, absl::OkStatus(), now_);
  EXPECT_EQ(delivery_->acked(), (Position{3, 0}));
}

TEST_F(DeliveryTest, RowsThatFallBehindAreReadAgainWhileTheFoldGoesOn) {
  DeliveryOptions options;
  options.rows.held_bytes = 2'000;
  Make({.log_start = 0, .log_end = 0}, options);
  int64_t offset = 0;
  for (; offset < 100; ++offset) {
    ASSERT_TRUE(delivery_->Wants(Reader::kFold)) << "the fold never waits";
    Read(offset, Event(offset));
    EXPECT_LT(delivery_->held_bytes(), 3'000);
  }
  EXPECT_EQ(delivery_->applied().offset, 100);
  EXPECT_EQ(log_.starts.size(), 1) << "no second reader while nothing can be written";
  Open(Position{0, 0});
  std::vector<int64_t> rows;
  size_t done = 0;
  const auto write = [&] {
    for (; done < sink_.submissions.size(); ++done) {
      const RowBatch& batch = *sink_.submissions[done].rows;
      for (size_t i = 0; i < batch.size(); ++i) rows.push_back(batch[i].position.offset);
      delivery_->OnSubmitted(sink_.submissions[done].id, {}, now_);
    }
  };
  write();
  ASSERT_EQ(log_.starts.size(), 2);
  EXPECT_EQ(log_.starts[1].reader, Reader::kRows);
  const int64_t again = log_.starts[1].offset;
  EXPECT_EQ(again, static_cast<int64_t>(rows.size()));
  Read(100, Event(100));  // meanwhile the log goes on
  for (int64_t o = again; o <= 100; ++o) {
    ASSERT_TRUE(delivery_->Wants(Reader::kRows)) << o;
    ReadAt(o, Event(o), kStart + o * kSecond, Reader::kRows);
    write();
  }
  EXPECT_EQ(log_.stops, 1) << "one reader serves both again";
  EXPECT_FALSE(delivery_->Wants(Reader::kRows));
  Read(101, Event(101));
  write();
  ASSERT_EQ(rows.size(), 102);
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i], static_cast<int64_t>(i));
  EXPECT_EQ(delivery_->acked(), (Position{102, 0}));
  Published();
  EXPECT_EQ(shard_->Read()->jobs.at(0).started, 102) << "each folded once";
}

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
