#pragma once

#include <chrono>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregators/shard.h"
#include "exporters/http/as_of.h"
#include "exporters/http/json_answer.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

struct RunAnswer {
  ingest::TopicPartition partition;
  aggregators::RunInfo run;
  int64_t watermark_us = aggregators::kNever;  // of its partition: what an open run is judged at
  bool caught_up = false;
};

struct RunAnswers {
  AsOf as_of;
  std::vector<RunAnswer> runs;  // open ones first, the oldest first; then closed ones, the newest first
  bool more = false;            // the limit cut some off
};

// Asks every partition's thread, and waits for all of them until `timeout` has passed. Unavailable if one could not be
// asked or did not answer in time; a question that is still asked then finds nobody, and does no harm. A partition that
// is being restored shows no runs.
absl::StatusOr<RunAnswers> AskForRuns(const ingest::PartitionDirectory& directory, const aggregators::RunQuery& query,
                                      std::chrono::milliseconds timeout);

Json RunJson(const RunAnswer& answer);

}  // namespace runledger::exporters
