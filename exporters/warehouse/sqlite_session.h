#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "exporters/warehouse/sqlite_options.h"
#include "exporters/warehouse/sqlite_writer.h"
#include "ingest/own_metrics.h"
#include "ingest/row_sink.h"

namespace runledger::exporters {

// What the SQLite warehouse does, without a thread and a queue: carries out groups of requests, each group in one
// transaction, and answers them. SqliteSink is this on a thread of its own. One thread, but for SetPageLimit.
class SqliteSession {
 public:
  enum class RequestKind : uint8_t { kOpen, kSubmit, kClose };
  struct Request {
    RequestKind kind;
    ingest::Tenure tenure = 0;
    ingest::TopicPartition partition;              // kOpen, kClose
    ingest::Position committed;                    // kOpen
    ingest::CommitMetadata metadata;               // kOpen
    uint64_t submission = 0;                       // kSubmit
    std::shared_ptr<const ingest::RowBatch> rows;  // kSubmit
    std::chrono::steady_clock::time_point since;
  };

  // `listener` must outlive the session, and `metrics` (may be nullptr) too.
  SqliteSession(SqliteOptions options, ingest::RowSinkListener* listener, ingest::OwnMetrics* metrics);
  ~SqliteSession();

  // Opens the file. Not OK: what is wrong with it now; the next request tries again.
  absl::Status Start();
  // Lets go of the file.
  void Close() { writer_.reset(); }
  // Counts a request as under way. Any thread.
  void Accept(const Request& request);
  // Carries the requests out and answers them, in order.
  void Process(const std::vector<Request>& group);
  // A step of what is done between requests: expired rows go, free pages are given back. True: there is more to do at
  // once.
  bool Maintain();
  // Any thread; from the next request on. 0: no bound.
  void SetPageLimit(int64_t pages) {
    page_limit_.store(pages, std::memory_order_relaxed);  // a setting; orders nothing
  }

 private:
  struct Answer;
  // An owner of a partition in this process.
  struct Tenant {
    int64_t fence = 0;
    // Where the submission began that was not written; nothing later is.
    std::optional<ingest::Position> failed_from;
  };
  struct Metrics {
    explicit Metrics(ingest::OwnMetrics& own);
    prometheus::Counter& rows;
    prometheus::Gauge& in_flight;
    prometheus::Gauge& circuit_open;
    prometheus::Histogram& duration;
  };

  absl::Status Transact(const std::vector<Request>& group, std::vector<Answer>* answers);
  absl::Status HandleOpen(const Request& request, Answer* answer);
  absl::Status HandleSubmit(const Request& request, Answer* answer);
  void GiveUp(const std::vector<Request>& group, const absl::Status& status, std::vector<Answer>* answers);
  void Tell(const Request& request, Answer& answer);
  absl::Status EnsureWriter();
  void DropBrokenWriter();
  void Report(const absl::Status& status);
  absl::StatusOr<bool> MaintenanceStep();

  const SqliteOptions options_;
  ingest::RowSinkListener* const listener_;
  std::optional<Metrics> metrics_;
  std::atomic<int64_t> page_limit_{0};  // writers: any; reader: the session's thread

  std::unique_ptr<SqliteWriter> writer_;
  int64_t page_limit_set_ = 0;
  std::map<ingest::Tenure, Tenant> tenants_;
  size_t rows_written_ = 0;             // since the last maintenance
  int32_t expired_before_ = INT32_MIN;  // rows of days before this one are gone
  bool maintenance_failed_ = false;
  std::string problem_;
};

}  // namespace runledger::exporters
