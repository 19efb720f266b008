#include "exporters/warehouse/sqlite_session.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"

namespace runledger::exporters {
namespace {

using ingest::CommitMetadata;
using ingest::Position;
using ingest::RowBatch;
using ingest::SinkOpened;
using ingest::SubmitResult;
using ingest::Tenure;
using ingest::TopicPartition;
using Clock = std::chrono::steady_clock;

constexpr size_t kExpireRows = 2000;  // at least, in one step

SubmitResult Stopped(absl::Status status) {
  return {.kind = SubmitResult::Kind::kStopped, .refused = {}, .status = std::move(status)};
}

}  // namespace

// What one request came to, told to the listener once its transaction has been committed or given up.
struct SqliteSession::Answer {
  SinkOpened opened;                           // kOpen
  int64_t fence = 0;                           // kOpen
  SubmitResult result;                         // kSubmit
  bool handled = false;                        // kSubmit: the tenant may have been changed
  std::optional<Position> failed_from_before;  // kSubmit: the tenant's, for a transaction that is given up
};

SqliteSession::Metrics::Metrics(ingest::OwnMetrics& own)
    : rows(own.warehouse_rows.Add({{"table", "events"}})),
      in_flight(own.warehouse_rows_in_flight.Add({{"table", "events"}})),
      circuit_open(own.warehouse_circuit_open.Add({{"table", "events"}})),
      duration(own.warehouse_append_duration.Add(
          {{"table", "events"}}, prometheus::Histogram::BucketBoundaries{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                                         0.25, 0.5, 1, 2.5, 5, 10, 30})) {}

SqliteSession::SqliteSession(SqliteOptions options, ingest::RowSinkListener* listener, ingest::OwnMetrics* metrics)
    : options_(std::move(options)), listener_(listener) {
  if (metrics != nullptr) metrics_.emplace(*metrics);
}

SqliteSession::~SqliteSession() = default;

absl::Status SqliteSession::Start() {
  absl::Status status = EnsureWriter();
  Report(status);
  return status;
}

void SqliteSession::Accept(const Request& request) {
  if (metrics_ && request.kind == RequestKind::kSubmit)
    metrics_->in_flight.Increment(static_cast<double>(request.rows->size()));
}

void SqliteSession::Process(const std::vector<Request>& group) {
  std::vector<Answer> answers(group.size());
  const absl::Status status = Transact(group, &answers);
  if (!status.ok()) {
    if (writer_) writer_->Rollback();
    DropBrokenWriter();
    // Not the file but one request is at fault: the others shall not suffer for it.
    if (absl::IsInternal(status) && group.size() > 1) {
      GiveUp(group, status, &answers);
      for (const Request& request : group) Process({request});
      return;
    }
    GiveUp(group, status, &answers);
  }
  Report(status);
  for (size_t i = 0; i < group.size(); ++i) {
    if (group[i].kind == RequestKind::kClose) {
      tenants_.erase(group[i].tenure);
    } else if (group[i].kind == RequestKind::kOpen && answers[i].opened.status.ok()) {
      tenants_[group[i].tenure] = {.fence = answers[i].fence, .failed_from = std::nullopt};
    }
    Tell(group[i], answers[i]);
  }
}

absl::Status SqliteSession::Transact(const std::vector<Request>& group, std::vector<Answer>* answers) {
  absl::Status status = EnsureWriter();
  if (status.ok()) status = writer_->Checkpoint();
  if (status.ok()) status = writer_->Begin();
  for (size_t i = 0; status.ok() && i < group.size(); ++i) {
    if (group[i].kind == RequestKind::kOpen) status = HandleOpen(group[i], &(*answers)[i]);
    if (group[i].kind == RequestKind::kSubmit) status = HandleSubmit(group[i], &(*answers)[i]);
    if (group[i].kind == RequestKind::kClose) tenants_.erase(group[i].tenure);
  }
  if (status.ok()) status = writer_->Commit();
  return status;
}

absl::Status SqliteSession::HandleOpen(const Request& request, Answer* answer) {
  absl::StatusOr<SqliteWriter::Tenancy> tenancy =
      writer_->RaiseFence(request.partition, request.committed, request.metadata);
  if (!tenancy.ok()) return tenancy.status();
  answer->fence = tenancy->fence;
  answer->opened.status = tenancy->refused;
  answer->opened.metadata = request.metadata;
  // This warehouse has a position of its own and no stream to count in.
  answer->opened.metadata.stream.clear();
  answer->opened.metadata.stream_base = 0;
  answer->opened.metadata.stream_next_row = 0;
  if (tenancy->refused.ok()) answer->opened.position = tenancy->position;
  answer->opened.knew_partition = tenancy->knew_partition;
  return absl::OkStatus();
}

absl::Status SqliteSession::HandleSubmit(const Request& request, Answer* answer) {
  const auto at = tenants_.find(request.tenure);
  if (at == tenants_.end()) {
    answer->result =
        Stopped(absl::FailedPreconditionError(absl::StrCat(ToString(request.rows->partition()), " is not open")));
    return absl::OkStatus();
  }
  Tenant& tenant = at->second;
  answer->handled = true;
  answer->failed_from_before = tenant.failed_from;
  if (tenant.failed_from && *tenant.failed_from != request.rows->from()) {
    answer->result = Stopped(absl::FailedPreconditionError(absl::StrCat(
        ToString(request.rows->partition()), ": rows before these were not written; they have to come again from ",
        ToString(*tenant.failed_from))));
    return absl::OkStatus();
  }
  absl::StatusOr<SubmitResult> result = writer_->Append(*request.rows, tenant.fence);
  if (!result.ok()) return result.status();
  answer->result = std::move(*result);
  if (answer->result.kind == SubmitResult::Kind::kDone) {
    tenant.failed_from.reset();
  } else {
    tenant.failed_from = request.rows->from();
  }
  return absl::OkStatus();
}

// Nothing of the group was written: whatever was found so far does not count.
void SqliteSession::GiveUp(const std::vector<Request>& group, const absl::Status& status,
                           std::vector<Answer>* answers) {
  for (size_t i = group.size(); i-- > 0;) {
    const auto at = tenants_.find(group[i].tenure);
    if ((*answers)[i].handled && at != tenants_.end()) at->second.failed_from = (*answers)[i].failed_from_before;
  }
  for (size_t i = 0; i < group.size(); ++i) {
    (*answers)[i] = {};
    (*answers)[i].opened.status = status;
    (*answers)[i].opened.metadata = group[i].metadata;
    if (group[i].kind != RequestKind::kSubmit) continue;
    (*answers)[i].result = Stopped(status);
    const auto at = tenants_.find(group[i].tenure);
    if (at != tenants_.end() && !at->second.failed_from) at->second.failed_from = group[i].rows->from();
  }
}

void SqliteSession::Tell(const Request& request, Answer& answer) {
  if (request.kind == RequestKind::kOpen) {
    listener_->OnSinkOpened(request.partition, request.tenure, std::move(answer.opened));
  } else if (request.kind == RequestKind::kSubmit) {
    const auto rows = static_cast<double>(request.rows->size());
    const bool done = answer.result.kind == SubmitResult::Kind::kDone;
    if (done) rows_written_ += request.rows->size();
    if (metrics_) {
      metrics_->in_flight.Decrement(rows);
      if (done) metrics_->rows.Increment(rows);
      metrics_->duration.Observe(std::chrono::duration<double>(Clock::now() - request.since).count());
    }
    listener_->OnSubmitted(request.rows->partition(), request.tenure, request.submission, std::move(answer.result));
  }
}

absl::Status SqliteSession::EnsureWriter() {
  if (writer_ && writer_->moved()) writer_.reset();
  if (!writer_) {
    absl::StatusOr<std::unique_ptr<SqliteWriter>> writer = SqliteWriter::Open(options_);
    if (!writer.ok()) return writer.status();
    writer_ = std::move(*writer);
    page_limit_set_ = 0;
    expired_before_ = INT32_MIN;
  }
  const int64_t page_limit = page_limit_.load(std::memory_order_relaxed);
  if (page_limit == page_limit_set_) return absl::OkStatus();
  if (absl::Status status = writer_->SetPageLimit(page_limit); !status.ok()) return status;
  page_limit_set_ = page_limit;
  return absl::OkStatus();
}

void SqliteSession::DropBrokenWriter() {
  if (writer_ && writer_->NeedsReopening()) writer_.reset();
}

void SqliteSession::Report(const absl::Status& status) {
  std::string problem = status.ok() ? "" : absl::StrCat(status.message(), "; rows wait in the log until then");
  if (problem == problem_) return;
  problem_ = std::move(problem);
  if (metrics_) metrics_->circuit_open.Set(problem_.empty() ? 0 : 1);
  if (options_.on_problem) options_.on_problem(problem_);
}

// True: there is more to do at once.
bool SqliteSession::Maintain() {
  if (!writer_) return false;
  const absl::StatusOr<bool> more = MaintenanceStep();
  rows_written_ = 0;
  if (!more.ok()) {
    writer_->Rollback();
    DropBrokenWriter();
  }
  if (!more.ok() || maintenance_failed_) Report(more.status());
  maintenance_failed_ = !more.ok();
  return more.ok() && *more;
}

absl::StatusOr<bool> SqliteSession::MaintenanceStep() {
  if (options_.expiry_days <= 0) return false;
  const std::optional<int64_t> now_us = options_.expiry_now_us ? options_.expiry_now_us() : options_.now_us();
  const int32_t before = now_us ? codecs::DayOf(*now_us) - options_.expiry_days : expired_before_;
  if (before != expired_before_) {
    const size_t limit = std::max(kExpireRows, rows_written_);  // as fast as rows come
    if (absl::Status status = writer_->Begin(); !status.ok()) return status;
    const absl::StatusOr<size_t> expired = writer_->Expire(before, limit);
    if (!expired.ok()) return expired.status();
    if (absl::Status status = writer_->Commit(); !status.ok()) return status;
    if (*expired == limit) return true;
    expired_before_ = before;
  }
  // Free pages go back when there is nothing better to do.
  if (rows_written_ > 0) return true;
  return writer_->Shrink();
}

}  // namespace runledger::exporters
