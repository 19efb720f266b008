#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace runledger::bench {

// Events as a platform sends them: 500 jobs of very different popularity, ids like
// PlayerGameSummaryProcessor_20260112_113008_d1cb5a05, phases, workflows, trigger fields, a little JSON, retries. One
// event has about 290 bytes of protobuf. The same seed gives the same events.
class Workload {
 public:
  explicit Workload(uint64_t seed, int64_t start_us);

  // A new run: its "running" event. Returns its number.
  size_t Start(std::string* event);
  // A further event of a run, protobuf: a sign of life, or its end.
  void Heartbeat(size_t run, std::string* event);
  void Finish(size_t run, std::string* event);
  // Runs started so far.
  size_t runs() const { return runs_.size(); }

 private:
  struct Run {
    uint32_t job;
    uint32_t hex;
    int64_t started_us;
    int32_t sequence;
  };
  void Serialize(Run& run, int status, bool heartbeat, std::string* event);

  std::mt19937_64 random_;
  std::vector<std::string> jobs_;
  std::discrete_distribution<uint32_t> popularity_;
  std::vector<Run> runs_;
  int64_t now_us_;
};

}  // namespace runledger::bench
