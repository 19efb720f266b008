#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace runledger::tools {

// A command to be started.
struct ChildSpec {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH, as a shell does
  // Set for the child, over the environment that it inherits. An empty value is a value.
  std::vector<std::pair<std::string, std::string>> environment;
  int stdout_fd = -1;         // becomes its standard output; below 0: it keeps ours
  int stderr_fd = -1;         // becomes its standard error; below 0: it keeps ours
  sigset_t signal_mask = {};  // the mask it starts with
};

// Starts the command; all other descriptors and dispositions are inherited as usual. A file that can be executed but
// has no format that the kernel knows goes to /bin/sh, as execvp does it. 0, or an errno: nothing was started.
// REQUIRES: argv is not empty.
int SpawnChild(const ChildSpec& spec, pid_t* child);

// What a shell answers for a command that it could not start: 127 not found, 126 found but not executable.
int ShellStatusOfSpawnError(int error);

// "SIGTERM"; "signal 42" where the number has no name.
std::string SignalName(int signal);

// Holds back the signals that a wrapper passes on, and SIGCHLD, and gives them out one by one. A signal that was
// ignored stays ignored and is not held back: `nohup` and a shell's background jobs rely on that. For SIGCHLD, ignored
// becomes default, since otherwise nobody could learn how the child ended.
//
// Holds back in the calling thread: make it before other threads, which inherit the mask. The destructor lets go: a
// signal that nobody took has its usual effect then.
class SignalHold {
 public:
  SignalHold();
  ~SignalHold();
  SignalHold(const SignalHold&) = delete;
  SignalHold& operator=(const SignalHold&) = delete;

  // The mask from before, for the child.
  const sigset_t& original_mask() const { return original_mask_; }
  // The next signal; waits for one at most so long.
  std::optional<siginfo_t> Next(std::chrono::milliseconds wait);
  // Lets SIGTSTP have its usual effect once: the process stops, unless nobody could continue it.
  static void Stop();

 private:
  sigset_t held_ = {};
  sigset_t original_mask_ = {};
};

}  // namespace runledger::tools
