#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "exporters/warehouse/sqlite_sink.h"
#include "ingest/own_metrics.h"
#include "ingest/row_sink.h"
#include "runledger/v1/event.pb.h"

// What the tests of the SQLite warehouse share: events, batches, a listener that keeps what it is told, and SQL.
namespace runledger::exporters {

inline constexpr int64_t kSecond = 1'000'000;
inline constexpr int64_t kHour = 3600 * kSecond;
inline constexpr int64_t kDay = 24 * kHour;
inline constexpr int64_t kStart = 1'768'217'408 * kSecond;  // 2026-01-12 11:30:08 UTC
inline constexpr int32_t kDate = 20'465;                    // 2026-01-12

// A run event with the fields that every one has.
v1::Event RunEvent(const std::string& job, const std::string& run, v1::Status status, int64_t time_us = kStart);
v1::Event KindEvent(v1::Kind kind, const std::string& job, const std::string& run, v1::Status status,
                    int64_t time_us = kStart);

// Rows for the events, one record each from `from` on, judged as the pipeline judges them.
std::shared_ptr<ingest::RowBatch> BatchOf(const ingest::TopicPartition& partition, const ingest::Position& from,
                                          const std::vector<v1::Event>& events, int64_t epoch = 0);

// Keeps the answers. Any thread.
class Recorder : public ingest::RowSinkListener {
 public:
  void OnSinkOpened(const ingest::TopicPartition& partition, ingest::Tenure tenure, ingest::SinkOpened opened) override;
  void OnSubmitted(const ingest::TopicPartition& partition, ingest::Tenure tenure, uint64_t submission,
                   ingest::SubmitResult result) override;

  ingest::SinkOpened opened(ingest::Tenure tenure) const;
  ingest::SubmitResult result(uint64_t submission) const;  // fails the test if there was no answer
  std::vector<uint64_t> order() const;                     // of the submissions' answers

  // The answer to this submission stays in the sink's thread until Release(); WaitHeld() waits until it is there.
  void Hold(uint64_t submission);
  void WaitHeld();
  void Release();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t hold_ = 0;
  bool held_ = false;
  std::map<ingest::Tenure, ingest::SinkOpened> opened_;
  std::map<uint64_t, ingest::SubmitResult> results_;
  std::vector<uint64_t> order_;
};

// Whoever holds a file's lock may be kept waiting for the processor.
inline constexpr int kBusyTimeoutMs = 60'000;

using SqlRow = std::vector<std::string>;  // NULL reads "NULL"

// A directory of its own, with a clock and a file.
class WarehouseTest : public testing::Test {
 protected:
  WarehouseTest();
  ~WarehouseTest() override;

  SqliteOptions Options();
  std::unique_ptr<SqliteSink> NewSink() { return NewSink(Options()); }
  std::unique_ptr<SqliteSink> NewSink(const SqliteOptions& options);
  // Opens, and waits for the answer.
  ingest::SinkOpened OpenPartition(SqliteSink* sink, ingest::Tenure tenure, const ingest::TopicPartition& partition,
                                   const ingest::Position& committed = {}, const ingest::CommitMetadata& metadata = {});
  // Submits, and waits for the answer.
  ingest::SubmitResult SubmitBatch(SqliteSink* sink, ingest::Tenure tenure,
                                   std::shared_ptr<const ingest::RowBatch> rows);
  // Writes the events to a fresh partition of the sink.
  void Write(SqliteSink* sink, const std::vector<v1::Event>& events);

  // Through a connection of its own.
  std::vector<SqlRow> Query(const std::string& sql);
  std::string QueryOne(const std::string& sql);  // first column of the only row
  void Execute(const std::string& sql);

  std::string directory_;
  std::string path_;
  std::atomic<int64_t> now_us_{kStart};
  Recorder recorder_;
  ingest::OwnMetrics metrics_;
  std::mutex problems_mutex_;
  std::vector<std::string> problems_;
  ingest::Tenure next_tenure_ = 1;
  uint64_t next_submission_ = 1;
  int32_t next_partition_ = 100;
};

}  // namespace runledger::exporters
