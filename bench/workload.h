#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace runledger::bench {

// How events name themselves: as their run, and a number; or by 16 hexadecimal digits, about 40 bytes less.
enum class EventIds { kRunAndSequence, kHash };

// Events as a platform sends them: jobs of very different popularity, ids like
// PlayerGameSummaryProcessor_20260112_113008_d1cb5a05, phases, workflows, trigger fields, a little JSON, retries. One
// event has about 300 bytes of protobuf, with kHash about 255. The same seed gives the same events.
class Workload {
 public:
  static constexpr int64_t kStepUs = 50;  // from one event to the next

  static constexpr int kJobs = 500;

  // The first event is kStepUs after `start_us`.
  explicit Workload(uint64_t seed, int64_t start_us, EventIds ids = EventIds::kRunAndSequence, int jobs = kJobs);

  // A new run: its "running" event. Returns its number.
  size_t Start(std::string* event);
  // A further event of a run, protobuf: a sign of life, or its end.
  void Heartbeat(size_t run, std::string* event);
  void Finish(size_t run, std::string* event);
  const std::vector<std::string>& jobs() const { return jobs_; }
  const std::string& job_of(size_t run) const { return jobs_[runs_[run].job]; }
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
  EventIds ids_;
};

}  // namespace runledger::bench
