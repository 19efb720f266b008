#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "aggregators/published.h"
#include "exporters/http/as_of.h"
#include "exporters/http/json_answer.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

// One job as answers show it, over all partitions that hold it.
struct JobAnswer {
  std::shared_ptr<const aggregators::JobLabels> names;
  std::vector<ingest::TopicPartition> partitions;
  // Of one partition: as published. Of several: added up; what has no sum is then not known.
  aggregators::JobBlock block;
  AsOf as_of;

  size_t homes = 0;  // of the partitions: those that judge the job

  bool in_one_partition() const { return homes == 1; }
  // What depends on time was worked out, at the watermark.
  bool judged() const { return block.live && as_of.watermark_us() != aggregators::kNever; }
  // And is true: behind the log it is not known.
  bool has_verdicts() const { return homes > 0 && judged() && as_of.caught_up(); }
  // Something about it that somebody should look at.
  bool needs_attention() const;
};

struct PartitionAnswer {
  ingest::TopicPartition partition;
  aggregators::ShardPositions positions;
};

// Copies of what all partitions had published, each partition as of one moment.
struct JobAnswers {
  AsOf as_of;
  std::vector<JobAnswer> jobs;  // by name
  std::vector<PartitionAnswer> partitions;
};
// Any thread; waits for nothing. A partition that is being restored shows no jobs. `only`: this job; empty: all.
JobAnswers CollectJobs(const ingest::PartitionDirectory& directory, std::string_view only = "");

Json JobJson(const JobAnswer& job);

}  // namespace runledger::exporters
