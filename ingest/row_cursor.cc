#include "ingest/row_cursor.h"

#include <algorithm>

namespace runledger::ingest {
namespace {

constexpr std::string_view kProtobufEvent = "application/x-protobuf; messageType=runledger.v1.Event";
constexpr std::string_view kJsonEvent = "application/json";

size_t SizeOf(const OutgoingRecord& record) {
  size_t bytes = (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
  for (const auto& [name, value] : record.headers) bytes += name.size() + value.size();
  return bytes;
}

// The i-th row of `from` goes to `to` with its record; `refused` says which of its columns is bad, if any.
void CopyRow(const RowBatch& from, size_t i, std::string_view refused, RowBatch* to) {
  const RowBatch::Row row = from[i];
  const RowBatch::Origin origin = from.OriginOf(i);
  to->BeginRecord(origin.has_key, origin.key, origin.headers);
  to->Add(row.position, row.log_time_us, row.event, refused);
}

}  // namespace

RowCursor::RowCursor(const RowOptions& options, TopicPartition partition, Tenure tenure, int64_t log_epoch,
                     const codecs::RowEncoder* encoder, Log* log, RowSink* sink)
    : options_(options),
      partition_(std::move(partition)),
      tenure_(tenure),
      log_epoch_(log_epoch),
      encoder_(encoder),
      log_(log),
      sink_(sink),
      circuit_({.refused_percent = options.refused_percent,
                .retry_us = options.retry_us,
                .retry_max_us = options.retry_max_us},
               ToString(partition_)) {}

void RowCursor::Start(const Position& committed) {
  next_ = committed;
  good_events_ = 0;
  events_before_written_.reset();
  open_.reset();
  submissions_.clear();
  letters_.clear();
  letter_at_.clear();
  held_bytes_ = 0;
}

// Rows that were made before the warehouse said how far it is, and are in it already, go.
void RowCursor::Opened(std::optional<Position> written, int64_t written_events) {
  written_ = written.value_or(Position{});
  written_events_ = written_events;
  events_before_written_.reset();
  circuit_.Close();
  CloseBatch();
  for (auto at = submissions_.begin(); at != submissions_.end();) {
    const RowBatch& rows = *at->rows;
    auto kept = std::make_shared<RowBatch>(partition_, log_epoch_, std::max(rows.from(), *written_));
    int64_t gone = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      const RowBatch::Row row = rows[i];
      if (row.position < *written_ || at->first_event + static_cast<int64_t>(i) < written_events_) {
        ++gone;
      } else {
        if (row.position >= *written_) NoteEventsBeforeWritten(at->first_event + static_cast<int64_t>(i));
        CopyRow(rows, i, row.refused, kept.get());
      }
    }
    kept->ExtendTo(std::max(rows.to(), *written_));
    held_bytes_ -= rows.bytes();
    if (rows.to() <= *written_) {
      at = submissions_.erase(at);
      continue;
    }
    held_bytes_ += kept->bytes();
    at->rows = std::move(kept);
    at->first_event += gone;
    at->state = State::kWaiting;
    at->refused.clear();
    at->letters_open = 0;
    ++at;
  }
  if (next_ >= *written_) NoteEventsBeforeWritten(good_events_);
}

DeadLetterOrigin RowCursor::OriginOf(const Record& record, int32_t index) const {
  return {&partition_, {record.offset, index}, log_epoch_, record.has_key, record.key, record.headers};
}

void RowCursor::BeginRecord(const Record& record, const Moment& now) {
  record_ = &record;
  record_moment_ = now;
  record_begun_in_batch_ = false;
  if (sink_ == nullptr || (written_ && Position{record.offset, INT32_MAX} < *written_)) return;
  if (!open_) {
    open_ = std::make_shared<RowBatch>(partition_, log_epoch_, written_ ? std::max(next_, *written_) : next_);
    open_since_us_ = now.mono_us;
    open_->Reserve(last_rows_, last_bytes_);
  }
}

void RowCursor::AddEvent(int32_t index, const codecs::Event& event) {
  const Position position{record_->offset, index};
  if (position < next_) return;
  const int64_t number = good_events_++;
  if (written_ && position >= *written_) NoteEventsBeforeWritten(number);
  if (sink_ == nullptr) return;
  const codecs::ColumnRefusal refusal = encoder_->Check(event);
  if (refusal) {
    // A bad column: the row keeps its core, and the event goes to the dead letters as it came.
    const codecs::Rejection rejection{codecs::Category::kSchema, "column " + codecs::RefusalText(refusal)};
    const bool json = event.source.data() != event.wire.data();
    const std::string_view type = event.alone ? std::string_view() : json ? kJsonEvent : kProtobufEvent;
    SendLetter(position, rejection,
               MakeDeadLetter(options_.dead_letter_topic, OriginOf(*record_, index), rejection,
                              event.alone ? record_->value : event.source, true, type, record_moment_.wall_us),
               0);
    ++counts_.refused_rows;
  }
  if ((written_ && position < *written_) || number < written_events_) return;
  if (open_->empty()) open_first_event_ = number;
  if (!record_begun_in_batch_) open_->BeginRecord(record_->has_key, record_->key, record_->headers);
  record_begun_in_batch_ = true;
  open_->Add(position, record_->timestamp_us >= 0 ? record_->timestamp_us : event.time_us, event.wire,
             refusal ? codecs::RefusalText(refusal) : std::string());
}

void RowCursor::AddRejected(int32_t index, const codecs::Rejection& rejection, std::string_view bytes, bool whole,
                            bool json) {
  const Position position{record_->offset, index};
  if (position < next_) return;
  const std::string_view type = whole ? std::string_view() : json ? kJsonEvent : kProtobufEvent;
  SendLetter(
      position, rejection,
      MakeDeadLetter(options_.dead_letter_topic, OriginOf(*record_, index), rejection, whole ? record_->value : bytes,
                     whole ? record_->has_value : true, type, record_moment_.wall_us),
      0);
}

void RowCursor::EndRecord() {
  next_ = std::max(next_, Position{record_->offset + 1, 0});
  if (written_ && next_ >= *written_) NoteEventsBeforeWritten(good_events_);
  record_ = nullptr;
  if (!open_) return;
  open_->ExtendTo(next_);
  if (open_->size() >= options_.batch_rows || open_->bytes() >= options_.batch_bytes) CloseBatch();
}

void RowCursor::CloseBatch() {
  if (!open_) return;
  held_bytes_ += open_->bytes();
  // As much as the batch before it, and a little: sizes change slowly, and a batch of an idle hour takes no more.
  last_rows_ = open_->size() + open_->size() / 16;
  last_bytes_ = open_->bytes() + open_->bytes() / 16;
  submissions_.push_back({next_id_++, std::move(open_), open_first_event_, State::kWaiting, {}, 0});
  open_.reset();
}

void RowCursor::Pump(const Moment& now, bool flush) {
  // Rows that would only wait behind others wait in company: many small batches take long to catch up.
  const bool aged = now.mono_us - open_since_us_ >= options_.batch_age_us && submissions_.size() < options_.in_flight;
  if (open_ && open_->to() > open_->from() && (flush || aged)) CloseBatch();
  SubmitWaiting(now);
  for (auto& [position, letter] : letters_) {
    if (letter.in_flight || now.mono_us < letter.retry_at_us) continue;
    SetAttempts(&letter.record, ++letter.attempts);
    letter.in_flight = true;
    const uint64_t id = next_id_++;
    letter_at_.emplace(id, position);
    log_->Produce(partition_, tenure_, id, letter.record);
  }
}

void RowCursor::SubmitWaiting(const Moment& now) {
  const size_t most = circuit_.Allows(options_.in_flight, now.mono_us);
  if (!allowed_ || fenced_ || most == 0) return;
  // In order: nothing goes while something later is still on its way, or something earlier waits for dead letters.
  size_t in_flight = 0;
  size_t first_waiting = submissions_.size();
  for (size_t i = 0; i < submissions_.size(); ++i) {
    if (submissions_[i].state == State::kRefused) return;
    if (submissions_[i].state == State::kWaiting) first_waiting = std::min(first_waiting, i);
    if (submissions_[i].state != State::kInFlight) continue;
    if (i > first_waiting) return;
    ++in_flight;
  }
  for (size_t i = first_waiting; i < submissions_.size() && in_flight < most; ++i, ++in_flight) {
    submissions_[i].state = State::kInFlight;
    sink_->Submit(tenure_, submissions_[i].id, submissions_[i].rows);
  }
}

RowCursor::Submission* RowCursor::Find(uint64_t id) {
  const auto at =
      std::find_if(submissions_.begin(), submissions_.end(), [id](const Submission& s) { return s.id == id; });
  return at == submissions_.end() ? nullptr : &*at;
}

void RowCursor::OnSubmitted(uint64_t id, const SubmitResult& result, const Moment& now) {
  Submission* submission = Find(id);
  if (submission == nullptr || submission->state != State::kInFlight) return;
  switch (result.kind) {
    case SubmitResult::Kind::kDone:
      submission->state = State::kDone;
      held_bytes_ -= submission->rows->bytes();
      circuit_.OnDone(submission->rows->size());
      DropDone();
      return;
    case SubmitResult::Kind::kRefused:
      if (circuit_.OnRefused(result.refused.size(), submission->rows->size(),
                             result.refused.empty() ? std::string() : result.refused.front().reason, now.mono_us)) {
        RefuseRows(*submission, result, now);
      } else {
        submission->state = State::kWaiting;
        ++counts_.retries;
      }
      return;
    case SubmitResult::Kind::kFenced:
      fenced_ = true;
      fence_ = result.status;
      submission->state = State::kWaiting;
      return;
    case SubmitResult::Kind::kStopped:
      submission->state = State::kWaiting;
      ++counts_.retries;
      // The ones behind it are answered the same way: one pause for all of them.
      if (submission == &submissions_.front()) circuit_.OnStopped(result.status, now.mono_us);
      return;
  }
}

void RowCursor::DropDone() {
  while (!submissions_.empty() && submissions_.front().state == State::kDone) submissions_.pop_front();
}

// The warehouse itself refused rows of a batch and wrote none of it: first their dead letters, then the batch again
// with their cores in their places. The other way round, a crash in between would leave the core and lose the letter.
void RowCursor::RefuseRows(Submission& submission, const SubmitResult& result, const Moment& now) {
  submission.state = State::kRefused;
  for (const SubmitResult::Refused& refused : result.refused) {
    if (refused.row >= submission.rows->size()) continue;
    submission.refused[refused.row] = refused.reason;
    ++counts_.refused_rows;
    const RowBatch::Row row = (*submission.rows)[refused.row];
    if (const auto letter = letters_.find(row.position); letter != letters_.end()) {  // it has one on its way
      letter->second.submission = submission.id;
      ++submission.letters_open;
      continue;
    }
    const RowBatch::Origin origin = submission.rows->OriginOf(refused.row);
    const codecs::Rejection rejection{codecs::Category::kSchema, refused.reason};
    ++submission.letters_open;
    SendLetter(row.position, rejection,
               MakeDeadLetter(options_.dead_letter_topic,
                              {&partition_, row.position, log_epoch_, origin.has_key, origin.key, origin.headers},
                              rejection, row.event, true, kProtobufEvent, now.wall_us),
               submission.id);
  }
  if (submission.letters_open == 0) ReplaceRefused(submission);
}

void RowCursor::ReplaceRefused(Submission& submission) {
  const RowBatch& old = *submission.rows;
  auto rows = std::make_shared<RowBatch>(partition_, log_epoch_, old.from());
  for (size_t i = 0; i < old.size(); ++i) {
    const auto refused = submission.refused.find(i);
    CopyRow(old, i, refused != submission.refused.end() ? std::string_view(refused->second) : old[i].refused,
            rows.get());
  }
  rows->ExtendTo(old.to());
  held_bytes_ += rows->bytes() - old.bytes();
  submission.rows = std::move(rows);
  submission.refused.clear();
  submission.state = State::kWaiting;
}

void RowCursor::SendLetter(const Position& position, const codecs::Rejection& rejection, OutgoingRecord record,
                           uint64_t submission) {
  if (letters_.contains(position)) return;  // the same letter is on its way
  const uint64_t id = next_id_++;
  const size_t bytes = SizeOf(record);
  held_bytes_ += bytes;
  log_->Produce(partition_, tenure_, id, record);
  letters_.insert_or_assign(position, Letter{std::move(record), rejection.category, bytes, submission});
  letter_at_.emplace(id, position);
}

void RowCursor::OnProduced(uint64_t message, const absl::Status& status, const Moment& now) {
  const auto found = letter_at_.find(message);
  if (found == letter_at_.end()) return;
  const auto at = letters_.find(found->second);
  letter_at_.erase(found);
  if (at == letters_.end()) return;
  Letter& letter = at->second;
  if (status.ok()) {
    LetterDone(at);
    return;
  }
  letter.in_flight = false;
  letter.retry_at_us = now.mono_us + circuit_.Pause(letter.attempts);
  if (absl::IsInvalidArgument(status) && letter.record.value && letter.record.value->size() > kDeadLetterHeadBytes) {
    Truncate(&letter.record);  // refused for its size: a pointer and the head of it
    ++counts_.truncated_letters;
    letter.retry_at_us = now.mono_us;
  }
}

void RowCursor::LetterDone(std::map<Position, Letter>::iterator at) {
  const Letter& letter = at->second;
  ++counts_.dead_letters[static_cast<size_t>(letter.category)];
  held_bytes_ -= letter.bytes;
  const uint64_t waiting = letter.submission;
  letters_.erase(at);
  if (waiting == 0) return;
  Submission* submission = Find(waiting);
  if (submission != nullptr && submission->state == State::kRefused && --submission->letters_open == 0)
    ReplaceRefused(*submission);
}

bool RowCursor::letters_failing() const {
  return std::any_of(letters_.begin(), letters_.end(),
                     [](const auto& entry) { return !entry.second.in_flight || entry.second.attempts > 1; });
}

Position RowCursor::acked() const {
  Position acked = next_;
  if (open_) acked = std::min(acked, open_->from());
  if (!submissions_.empty()) acked = std::min(acked, submissions_.front().rows->from());
  if (!letters_.empty()) acked = std::min(acked, letters_.begin()->first);
  return acked;
}

}  // namespace runledger::ingest
