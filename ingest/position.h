#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "ingest/kafka/types.h"

namespace runledger::ingest {

using kafka::TopicPartition;
using kafka::ToString;

// A place in a partition's log, as Kafka's commit counts: the next event to be dealt with. An event stands at (offset
// of its record, its index in the record's batch).
struct Position {
  int64_t offset = 0;
  int32_t index = 0;

  friend auto operator<=>(const Position&, const Position&) = default;
};

inline std::string ToString(const Position& position) {
  return position.index == 0 ? std::to_string(position.offset)
                             : std::to_string(position.offset) + "+" + std::to_string(position.index);
}

// One assignment of one partition to this process: every answer carries it, so that what belongs to an earlier one is
// recognised and dropped. Never 0, never used twice in a process.
using Tenure = uint64_t;

}  // namespace runledger::ingest
