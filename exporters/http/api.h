#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "exporters/http/message.h"
#include "exporters/prometheus/exposition.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

struct ApiOptions {
  // How long a question about single runs may wait for the threads that own the partitions.
  std::chrono::milliseconds question_timeout{2000};
  std::string version = {};  // shown on the status page
};

// Everything that is asked for over HTTP: /metrics, /healthz, /readyz, the status page at / and /api/v1. Both arguments
// must outlive the server that the routes are given to. Handlers run on any thread, several at once; those that ask for
// single runs block for at most question_timeout.
std::vector<Route> ApiRoutes(const ingest::PartitionDirectory& directory, Exposition& exposition,
                             const ApiOptions& options);

}  // namespace runledger::exporters
