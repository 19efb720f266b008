#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/generate/options.h"
#include "tools/generate/random.h"

namespace runledger::tools {

// How a job tells its status.
enum class Vocabulary : uint8_t { kOurs, kOpenLineage, kAirflow, kDagster, kPrefect, kDbt };

// One job of the imagined platform: what all of its runs have in common.
struct JobProfile {
  std::string name;
  int kind = 1;  // number in event.proto
  std::string phase;
  std::string workflow;
  std::string service;
  int32_t partition = 0;
  Vocabulary vocabulary = Vocabulary::kOurs;
  double median_duration_s = 60;
  bool beats = false;           // sends heartbeats
  bool keeps_sequence = false;  // numbers its events
  bool tells_attempt = false;   // 1 for the first try
  bool tells_start = true;      // started_at
  bool tells_duration = true;   // duration_seconds
  double fails = 0.05;          // share of its runs
};

// The jobs of a platform, the busiest first.
class JobCatalogue {
 public:
  JobCatalogue(const GenerateOptions& options, Random* random);

  const std::vector<JobProfile>& jobs() const { return jobs_; }
  const JobProfile& operator[](size_t i) const { return jobs_[i]; }
  // By popularity: the n-th job has 1/n of the runs that the first one has.
  size_t Draw(Random* random) const;
  const std::vector<std::string>& workflows() const { return workflows_; }

 private:
  std::vector<JobProfile> jobs_;
  std::vector<double> cumulative_;  // of the popularity
  std::vector<std::string> workflows_;
};

}  // namespace runledger::tools
