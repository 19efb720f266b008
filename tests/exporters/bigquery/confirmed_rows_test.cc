// The delivery and the writer together, the service played by hand: nothing counts as written, and nothing is
// committed, before the service has said that it is there.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <span>
#include <string>
#include <vector>

#include "codecs/events_table.h"
#include "codecs/wire.h"
#include "exporters/bigquery/stream_writer.h"
#include "ingest/delivery_fixture.h"

namespace runledger::exporters {
namespace {

using ingest::kSecond;
using ingest::kStart;
using ingest::Position;
using testing::HasSubstr;

// What the writer asks; the test answers.
class RecordingApi : public StreamApi {
 public:
  struct Request {
    uint64_t connection;
    AppendRequest append;
  };
  void Create(uint64_t call) override { last_call = call; }
  void Finalise(uint64_t call, const std::string& stream) override {
    last_call = call;
    finalised.push_back(stream);
  }
  void ReadTail(uint64_t call, const TailQuery&) override { last_call = call; }
  void Connect(uint64_t connection, const std::string&) override { last_connection = connection; }
  void Send(uint64_t connection, const AppendRequest& request) override { sent.push_back({connection, request}); }
  void Disconnect(uint64_t) override {}

  uint64_t last_call = 0;
  uint64_t last_connection = 0;
  std::vector<Request> sent;
  std::vector<std::string> finalised;
};

// The rows of a request: by place, whether only the core is there.
std::vector<bool> CoresOf(const AppendRequest& request) {
  const uint32_t refused = static_cast<uint32_t>(codecs::EventColumnIndex("refused")) + 1;
  std::vector<bool> cores;
  codecs::WireReader entry(request.rows->view());
  while (entry.Next()) {
    bool core = false;
    codecs::WireReader field(entry.bytes());
    while (field.Next()) core = core || field.field() == refused;
    cores.push_back(core);
  }
  return cores;
}

StreamFailure Failure(absl::StatusCode code, StorageError error = StorageError::kNone) {
  return {absl::Status(code, "said the test"), error};
}

class ConfirmedRows : public ingest::DeliveryTest, public ingest::RowSinkListener {
 protected:
  // An owner of a new partition, up to the moment at which rows may flow.
  void Begin() {
    Make({.log_start = 0, .log_end = 0});
    SetTime();
    writer_.Open(sink_.opens.back(), sink_.opened_with.back());
    writer_.OnTail(api_.last_call, std::nullopt);
    writer_.OnCreated(api_.last_call, std::string("stream"));
    ASSERT_EQ(log_.commits.back().metadata.stream, "stream");
    AcceptCommit();
  }
  // One record after the other, in one look at the log.
  void ReadEvents(int64_t count) {
    std::deque<std::string> events;
    std::vector<ingest::Record> records;
    for (int64_t offset = 0; offset < count; ++offset) {
      events.push_back(Event(offset));
      ingest::Record record;
      record.offset = offset;
      record.timestamp_us = kStart + offset;
      record.has_value = true;
      record.value = events.back();
      records.push_back(record);
    }
    delivery_->OnRecords(ingest::Reader::kFold, std::span(records), now_);
    Pass();
  }
  // What was submitted reaches the writer.
  void Pass() {
    for (; passed_ < sink_.submissions.size(); ++passed_)
      writer_.Submit(sink_.submissions[passed_].id, sink_.submissions[passed_].rows, now_.mono_us);
  }
  void PassTime(int64_t us) {
    Later(us);
    SetTime();
    writer_.OnTime();
    Pass();
  }
  void SetTime() { writer_.SetTime(now_.mono_us); }
  void Answer(AppendAnswer answer) {
    writer_.OnAnswer(api_.last_connection, std::move(answer));
    Pass();
  }
  // Neither its own count nor what the group was told goes beyond `position`, however long it takes.
  void ExpectNothingBehind(const Position& position) {
    PassTime(60 * kSecond);
    EXPECT_EQ(delivery_->acked(), position);
    for (const auto& commit : log_.commits) EXPECT_EQ(commit.position, position);
  }

