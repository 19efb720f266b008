#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/kafka/types.h"
#include "ingest/position.h"

namespace runledger::ingest {

// Rows of one partition on their way to the warehouse, in the order of the log: for each good event its place, its
// bytes as one protobuf `Event`, and why it keeps only its core, if so. Beside them what a dead letter would need: key
// and headers of the record, once for all rows of a record; less than 4 GiB in all. Filled by one thread, then shared
// and not changed.
class RowBatch {
 public:
  struct Row {
    Position position;
    int64_t log_time_us = 0;
    std::string_view event;    // protobuf
    std::string_view refused;  // "column: reason"; empty: the row is whole
  };
  // Key and headers of the record a row came in.
  struct Origin {
    bool has_key = false;
    std::string_view key;
    std::vector<kafka::Header> headers;
  };

  RowBatch(TopicPartition partition, int64_t log_epoch, Position from)
      : partition_(std::move(partition)), log_epoch_(log_epoch), from_(from), to_(from) {}

  // Room for about so many, so that filling it copies nothing.
  void Reserve(size_t rows, size_t bytes) {
    rows_.reserve(rows);
    bytes_.reserve(bytes);
  }
  // Rows added from now on come from this record.
  void BeginRecord(bool has_key, std::string_view key, std::span<const kafka::Header> headers);
  void Add(const Position& position, int64_t log_time_us, std::string_view event, std::string_view refused);
  // The batch now stands for everything before `to`, whether it was a row or not.
  void ExtendTo(const Position& to) { to_ = to; }

  // The rows stand for the events in [from, to).
  const Position& from() const { return from_; }
  const Position& to() const { return to_; }
  const TopicPartition& partition() const { return partition_; }
  int64_t log_epoch() const { return log_epoch_; }
  size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  // Memory that its contents take, in bytes.
  size_t bytes() const { return bytes_.size() + rows_.size() * sizeof(Stored); }
  Row operator[](size_t i) const;
  Origin OriginOf(size_t i) const;

 private:
  struct Stored {
    Position position;
    int64_t log_time_us;
    uint32_t at;       // of the event, followed by the refusal
    uint32_t key;      // of the record
    uint32_t headers;  // of the record, or of one before it that had the same
    uint32_t event_size;
    uint32_t refused_size;
  };

  TopicPartition partition_;
  int64_t log_epoch_;
  Position from_;
  Position to_;
  uint32_t key_ = 0;
  uint32_t headers_ = 0;
  bool has_headers_ = false;  // some are stored
  std::vector<Stored> rows_;
  std::string bytes_;
};

}  // namespace runledger::ingest
