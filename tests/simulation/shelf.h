#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ingest/snapshot_file.h"
#include "simulation/world.h"

namespace runledger::simulation {

// Where snapshots lie, through crashes: a disk for each instance, or one topic for all of them, in which only the
// committed pointer leads to one.
class Shelf {
 public:
  explicit Shelf(World* world) : world_(*world) {}

  struct Found {
    ingest::Snapshot snapshot;
    Lineage lineage;
  };
  // A snapshot as it is kept, durable now. Returns its pointer.
  std::string Put(int instance, int32_t partition, const Position& position, std::string kept, const Lineage& lineage);
  // The newest that can be used, at a position before `before`.
  std::optional<Found> Find(int instance, const TopicPartition& partition, int64_t log_epoch,
                            const std::string& pointer, const Position& before);

  // Of a topic's: what earlier pointers of the partition led to is not needed any more.
  void DropBut(int32_t partition, const std::string& pointer);

  void Tear();
  void Lose();
  void Swap();     // one is another cluster's, or another partition's
  void Outdate();  // one is of a newer version

 private:
  struct Kept {
    int instance = 0;
    int32_t partition = 0;
    Position position;
    std::string pointer;
    std::string bytes;
    Lineage lineage;
    uint64_t made = 0;  // in which order
  };
  Kept* AnyOf();

  World& world_;
  std::vector<Kept> kept_;  // the newest last
  uint64_t next_ = 1;
};

}  // namespace runledger::simulation
