#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "ingest/position.h"

namespace runledger::ingest {

// State of a shard as bytes, and the position it stands for.
struct Snapshot {
  Position position;
  std::string bytes;
};

// Where snapshots are kept. Requests return at once; answers come back to the partition's delivery.
class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;
  // Answered by OnSnapshotLoaded; NotFound: there is none that can be used.
  virtual void Load(const TopicPartition& partition, Tenure tenure, const std::string& pointer) = 0;
  // Answered by OnSnapshotSaved with the pointer to commit.
  virtual void Save(const TopicPartition& partition, Tenure tenure, uint64_t save, Snapshot snapshot) = 0;
};

}  // namespace runledger::ingest
