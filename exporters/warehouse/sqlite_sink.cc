#include "exporters/warehouse/sqlite_sink.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "exporters/warehouse/sqlite_session.h"

namespace runledger::exporters {
namespace {

using ingest::CommitMetadata;
using ingest::Position;
using ingest::RowBatch;
using ingest::Tenure;
using ingest::TopicPartition;
using Request = SqliteSession::Request;
using RequestKind = SqliteSession::RequestKind;

constexpr size_t kTransactionRequests = 256;
constexpr std::chrono::seconds kMaintenanceInterval{60};  // how often an idle sink looks at the clock

}  // namespace

// A session on a thread of its own, and the queue in front of it.
class SqliteSink::Impl {
 public:
  Impl(SqliteOptions options, ingest::RowSinkListener* listener, ingest::OwnMetrics* metrics)
      : transaction_rows_(options.transaction_rows),
        transaction_bytes_(options.transaction_bytes),
        session_(std::move(options), listener, metrics) {}

  absl::Status Start();
  void Stop();
  void Push(Request request);
  void WaitIdle();
  void SetPageLimit(int64_t pages) { session_.SetPageLimit(pages); }

 private:
  void Run();
  std::vector<Request> TakeGroup();

  const size_t transaction_rows_;
  const size_t transaction_bytes_;

  std::mutex mutex_;
  std::condition_variable wake_;  // the writer's thread: there is something to do
  std::condition_variable idle_;  // WaitIdle: there is nothing to do
  std::deque<Request> queue_;     // guarded by mutex_
  bool stopping_ = false;         // guarded by mutex_
  bool busy_ = false;             // guarded by mutex_: the thread is at work on what it took
  bool look_ = false;             // guarded by mutex_: look at the clock now

  SqliteSession session_;  // the writer's thread's alone; Start() before there is one
  std::thread thread_;
};

absl::Status SqliteSink::Impl::Start() {
  absl::Status status = session_.Start();
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
  session_.Close();
}

void SqliteSink::Impl::Push(Request request) {
  request.since = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    session_.Accept(request);
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
    if (!group.empty()) session_.Process(group);
    more_maintenance = session_.Maintain();
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
      if (!group.empty() && (rows > transaction_rows_ || bytes > transaction_bytes_)) break;
    }
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
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
