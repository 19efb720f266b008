#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "exporters/warehouse/sqlite_options.h"
#include "ingest/own_metrics.h"
#include "ingest/row_sink.h"

namespace runledger::exporters {

// The warehouse in one SQLite file, which instances of one host share. Rows, the heads of their runs, the position that
// they reach and the check of the fence are one transaction, so a row is there exactly once whoever crashes when.
//
// A thread of its own writes and calls the listener. Trouble with the file (full disk, another process's lock, an I/O
// error, a damaged or replaced file) is answered: kStopped, or an Open that is Unavailable; the next request tries
// anew, with a new connection where the old one is of no use. Between requests expired rows go and free pages are given
// back.
class SqliteSink : public ingest::RowSink {
 public:
  // `listener` must outlive the sink, and `metrics` (may be nullptr) too.
  SqliteSink(SqliteOptions options, ingest::RowSinkListener* listener, ingest::OwnMetrics* metrics);
  // As Stop().
  ~SqliteSink() override;

  // Opens the file and starts the thread. Not OK: what is wrong with the file now, so that a start-up can say so. The
  // sink works all the same and tries again with each request.
  absl::Status Start();
  // Carries out and answers what was submitted, then ends the thread. Later requests are not answered. Idempotent.
  void Stop();

  // REQUIRES, from here on: Start() was called.
  void Open(const ingest::TopicPartition& partition, ingest::Tenure tenure, const ingest::Position& committed,
            const ingest::CommitMetadata& metadata) override;
  void Submit(ingest::Tenure tenure, uint64_t submission, std::shared_ptr<const ingest::RowBatch> rows) override;
  void Close(const ingest::TopicPartition& partition, ingest::Tenure tenure) override;

  // Waits until every request is answered and nothing is left to expire at the clock's present day.
  void WaitIdle();
  // Bounds the file to so many pages (of 8 KiB) from the next request on; 0: no bound. Full is full, as on a
  // disk.
  void SetPageLimit(int64_t pages);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace runledger::exporters
