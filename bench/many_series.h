#pragma once

#include <memory>
#include <vector>

#include "aggregators/shard.h"
#include "ingest/own_metrics.h"
#include "ingest/partition_directory.h"

namespace runledger::bench {

// An instance's worth of what a scrape shows: 12 partitions with 305 jobs each, about 100,000 series, 60 phase
// histograms among them. Each job has had 6 runs; one of them goes on.
struct ManySeries {
  static constexpr int kPartitions = 12;
  static constexpr int kJobs = 305;  // in each partition
  static constexpr int64_t kNowUs = 1'768'217'408'123'456;

  ManySeries();
  static std::string JobName(int partition, int job);

  ingest::PartitionDirectory directory;
  ingest::OwnMetrics own;
  std::vector<std::shared_ptr<aggregators::Shard>> shards;
};

// Folds one event of a run and nothing else.
void FoldRunEvent(aggregators::Shard* shard, std::string_view job, std::string_view run_id, codecs::Status status,
                  int64_t time_us);
// Publishes the shard as delivery does.
void PublishShard(aggregators::Shard* shard);

}  // namespace runledger::bench
