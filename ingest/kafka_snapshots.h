#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "ingest/kafka/types.h"
#include "ingest/snapshot_store.h"

namespace runledger::ingest {

// Snapshots in a compacted Kafka topic, for fleets and for hosts without disk: whoever is assigned a partition finds
// the state that its predecessor left, on whatever host.
//
// A snapshot is the bytes of SnapshotEncoder cut into chunks, one record each (ChunkKey), and is reached only through
// the SnapshotPointer in the metadata of the committed offset. Chunks that no commit points to do not exist for a
// reader. Why it is as it is:
//
// - Every snapshot has an id of its own, made up at random, so no key is ever written twice but to delete it. Keys that
//   are used again (two slots a partition, say) would bound what crashed owners leave behind, but compaction removes
//   what is overwritten: an owner that hung, lost its partition and woke up could remove the snapshot that its
//   successor's commit points to, by writing its own into the same slot. With ids it can only add what nobody will look
//   for.
// - A snapshot is deleted (tombstones) when the group has accepted a commit that points to a newer one, never before: a
//   crash in between finds the old one. An answer to a commit that did not come leaves both.
// - What was never committed, because its owner crashed between writing and committing, is found by its successor: some
//   time after its first commit was accepted it reads the topic once, in the background, and deletes all chunks of its
//   own partitions that stand before the topic's end as it was when the partition was assigned, but those of the
//   snapshot that was committed then. That is safe: the accepted commit says that this process was the owner after that
//   end was asked for, so what stands before it is of predecessors, and no predecessor can commit any more. A process
//   that has lost the partition by the time it deletes deletes no more than that. What a zombie adds later goes when
//   the partition is assigned the next time.
// - The id, and not the offsets alone, says what belongs together: others' chunks may lie between the first and the
//   last.
//
// Memory: of snapshots being saved at most `on_its_way_bytes` and a chunk for each partition; Wants() is false beyond,
// and the fold goes on without waiting. Snapshots are loaded one after the other, each whole.
//
// Two threads of its own: one packs, produces and deletes; one loads, and looks for what is left behind. Brokers that
// do not answer are waited for: a load for `load_patience` without progress, a chunk for `produce_timeout`.
class KafkaSnapshots : public SnapshotStore {
 public:
  struct Options {
    std::string topic;
    std::string group;             // several groups may share the topic
    kafka::Settings client = {};   // of a connection
    kafka::LogCallback log = {};   // of the clients
    size_t chunk_bytes = 900'000;  // a broker takes messages of a MiB unless told otherwise
    int64_t on_its_way_bytes = int64_t{32} << 20;
    size_t max_bytes = size_t{16} << 30;  // largest state that is read back
    std::chrono::milliseconds produce_timeout = std::chrono::minutes(2);
    std::chrono::milliseconds ask_timeout = std::chrono::seconds(3);  // for the ends of the topic's partitions
    std::chrono::milliseconds load_patience = std::chrono::minutes(5);
    std::chrono::milliseconds sweep_delay = std::chrono::seconds(30);  // after the last partition was taken
  };

  // `listener` must outlive the store.
  KafkaSnapshots(Options options, SnapshotListener* listener, std::shared_ptr<spdlog::logger> logger);
  ~KafkaSnapshots() override;

  // Starts the threads; the brokers need not be there. InvalidArgument: a setting is wrong.
  absl::Status Start();
  // Gives up loads; writes and deletes what was asked for, a few seconds at most. Idempotent.
  void Stop();

  void Load(const TopicPartition& partition, Tenure tenure, const std::string& cluster_id, int64_t log_epoch,
            const std::string& pointer, const Position& before) override;
  void Begin(Tenure tenure, uint64_t save, const SnapshotIdentity& identity) override;
  void Append(const TopicPartition& partition, Tenure tenure, uint64_t save, std::string bytes) override;
  void Finish(const TopicPartition& partition, Tenure tenure, uint64_t save) override;
  void Abort(const TopicPartition& partition, Tenure tenure, uint64_t save) override;
  bool Wants() const override;
  void Committed(const TopicPartition& partition, Tenure tenure, const std::string& pointer) override;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace runledger::ingest
