#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/kafka/producer.h"
#include "ingest/kafka/types.h"

namespace runledger::tools {

// A record as it is to stand in the log.
struct GeneratedRecord {
  int32_t partition = 0;
  int64_t timestamp_us = 0;  // for CreateTime; whole milliseconds count
  std::optional<std::string> key;
  std::optional<std::string> value;  // nothing: a tombstone
  std::vector<std::pair<std::string, std::string>> headers;
};

// Where records go. One thread.
class Sink {
 public:
  virtual ~Sink() = default;
  // Records of one partition stay in the order in which they are written. May block while the other end is slow.
  virtual absl::Status Write(const GeneratedRecord& record) = 0;
  // All written records have arrived, or an error says what has not.
  virtual absl::Status Finish() = 0;
};

// To a topic, with an idempotent producer (acks=all). A record that cannot be delivered fails the next Write.
class KafkaSink : public Sink {
 public:
  // `settings` need bootstrap.servers. NotFound if the topic is not there, FailedPrecondition if it has fewer
  // partitions than `partitions`.
  static absl::StatusOr<std::unique_ptr<KafkaSink>> Create(const kafka::Settings& settings, const std::string& topic,
                                                           int32_t partitions, kafka::LogCallback log = {});
  absl::Status Write(const GeneratedRecord& record) override;
  absl::Status Finish() override;

 private:
  explicit KafkaSink(std::string topic) : topic_(std::move(topic)) {}

  std::string topic_;
  absl::Status failed_;
  std::unique_ptr<kafka::Producer> producer_;  // last: its reports come in here
};

// To a file: the line "runledger generate 1", then records. All numbers little-endian:
//
//   u32 bytes of the rest | i32 partition | i64 timestamp (us) | u32 key | u32 value | u32 headers
//   | key | value | headers x { u32 name, u32 value, name, value }
//
// where `key` and `value` are lengths, 0xFFFFFFFF meaning that there is none.
class FileSink : public Sink {
 public:
  static absl::StatusOr<std::unique_ptr<FileSink>> Create(const std::string& path);
  absl::Status Write(const GeneratedRecord& record) override;
  absl::Status Finish() override;

 private:
  explicit FileSink(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::ofstream out_;
  std::string buffer_;
};

// Reads such a file. One thread.
class RecordFileReader {
 public:
  static absl::StatusOr<std::unique_ptr<RecordFileReader>> Open(const std::string& path);
  // False at the end. DataLoss if the file is damaged.
  absl::StatusOr<bool> Next(GeneratedRecord* record);

 private:
  explicit RecordFileReader(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::ifstream in_;
  std::string buffer_;
};

}  // namespace runledger::tools
