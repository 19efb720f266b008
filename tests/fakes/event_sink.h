#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runledger/v1/event.pb.h"
#include "tools/runledger/event_sink.h"

namespace runledger::fakes {

// Keeps what producers send, and answers as the test wants it.
class RecordingEventSink : public tools::EventSink {
 public:
  absl::Status Send(const codecs::Event& event) override {
    if (!refusal.ok()) return refusal;
    if (waiting >= room) return absl::ResourceExhaustedError("full");
    v1::Event message;
    if (!message.ParseFromArray(event.wire.data(), static_cast<int>(event.wire.size())))
      return absl::InternalError("no event");
    events.push_back(std::move(message));
    ++waiting;
    return absl::OkStatus();
  }
  absl::Status WaitForRoom(Deadline) override {
    ++waits;
    if (stuck) return absl::DeadlineExceededError("stuck");
    waiting = 0;
    return absl::OkStatus();
  }
  tools::FlushResult Flush(Deadline) override {
    if (stuck) return {0, events.size(), "stuck"};
    return {events.size(), 0, ""};
  }

  std::vector<v1::Event> events;
  absl::Status refusal;    // the answer to Send, if it is an error
  size_t room = SIZE_MAX;  // so many until somebody waits for room
  bool stuck = false;      // acknowledges nothing
  size_t waiting = 0;
  int waits = 0;
};

}  // namespace runledger::fakes
