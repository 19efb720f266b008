#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "aggregators/log_clock.h"
#include "ingest/commit_metadata.h"
#include "ingest/position.h"

namespace runledger::ingest {

// A record as it came from the log. Views are good during the call that hands it over.
struct Record {
  int64_t offset = 0;
  int64_t timestamp_us = -1;  // below 0: it has none
  aggregators::TimestampKind timestamp_kind = aggregators::TimestampKind::kAppendTime;
  bool has_key = false;
  bool has_value = false;
  std::string_view key;
  std::string_view value;
  std::span<const kafka::Header> headers;
};

// A record to be written: a dead letter, or an event of our own.
struct OutgoingRecord {
  std::string topic;
  int32_t partition = -1;  // -1: by the client
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::string>> headers;
  int64_t timestamp_ms = 0;  // 0: the time at which it is sent
};

// Who reads: the reader that folding follows, which serves rows too while these keep up, or the one that rows have of
// their own while they do not.
enum class Reader : uint8_t { kFold, kRows };

// The log as delivery drives it. Requests return at once; answers come back as calls of the delivery of that partition,
// on the thread that owns it. Calls come from that thread.
class Log {
 public:
  virtual ~Log() = default;
  // Records from `offset` on are handed over from now on. kafka::kOffsetBeginning: from the log's start. Again:
  // elsewhere.
  virtual void StartReading(const TopicPartition& partition, Tenure tenure, Reader reader, int64_t offset) = 0;
  // No more records for this reader; those on their way may still come.
  virtual void StopReading(const TopicPartition& partition, Tenure tenure, Reader reader) = 0;
  // Answered by OnCommitted. Commits of one partition are carried out in order.
  virtual void Commit(const TopicPartition& partition, Tenure tenure, uint64_t commit, const Position& position,
                      const CommitMetadata& metadata) = 0;
  // Answered by OnProduced once every replica has it.
  virtual void Produce(const TopicPartition& on_behalf_of, Tenure tenure, uint64_t message, OutgoingRecord record) = 0;
  // Everything is settled: the partition may go.
  virtual void Release(const TopicPartition& partition, Tenure tenure) = 0;
};

// What is known when a partition is assigned.
struct Assignment {
  TopicPartition partition;
  Tenure tenure = 0;
  std::optional<Position> committed;  // nothing: no commit yet
  CommitMetadata metadata;
  int64_t log_start = kafka::kOffsetUnknown;
  int64_t log_end = kafka::kOffsetUnknown;
  std::string cluster_id;
  int32_t partition_count = 0;  // of the topic; 0: not known
  bool group_is_new = true;     // nothing was ever committed for this topic: log.start holds
};

}  // namespace runledger::ingest
