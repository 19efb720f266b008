#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "codecs/event_decoder.h"
#include "codecs/row.h"
#include "exporters/bigquery/stream_api.h"
#include "ingest/row_sink.h"

namespace runledger::exporters {

struct StreamWriterOptions {
  size_t request_bytes = size_t{9} << 20;     // warehouse.request_bytes: most rows' bytes of one request
  size_t in_flight_bytes = size_t{32} << 20;  // of one stream: sent or to be sent again, and not answered
  size_t in_flight_requests = 64;             // likewise
  int64_t retry_us = 100'000;                 // first pause before a request is made again; doubles up to retry_max_us
  int64_t retry_max_us = 30'000'000;
  int64_t answer_timeout_us = 120'000'000;  // a connection that owes an answer for longer is given up
  int64_t slow_us = 15'000'000;  // an answer that is owed for so long is told, and again at each doubling of its age
};

// A request that waits for its answer, however often it was sent.
struct SlowRequest {
  std::string stream;
  int64_t offset = 0;    // in the stream, of its first row
  size_t requests = 0;   // that wait, it is the oldest
  int64_t waits_us = 0;  // since it was sent for the first time
};

// Makes rows of events, for one thread. A writer borrows it for as long as it lives.
class RowMaker {
 public:
  RowMaker(codecs::RowEncoder encoder, std::function<int64_t()> now_us)
      : encoder_(std::move(encoder)), now_us_(std::move(now_us)), decoder_(codecs::Limits{}) {}
  // Appends the batch's row to `to`. Internal: an event that was good is not any more.
  absl::Status Append(const ingest::RowBatch& batch, size_t row, WireBuffer* to);
  // Takes the time for the rows that follow.
  void BeginRequest() { made_us_ = now_us_(); }

 private:
  const codecs::RowEncoder encoder_;
  const std::function<int64_t()> now_us_;  // wall clock
  const codecs::EventDecoder decoder_;
  int64_t made_us_ = 0;
  codecs::Row row_;
};

// What a writer tells beside its answers. Must not call back into it.
struct StreamWriterHooks {
  // What is in the way of its rows at the moment; empty: nothing any more.
  std::function<void(const std::string&)> on_problem;
  // Requests that had to be made again.
  std::function<void(uint64_t)> on_retries;
  // The server says that the table has other columns than those that are written (not OK), or the right ones again.
  std::function<void(const absl::Status&)> on_table;
  // An answer takes long. Optional.
  std::function<void(const SlowRequest&)> on_slow;
};

// Writes the rows of one partition, for one owner of it, into a stream of its own: the n-th row of the stream is the
// n-th good event behind those that are written already. A state machine without thread, clock and network: requests,
// answers and time come in, what is to be done goes to a StreamApi. One thread.
//
//   Open     finalise the predecessor's stream: it takes no more rows, and says how many it has. Where it cannot say
//            (expired, or its table was deleted), and where events are not counted, the table is asked for its last
//            row. Then a new stream, whose name is committed before the first row is submitted.
//   Submit   rows are cut into requests, each with the offset at which it has to stand. Several are on their way.
//
// A request is sent again, with the same rows at the same offset, until it is known what became of it: "already there"
// is then as good as done. What the server has surely not taken is answered:
//   bad rows are named        kRefused, once nothing more is on its way
//   a bad request, no names   halved until it is one row
//   the table is in the way   kStopped
//   the stream is in the way  kFenced: an owner whose commit is accepted opens again, and counts anew
// A core row (one that was replaced already) that is refused is taken for trouble with the table.
class StreamWriter : public StreamAnswers {
 public:
  // `seed` spreads its pauses among many writers. All that is passed must outlive the writer.
  StreamWriter(const StreamWriterOptions& options, ingest::TopicPartition partition, ingest::Tenure tenure,
               StreamApi* api, RowMaker* maker, ingest::RowSinkListener* listener, StreamWriterHooks hooks,
               uint64_t seed);

