#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace runledger::ingest {

// What a partition's owner leaves beside the committed offset C for its successor. One versioned text of at most
// kMaxBytes, JSON with short keys, printable (librdkafka 2.0.2 and some tools cut it at a zero byte). Unknown keys are
// kept out, a newer version is an error.
struct CommitMetadata {
  static constexpr size_t kMaxBytes = 4096;  // the broker's own limit, offset.metadata.max.bytes
  static constexpr int kVersion = 1;

  int32_t index = 0;                   // "i": index within the record at C
  std::string cluster_id;              // "c": the log's identity
  int64_t log_epoch = 0;               // "e": raised when the log was accepted as a new one
  uint32_t rules = 0;                  // "r": what counts as a good event
  int64_t before_time_ms = -1;         // "t": timestamp of the record before C; -1: there is none
  std::string before_hash;             // "h": hash of its value, 32 hex digits
  std::string snapshot;                // "s": pointer to a snapshot; empty: none
  int64_t counted_from = -1;           // "g": a fold from this offset counts what is shown; -1: none does
  int64_t counters = 0;                // "k": when the counters that are shown began: names them; 0: not known
  int64_t replay_floor = -1;           // "f": where a fold without snapshot begins; -1: not known
  int64_t applied_at_revocation = -1;  // "a": how far the state was shown; -1: not revoked in order
  std::string stream;                  // "w": the warehouse's own stream; empty: it has none
  int64_t stream_base = 0;             // "b": good events from C on that earlier streams already hold; -1: not counted
  int64_t stream_next_row = 0;         // "n": next row of the stream
  std::string advertise;               // "o": HTTP address of the owner
  bool unopened = false;               // "u": no owner has asked the warehouse yet whether it has rows
  std::vector<int32_t> partitions;     // "p": how many partitions the topic had, each number that was seen, rising

  friend bool operator==(const CommitMetadata&, const CommitMetadata&) = default;

  // InvalidArgument if it does not fit into kMaxBytes.
  absl::StatusOr<std::string> Encode() const;
  // An empty text (another tool committed) is all defaults. InvalidArgument: not ours, or newer than this version.
  static absl::StatusOr<CommitMetadata> Decode(std::string_view text);
};

}  // namespace runledger::ingest