  void OnSinkOpened(const ingest::TopicPartition&, ingest::Tenure, ingest::SinkOpened opened) override {
    delivery_->OnSinkOpened(std::move(opened), now_);
  }
  void OnSubmitted(const ingest::TopicPartition&, ingest::Tenure, uint64_t submission,
                   ingest::SubmitResult result) override {
    delivery_->OnSubmitted(submission, std::move(result), now_);
  }

  RecordingApi api_;
  RowMaker maker_{codecs::RowEncoder(codecs::SecretNames{}), [] { return kStart; }};
  StreamWriterOptions options_{.answer_timeout_us = 600 * kSecond};
  StreamWriter writer_{options_,
                       {"events", 3},
                       7,
                       &api_,
                       &maker_,
                       this,
                       {.on_problem = [](const std::string&) {}, .on_retries = [](uint64_t) {}, .on_table = {}},
                       0};
  size_t passed_ = 0;
};

TEST_F(ConfirmedRows, NothingIsCommittedWhileTheAnswerIsOut) {
  Begin();
  ReadEvents(10);
  ASSERT_EQ(api_.sent.size(), 1u);
  EXPECT_EQ(CoresOf(api_.sent[0].append).size(), 10u);
  EXPECT_EQ(delivery_->applied(), (Position{10, 0})) << "the state does not wait";
  ExpectNothingBehind({0, 0});
  Answer({.failure = {}, .offset = 0, .bad_rows = {}, .table = {}});
  EXPECT_EQ(delivery_->acked(), (Position{10, 0}));
  PassTime(10 * kSecond);
  EXPECT_EQ(log_.commits.back().position, (Position{10, 0}));
  EXPECT_EQ(log_.commits.back().metadata.stream_next_row, 10);
}

TEST_F(ConfirmedRows, ALostAnswerIsNoAnswer) {
  Begin();
  ReadEvents(10);
  ASSERT_EQ(api_.sent.size(), 1u);
  const uint64_t lost = api_.last_connection;
  writer_.OnDisconnected(lost, Failure(absl::StatusCode::kUnavailable));
  EXPECT_EQ(delivery_->acked(), (Position{0, 0}));
  ExpectNothingBehind({0, 0});
  // The same rows at the same place, over another connection.
  ASSERT_EQ(api_.sent.size(), 2u);
  EXPECT_NE(api_.last_connection, lost);
  EXPECT_EQ(api_.sent[1].append.offset, api_.sent[0].append.offset);
  EXPECT_EQ(api_.sent[1].append.rows->view(), api_.sent[0].append.rows->view());
  // What comes late from the connection that was given up is of no account.
  writer_.OnAnswer(lost, {.failure = {}, .offset = 0, .bad_rows = {}, .table = {}});
  ExpectNothingBehind({0, 0});
  Answer({.failure = Failure(absl::StatusCode::kAlreadyExists, StorageError::kOffsetExists),
          .offset = {},
          .bad_rows = {},
          .table = {}});
  EXPECT_EQ(delivery_->acked(), (Position{10, 0})) << "they were there all the time";
  PassTime(10 * kSecond);
  EXPECT_EQ(log_.commits.back().position, (Position{10, 0}));
}

// However often it is sent again: it is told in ever longer steps, and half the time that it is waited for is trouble.
TEST_F(ConfirmedRows, AnAnswerThatDoesNotComeIsTold) {
  std::vector<SlowRequest> slow;
  std::string problem;
  StreamWriter writer({.answer_timeout_us = 120 * kSecond}, {"events", 3}, 7, &api_, &maker_, this,
                      {.on_problem = [&](const std::string& text) { problem = text; },
                       .on_retries = [](uint64_t) {},
                       .on_table = {},
                       .on_slow = [&](const SlowRequest& request) { slow.push_back(request); }},
                      0);
  Make({.log_start = 0, .log_end = 0});
  writer.SetTime(now_.mono_us);
  writer.Open(sink_.opens.back(), sink_.opened_with.back());
  writer.OnTail(api_.last_call, std::nullopt);
  writer.OnCreated(api_.last_call, std::string("stream"));
  AcceptCommit();
  passed_ = 100;  // not to the other one
  ReadEvents(10);
  writer.Submit(sink_.submissions[0].id, sink_.submissions[0].rows, now_.mono_us);
  ASSERT_EQ(api_.sent.size(), 1u);
  const int64_t sent_us = now_.mono_us;
  // Time passes from one thing that is due to the next.
  const auto pass_until = [&](int64_t us) {
    for (int64_t due; (due = writer.NextDue()) <= sent_us + us;) {
      writer.SetTime(due);
      writer.OnTime();
    }
  };
  pass_until(14 * kSecond);
  EXPECT_TRUE(slow.empty());
  pass_until(59 * kSecond);
  ASSERT_EQ(slow.size(), 2u);
  EXPECT_EQ(problem, "");
  pass_until(130 * kSecond);
  EXPECT_THAT(problem, HasSubstr("does not answer"));
  EXPECT_EQ(api_.sent.size(), 2u) << "it was sent again";
  pass_until(500 * kSecond);
  std::vector<int64_t> ages;
  for (const SlowRequest& request : slow) {
    ages.push_back(request.waits_us / kSecond);
    EXPECT_EQ(request.stream, "stream");
    EXPECT_EQ(request.offset, 0);
    EXPECT_EQ(request.requests, 1u);
  }
  EXPECT_EQ(ages, (std::vector<int64_t>{15, 30, 60, 120, 240, 480}));
  writer.SetTime(sent_us + 500 * kSecond);
  writer.OnAnswer(api_.last_connection, {.failure = {}, .offset = 0, .bad_rows = {}, .table = {}});
  EXPECT_EQ(problem, "");
  EXPECT_EQ(delivery_->acked(), (Position{10, 0}));
  EXPECT_EQ(writer.NextDue(), INT64_MAX);
}

TEST_F(ConfirmedRows, AServiceThatSaysLaterHasNothingWritten) {
  for (const absl::StatusCode code : {absl::StatusCode::kResourceExhausted, absl::StatusCode::kAborted,
                                      absl::StatusCode::kInternal, absl::StatusCode::kUnknown}) {
    api_.sent.clear();
    if (code == absl::StatusCode::kResourceExhausted) {
      Begin();
      ReadEvents(10);
    }
    Answer({.failure = Failure(code), .offset = {}, .bad_rows = {}, .table = {}});
    ExpectNothingBehind({0, 0});
    EXPECT_FALSE(api_.sent.empty()) << "it is tried again";
  }
  Answer({.failure = {}, .offset = 0, .bad_rows = {}, .table = {}});
  EXPECT_EQ(delivery_->acked(), (Position{10, 0}));
}

TEST_F(ConfirmedRows, AllRequestsOfASubmissionAreAnsweredBeforeItCounts) {
  options_.request_bytes = 600;
  StreamWriter small(options_, {"events", 3}, 7, &api_, &maker_, this,
                     {.on_problem = [](const std::string&) {}, .on_retries = [](uint64_t) {}, .on_table = {}}, 0);
  Make({.log_start = 0, .log_end = 0});
  small.SetTime(now_.mono_us);
  small.Open(sink_.opens.back(), sink_.opened_with.back());
  small.OnTail(api_.last_call, std::nullopt);
  small.OnCreated(api_.last_call, std::string("stream"));
  AcceptCommit();
  passed_ = 100;  // not to the other one
  ReadEvents(10);
  ASSERT_EQ(sink_.submissions.size(), 1u);
  small.Submit(sink_.submissions[0].id, sink_.submissions[0].rows, now_.mono_us);
  const size_t requests = api_.sent.size();
  ASSERT_GT(requests, 2u);
  for (size_t i = 0; i < requests; ++i) {
    EXPECT_EQ(delivery_->acked(), (Position{0, 0})) << i;
    small.OnAnswer(api_.last_connection,
                   {.failure = {}, .offset = api_.sent[i].append.offset, .bad_rows = {}, .table = {}});
  }
  EXPECT_EQ(delivery_->acked(), (Position{10, 0}));
}

// What was counted is wrong: nothing counts until the stream itself has said how many rows it has.
TEST_F(ConfirmedRows, APlaceBehindTheEndOfTheStreamIsCountedAnew) {
  Begin();
  ReadEvents(10);
  // Sent for the second time: "already there" would be as good as done, and this is not.
  writer_.OnDisconnected(api_.last_connection, Failure(absl::StatusCode::kUnavailable));
  PassTime(kSecond);
  ASSERT_EQ(api_.sent.size(), 2u);
  Answer({.failure = Failure(absl::StatusCode::kOutOfRange, StorageError::kOffsetGap),
          .offset = {},
          .bad_rows = {},
          .table = {}});
  EXPECT_EQ(delivery_->acked(), (Position{0, 0}));
  EXPECT_EQ(log_.commits.back().position, (Position{0, 0})) << "the group is asked whether it is still the owner";
  ASSERT_EQ(sink_.opens.size(), 1u);
  AcceptCommit();
  ASSERT_EQ(sink_.opens.size(), 2u);
  writer_.Open(sink_.opens.back(), sink_.opened_with.back());
  ASSERT_THAT(api_.finalised, testing::ElementsAre("stream"));
  writer_.OnFinalised(api_.last_call, {}, 4);
  writer_.OnCreated(api_.last_call, std::string("second"));
  EXPECT_EQ(log_.commits.back().metadata.stream, "second");
  EXPECT_EQ(log_.commits.back().metadata.stream_base, 4);
  EXPECT_EQ(api_.sent.size(), 2u) << "not before the group knows the stream";
  AcceptCommit();
  Pass();
  ASSERT_EQ(api_.sent.size(), 3u);
  EXPECT_EQ(api_.sent[2].append.stream, "second");
  EXPECT_EQ(api_.sent[2].append.offset, 0);
  EXPECT_EQ(CoresOf(api_.sent[2].append).size(), 6u);
  Answer({.failure = {}, .offset = 0, .bad_rows = {}, .table = {}});
  EXPECT_EQ(delivery_->acked(), (Position{10, 0}));
}

// One bad row of a batch: it goes to the dead letters, and the 199 others are written as they are.
TEST_F(ConfirmedRows, OneBadRowBeside199GoodOnes) {
  Begin();
  ReadEvents(200);
  ASSERT_EQ(api_.sent.size(), 1u);
  ASSERT_EQ(CoresOf(api_.sent[0].append).size(), 200u);
  const std::string reason = "Field error_message: too clever on field error_message.";
  Answer(
      {.failure = Failure(absl::StatusCode::kInvalidArgument), .offset = {}, .bad_rows = {{57, reason}}, .table = {}});
  ASSERT_EQ(log_.letters.size(), 1u);
  EXPECT_EQ(log_.letters[0].record.value, Event(57));
  std::map<std::string, std::string> headers(log_.letters[0].record.headers.begin(),
                                             log_.letters[0].record.headers.end());
  EXPECT_EQ(headers["runledger-offset"], "57");
  EXPECT_EQ(headers["runledger-category"], "schema");
  EXPECT_THAT(headers["runledger-reason"], HasSubstr(reason));
  EXPECT_EQ(api_.sent.size(), 1u) << "not before its letter is safe";
  ExpectNothingBehind({0, 0});
  delivery_->OnProduced(log_.letters[0].id, absl::OkStatus(), now_);
  Pass();
  ASSERT_EQ(api_.sent.size(), 2u);
  EXPECT_EQ(api_.sent[1].append.offset, 0) << "none of them is there yet";
  std::vector<bool> cores(200, false);
  cores[57] = true;
  EXPECT_EQ(CoresOf(api_.sent[1].append), cores);
  ExpectNothingBehind({0, 0});
  Answer({.failure = {}, .offset = 0, .bad_rows = {}, .table = {}});
  EXPECT_EQ(delivery_->acked(), (Position{200, 0}));
  EXPECT_EQ(log_.letters.size(), 1u);
}

}  // namespace
}  // namespace runledger::exporters
