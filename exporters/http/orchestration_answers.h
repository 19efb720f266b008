#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregators/orchestration/workflow_answers.h"
#include "exporters/http/as_of.h"
#include "exporters/http/ask_shards.h"
#include "exporters/http/json_answer.h"

namespace runledger::exporters {

// What several partitions know of expected runs, decisions and cleanups, put together. Each blocks until all
// partitions have answered or `timeout` has passed; Unavailable then.

struct ExpectedAnswer {
  ingest::TopicPartition partition;
  aggregators::ExpectedInfo info;
  bool caught_up = false;
};
struct ScheduleAnswer {
  AsOf as_of;
  std::vector<ExpectedAnswer> runs;                // by time, then by subject
  std::vector<aggregators::DayToCome> to_be_made;  // by the time at which they are made
  // Log time since when all partitions know what is expected; kNever: of one of them nothing was read yet.
  int64_t known_from_us = aggregators::kNever;
};
absl::StatusOr<ScheduleAnswer> AskForSchedule(const ingest::PartitionDirectory& directory,
                                              const aggregators::ScheduleQuery& query,
                                              std::chrono::milliseconds timeout);

struct WorkflowAnswer {
  ingest::TopicPartition partition;
  aggregators::WorkflowInfo info;
  bool caught_up = false;
};
struct WorkflowsAnswer {
  AsOf as_of;
  std::vector<WorkflowAnswer> workflows;  // by name; one of several partitions stands once for each
};
absl::StatusOr<WorkflowsAnswer> AskForWorkflows(const ingest::PartitionDirectory& directory,
                                                const aggregators::WorkflowQuery& query,
                                                std::chrono::milliseconds timeout);

struct CleanupAnswer {
  AsOf as_of;
  std::optional<aggregators::CleanupInfo> cleanup;  // the newest of all partitions
};
absl::StatusOr<CleanupAnswer> AskForCleanup(const ingest::PartitionDirectory& directory,
                                            std::chrono::milliseconds timeout);

Json ToBeMadeJson(const aggregators::DayToCome& day);
Json ExpectedJson(const ExpectedAnswer& answer);
Json WorkflowJson(const WorkflowAnswer& answer);
Json CleanupJson(const aggregators::CleanupInfo& cleanup);
// RFC 3339 with the zone's offset: "2026-01-12T09:00:00-05:00".
std::string LocalTime(int64_t time_us, const std::string& zone);

}  // namespace runledger::exporters