  void Open(const ingest::Position& committed, const ingest::CommitMetadata& metadata);
  void Submit(uint64_t submission, std::shared_ptr<const ingest::RowBatch> rows, int64_t now_us);
  // Gives up: what is not answered yet is answered kStopped, whatever became of it.
  void Close();
  // REQUIRES, for all of these: within a call of the writer's thread, with the time set by SetTime.
  void OnCreated(uint64_t call, absl::StatusOr<std::string> stream) override;
  void OnFinalised(uint64_t call, StreamFailure failure, int64_t rows) override;
  void OnTail(uint64_t call, absl::StatusOr<std::optional<ingest::Position>> last) override;
  void OnAnswer(uint64_t connection, AppendAnswer answer) override;
  void OnDisconnected(uint64_t connection, StreamFailure failure) override;
  // CLOCK_MONOTONIC in microseconds, before any of the calls above.
  void SetTime(int64_t now_us) { now_us_ = now_us; }
  void OnTime();
  // When OnTime wants to be called next; INT64_MAX: not at all.
  int64_t NextDue() const;

  const ingest::TopicPartition& partition() const { return partition_; }

 private:
  enum class State { kClosed, kOpening, kOpen, kFenced };
  struct Submission {
    uint64_t id;
    std::shared_ptr<const ingest::RowBatch> rows;
    size_t next_row = 0;  // of its rows, the first that is in no request yet
  };
  // Rows [first_row, first_row + rows) of a submission.
  struct Request {
    uint64_t submission;
    std::shared_ptr<const ingest::RowBatch> batch;
    size_t first_row;
    size_t rows;
    int64_t offset;
    std::shared_ptr<const WireBuffer> bytes;
    int sends = 0;
    int64_t sent_us = 0;
    int64_t first_sent_us = 0;  // no answer of any kind since then; 0: it does not wait for one
  };

  void Opened(absl::Status status);
  void CreateStream();
  void ReadTail();
  // Sends what may be sent.
  void Pump();
  bool EncodeNext();
  absl::StatusOr<Request> Encode(const Submission& submission, size_t first_row, size_t most_rows);
  void Taken();
  void AnswerDone();
  void OnRefusal(AppendAnswer answer);
  // The first request was not taken, and what follows it cannot have been.
  void FailFirst(ingest::SubmitResult result);
  void FailSubmissions(ingest::SubmitResult first);
  void Fence(absl::Status status);
  // Nothing of it is on its way any more: it goes again, from the first request on.
  void Rewind(const absl::Status& why);
  void Halve(absl::string_view why);
  // So many answers that come next are of requests which have been given up.
  void Swallow(size_t answers);
  int64_t OwedSince() const;
  bool IsOwed() const { return sent_ > 0 || swallow_ > 0; }
  // When a slow answer is to be told next. REQUIRES: IsOwed().
  int64_t SlowDue() const;
  void TellSlow();
  void DropConnection();
  void Pause(const absl::Status& why);
  void SetProblem(std::string text);
  static bool IsLasting(const absl::Status& status);
  std::string Name() const;

  const StreamWriterOptions options_;
  const ingest::TopicPartition partition_;
  const ingest::Tenure tenure_;
  StreamApi& api_;
  RowMaker& maker_;
  ingest::RowSinkListener& listener_;
  const StreamWriterHooks hooks_;
  const uint64_t seed_;

  int64_t now_us_ = 0;
  State state_ = State::kClosed;
  uint64_t next_id_ = 1;  // of calls and connections

  // Opening.
  uint64_t call_ = 0;
  ingest::SinkOpened opening_;
  ingest::Position committed_;

  std::string stream_;
  int64_t next_offset_ = 0;    // of the next row that is put into a request
  ingest::Position taken_to_;  // rows before it are in the stream, or were before it
  absl::Status fence_;         // why it is fenced, until somebody was told

  std::deque<Submission> submissions_;
  std::deque<Request> requests_;  // not answered, by offset; the first sent_ are on their way
  size_t sent_ = 0;
  size_t bytes_ = 0;    // of requests_
  size_t swallow_ = 0;  // answers that belong to requests which were made to be sent again, or given up
  int64_t swallow_since_us_ = 0;
  int64_t one_by_one_to_ = 0;  // up to this offset a single request is on its way at a time
  size_t request_bytes_;       // as options_, or what the server takes if that is less
  std::optional<ingest::Position> failed_from_;

  uint64_t connection_ = 0;  // 0: none
  int failures_ = 0;         // one after the other
  int64_t retry_at_us_ = 0;
  int64_t tell_slow_us_;  // the age at which a slow answer is told next
  std::string problem_;
};

}  // namespace runledger::exporters
