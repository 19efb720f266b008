#include "simulation/shelf.h"

#include <algorithm>

namespace runledger::simulation {

std::string Shelf::Put(int instance, int32_t partition, const Position& position, std::string bytes,
                       const Lineage& lineage) {
  const bool topic = world_.shape.store == Shape::Store::kTopic;
  const std::string pointer = topic ? "snapshot-" + std::to_string(++next_) : "";
  std::erase_if(kept_, [&](const Kept& kept) {
    return !topic && kept.instance == instance && kept.partition == partition && kept.position == position;
  });
  kept_.push_back({instance, partition, position, pointer, std::move(bytes), lineage, next_});
  // Of a disk's the two with the highest positions stay.
  if (topic) return pointer;
  std::vector<Position> positions;
  for (const Kept& kept : kept_) {
    if (kept.instance == instance && kept.partition == partition) positions.push_back(kept.position);
  }
  std::sort(positions.rbegin(), positions.rend());
  std::erase_if(kept_, [&](const Kept& kept) {
    return kept.instance == instance && kept.partition == partition && positions.size() > 2 &&
           kept.position < positions[1];
  });
  return pointer;
}

std::optional<Shelf::Found> Shelf::Find(int instance, const TopicPartition& partition, int64_t log_epoch,
                                        const std::string& pointer, const Position& before) {
  const bool topic = world_.shape.store == Shape::Store::kTopic;
  std::vector<const Kept*> candidates;
  for (const Kept& kept : kept_) {
    const bool here = topic ? !pointer.empty() && kept.pointer == pointer
                            : kept.instance == instance && kept.partition == partition.partition;
    if (here && kept.position < before) candidates.push_back(&kept);
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Kept* a, const Kept* b) { return a->position > b->position; });
  for (const Kept* kept : candidates) {
    auto snapshot = ingest::DecodeSnapshot(kept->bytes, size_t{1} << 30);
    if (!snapshot.ok() || !ingest::CheckSnapshotIsOf(snapshot->identity, partition, kCluster, log_epoch).ok()) continue;
    return Found{std::move(*snapshot), kept->lineage};
  }
  return std::nullopt;
}

void Shelf::DropBut(int32_t partition, const std::string& pointer) {
  const auto current =
      std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.pointer == pointer; });
  if (current == kept_.end()) return;
  const uint64_t made = current->made;
  std::erase_if(kept_, [&](const Kept& kept) { return kept.partition == partition && kept.made < made; });
}

Shelf::Kept* Shelf::AnyOf() { return kept_.empty() ? nullptr : &world_.random.Of(kept_); }

void Shelf::Tear() {
  for (int i = 0; i < 2; ++i) {
    Kept* kept = AnyOf();
    if (kept == nullptr) return;
    const auto at = static_cast<size_t>(world_.random.Between(0, static_cast<int64_t>(kept->bytes.size()) - 1));
    if (world_.random.Chance(0.5)) {
      kept->bytes.resize(at);
    } else {
      kept->bytes[at] = static_cast<char>(kept->bytes[at] ^ 0x10);
    }
  }
}

void Shelf::Lose() {
  if (world_.random.Chance(0.3)) {
    kept_.clear();
  } else if (!kept_.empty()) {
    // The newest of one partition, so that an older one is found, or all of one instance's.
    const Kept chosen = kept_.back();
    if (world_.random.Chance(0.5)) {
      kept_.pop_back();
    } else {
      std::erase_if(kept_, [&](const Kept& kept) { return kept.instance == chosen.instance; });
    }
  }
}

void Shelf::Swap() {
  Kept* kept = AnyOf();
  if (kept == nullptr) return;
  auto snapshot = ingest::DecodeSnapshot(kept->bytes, size_t{1} << 30);
  if (!snapshot.ok()) return;
  ingest::SnapshotIdentity identity = snapshot->identity;
  switch (world_.random.Between(0, 2)) {
    case 0:
      identity.cluster_id = "another";
      break;
    case 1:
      identity.log_epoch += 1;
      break;
    default:
      identity.partition.partition += 1;
      break;
  }
  ingest::SnapshotEncoder encoder(identity);
  kept->bytes = encoder.Append(snapshot->bytes);
  kept->bytes += encoder.Finish();
}

void Shelf::Outdate() {
  Kept* kept = AnyOf();
  if (kept == nullptr) return;
  const std::string version = "\"runledger_snapshot\":1";
  if (const size_t at = kept->bytes.find(version); at != std::string::npos) kept->bytes[at + version.size() - 1] = '9';
}

}  // namespace runledger::simulation
