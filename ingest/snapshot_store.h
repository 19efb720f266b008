#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "ingest/position.h"

namespace runledger::ingest {

// What a snapshot is of: without all of this it is somebody else's.
struct SnapshotIdentity {
  std::string cluster_id;
  TopicPartition partition;
  int64_t log_epoch = 0;
  Position position;            // the state after everything before it
  int64_t before_time_ms = -1;  // timestamp of the record before the position; -1: not known
  std::string before_hash;      // hash of its value; empty: not known
  int64_t counters = 0;         // CommitMetadata::counters: which ones it holds; -1: none that were ever shown

  friend bool operator==(const SnapshotIdentity&, const SnapshotIdentity&) = default;
};

// State of a shard as bytes (aggregators::Shard), and what else delivery keeps.
struct Snapshot {
  SnapshotIdentity identity;
  std::string bytes;
};

// A snapshot that is durable.
struct SavedSnapshot {
  std::string pointer;  // what a successor needs to find it, to be committed; empty: nothing
  int64_t bytes = 0;    // as it is kept
};

// Where a store's answers go. Any thread; must not block.
class SnapshotListener {
 public:
  virtual ~SnapshotListener() = default;
  // The newest one asked for; NotFound: there is none that can be used.
  virtual void OnSnapshotLoaded(const TopicPartition& partition, Tenure tenure, absl::StatusOr<Snapshot> snapshot) = 0;
  virtual void OnSnapshotSaved(const TopicPartition& partition, Tenure tenure, uint64_t save,
                               absl::StatusOr<SavedSnapshot> saved) = 0;
};

// Where snapshots are kept. Requests return at once; answers go to the listener. Any thread may call; calls for one
// partition come from one thread at a time.
class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;

  // False: none is kept, and writing one is a waste.
  virtual bool keeps() const { return true; }
  // Of this log, at positions before `before`. `pointer`: from the commit's metadata. What cannot be used (torn, of a
  // newer version, of another cluster, topic or epoch) is named in the log and passed over.
  virtual void Load(const TopicPartition& partition, Tenure tenure, const std::string& cluster_id, int64_t log_epoch,
                    const std::string& pointer, const Position& before) = 0;

  // A snapshot in pieces: Begin, Append in order, then Finish (answered by OnSnapshotSaved) or Abort. It is there once
  // it is finished, and not before. One at a time for each partition. A finished one may still be aborted: nobody will
  // ask for it.
  virtual void Begin(Tenure tenure, uint64_t save, const SnapshotIdentity& identity) = 0;
  virtual void Append(const TopicPartition& partition, Tenure tenure, uint64_t save, std::string bytes) = 0;
  virtual void Finish(const TopicPartition& partition, Tenure tenure, uint64_t save) = 0;
  virtual void Abort(const TopicPartition& partition, Tenure tenure, uint64_t save) = 0;
  // False: as much is on its way as may be; Append a little later.
  virtual bool Wants() const { return true; }
  // The group has accepted a commit of this owner that carries `pointer`. So it was the owner until then, its
  // predecessors can commit nothing any more, and what earlier pointers led to is not needed by anybody.
  virtual void Committed(const TopicPartition&, Tenure, const std::string& /*pointer*/) {}
};

// Keeps none: state is rebuilt from the log.
class NoSnapshots : public SnapshotStore {
 public:
  explicit NoSnapshots(SnapshotListener* listener) : listener_(listener) {}
  bool keeps() const override { return false; }
  void Load(const TopicPartition& partition, Tenure tenure, const std::string&, int64_t, const std::string&,
            const Position&) override {
    listener_->OnSnapshotLoaded(partition, tenure, absl::NotFoundError("no snapshots are kept"));
  }
  void Begin(Tenure, uint64_t, const SnapshotIdentity&) override {}
  void Append(const TopicPartition&, Tenure, uint64_t, std::string) override {}
  void Finish(const TopicPartition& partition, Tenure tenure, uint64_t save) override {
    listener_->OnSnapshotSaved(partition, tenure, save, absl::FailedPreconditionError("no snapshots are kept"));
  }
  void Abort(const TopicPartition&, Tenure, uint64_t) override {}

 private:
  SnapshotListener* listener_;
};

}  // namespace runledger::ingest
