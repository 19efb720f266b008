#include <algorithm>

#include "ingest/commit_metadata.h"
#include "ingest/job_home.h"
#include "ingest/pipeline.h"

// Who else is in the group, and what is theirs.

namespace runledger::ingest {
namespace {

constexpr int kGroupTimeoutMs = 2'000;
constexpr int64_t kGoodForUs = 1'000'000;

}  // namespace

void Pipeline::NotePartitionCount(const std::string& topic, int32_t count) {
  const std::lock_guard lock(fleet_mutex_);
  int32_t& known = fleet_counts_[topic];
  known = std::max(known, count);
}

std::optional<size_t> Pipeline::PartitionCount() const {
  size_t sum = 0;
  const std::lock_guard lock(fleet_mutex_);
  for (const TopicOptions& topic : options_.topics) {
    const auto count = fleet_counts_.find(topic.name);
    if (count == fleet_counts_.end() || count->second <= 0) return std::nullopt;
    sum += static_cast<size_t>(count->second);
  }
  return sum;
}

std::optional<std::vector<TopicPartition>> Pipeline::HomesOf(std::string_view job) const {
  std::vector<TopicPartition> homes;
  const std::lock_guard lock(fleet_mutex_);
  for (const TopicOptions& topic : options_.topics) {
    const auto count = fleet_counts_.find(topic.name);
    if (count == fleet_counts_.end() || count->second <= 0) return std::nullopt;
    const JobHome home(topic.partitioner, topic.keyed_by_job, {count->second});
    if (!home.known()) return std::nullopt;
    homes.push_back({topic.name, kafka::PartitionFor(topic.partitioner, job, count->second)});
  }
  return homes;
}

absl::StatusOr<std::vector<PartitionOwner>> Pipeline::Owners() {
  const std::lock_guard asking(owners_mutex_);  // who comes second has the first one's answer
  const int64_t now_us = parts_.clock->Now().mono_us;
  if (!owners_.empty() && now_us - owners_asked_us_ < kGoodForUs) return owners_;
  std::vector<TopicPartition> partitions;
  for (const TopicOptions& topic : options_.topics) {
    const auto count = consumer_->PartitionCount(topic.name, kGroupTimeoutMs);
    if (!count.ok()) return count.status();
    NotePartitionCount(topic.name, *count);
    for (int32_t partition = 0; partition < *count; ++partition) partitions.push_back({topic.name, partition});
  }
  const auto committed = consumer_->Committed(partitions, kGroupTimeoutMs);
  if (!committed.ok()) return committed.status();
  std::vector<PartitionOwner> owners;
  for (const kafka::CommittedOffset& offset : *committed) {
    const auto metadata = CommitMetadata::Decode(offset.metadata);
    owners.push_back({offset.partition, offset.offset >= 0 && metadata.ok() ? metadata->advertise : ""});
  }
  std::sort(owners.begin(), owners.end(),
            [](const PartitionOwner& a, const PartitionOwner& b) { return a.partition < b.partition; });
  owners_ = owners;
  owners_asked_us_ = now_us;
  return owners;
}

}  // namespace runledger::ingest
