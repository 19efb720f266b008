#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runledger/v1/event.pb.h"
#include "tools/generate/catalogue.h"
#include "tools/generate/ledger.h"
#include "tools/generate/options.h"
#include "tools/generate/random.h"

// Internal to the generator.
namespace runledger::tools {

// An event and when it is to be sent, in the generator's own time.
struct PlannedEvent {
  int64_t send_at_us = 0;
  v1::Event event;
  SentEvent sent;
  std::string job;  // of a run
  std::string key;  // of the message
  int32_t partition = 0;
  std::shared_ptr<RunTally> tally;  // of a live event of a run
  bool spoil = false;               // give it a value that no column can hold
};

// Imagines what jobs do. One thread.
class Planner {
 public:
  Planner(const GenerateOptions& options, const JobCatalogue& catalogue, Random* random)
      : options_(options), catalogue_(catalogue), random_(*random) {}

  // All events of a run that starts then, of its retries, and their repetitions; at most `limit`, at least one.
  // Events later than the end of the span do not happen: such a run is still going.
  std::vector<PlannedEvent> PlanRun(int64_t start_us, size_t limit);
  // The same of a run of days or weeks ago that is told now.
  std::vector<PlannedEvent> PlanHistory(int64_t now_us, size_t limit);
  // A decision, an expected run, a cleanup or a verdict.
  PlannedEvent PlanOther(int64_t now_us);

 private:
  // What is fixed of a run before its events are told.
  struct RunStory {
    std::string run_id;
    int attempt = 0;
    int64_t start_us = 0;
    bool history = false;
    bool marked = false;  // backfill
    int32_t data_date = 0;
    std::string trigger_message_id;
    int64_t sequence = 0;
    std::shared_ptr<RunTally> tally;
  };

  void TellRun(const JobProfile& job, RunStory* story, std::vector<PlannedEvent>* plan);
  void TellEnd(const JobProfile& job, RunStory* story, int64_t end_us, std::vector<PlannedEvent>* plan);
  void TellCrash(const JobProfile& job, RunStory* story, int64_t last_sign_us, std::vector<PlannedEvent>* plan);
  PlannedEvent& Add(const JobProfile& job, RunStory* story, int64_t time_us, int status,
                    std::vector<PlannedEvent>* plan);
  void SetStatus(const JobProfile& job, int status, PlannedEvent* planned);
  void Describe(const JobProfile& job, const RunStory& story, v1::RunEvent* run);
  void DescribeEnd(const RunStory& story, int status, v1::RunEvent* run);
  void DescribeSeldom(const RunStory& story, v1::RunEvent* run);
  void Repeat(std::vector<PlannedEvent>* plan);
  int64_t Delay();
  int DrawStatus(const JobProfile& job);
  std::string NextEventId();
  std::string NextRunId(const JobProfile& job, int64_t start_us);
  int64_t end_us() const { return options_.start_us + options_.span_us; }

  const GenerateOptions& options_;
  const JobCatalogue& catalogue_;
  Random& random_;
  uint32_t runs_ = 0;
  uint64_t events_ = 0;
};

// Id of an event that runledger writes itself (as the wire format has it): of a run that it closes, or a verdict.
std::string OwnEventIdOf(const std::string& kind, const std::string& subject, int64_t due_us);

// A text of at least so many bytes, with letters outside ASCII and some that JSON escapes.
std::string LongText(Random* random, size_t bytes);

// "20260112" and "113008" of a time, UTC; "2026-01-12".
std::string CompactDate(int64_t time_us);
std::string CompactTime(int64_t time_us);
std::string DateText(int32_t days);

}  // namespace runledger::tools
