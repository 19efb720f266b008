#include "exporters/warehouse/sqlite_sink.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "exporters/warehouse/sqlite_writer.h"

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

constexpr size_t kTransactionRequests = 256;
constexpr size_t kExpireRows = 2000;                      // at least, in one step
constexpr std::chrono::seconds kMaintenanceInterval{60};  // how often an idle sink looks at the clock

enum class RequestKind : uint8_t { kOpen, kSubmit, kClose };

struct Request {
  RequestKind kind;
  Tenure tenure = 0;
  TopicPartition partition;              // kOpen, kClose
  Position committed;                    // kOpen
  CommitMetadata metadata;               // kOpen
  uint64_t submission = 0;               // kSubmit
  std::shared_ptr<const RowBatch> rows;  // kSubmit
  Clock::time_point since;
};

// What one request came to, told to the listener once its transaction has been committed or given up.
struct Answer {
  SinkOpened opened;                           // kOpen
  int64_t fence = 0;                           // kOpen
  SubmitResult result;                         // kSubmit
  bool handled = false;                        // kSubmit: the tenant may have been changed
  std::optional<Position> failed_from_before;  // kSubmit: the tenant's, for a transaction that is given up
};

// An owner of a partition in this process.
struct Tenant {
  int64_t fence = 0;
  std::optional<Position> failed_from;  // where the submission began that was not written; nothing later is
};

SubmitResult Stopped(absl::Status status) {
  return {.kind = SubmitResult::Kind::kStopped, .refused = {}, .status = std::move(status)};
}

}  // namespace

class SqliteSink::Impl {
 public:
  Impl(SqliteOptions options, ingest::RowSinkListener* listener, ingest::OwnMetrics* metrics);

  absl::Status Start();
  void Stop();
  void Push(Request request);
  void WaitIdle();
  void SetPageLimit(int64_t pages) {
    page_limit_.store(pages, std::memory_order_relaxed);
  }  // a setting; orders nothing

 private:
  struct Metrics {
    explicit Metrics(ingest::OwnMetrics& own);
    prometheus::Counter& rows;
    prometheus::Gauge& in_flight;
    prometheus::Gauge& circuit_open;
    prometheus::Histogram& duration;
  };

  void Run();
  std::vector<Request> TakeGroup();
  // THREAD: the writer's, all below.
  void Process(const std::vector<Request>& group);
  absl::Status Transact(const std::vector<Request>& group, std::vector<Answer>* answers);
  absl::Status HandleOpen(const Request& request, Answer* answer);
  absl::Status HandleSubmit(const Request& request, Answer* answer);
  void GiveUp(const std::vector<Request>& group, const absl::Status& status, std::vector<Answer>* answers);
  void Tell(const Request& request, Answer& answer);
  absl::Status EnsureWriter();
  void DropBrokenWriter();
  void Report(const absl::Status& status);
  bool Maintain();
  absl::StatusOr<bool> MaintenanceStep();

  const SqliteOptions options_;
  ingest::RowSinkListener* const listener_;
  std::optional<Metrics> metrics_;
  std::atomic<int64_t> page_limit_{0};  // writers: any; reader: the writer's thread

  std::mutex mutex_;
  std::condition_variable wake_;  // the writer's thread: there is something to do
  std::condition_variable idle_;  // WaitIdle: there is nothing to do
  std::deque<Request> queue_;     // guarded by mutex_
  bool stopping_ = false;         // guarded by mutex_
  bool busy_ = false;             // guarded by mutex_: the thread is at work on what it took
  bool look_ = false;             // guarded by mutex_: look at the clock now

  // The writer's thread alone, from here on; Start() before there is one.
  std::unique_ptr<SqliteWriter> writer_;
  int64_t page_limit_set_ = 0;
  std::map<Tenure, Tenant> tenants_;
  size_t rows_written_ = 0;             // by the last group
  int32_t expired_before_ = INT32_MIN;  // rows of days before this one are gone
  bool maintenance_failed_ = false;
  std::string problem_;

  std::thread thread_;
};

SqliteSink::Impl::Metrics::Metrics(ingest::OwnMetrics& own)
    : rows(own.warehouse_rows.Add({{"table", "events"}})),
      in_flight(own.warehouse_rows_in_flight.Add({{"table", "events"}})),
      circuit_open(own.warehouse_circuit_open.Add({{"table", "events"}})),
      duration(own.warehouse_append_duration.Add(
          {{"table", "events"}}, prometheus::Histogram::BucketBoundaries{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                                         0.25, 0.5, 1, 2.5, 5, 10, 30})) {}

SqliteSink::Impl::Impl(SqliteOptions options, ingest::RowSinkListener* listener, ingest::OwnMetrics* metrics)
    : options_(std::move(options)), listener_(listener) {
  if (metrics != nullptr) metrics_.emplace(*metrics);
}

absl::Status SqliteSink::Impl::Start() {
  absl::Status status = EnsureWriter();
  Report(status);
  thread_ = std::thread([this] { Run(); });
  return status;
}

void SqliteSink::Impl::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  writer_.reset();
}

void SqliteSink::Impl::Push(Request request) {
  request.since = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (metrics_ && request.kind == RequestKind::kSubmit)
      metrics_->in_flight.Increment(static_cast<double>(request.rows->size()));
    queue_.push_back(std::move(request));
  }
  wake_.notify_one();
}

