#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/snapshot_store.h"

namespace runledger::ingest {

// A snapshot as it is kept, in a file or in the pieces of a topic:
//
//   {"runledger_snapshot":1,"cluster":...,"topic":...,"partition":...,"epoch":...,"offset":...,...}\n
//   zstd frame of the state's bytes
//   32 hex digits: XXH3-128 of everything before          \n
//
// The first line is readable, so that `head -1` tells what a file is.

// Makes such bytes piece by piece. One thread.
class SnapshotEncoder {
 public:
  explicit SnapshotEncoder(const SnapshotIdentity& identity);
  ~SnapshotEncoder();
  SnapshotEncoder(const SnapshotEncoder&) = delete;
  SnapshotEncoder& operator=(const SnapshotEncoder&) = delete;

  // Each returns what can be written now, perhaps nothing.
  std::string Append(std::string_view bytes);
  std::string Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What a whole snapshot holds. DataLoss: torn or damaged; InvalidArgument: of a newer version, or none of ours. At most
// `max_bytes` of state.
absl::StatusOr<Snapshot> DecodeSnapshot(std::string_view kept, size_t max_bytes);
// Only what it is of: reads the first line.
absl::StatusOr<SnapshotIdentity> DecodeSnapshotIdentity(std::string_view kept);

// FailedPrecondition: it is of another partition, cluster or epoch of the log than this, and which.
absl::Status CheckSnapshotIsOf(const SnapshotIdentity& identity, const TopicPartition& partition,
                               const std::string& cluster_id, int64_t log_epoch);

}  // namespace runledger::ingest
