#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "codecs/event.h"

namespace runledger::tools {

// What became of the events that a sink took, since it was made.
struct FlushResult {
  uint64_t acknowledged = 0;
  uint64_t undelivered = 0;  // refused by the log, or not acknowledged yet
  std::string reason;        // why, where `undelivered` or `spooled` is not 0

  uint64_t spooled = 0;   // durable on this machine, to be sent by somebody later; not among `undelivered`
  std::string spool;      // where
  bool draining = false;  // what earlier producers left is being sent, and that goes on while somebody waits here
};

// Where producers put their events: the log itself, or something that keeps them for it. One thread at a time.
class EventSink {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  virtual ~EventSink() = default;

  // Copies the event and returns at once. ResourceExhausted: there is no room now, see WaitForRoom. Any other error is
  // about this event or this sink, and trying again does not help. What was not taken does not count in Flush.
  virtual absl::Status Send(const codecs::Event& event) = 0;

  // Waits until there is room again. DeadlineExceeded says why there is none.
  virtual absl::Status WaitForRoom(Deadline deadline) = 0;

  // Waits until what was taken has been acknowledged, or cannot be any more. An event that is still on its way at the
  // deadline counts as undelivered, and may count as acknowledged when asked again.
  virtual FlushResult Flush(Deadline deadline) = 0;

  // What time asks for: a caller that waits for something else calls it again after as long as it answers. It does not
  // wait for the log.
  virtual std::chrono::milliseconds Tend() { return std::chrono::hours(1); }

  // Nothing more will be sent: what is not acknowledged now is kept for later, where that can be done. Does not wait
  // for the log.
  virtual FlushResult Finish() { return Flush(std::chrono::steady_clock::now()); }
};

}  // namespace runledger::tools
