#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "ingest/position.h"

namespace runledger::ingest {

// Where a snapshot stands in a topic: what a commit's metadata carries.
//
//   k1/<partition>/<first>/<last>/<chunks>/<id>        k1/0/1041/1077/37/9f86d081884c7d65
struct SnapshotPointer {
  int32_t partition = 0;  // of the topic of snapshots
  int64_t first = 0;      // offsets of its first and last chunk; others' chunks may lie between them
  int64_t last = 0;
  int32_t chunks = 0;
  std::string id;  // made up for each snapshot, unique: 16 hex digits

  friend bool operator==(const SnapshotPointer&, const SnapshotPointer&) = default;

  std::string Encode() const;
  // InvalidArgument: it is no such pointer.
  static absl::StatusOr<SnapshotPointer> Decode(std::string_view text);
};

// Key of one chunk: which snapshot of which partition of which group's state it belongs to. A JSON array, readable
// with any consumer: ["runledger","runledger.events",3,"9f86d081884c7d65",12].
struct ChunkKey {
  std::string group;
  TopicPartition of;
  std::string id;
  int32_t chunk = 0;

  friend bool operator==(const ChunkKey&, const ChunkKey&) = default;

  std::string Encode() const;
  // Nothing: somebody else's record.
  static std::optional<ChunkKey> Decode(std::string_view text);
};

// An id that no other snapshot has, of any process.
std::string NewSnapshotId();

}  // namespace runledger::ingest
