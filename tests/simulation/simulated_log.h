#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/log.h"
#include "tools/generate/sink.h"

namespace runledger::simulation {

// A record that the simulated broker holds.
struct StoredRecord {
  int64_t offset = 0;
  int64_t stamp_us = 0;     // as readers see it: the broker's time, or the producer's
  int64_t appended_us = 0;  // true time of day
  tools::GeneratedRecord record;
  std::vector<kafka::Header> headers;  // views of the record's
};

// One partition of the topic. Records stay even when retention has deleted them: the checks read them.
class SimulatedPartition {
 public:
  // `gap`: offsets left out before it, as by the marks of transactions.
  void Append(tools::GeneratedRecord record, int64_t stamp_us, int64_t appended_us, int64_t gap);
  // Offsets left out behind the last record.
  void SkipAtEnd(int64_t gap) { end_ += gap; }
  void DeleteBefore(int64_t offset) { start_ = offset > start_ ? offset : start_; }

  int64_t start() const { return start_; }
  int64_t end() const { return end_; }
  const std::deque<StoredRecord>& records() const { return records_; }
  // Index of the first record at or behind the offset.
  size_t Find(int64_t offset) const;

 private:
  std::deque<StoredRecord> records_;
  int64_t start_ = 0;
  int64_t end_ = 0;
};

// Takes what the generator makes, and keeps it.
class CollectingSink : public tools::Sink {
 public:
  absl::Status Write(const tools::GeneratedRecord& record) override {
    records.push_back(record);
    return absl::OkStatus();
  }
  absl::Status Finish() override { return absl::OkStatus(); }

  std::vector<tools::GeneratedRecord> records;
};

}  // namespace runledger::simulation
