#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "aggregators/job_policy.h"
#include "exporters/http/message.h"
#include "exporters/prometheus/exposition.h"
#include "exporters/queries/history.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

struct ApiOptions {
  // How long a question about single runs may wait for the threads that own the partitions.
  std::chrono::milliseconds question_timeout{2000};
  std::string version = {};  // shown on the status page
  // Of days, where the configuration gives a workflow none; empty: UTC. Any thread.
  std::function<std::string()> time_zone = {};
  // Opens the warehouse, for what only it knows; empty: there is none. Any thread.
  std::function<absl::StatusOr<std::unique_ptr<History>>()> history = {};
  // Microseconds since the epoch, for what counts back from now.
  std::function<int64_t()> now_us = {};
  // What is expected of jobs, as the shards have it now; empty: the defaults. Any thread.
  std::function<std::shared_ptr<const aggregators::JobPolicies>()> policies = {};
};

// Everything that is asked for over HTTP: /metrics, /healthz, /readyz, the status page at / and /api/v1. Both arguments
// must outlive the server that the routes are given to. Handlers run on any thread, several at once; those that ask for
// single runs block for at most question_timeout.
std::vector<Route> ApiRoutes(const ingest::PartitionDirectory& directory, Exposition& exposition,
                             const ApiOptions& options);

}  // namespace runledger::exporters
