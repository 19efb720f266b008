#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ingest/position.h"

namespace runledger::ingest {

// A partition of a topic that is read, and who has it.
struct PartitionOwner {
  TopicPartition partition;
  std::string address;  // http.advertise of the instance that committed for it last; empty: none has yet
};

// The instances of the group, as far as one of them can tell: owners write their address into each commit. Between a
// rebalance and the new owner's first commit it names the one before. Any thread.
class Fleet {
 public:
  virtual ~Fleet() = default;

  // Every partition of every topic that is read, sorted. Asks the group, and blocks for some seconds where it does not
  // answer; an answer is good for a second. Unavailable: the log does not answer.
  virtual absl::StatusOr<std::vector<PartitionOwner>> Owners() = 0;
  // How many partitions the topics have in all; nothing: not known (yet), because no owner of one has asked.
  virtual std::optional<size_t> PartitionCount() const = 0;
  // The partition of each topic in which the job's runs are. Nothing: that cannot be told from its name (topics that
  // are keyed by run, or by a partitioner that is not known, or whose number of partitions is not known yet).
  virtual std::optional<std::vector<TopicPartition>> HomesOf(std::string_view job) const = 0;
};

}  // namespace runledger::ingest
