#include "exporters/bigquery/stream_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "codecs/hash.h"
#include "ingest/stream_rows.h"

namespace runledger::exporters {
namespace {

using ingest::Position;
using ingest::RowBatch;
using ingest::SubmitResult;

constexpr size_t kSmallRequestBytes = 64 << 10;
constexpr size_t kCutRows = 50'000;  // most rows of a request
constexpr int64_t kTellSlowAtLeastUs =
    600'000'000;  // how often an answer that does not come is told, however old it is
constexpr char kNoAnswer[] = "BigQuery does not answer";
// A row that stands at or behind the commit was not written longer than this before the record in front of the commit
// was appended, however wrong that record's time is.
constexpr int64_t kTailMarginUs = int64_t{7} * 86'400 * 1'000'000;

SubmitResult Stopped(absl::Status status) { return {SubmitResult::Kind::kStopped, {}, std::move(status)}; }

Position Behind(const Position& position) { return {position.offset, position.index + 1}; }

}  // namespace

absl::Status RowMaker::Append(const RowBatch& batch, size_t i, WireBuffer* to) {
  codecs::Event event;
  codecs::Rejection rejection;
  const RowBatch::Row row = batch[i];
  // Its time was judged when it was read.
  if (!decoder_.Decode(row.event, /*record_time_us=*/-1, &event, &rejection)) {
    return absl::InternalError(absl::StrCat(ToString(batch.partition()), " at ", ToString(row.position),
                                            ": an event that was good is not any more: ", rejection.text));
  }
  encoder_.Encode({.topic = batch.partition().topic,
                   .partition = batch.partition().partition,
                   .offset = row.position.offset,
                   .batch_index = row.position.index,
                   .log_epoch = batch.log_epoch(),
                   .log_time_us = row.log_time_us,
                   .ingested_at_us = made_us_},
                  event, row.refused, &row_);
  AppendRow(row_, to);
  return absl::OkStatus();
}

StreamWriter::StreamWriter(const StreamWriterOptions& options, ingest::TopicPartition partition, ingest::Tenure tenure,
                           StreamApi* api, RowMaker* maker, ingest::RowSinkListener* listener, StreamWriterHooks hooks,
                           uint64_t seed)
    : options_(options),
      partition_(std::move(partition)),
      tenure_(tenure),
      api_(*api),
      maker_(*maker),
      listener_(*listener),
      hooks_(std::move(hooks)),
      seed_(seed),
      request_bytes_(options.request_bytes),
      tell_slow_us_(options.slow_us) {}

std::string StreamWriter::Name() const { return ToString(partition_); }

// ---- Opening.

void StreamWriter::Open(const Position& committed, const ingest::CommitMetadata& metadata) {
  DropConnection();
  FailSubmissions(Stopped(absl::FailedPreconditionError("the partition is opened anew")));
  state_ = State::kOpening;
  opening_ = {};
  opening_.metadata = metadata;
  committed_ = committed;
  failures_ = 0;
  tell_slow_us_ = options_.slow_us;
  SetProblem("");
  if (metadata.stream.empty()) {
    ReadTail();
  } else {
    call_ = next_id_++;
    api_.Finalise(call_, metadata.stream);
  }
}

void StreamWriter::OnFinalised(uint64_t call, StreamFailure failure, int64_t rows) {
  if (state_ != State::kOpening || call != call_) return;
  const bool gone = failure.error == StorageError::kStream || failure.error == StorageError::kTable ||
                    absl::IsNotFound(failure.status) || absl::IsFailedPrecondition(failure.status) ||
                    absl::IsInvalidArgument(failure.status);
  if (!failure.ok() && !gone) {
    Opened(absl::Status(failure.status.code(), absl::StrCat("the stream of the previous owner cannot be finalised: ",
                                                            failure.status.message())));
    return;
  }
  if (gone || opening_.metadata.stream_base < 0) {
    ReadTail();
    return;
  }
  opening_.rows_to_skip = ingest::WrittenEvents(opening_.metadata, rows);
  CreateStream();
}

void StreamWriter::ReadTail() {
  StreamApi::TailQuery query{partition_, opening_.metadata.log_epoch, committed_, INT64_MIN};
  // Nothing is committed by an owner that had a stream: the whole table is looked at.
  if (!opening_.metadata.stream.empty() && opening_.metadata.before_time_ms >= 0)
    query.since_us = opening_.metadata.before_time_ms * 1'000 - kTailMarginUs;
  call_ = next_id_++;
  api_.ReadTail(call_, query);
}

void StreamWriter::OnTail(uint64_t call, absl::StatusOr<std::optional<Position>> last) {
  if (state_ != State::kOpening || call != call_) return;
  if (!last.ok()) {
    Opened(absl::Status(last.status().code(),
                        absl::StrCat("its last row cannot be read from the table: ", last.status().message())));
    return;
  }
  if (*last && **last >= committed_) {
    opening_.position = Behind(**last);
    opening_.rows_to_skip = 0;
  }
  CreateStream();
}

void StreamWriter::CreateStream() {
  call_ = next_id_++;
  api_.Create(call_);
}

void StreamWriter::OnCreated(uint64_t call, absl::StatusOr<std::string> stream) {
  if (state_ != State::kOpening || call != call_) return;
  if (!stream.ok()) {
    Opened(absl::Status(stream.status().code(), absl::StrCat("no stream can be made: ", stream.status().message())));
    return;
  }
  ingest::BeginStream(*stream, opening_.position ? ingest::kNotCounted : opening_.rows_to_skip, &opening_.metadata);
  stream_ = std::move(*stream);
  next_offset_ = 0;
  taken_to_ = opening_.position.value_or(Position{});
  request_bytes_ = options_.request_bytes;
  Opened(absl::OkStatus());
}

void StreamWriter::Opened(absl::Status status) {
  call_ = 0;
  if (!status.ok()) {
    // Whatever it is, somebody may mend it: it is tried again.
    state_ = State::kClosed;
    opening_.status = absl::UnavailableError(absl::StrCat("BigQuery: ", status.message()));
  } else {
    state_ = State::kOpen;
    failed_from_.reset();
    fence_ = absl::OkStatus();
    one_by_one_to_ = 0;
  }
  listener_.OnSinkOpened(partition_, tenure_, std::exchange(opening_, {}));
}

// ---- Rows.

void StreamWriter::Submit(uint64_t submission, std::shared_ptr<const RowBatch> rows, int64_t now_us) {
  now_us_ = now_us;
  const auto answer = [&](SubmitResult result) {
    listener_.OnSubmitted(partition_, tenure_, submission, std::move(result));
  };
  if (state_ == State::kFenced) {
    if (fence_.ok()) return answer(Stopped(absl::FailedPreconditionError("the partition has to be opened again")));
    return answer({SubmitResult::Kind::kFenced, {}, std::exchange(fence_, absl::OkStatus())});
  }
  if (state_ != State::kOpen)
    return answer(Stopped(absl::FailedPreconditionError(absl::StrCat(Name(), " is not open"))));
  if (failed_from_ && *failed_from_ != rows->from()) {
    return answer(Stopped(absl::FailedPreconditionError(absl::StrCat(
        Name(), ": rows before these were not written; they have to come again from ", ToString(*failed_from_)))));
  }
  failed_from_.reset();
  Submission added{submission, std::move(rows), 0};
  while (added.next_row < added.rows->size() && (*added.rows)[added.next_row].position < taken_to_) ++added.next_row;
  submissions_.push_back(std::move(added));
  Pump();
}

void StreamWriter::Pump() {
  if (state_ != State::kOpen) return;
  AnswerDone();
  if (swallow_ > 0 || now_us_ < retry_at_us_) return;
  while (state_ == State::kOpen) {
    const bool single = !requests_.empty() && requests_.front().offset < one_by_one_to_;
    if (sent_ > 0 && single) return;
    if (sent_ == requests_.size() && !EncodeNext()) return;
    Request& request = requests_[sent_];
    if (connection_ == 0) {
      connection_ = next_id_++;
      api_.Connect(connection_, stream_);
    }
    if (request.sends++ > 0) hooks_.on_retries(1);
    request.sent_us = now_us_;
    if (request.first_sent_us == 0) request.first_sent_us = now_us_;
    ++sent_;
    api_.Send(connection_, {stream_, request.offset, request.bytes});
  }
}

// Makes the next request out of what was submitted. False: there is nothing, or enough is on its way.
bool StreamWriter::EncodeNext() {
  if (requests_.size() >= options_.in_flight_requests || (bytes_ >= options_.in_flight_bytes && !requests_.empty()))
    return false;
  const auto next = std::find_if(submissions_.begin(), submissions_.end(),
                                 [](const Submission& s) { return s.next_row < s.rows->size(); });
  if (next == submissions_.end()) return false;
  absl::StatusOr<Request> request = Encode(*next, next->next_row, kCutRows);
  if (!request.ok()) {
    if (!requests_.empty()) return false;  // those before it come first
    if (absl::IsOutOfRange(request.status()) && (*next->rows)[next->next_row].refused.empty()) {
      SubmitResult result;
      result.kind = SubmitResult::Kind::kRefused;
      result.refused.push_back({next->next_row, std::string(request.status().message())});
      FailFirst(std::move(result));
    } else {
      FailFirst(Stopped(request.status()));
    }
    return false;
  }
  next->next_row += request->rows;
  next_offset_ = request->offset + static_cast<int64_t>(request->rows);
  bytes_ += request->bytes->size();
  requests_.push_back(std::move(*request));
  return true;
}

// OutOfRange: the first row alone is larger than a request may be.
absl::StatusOr<StreamWriter::Request> StreamWriter::Encode(const Submission& submission, size_t first_row,
                                                           size_t most_rows) {
  auto bytes = std::make_shared<WireBuffer>();
  bytes->Reserve(std::min(request_bytes_, submission.rows->bytes()));
  maker_.BeginRequest();
  size_t rows = 0;
  const size_t left = std::min(most_rows, submission.rows->size() - first_row);
  while (rows < left) {
    const size_t before = bytes->size();
    if (absl::Status status = maker_.Append(*submission.rows, first_row + rows, bytes.get()); !status.ok())
      return status;
    if (bytes->size() > request_bytes_) {
      if (rows == 0) {
        return absl::OutOfRangeError(absl::StrCat("row: has ", bytes->size(), " bytes, and a request takes ",
                                                  request_bytes_, " (warehouse.request_bytes)"));
      }
      bytes->Truncate(before);
      break;
    }
    ++rows;
  }
  return Request{submission.id, submission.rows, first_row, rows, next_offset_, std::move(bytes)};
}

// ---- Answers.

void StreamWriter::OnAnswer(uint64_t connection, AppendAnswer answer) {
  if (connection != connection_ || state_ != State::kOpen) return;
  tell_slow_us_ = options_.slow_us;
  if (hooks_.on_table && answer.table_changed) hooks_.on_table(answer.table);
  if (swallow_ > 0) {
    // Rows behind others that were not taken cannot have been: the offsets are strict.
    if (answer.failure.ok()) return Fence(absl::InternalError(absl::StrCat(Name(), ": rows were taken behind a gap")));
    Swallow(swallow_ - 1);
    if (swallow_ == 0) Pump();
    return;
  }
  if (sent_ == 0) return Fence(absl::InternalError(absl::StrCat(Name(), ": an answer to nothing")));
  if (answer.failure.error == StorageError::kOffsetExists || absl::IsAlreadyExists(answer.failure.status)) {
    if (requests_.front().sends > 1) return Taken();
    return Fence(absl::AbortedError(absl::StrCat(Name(), ": the stream has rows that are not this owner's")));
  }
  if (!answer.failure.ok()) return OnRefusal(std::move(answer));
  if (answer.offset && *answer.offset != requests_.front().offset)
    return Fence(absl::InternalError(absl::StrCat(Name(), ": rows were taken at another offset")));
  Taken();
}

void StreamWriter::Taken() {
  const Request& request = requests_.front();
  if (request.rows > 0) taken_to_ = Behind((*request.batch)[request.first_row + request.rows - 1].position);
  bytes_ -= request.bytes->size();
  requests_.pop_front();
  --sent_;
  failures_ = 0;
  SetProblem("");
  Pump();
}

void StreamWriter::AnswerDone() {
  while (!submissions_.empty()) {
    const Submission& first = submissions_.front();
    if (first.next_row < first.rows->size()) return;
    if (!requests_.empty() && requests_.front().submission == first.id) return;
    const uint64_t id = first.id;
    submissions_.pop_front();
    listener_.OnSubmitted(partition_, tenure_, id, SubmitResult{});
  }
}

void StreamWriter::OnRefusal(AppendAnswer answer) {
  const absl::Status status(answer.failure.status.code(), absl::StrCat("BigQuery: ", answer.failure.status.message()));
  const Request& request = requests_.front();
  if (!answer.bad_rows.empty()) {
    SubmitResult result;
    result.kind = SubmitResult::Kind::kRefused;
    for (const AppendAnswer::Row& bad : answer.bad_rows) {
      if (bad.index < 0 || static_cast<size_t>(bad.index) >= request.rows) continue;
      const size_t row = request.first_row + static_cast<size_t>(bad.index);
      if (!(*request.batch)[row].refused.empty()) {
        return FailFirst(Stopped(absl::FailedPreconditionError(
            absl::StrCat("BigQuery refuses the core of a row, so this is about the table: ", bad.message))));
      }
      result.refused.push_back({row, bad.message});
    }
    if (!result.refused.empty()) return FailFirst(std::move(result));
  }
  switch (answer.failure.error) {
    case StorageError::kTable:
      return FailFirst(Stopped(status));
    case StorageError::kStream:
    case StorageError::kOffsetGap:
      return Fence(status);
    case StorageError::kOffsetExists:
    case StorageError::kNone:
      break;
  }
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      // Requests that follow are made smaller at once.
      if (absl::StrContains(answer.failure.status.message(), "too large"))
        request_bytes_ =
            std::clamp(request.bytes->size() / 2, std::min(kSmallRequestBytes, request_bytes_), request_bytes_);
      return Halve(answer.failure.status.message());
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
      return Fence(status);
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
      return FailFirst(Stopped(status));
    case absl::StatusCode::kResourceExhausted:  // the connection is still good
      Swallow(sent_ - 1);
      return Rewind(status);
    default:
      DropConnection();
      return Rewind(status);
  }
}

