#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/kafka/types.h"

namespace runledger::ingest {

// Where the jobs of a topic have their homes, and where they had them before the topic got more partitions. A pure
// function of the numbers of partitions that were seen; they are kept in the commit metadata.
class JobHome {
 public:
  // `partitions`: the numbers seen so far, rising.
  JobHome(kafka::Partitioner partitioner, bool keyed_by_job, std::vector<int32_t> partitions)
      : partitioner_(partitioner), keyed_by_job_(keyed_by_job), partitions_(std::move(partitions)) {}

  // The topic has so many partitions now. True if that is news. Fewer, or not known (0): nothing is learnt.
  bool Grow(int32_t partitions) {
    if (partitions <= 0 || (!partitions_.empty() && partitions <= partitions_.back())) return false;
    partitions_.push_back(partitions);
    return true;
  }
  // Something can be said of homes.
  bool known() const { return keyed_by_job_ && partitioner_ != kafka::Partitioner::kNone && !partitions_.empty(); }
  bool IsHome(std::string_view job, int32_t partition) const {
    return !known() || kafka::PartitionFor(partitioner_, job, partitions_.back()) == partition;
  }
  // Everything about the name comes to this partition, as far as anybody can know.
  bool IsHomeForCertain(std::string_view name, int32_t partition) const {
    if (!known()) return !partitions_.empty() && partitions_.back() == 1;
    return IsHome(name, partition);
  }
  // The partition was the job's home, and is it no longer.
  bool HasMovedFrom(std::string_view job, int32_t partition) const {
    return known() && !IsHome(job, partition) &&
           std::any_of(partitions_.begin(), partitions_.end() - 1,
                       [&](int32_t count) { return kafka::PartitionFor(partitioner_, job, count) == partition; });
  }
  const std::vector<int32_t>& partitions() const { return partitions_; }

 private:
  kafka::Partitioner partitioner_;
  bool keyed_by_job_;
  std::vector<int32_t> partitions_;
};

}  // namespace runledger::ingest
