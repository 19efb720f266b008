#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "ingest/row_sink.h"

namespace runledger::fakes {

// A warehouse in memory that answers at once, on the caller's thread. What it holds survives its partitions' owners,
// as a real one's tables do. Any thread.
class MemorySink : public ingest::RowSink {
 public:
  void SetListener(ingest::RowSinkListener* listener) { listener_ = listener; }

  void Open(const ingest::TopicPartition& partition, ingest::Tenure tenure, const ingest::Position& committed,
            const ingest::CommitMetadata& metadata) override {
    ingest::SinkOpened opened;
    opened.metadata = metadata;
    {
      const std::lock_guard lock(mutex_);
      Table& table = tables_[partition];
      if (!table.known) table.position = committed;
      table.known = true;
      table.owner = tenure;
      opened.position = table.position;
    }
    listener_->OnSinkOpened(partition, tenure, opened);
  }
  void Submit(ingest::Tenure tenure, uint64_t submission, std::shared_ptr<const ingest::RowBatch> rows) override {
    ingest::SubmitResult result;
    {
      const std::lock_guard lock(mutex_);
      Table& table = tables_[rows->partition()];
      if (down_) {
        result.kind = ingest::SubmitResult::Kind::kStopped;
        result.status = absl::UnavailableError("the warehouse is down");
      } else if (table.owner != tenure) {
        result.kind = ingest::SubmitResult::Kind::kFenced;
      } else if (table.position != rows->from()) {
        result.kind = ingest::SubmitResult::Kind::kStopped;
        result.status = absl::FailedPreconditionError("the rows do not follow on those that are there");
      } else {
        table.position = rows->to();
        table.batches.push_back(rows);
        table.rows += rows->size();
      }
    }
    listener_->OnSubmitted(rows->partition(), tenure, submission, result);
  }
  void Close(const ingest::TopicPartition&, ingest::Tenure) override {}

  // While it is down it writes nothing and says so.
  void SetDown(bool down) {
    const std::lock_guard lock(mutex_);
    down_ = down;
  }

  size_t rows() const {
    const std::lock_guard lock(mutex_);
    size_t rows = 0;
    for (const auto& [partition, table] : tables_) rows += table.rows;
    return rows;
  }
  std::vector<std::shared_ptr<const ingest::RowBatch>> batches(const ingest::TopicPartition& partition) const {
    const std::lock_guard lock(mutex_);
    const auto at = tables_.find(partition);
    return at == tables_.end() ? std::vector<std::shared_ptr<const ingest::RowBatch>>() : at->second.batches;
  }

 private:
  struct Table {
    bool known = false;
    ingest::Tenure owner = 0;
    ingest::Position position;
    std::vector<std::shared_ptr<const ingest::RowBatch>> batches;
    size_t rows = 0;
  };

  ingest::RowSinkListener* listener_ = nullptr;
  mutable std::mutex mutex_;
  bool down_ = false;
  std::map<ingest::TopicPartition, Table> tables_;
};

}  // namespace runledger::fakes