// A request is bad, and no row of it is named.
void StreamWriter::Halve(absl::string_view why) {
  const Request first = requests_.front();
  const Submission submission{first.submission, first.batch, first.first_row};
  if (first.rows <= 1) {
    const size_t row = first.first_row;
    if (first.rows == 0 || !(*first.batch)[row].refused.empty()) {
      return FailFirst(Stopped(absl::FailedPreconditionError(
          absl::StrCat("BigQuery refuses the core of a row, so this is about the table: ", why))));
    }
    SubmitResult result;
    result.kind = SubmitResult::Kind::kRefused;
    result.refused.push_back({row, absl::StrCat("row: ", why)});
    return FailFirst(std::move(result));
  }
  Swallow(connection_ == 0 ? 0 : sent_ - 1);
  sent_ = 0;
  hooks_.on_retries(1);
  const int64_t end = first.offset + static_cast<int64_t>(first.rows);
  one_by_one_to_ = std::max(one_by_one_to_, end);
  bytes_ -= first.bytes->size();
  requests_.pop_front();
  const int64_t next_offset = std::exchange(next_offset_, first.offset);
  const size_t half = first.rows / 2;
  std::vector<Request> parts;
  for (size_t row = first.first_row; row < first.first_row + first.rows;) {
    const size_t left = first.first_row + first.rows - row;
    absl::StatusOr<Request> part = Encode(submission, row, parts.empty() ? half : left);
    if (!part.ok()) {  // it was encoded before
      next_offset_ = first.offset;
      return FailFirst(Stopped(part.status()));
    }
    next_offset_ += static_cast<int64_t>(part->rows);
    row += part->rows;
    bytes_ += part->bytes->size();
    parts.push_back(std::move(*part));
  }
  next_offset_ = next_offset;
  requests_.insert(requests_.begin(), std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
  for (Request& request : requests_) request.sends = 0, request.first_sent_us = 0;  // surely none of them was taken
  Pump();
}

void StreamWriter::FailFirst(SubmitResult result) {
  Swallow(connection_ == 0 || sent_ == 0 ? 0 : sent_ - 1);
  next_offset_ = requests_.empty() ? next_offset_ : requests_.front().offset;
  if (!submissions_.empty()) failed_from_ = submissions_.front().rows->from();
  FailSubmissions(std::move(result));
}

void StreamWriter::FailSubmissions(SubmitResult first) {
  requests_.clear();
  sent_ = 0;
  bytes_ = 0;
  one_by_one_to_ = 0;
  const std::deque<Submission> failed = std::exchange(submissions_, {});
  for (const Submission& submission : failed) {
    listener_.OnSubmitted(partition_, tenure_, submission.id,
                          &submission == &failed.front()
                              ? std::move(first)
                              : Stopped(absl::FailedPreconditionError("rows before these were not written")));
  }
}

void StreamWriter::Fence(absl::Status status) {
  DropConnection();
  state_ = State::kFenced;
  fence_ = submissions_.empty() ? status : absl::OkStatus();
  failed_from_.reset();
  FailSubmissions({SubmitResult::Kind::kFenced, {}, std::move(status)});
}

// ---- Connections and time.

void StreamWriter::OnDisconnected(uint64_t connection, StreamFailure failure) {
  if (connection != connection_) return;
  connection_ = 0;
  Swallow(0);
  tell_slow_us_ = options_.slow_us;
  if (state_ != State::kOpen) return;
  const size_t owed = sent_;
  sent_ = 0;
  if (failure.error == StorageError::kStream || failure.error == StorageError::kOffsetGap ||
      absl::IsNotFound(failure.status) || absl::IsFailedPrecondition(failure.status) ||
      absl::IsOutOfRange(failure.status) || absl::IsAlreadyExists(failure.status)) {
    Fence(failure.status);
    return;
  }
  if (owed == 0) {  // it was idle, or the server goes
    Pump();
    return;
  }
  if (absl::IsInvalidArgument(failure.status) && failure.error == StorageError::kNone) {
    // The first request that was not answered is the bad one, if it was alone; else it is sent alone.
    if (owed == 1) return Halve(failure.status.message());
    one_by_one_to_ = std::max(one_by_one_to_, requests_.front().offset + 1);
  }
  Rewind(absl::Status(failure.status.code(), absl::StrCat("BigQuery: ", failure.status.message())));
}

void StreamWriter::Rewind(const absl::Status& why) {
  sent_ = 0;
  if (!absl::IsDeadlineExceeded(why)) {
    for (Request& request : requests_) request.first_sent_us = 0;  // it was an answer
  }
  Pause(why);
  Pump();
}

// True: somebody has to act before it can be different.
bool StreamWriter::IsLasting(const absl::Status& status) {
  return absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status) || absl::IsUnimplemented(status) ||
         absl::IsInvalidArgument(status);
}