void SqliteSink::Impl::WaitIdle() {
  std::unique_lock lock(mutex_);
  look_ = true;
  wake_.notify_one();
  idle_.wait(lock, [this] { return stopping_ || (queue_.empty() && !busy_ && !look_); });
}

void SqliteSink::Impl::Run() {
  bool more_maintenance = true;
  std::unique_lock lock(mutex_);
  while (true) {
    if (queue_.empty() && !more_maintenance) {
      busy_ = false;
      idle_.notify_all();
      wake_.wait_for(lock, kMaintenanceInterval, [this] { return !queue_.empty() || stopping_ || look_; });
    }
    look_ = false;
    busy_ = !stopping_ || !queue_.empty();
    if (!busy_) break;
    const std::vector<Request> group = TakeGroup();
    lock.unlock();
    rows_written_ = 0;
    if (!group.empty()) Process(group);
    more_maintenance = Maintain();
    lock.lock();
  }
  idle_.notify_all();
}

// REQUIRES: mutex_ is held.
std::vector<Request> SqliteSink::Impl::TakeGroup() {
  std::vector<Request> group;
  size_t rows = 0;
  size_t bytes = 0;
  while (!queue_.empty() && group.size() < kTransactionRequests) {
    const Request& next = queue_.front();
    if (next.kind == RequestKind::kSubmit) {
      rows += next.rows->size();
      bytes += next.rows->bytes();
      if (!group.empty() && (rows > options_.transaction_rows || bytes > options_.transaction_bytes)) break;
    }
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

void SqliteSink::Impl::Process(const std::vector<Request>& group) {
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

absl::Status SqliteSink::Impl::Transact(const std::vector<Request>& group, std::vector<Answer>* answers) {
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

absl::Status SqliteSink::Impl::HandleOpen(const Request& request, Answer* answer) {
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
  return absl::OkStatus();
}

absl::Status SqliteSink::Impl::HandleSubmit(const Request& request, Answer* answer) {
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
void SqliteSink::Impl::GiveUp(const std::vector<Request>& group, const absl::Status& status,
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

void SqliteSink::Impl::Tell(const Request& request, Answer& answer) {
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

absl::Status SqliteSink::Impl::EnsureWriter() {
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

void SqliteSink::Impl::DropBrokenWriter() {
  if (writer_ && writer_->NeedsReopening()) writer_.reset();
}

void SqliteSink::Impl::Report(const absl::Status& status) {
  std::string problem = status.ok() ? "" : absl::StrCat(status.message(), "; rows wait in the log until then");
  if (problem == problem_) return;
  problem_ = std::move(problem);
  if (metrics_) metrics_->circuit_open.Set(problem_.empty() ? 0 : 1);
  if (options_.on_problem) options_.on_problem(problem_);
}

// True: there is more to do at once.
bool SqliteSink::Impl::Maintain() {
  if (!writer_) return false;
  const absl::StatusOr<bool> more = MaintenanceStep();
  if (!more.ok()) {
    writer_->Rollback();
    DropBrokenWriter();
  }
  if (!more.ok() || maintenance_failed_) Report(more.status());
  maintenance_failed_ = !more.ok();
  return more.ok() && *more;
}

absl::StatusOr<bool> SqliteSink::Impl::MaintenanceStep() {
  if (options_.expiry_days <= 0) return false;
  const int32_t before = codecs::DayOf(options_.now_us()) - options_.expiry_days;
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

SqliteSink::SqliteSink(SqliteOptions options, ingest::RowSinkListener* listener, ingest::OwnMetrics* metrics)
    : impl_(std::make_unique<Impl>(std::move(options), listener, metrics)) {}

SqliteSink::~SqliteSink() { impl_->Stop(); }

absl::Status SqliteSink::Start() { return impl_->Start(); }

void SqliteSink::Stop() { impl_->Stop(); }

void SqliteSink::Open(const TopicPartition& partition, Tenure tenure, const Position& committed,
                      const CommitMetadata& metadata) {
  impl_->Push({.kind = RequestKind::kOpen,
               .tenure = tenure,
               .partition = partition,
               .committed = committed,
               .metadata = metadata,
               .submission = 0,
               .rows = nullptr,
               .since = {}});
}

void SqliteSink::Submit(Tenure tenure, uint64_t submission, std::shared_ptr<const RowBatch> rows) {
  impl_->Push({.kind = RequestKind::kSubmit,
               .tenure = tenure,
               .partition = {},
               .committed = {},
               .metadata = {},
               .submission = submission,
               .rows = std::move(rows),
               .since = {}});
}

void SqliteSink::Close(const TopicPartition& partition, Tenure tenure) {
  impl_->Push({.kind = RequestKind::kClose,
               .tenure = tenure,
               .partition = partition,
               .committed = {},
               .metadata = {},
               .submission = 0,
               .rows = nullptr,
               .since = {}});
}

void SqliteSink::WaitIdle() { impl_->WaitIdle(); }

void SqliteSink::SetPageLimit(int64_t pages) { impl_->SetPageLimit(pages); }

}  // namespace runledger::exporters
