#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace runledger::tools {

// The last bytes of a stream. One thread at a time.
class Tail {
 public:
  explicit Tail(size_t capacity) : capacity_(capacity) {}

  void Append(std::string_view bytes);
  // Its last lines as text: valid UTF-8 without NUL, no line cut at its beginning unless there is only one, no white
  // space at the end.
  std::string Lines() const;

 private:
  size_t capacity_;
  bool cut_ = false;  // something went before
  std::string bytes_;
};

// Passes a command's standard error on, unchanged, and keeps its tail. A thread reads the pipe and writes; what it
// writes to may block, as it would block the command. Memory does not grow with the output: a chunk, the tail, and at
// the end what the pipe held.
//
// If nobody reads our standard error any more, the pipe is closed too, so that the command learns it as it would have
// without us. Processes that the command leaves behind with its standard error keep it: see LeaveReader.
class StderrTee {
 public:
  // Makes the pipe and the thread. `out` must stay open.
  static absl::StatusOr<std::unique_ptr<StderrTee>> Create(int out, size_t tail_bytes);
  // Does not wait for the thread: what it still has to write is lost with the process. See drained_fd.
  ~StderrTee();
  StderrTee(const StderrTee&) = delete;
  StderrTee& operator=(const StderrTee&) = delete;

  // The end for the command, and what to do once the command has it.
  int write_end() const;
  void CloseWriteEnd();

  // Called once when the command has ended: everything that it wrote is in the tail that is returned, however long
  // those who still hold the pipe keep it open. Does not wait for the output to be passed on.
  std::string Finish();
  // Readable when all has been passed on.
  int drained_fd() const;
  // Once all has been passed on and this process is about to end: if somebody still holds the pipe (a server that the
  // command started, say), leaves a small process behind that passes on what they write until they are gone. Without it
  // their next word would end them, by SIGPIPE.
  void LeaveReader();

 private:
  struct State;
  explicit StderrTee(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // shared with the thread, which may be stuck in a write when we go
};

}  // namespace runledger::tools