void StreamWriter::Pause(const absl::Status& why) {
  const int64_t base = std::min(options_.retry_max_us, options_.retry_us << std::min(failures_, 20));
  const uint64_t spread = codecs::Hash64(partition_.topic, seed_ + static_cast<uint64_t>(failures_)) % 1024;
  retry_at_us_ = now_us_ + base / 2 + base * static_cast<int64_t>(spread) / 1024;
  ++failures_;
  // One failure is no problem yet: connections end all the time.
  if (failures_ > 2 || IsLasting(why)) SetProblem(std::string(why.message()));
}

void StreamWriter::SetProblem(std::string text) {
  if (text == problem_) return;
  problem_ = std::move(text);
  hooks_.on_problem(problem_);
}

void StreamWriter::Swallow(size_t answers) {
  swallow_ = answers;
  swallow_since_us_ = now_us_;
}

int64_t StreamWriter::OwedSince() const { return swallow_ > 0 ? swallow_since_us_ : requests_.front().sent_us; }

int64_t StreamWriter::SlowDue() const {
  return (swallow_ > 0 ? swallow_since_us_ : requests_.front().first_sent_us) + tell_slow_us_;
}

void StreamWriter::TellSlow() {
  const int64_t waits_us = now_us_ - SlowDue() + tell_slow_us_;
  tell_slow_us_ = waits_us + std::min(waits_us, kTellSlowAtLeastUs);
  if (hooks_.on_slow) {
    hooks_.on_slow({.stream = stream_,
                    .offset = requests_.empty() ? next_offset_ : requests_.front().offset,
                    .requests = std::max(sent_, swallow_),
                    .waits_us = waits_us});
  }
  // So long is more than slow.
  if (waits_us >= options_.answer_timeout_us / 2) SetProblem(kNoAnswer);
}

void StreamWriter::DropConnection() {
  if (connection_ != 0) api_.Disconnect(std::exchange(connection_, 0));
  Swallow(0);
}

int64_t StreamWriter::NextDue() const {
  if (state_ != State::kOpen) return INT64_MAX;
  if (IsOwed()) return std::min(OwedSince() + options_.answer_timeout_us, SlowDue());
  if (!requests_.empty() || !submissions_.empty()) return retry_at_us_;
  return INT64_MAX;
}

void StreamWriter::OnTime() {
  if (state_ != State::kOpen) return;
  if (IsOwed() && now_us_ >= SlowDue()) TellSlow();
  if (IsOwed() && now_us_ >= OwedSince() + options_.answer_timeout_us) {
    DropConnection();
    Rewind(absl::DeadlineExceededError(kNoAnswer));
    return;
  }
  Pump();
}

void StreamWriter::Close() {
  DropConnection();
  state_ = State::kClosed;
  FailSubmissions(Stopped(absl::CancelledError("the partition was given up")));
  SetProblem("");
}

}  // namespace runledger::exporters
