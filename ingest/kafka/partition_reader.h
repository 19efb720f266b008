#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/kafka/consumer.h"
#include "ingest/kafka/types.h"

namespace runledger::kafka {

// Reads partitions that it is told to, outside any group: no rebalances, no commits. Positions that the log does not
// have are errors of the partition's queue. One thread calls all but Drain of the queues. Of `settings`, group.id must
// be there, though no group is joined; with enable.partition.eof batches say where the log ends.
class PartitionReader {
 public:
  // `log` must outlive the reader.
  static absl::StatusOr<std::unique_ptr<PartitionReader>> Create(const Settings& settings, LogCallback log);
  // Queues must be gone before.
  ~PartitionReader();

  // Records from `offset` on arrive in the queue. REQUIRES: the partition is not being read.
  absl::StatusOr<std::unique_ptr<PartitionQueue>> Start(const TopicPartition& partition, int64_t offset);
  // REQUIRES: the partition's queue is not drained any more.
  absl::Status Stop(const TopicPartition& partition);
  // Serves the client; call every now and then.
  void Poll();

  // End of a partition as its leader knows it now. Unavailable: it did not answer in time.
  absl::StatusOr<int64_t> EndOf(const TopicPartition& partition, int timeout_ms);
  // Asked from the cluster, which makes no topic for it. NotFound: there is none.
  absl::StatusOr<int32_t> PartitionCount(const std::string& topic, int timeout_ms);

 private:
  struct Impl;
  explicit PartitionReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace runledger::kafka
