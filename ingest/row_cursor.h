#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codecs/rejection.h"
#include "codecs/row.h"
#include "ingest/circuit_breaker.h"
#include "ingest/dead_letter.h"
#include "ingest/log.h"
#include "ingest/row_sink.h"
#include "ingest/watermark.h"

namespace runledger::ingest {

// How rows are grouped and how many may be on their way. Section `warehouse` of the configuration.
struct RowOptions {
  size_t batch_rows = 5'000;             // warehouse.batch_rows
  size_t batch_bytes = size_t{4} << 20;  // warehouse.batch_bytes
  int64_t batch_age_us = 1'000'000;      // warehouse.batch_age: a row waits at most so long for company
  size_t in_flight = 4;                  // warehouse.in_flight: submissions of one partition
  size_t held_bytes = size_t{64} << 20;  // warehouse.held_bytes: rows and dead letters of one partition in memory
  int64_t retry_us = 200'000;            // first pause after a failure; doubles up to retry_max_us
  int64_t retry_max_us = 30'000'000;
  int refused_percent = 50;  // warehouse.refused_percent
  std::string dead_letter_topic = "runledger.dead-letters";
};

// The row cursor of one partition: turns the good events from the committed position on into rows of the warehouse and
// the bad ones into dead letters, and knows up to where both are safe. One thread; never blocks: what it wants done
// goes to the RowSink and the Log, and their answers come in.
//
//   committed ... acked ............... written ... next
//                 first thing not       rows before   first event
//                 safe yet              are there     not looked at
class RowCursor {
 public:
  // `sink` may be nullptr: no warehouse, only dead letters. Log and sink must outlive the cursor.
  RowCursor(const RowOptions& options, TopicPartition partition, Tenure tenure, int64_t log_epoch,
            const codecs::RowEncoder* encoder, Log* log, RowSink* sink);

  // Rows and dead letters begin here: at the committed position. Again: from elsewhere, and what was held is dropped.
  void Start(const Position& committed);
  // The warehouse is open: rows before `written`, and of the first `written_events` good events since Start, are in it.
  // Nothing is submitted before Allow().
  void Opened(std::optional<Position> written, int64_t written_events);
  // The commit that must come before the first row was accepted.
  void Allow() { allowed_ = true; }
  void Disallow() { allowed_ = false; }

  // A record, event by event, in order; events before next() are passed over.
  void BeginRecord(const Record& record, const Moment& now);
  void AddEvent(int32_t index, const codecs::Event& event);
  // `bytes`: see codecs::EventVisitor::OnRejected. `json`: what an event taken out of many is.
  void AddRejected(int32_t index, const codecs::Rejection& rejection, std::string_view bytes, bool whole, bool json);
  void EndRecord();

  // Sends what is due. Call after records and answers, and every now and then.
  void Pump(const Moment& now, bool flush);

  void OnSubmitted(uint64_t submission, const SubmitResult& result, const Moment& now);
  void OnProduced(uint64_t message, const absl::Status& status, const Moment& now);

  // The next event to look at.
  const Position& next() const { return next_; }
  // Good events from where it started up to next().
  int64_t good_events() const { return good_events_; }
  // How many of the good events since Start lie before the position that the warehouse told; nothing: not known yet, or
  // it told none.
  std::optional<int64_t> events_before_written() const { return events_before_written_; }
  // Everything before is durable: a row in the warehouse, or a dead letter in the log.
  Position acked() const;
  // Nothing is waiting or on its way.
  bool settled() const { return submissions_.empty() && letters_.empty() && open_rows() == 0; }
  size_t held_bytes() const { return held_bytes_ + (open_ ? open_->bytes() : 0); }
  bool full() const { return held_bytes() >= options_.held_bytes; }
  bool fenced() const { return fenced_; }
  void ClearFence() { fenced_ = false; }
  // Why the warehouse takes no rows at the moment; OK if it does.
  const absl::Status& stopped() const { return fenced_ ? fence_ : circuit_.reason(); }

  // A dead letter was not taken and waits to be sent again, or is on its way again.
  bool letters_failing() const;

  // What happened since the last call, for metrics.
  struct Counts {
    uint64_t retries = 0;
    std::array<uint64_t, std::size(codecs::kAllCategories)> dead_letters{};  // acknowledged, by category
    uint64_t truncated_letters = 0;
    uint64_t refused_rows = 0;
  };
  Counts TakeCounts() { return std::exchange(counts_, Counts{}); }

 private:
  enum class State { kWaiting, kInFlight, kDone, kRefused };
  struct Submission {
    uint64_t id;
    std::shared_ptr<const RowBatch> rows;
    int64_t first_event;  // good events from the start up to its first row
    State state = State::kWaiting;
    std::map<size_t, std::string> refused;  // rows that the warehouse refused, and why
    size_t letters_open = 0;                // dead letters of those that are not acknowledged yet
  };
  struct Letter {
    OutgoingRecord record;
    codecs::Category category;
    size_t bytes;
    uint64_t submission;  // whose refused row it stands for; 0: none
    int attempts = 1;
    bool in_flight = true;
    int64_t retry_at_us = 0;
  };

  void NoteEventsBeforeWritten(int64_t events) {
    if (written_ && !events_before_written_) events_before_written_ = events;
  }
  size_t open_rows() const { return open_ ? open_->size() : 0; }
  void CloseBatch();
  void SubmitWaiting(const Moment& now);
  void SendLetter(const Position& position, const codecs::Rejection& rejection, OutgoingRecord record,
                  uint64_t submission);
  void LetterDone(std::map<Position, Letter>::iterator letter);
  void RefuseRows(Submission& submission, const SubmitResult& result, const Moment& now);
  void ReplaceRefused(Submission& submission);
  Submission* Find(uint64_t id);
  void DropDone();
  DeadLetterOrigin OriginOf(const Record& record, int32_t index) const;

  const RowOptions options_;
  const TopicPartition partition_;
  const Tenure tenure_;
  const int64_t log_epoch_;
  const codecs::RowEncoder* const encoder_;
  Log* const log_;
  RowSink* const sink_;

  Position next_;
  std::optional<Position> written_;  // rows before it are in the warehouse; nothing: not opened yet
  int64_t written_events_ = 0;       // so are these good events, counted from the start
  std::optional<int64_t> events_before_written_;
  int64_t good_events_ = 0;
  bool allowed_ = false;
  bool fenced_ = false;

  const Record* record_ = nullptr;  // while one is handed over
  Moment record_moment_;
  bool record_begun_in_batch_ = false;

  std::shared_ptr<RowBatch> open_;  // being filled
  int64_t open_first_event_ = 0;    // good events from the start up to its first row
  int64_t open_since_us_ = 0;
  size_t last_rows_ = 0;  // of the batch before it
  size_t last_bytes_ = 0;
  std::deque<Submission> submissions_;  // in log order
  uint64_t next_id_ = 1;                // of submissions and dead letters
  std::map<Position, Letter> letters_;  // not acknowledged, in log order
  std::map<uint64_t, Position> letter_at_;
  size_t held_bytes_ = 0;

  CircuitBreaker circuit_;
  absl::Status fence_;
  Counts counts_;
};

}  // namespace runledger::ingest
