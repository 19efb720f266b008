#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/kafka/partition_reader.h"
#include "ingest/snapshot_chunks.h"

namespace runledger::ingest {

// Reads a topic of snapshots. Every call blocks until it is done, `stopped` says so (Cancelled), or nothing came for
// `patience` (Unavailable). One thread.
class SnapshotReader {
 public:
  struct Limits {
    std::chrono::milliseconds patience{0};
    std::function<bool()> stopped;
  };

  // `client`: settings of a connection; `log` must outlive the reader.
  static absl::StatusOr<std::unique_ptr<SnapshotReader>> Create(const kafka::Settings& client, std::string topic,
                                                                std::string group, kafka::LogCallback log);

  // The end of each partition of the topic. NotFound: there is no such topic.
  absl::StatusOr<std::vector<int64_t>> Ends(int timeout_ms);
  // The bytes of a snapshot of `of`. NotFound: not all of it is there, and what is missing.
  absl::StatusOr<std::string> Read(const SnapshotPointer& pointer, const TopicPartition& of, const Limits& limits);
  // Every chunk of our group before `end`, in order; `deleted`: it is the mark that deletes it.
  absl::Status Scan(int32_t partition, int64_t end, const Limits& limits,
                    const std::function<void(const ChunkKey& key, int64_t offset, bool deleted)>& visit);
  // Serves the client; call every now and then.
  void Poll() { reader_->Poll(); }

 private:
  using Use = std::function<void(const kafka::MessageView&)>;

  SnapshotReader(std::unique_ptr<kafka::PartitionReader> reader, std::string topic, std::string group)
      : reader_(std::move(reader)), topic_(std::move(topic)), group_(std::move(group)) {}

  // Waits until the cluster knows the partition. OutOfRange: it has none such.
  absl::Status Known(int32_t partition, const Limits& limits);
  // Hands over what stands in [next, end), and begins again where the connection broke. OutOfRange: the log does not
  // hold it.
  absl::Status Follow(int32_t partition, int64_t next, int64_t end, const Limits& limits, const Use& use);

  const std::unique_ptr<kafka::PartitionReader> reader_;
  const std::string topic_;
  const std::string group_;
};

}  // namespace runledger::ingest
