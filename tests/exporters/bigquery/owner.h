#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "exporters/bigquery/bigquery_sink.h"
#include "ingest/row_sink.h"

namespace runledger::exporters {

// An owner of one partition, as delivery is one, but without a log: events are numbered from 0, one a record, and a
// record is "committed" with the stream's numbers whenever the test says so. Refused rows are replaced by their cores.
class Owner : public ingest::RowSinkListener {
 public:
  // `events`: protobuf.
  Owner(ingest::TopicPartition partition, std::vector<std::string> events)
      : partition_(std::move(partition)), events_(std::move(events)) {}

  // Opens through that sink, which answers to this object, from the committed position on.
  ingest::SinkOpened Open(BigQuerySink* sink, ingest::Tenure tenure);
  // Submits everything from where the warehouse is, in batches of so many rows, several at once; goes on until `until`
  // events are written. A failure that is waited out is tried again. Empty; or what went wrong.
  std::string Write(size_t batch_rows, int64_t until);
  // Submits one batch that begins where the warehouse is, and waits for its answer alone.
  ingest::SubmitResult WriteOnce(size_t rows);
  // Submits and does not wait.
  void SubmitAndForget(size_t rows);
  // Everything written is committed now.
  void Commit();
  // A successor begins with what was committed.
  ingest::CommitMetadata metadata;
  int64_t committed = 0;
  int64_t written = 0;                     // events that are known to be in the warehouse
  std::map<int64_t, std::string> refused;  // by event: why its row keeps only the core
  int reopened = 0;

  void OnSinkOpened(const ingest::TopicPartition& partition, ingest::Tenure tenure, ingest::SinkOpened opened) override;
  void OnSubmitted(const ingest::TopicPartition& partition, ingest::Tenure tenure, uint64_t submission,
                   ingest::SubmitResult result) override;

 private:
  struct Answer {
    bool opened = false;
    ingest::SinkOpened open;
    uint64_t submission = 0;
    ingest::SubmitResult result;
    ingest::Tenure tenure = 0;
  };
  std::shared_ptr<const ingest::RowBatch> Batch(int64_t from, size_t rows) const;
  Answer Next();

  const ingest::TopicPartition partition_;
  const std::vector<std::string> events_;
  BigQuerySink* sink_ = nullptr;
  ingest::Tenure tenure_ = 0;
  int64_t opened_at_ = 0;
  ingest::CommitMetadata opened_metadata_;
  uint64_t next_submission_ = 1;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Answer> answers_;  // guarded by mutex_
};

}  // namespace runledger::exporters
