#include "ingest/delivery_fixture.h"

// Rows and dead letters: what is written when, and what the commit waits for.

namespace runledger::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

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
  ASSERT_EQ(sink_.submissions.size(), 3) << "one alone tries whether it is well again";
  EXPECT_EQ(sink_.submissions[2].rows->from(), (Position{0, 0}));
  Done(2);
  ASSERT_EQ(sink_.submissions.size(), 5);
  EXPECT_EQ(sink_.submissions[3].rows->from(), (Position{1, 0}));
  EXPECT_EQ(problems_.texts.back(), "");
  Done(3);
  ASSERT_EQ(sink_.submissions.size(), 5);
  Done(4);
  EXPECT_EQ(delivery_->acked(), (Position{3, 0}));
}

TEST_F(DeliveryTest, AFencedOwnerAsksTheGroupAndWritesNothingWhileItIsRefused) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  const size_t commits = log_.commits.size();
  Fence(0);
  ASSERT_EQ(log_.commits.size(), commits + 1);
  EXPECT_EQ(sink_.opens.size(), 1);
  delivery_->OnCommitted(log_.commits.back().id, absl::OkStatus(), now_);  // still ours: open again
  ASSERT_EQ(sink_.opens.size(), 2);
  Open(Position{0, 0});
  ASSERT_EQ(sink_.submissions.size(), 2);
  Fence(1);
  delivery_->OnCommitted(log_.commits.back().id, absl::FailedPreconditionError("illegal generation"), now_);
  EXPECT_EQ(sink_.opens.size(), 2);
  EXPECT_THAT(problems_.texts.back(), HasSubstr("until the group says whose it is"));
  Read(1, Event(1));
  const size_t asked = log_.commits.size();
  for (int i = 0; i < 3; ++i) {
    Later(60 * kSecond);
    ASSERT_EQ(log_.commits.size(), asked + 1 + static_cast<size_t>(i)) << "it asks again";
    delivery_->OnCommitted(log_.commits.back().id, absl::FailedPreconditionError("illegal generation"), now_);
  }
  EXPECT_EQ(sink_.submissions.size(), 2);
  EXPECT_EQ(sink_.opens.size(), 2);

  // The commit had crossed a rebalance in which the partition stayed.
  Later(60 * kSecond);
  AcceptCommit();
  ASSERT_EQ(sink_.opens.size(), 3);
  Open(Position{0, 0});
  EXPECT_EQ(sink_.submissions.size(), 4) << "both rows";
  EXPECT_EQ(problems_.texts.back(), "");
}

TEST_F(DeliveryTest, AFencedOwnerThatIsToGoDoesNotWaitForItsRows) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  Fence(0);
  delivery_->OnCommitted(log_.commits.back().id, absl::FailedPreconditionError("illegal generation"), now_);
  delivery_->OnRevoke(now_, now_.mono_us + 600 * kSecond);
  FinishSnapshot("");
  AcceptCommit();
  EXPECT_EQ(log_.releases, 1);
}

TEST_F(DeliveryTest, AFencedOwnerTakesNoAnswerOfTheGroupForNoRefusal) {
  Make({.log_start = 0, .log_end = 0});
  Open(Position{0, 0});
  Read(0, Event(0));
  Fence(0);
  const size_t asked = log_.commits.size();
  delivery_->OnCommitted(log_.commits.back().id, absl::UnavailableError("no answer"), now_);
  EXPECT_EQ(log_.commits.size(), asked) << "not at once";
  Later(kSecond);
  ASSERT_EQ(log_.commits.size(), asked + 1);
  AcceptCommit();
  EXPECT_EQ(sink_.opens.size(), 2) << "still ours: open again";
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

// A warehouse that refuses nearly everything has something wrong with itself, or with what it is given.
TEST_F(DeliveryTest, TooManyRefusedRowsOpenTheCircuitAndMakeNoDeadLetters) {
  DeliveryOptions options;
  options.rows.batch_rows = 200;
  options.rows.retry_us = kSecond;
  Make({.log_start = 0, .log_end = 1}, options);
  std::vector<std::string> values;
  for (int64_t offset = 0; offset < 200; ++offset) values.push_back(Event(offset));
  std::vector<Record> records(200);
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].offset = static_cast<int64_t>(i);
    records[i].timestamp_us = kStart;
    records[i].has_value = true;
    records[i].value = values[i];
  }
  delivery_->OnRecords(Reader::kFold, records, now_);
  Open(Position{0, 0});
  ASSERT_EQ(sink_.submissions.size(), 1);
  ASSERT_EQ(sink_.submissions[0].rows->size(), 200);
  SubmitResult refused;
  refused.kind = SubmitResult::Kind::kRefused;
  for (size_t row = 0; row < 150; ++row) refused.refused.push_back({row, "no column run_id"});
  EXPECT_TRUE(problems_.circuits.empty());
  delivery_->OnSubmitted(sink_.submissions[0].id, refused, now_);
  EXPECT_TRUE(log_.letters.empty());
  EXPECT_THAT(problems_.texts.back(), HasSubstr("150 of 200 rows, the first: no column run_id"));
  EXPECT_THAT(problems_.texts.back(), HasSubstr("warehouse.refused_percent"));
  EXPECT_THAT(problems_.circuits, ElementsAre(true));
  EXPECT_EQ(delivery_->acked(), (Position{0, 0}));
  Later(3 * kSecond);
  ASSERT_EQ(sink_.submissions.size(), 2) << "the same again";
  EXPECT_EQ(sink_.submissions[1].rows->size(), 200);
  Done(1);
  EXPECT_EQ(problems_.texts.back(), "");
  EXPECT_THAT(problems_.circuits, ElementsAre(true, false));
  EXPECT_EQ(delivery_->acked(), (Position{200, 0}));
  EXPECT_TRUE(log_.letters.empty());
}

}  // namespace
}  // namespace runledger::ingest
