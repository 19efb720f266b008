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
  std::string reason;        // why, where `undelivered` is not 0
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
};

}  // namespace runledger::tools
