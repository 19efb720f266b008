#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "exporters/prometheus/exposition_writer.h"
#include "exporters/prometheus/shard_series.h"
#include "ingest/own_metrics.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

struct ExpositionOptions {
  // limits.series: series of jobs that one partition may have. Which jobs have their own is decided by their number, so
  // a series never moves into the overflow.
  uint64_t series_per_partition = 100'000;
  // Microseconds on a clock that does not jump; empty: the system's.
  std::function<int64_t()> clock_us = {};
};

// Writes what /metrics answers: the series of all partitions owned, as of their newest published block, and the metrics
// of the instance itself. Both arguments must outlive it.
//
// Any thread; scrapes of several threads wait for each other. Blocks of the shards are held while they are formatted
// into memory, a few milliseconds, during which nothing is waited for; writers of the shards go on meanwhile.
class Exposition {
 public:
  Exposition(const ingest::PartitionDirectory& directory, ingest::OwnMetrics& own, const ExpositionOptions& options);

  // The whole text, terminated as its format wants it.
  std::string Scrape(Format format);

 private:
  void MatchShards(const std::vector<ingest::PartitionView>& views);
  void WriteScrape(const std::vector<ingest::PartitionView>& views, ExpositionWriter* writer);

  const ingest::PartitionDirectory& directory_;
  ingest::OwnMetrics& own_;
  prometheus::Gauge& ready_;
  const std::function<int64_t()> clock_us_;
  const size_t kept_jobs_;  // those with series of their own, in each partition

  std::mutex mutex_;  // guards what follows
  std::map<ingest::TopicPartition, ShardSeries> shards_;
  size_t last_bytes_ = 0;
  uint64_t last_series_ = 0;  // 0: none yet
  int64_t last_duration_us_ = 0;
  uint64_t series_dropped_ = 0;  // over all scrapes
};

}  // namespace runledger::exporters
