#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "codecs/event.h"
#include "codecs/event_decoder.h"
#include "tools/runledger/exec_options.h"

namespace runledger::v1 {
class Event;
}

namespace runledger::tools {

// How a run ended.
struct RunOutcome {
  codecs::Status status = codecs::Status::kSuccess;  // terminal
  std::string error_type;                            // empty: no error
  std::string error_message;
  int exit_status = 0;  // as a shell would say it
  double duration_seconds = 0;
  std::optional<int64_t> records;  // that the run processed, where that is known
};

// Makes the events of one run: running, heartbeats, the end. Each is the whole row, with an id that tells run and
// event, a rising sequence and a time that does not run backwards. One thread.
class RunReporter {
 public:
  // Fills in the run id where there is none, and the parent from the environment. Nothing that may take long.
  RunReporter(const RunDescription& run, int64_t now_us);
  ~RunReporter();

  // InvalidArgument, with the field, if a value of the description could not be used or kept.
  absl::Status Check();
  // Learns host, user and service. May take long, where users are kept on another machine.
  void LookAround();
  void SetStart(int64_t started_at_us);
  void SetPid(pid_t pid);

  // Good until the next call.
  const codecs::Event& Running(int64_t now_us);
  const codecs::Event& Heartbeat(int64_t now_us);
  const codecs::Event& End(int64_t now_us, const RunOutcome& outcome);

  const std::string& job() const { return run_.job; }
  const std::string& run_id() const { return run_.run_id; }

 private:
  void Describe();
  void SetAttributes(int exit_status);
  const codecs::Event& Finish(std::string_view name, int64_t now_us);
  bool Decode();

  RunDescription run_;
  pid_t pid_ = 0;
  int64_t last_time_us_ = 0;
  int heartbeats_ = 0;
  std::unique_ptr<v1::Event> row_;
  std::string wire_;
  codecs::EventDecoder decoder_;
  codecs::Event event_;
  codecs::Rejection rejection_;
};

}  // namespace runledger::tools
