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

// Where a store's answers go. Any thread; must not block.
class SnapshotListener {
 public:
  virtual ~SnapshotListener() = default;
  virtual void OnSnapshotLoaded(const TopicPartition& partition, Tenure tenure, absl::StatusOr<Snapshot> snapshot) = 0;
};

// Where snapshots are kept. Requests return at once; answers come back to the partition's delivery.
class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;
  // Answered by OnSnapshotLoaded; NotFound: there is none that can be used.
  virtual void Load(const TopicPartition& partition, Tenure tenure, const std::string& pointer) = 0;
};

// Keeps none: state is rebuilt from the log.
class NoSnapshots : public SnapshotStore {
 public:
  explicit NoSnapshots(SnapshotListener* listener) : listener_(listener) {}
  void Load(const TopicPartition& partition, Tenure tenure, const std::string&) override {
    listener_->OnSnapshotLoaded(partition, tenure, absl::NotFoundError("no snapshots are kept"));
  }

 private:
  SnapshotListener* listener_;
};

}  // namespace runledger::ingest
