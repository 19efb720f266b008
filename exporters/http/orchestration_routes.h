#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "exporters/http/message.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

struct OrchestrationSources {
  const ingest::PartitionDirectory* directory = nullptr;  // outlives the server
  std::function<std::string()> time_zone = {};            // of days, where a workflow has none of its own; empty: UTC
  std::chrono::milliseconds question_timeout{2000};
};

// /api/v1/schedule: what was expected on a day, and what came of it. /api/v1/workflows: what was decided last, and who
// is not being evaluated. /api/v1/missing-files: what the newest cleanup found.
std::vector<Route> OrchestrationRoutes(OrchestrationSources sources);

}  // namespace runledger::exporters
