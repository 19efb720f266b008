#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregators/day_verdicts.h"
#include "aggregators/job_facts.h"
#include "aggregators/job_policy.h"
#include "exporters/http/as_of.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

// Facts of jobs over all partitions of this instance, and how far they are known.

struct KnownJob {
  std::string name;
  const aggregators::JobPolicy* policy = nullptr;  // of MonitorSources::policies
  std::optional<aggregators::JobFacts> facts;      // nothing: no event of it is known
  aggregators::Knowledge known;
  AsOf as_of;  // of the partitions that may tell of it
};

struct MonitorAnswers {
  AsOf as_of;                  // of all partitions
  std::vector<KnownJob> jobs;  // those asked for, in that order; of all: by name
};

struct MonitorSources {
  const ingest::PartitionDirectory* directory = nullptr;
  std::shared_ptr<const aggregators::JobPolicies> policies;
  std::chrono::milliseconds timeout{2000};
};

// One question a partition, whatever the number of jobs. `query.jobs` empty: all that are configured by name, and all
// that were seen; no disabled ones. Unavailable as AskShards.
absl::StatusOr<MonitorAnswers> AskForFacts(const MonitorSources& sources, const aggregators::FactsQuery& query);

}  // namespace runledger::exporters
