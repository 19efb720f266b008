#include "tools/runledger/exec.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "tools/runledger/child_process.h"
#include "tools/runledger/discover_status.h"
#include "tools/runledger/run_reporter.h"
#include "tools/runledger/stderr_tee.h"
#include "tools/runledger/wall_clock.h"

namespace runledger::tools {
namespace {

using std::chrono::steady_clock;

constexpr int kWrongUse = 2;
constexpr std::chrono::milliseconds kNow{0};
constexpr std::chrono::milliseconds kSlice{50};  // between looks at the signals

// Goes on while the machine sleeps, as the wall clock does, and never jumps.
double BootSeconds() {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

bool AsksToStop(const siginfo_t& signal) {
  return signal.si_signo == SIGTERM || signal.si_signo == SIGINT || signal.si_signo == SIGHUP ||
         signal.si_signo == SIGQUIT;
}

// One run of Exec.
class Session {
 public:
  Session(const ExecOptions& options, EventSink* sink)
      : options_(options),
        sink_(sink),
        has_stderr_(fcntl(STDERR_FILENO, F_GETFD) >= 0),
        reporter_(options.run, WallUs()) {}

  int Run();

 private:
  bool Start();
  int CouldNotStart(int error);
  void Report(const codecs::Event& event);
  void WaitForChild();
  bool Ended();
  void PassOn(const siginfo_t& signal);
  bool ChildHas(const siginfo_t& signal) const;
  void DiscoverInto(RunOutcome* outcome) const;
  RunOutcome Outcome(const std::string& tail) const;
  bool EndedAsAsked() const;
  void Flush();
  void TellUndelivered() const;
  void WaitForOutput();
  bool AskedToHurry();
  void Say(const std::string& text) const;

  const ExecOptions& options_;
  EventSink* const sink_;
  const bool has_stderr_;  // else the descriptor may become something else's
  RunReporter reporter_;
  SignalHold signals_;
  std::unique_ptr<StderrTee> tee_;      // nullptr: standard error is not captured
  std::unique_ptr<StderrTee> out_tee_;  // of standard output, the same way; nullptr: its result is not looked for there
  std::string output_;                  // the end of what went there
  int64_t started_us_ = 0;
  pid_t child_ = 0;
  bool ended_ = false;
  int wait_status_ = 0;  // of the child, once it has ended
  double started_boot_ = 0;
  std::set<int> asked_;     // of TERM, INT, HUP, QUIT: those that came while the command ran
  uint64_t not_taken_ = 0;  // events that the sink refused
  std::string not_taken_why_;
  FlushResult flushed_;
  bool hurry_ = false;  // told to stop after the command had ended
};

// SIG_IGN for a signal while it lives.
class Ignored {
 public:
  explicit Ignored(int signal) : signal_(signal) {
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    sigaction(signal_, &ignore, &before_);
  }
  ~Ignored() { sigaction(signal_, &before_, nullptr); }
  Ignored(const Ignored&) = delete;
  Ignored& operator=(const Ignored&) = delete;

 private:
  const int signal_;
  struct sigaction before_ = {};
};

int Session::Run() {
  if (const absl::Status status = reporter_.Check(); !status.ok()) {
    Say("exec: " + std::string(status.message()));
    return kWrongUse;
  }
  if (!Start()) return CouldNotStart(errno);
  // What may not end us before the run is reported: a reader that went away, a file at its size limit (the spool,
  // standard error). After the start: the command gets what we were given.
  const Ignored no_reader(SIGPIPE), file_limit(SIGXFSZ);
  if (tee_ != nullptr) tee_->CloseWriteEnd();
  if (out_tee_ != nullptr) out_tee_->CloseWriteEnd();
  reporter_.LookAround();
  Report(reporter_.Running(WallUs()));

  WaitForChild();
  if (out_tee_ != nullptr) output_ = out_tee_->Finish();
  RunOutcome outcome = Outcome(tee_ != nullptr ? tee_->Finish() : "");
  DiscoverInto(&outcome);
  Report(reporter_.End(WallUs(), outcome));
  Flush();
  WaitForOutput();
  TellUndelivered();
  return outcome.exit_status;
}

// False with errno if the command could not be started.
bool Session::Start() {
  if (options_.capture_stderr && has_stderr_) {
    auto tee = StderrTee::Create(STDERR_FILENO, options_.stderr_tail_bytes);
    if (tee.ok()) {
      tee_ = std::move(*tee);
    } else {
      Say("exec: standard error is not captured: " + std::string(tee.status().message()));
    }
  }
  if (options_.discover_status && options_.result_file.empty() && fcntl(STDOUT_FILENO, F_GETFD) >= 0) {
    auto tee = StderrTee::Create(STDOUT_FILENO, kMaxResultLine);
    if (tee.ok()) {
      out_tee_ = std::move(*tee);
    } else {
      Say("exec: the result on standard output is not seen: " + std::string(tee.status().message()));
    }
  }
  ChildSpec spec;
  spec.argv = options_.command;
  spec.environment = {{"RUNLEDGER_JOB", reporter_.job()}, {"RUNLEDGER_RUN_ID", reporter_.run_id()}};
  spec.stderr_fd = tee_ != nullptr ? tee_->write_end() : -1;
  spec.stdout_fd = out_tee_ != nullptr ? out_tee_->write_end() : -1;
  spec.signal_mask = signals_.original_mask();
  started_us_ = WallUs();
  reporter_.SetStart(started_us_);
  started_boot_ = BootSeconds();
  errno = SpawnChild(spec, &child_);
  if (errno != 0) return false;
  reporter_.SetPid(child_);
  return true;
}

int Session::CouldNotStart(int error) {
  const Ignored no_reader(SIGPIPE), file_limit(SIGXFSZ);
  tee_.reset();
  out_tee_.reset();
  const std::string text = options_.command[0] + ": " + std::strerror(error);
  Say("exec: " + text);
  reporter_.LookAround();
  RunOutcome outcome;
  outcome.status = codecs::Status::kFailed;
  outcome.exit_status = ShellStatusOfSpawnError(error);
  outcome.error_type = outcome.exit_status == 127 ? "command_not_found" : "command_not_executable";
  outcome.error_message = text;
  Report(reporter_.End(WallUs(), outcome));
  Flush();
  TellUndelivered();
  return outcome.exit_status;
}

void Session::TellUndelivered() const {
  const auto events = [this](uint64_t count) {
    return std::to_string(count) + (count == 1 ? " event" : " events") + " of run " + reporter_.run_id();
  };
  if (flushed_.spooled > 0) {
    Say(events(flushed_.spooled) + (flushed_.spooled == 1 ? " waits in " : " wait in ") + flushed_.spool +
        " for the next exec, emit or serve: " + flushed_.reason);
  }
  if (flushed_.undelivered > 0) Say(events(flushed_.undelivered) + " could not be delivered: " + flushed_.reason);
}

void Session::Report(const codecs::Event& event) {
  const absl::Status status = sink_->Send(event);
  if (status.ok()) return;
  ++not_taken_;
  not_taken_why_ = std::string(status.message());
}

// Passes signals on and sends heartbeats until the command has ended.
void Session::WaitForChild() {
  constexpr std::chrono::milliseconds kLong = std::chrono::hours(1);
  const bool beats = options_.heartbeat.count() > 0;
  auto next_beat = steady_clock::now() + options_.heartbeat;
  while (!Ended()) {
    auto wait = std::clamp(sink_->Tend(), kNow, kLong);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_beat - steady_clock::now());
    if (beats) wait = std::clamp(left, kNow, wait);
    if (const auto signal = signals_.Next(wait)) {
      PassOn(*signal);
    }
    if (beats && steady_clock::now() >= next_beat && !Ended()) {
      Report(reporter_.Heartbeat(WallUs()));
      next_beat = steady_clock::now() + options_.heartbeat;
    }
  }
  // What the terminal sent to both of us may have ended the command before we looked.
  while (const auto signal = signals_.Next(kNow)) {
    if (ChildHas(*signal)) {
      asked_.insert(signal->si_signo);
    } else {
      hurry_ |= AsksToStop(*signal);
    }
  }
}

bool Session::Ended() {
  // The first process of a container inherits the orphans, and nobody else will bury them.
  const pid_t whom = getpid() == 1 ? -1 : child_;
  while (!ended_) {
    int status = 0;
    const pid_t ended = waitpid(whom, &status, WNOHANG);
    if (ended == 0) return false;
    if (ended < 0 && errno == EINTR) continue;
    ended_ = ended < 0 || ended == child_;
    wait_status_ = ended < 0 ? W_EXITCODE(255, 0) : status;  // below 0: somebody else has taken the answer
  }
  return true;
}

// The terminal sends to its whole foreground group: the command has it already, unless it left our group.
bool Session::ChildHas(const siginfo_t& signal) const {
  return signal.si_code == SI_KERNEL && (ended_ || getpgid(child_) == getpgrp());
}

void Session::PassOn(const siginfo_t& signal) {
  if (signal.si_signo == SIGCHLD) return;
  if (!ChildHas(signal)) kill(child_, signal.si_signo);
  asked_.insert(signal.si_signo);
  if (signal.si_signo == SIGTSTP) SignalHold::Stop();
}

bool Session::EndedAsAsked() const {
  if (WIFEXITED(wait_status_) && WEXITSTATUS(wait_status_) == 0) return false;
  if (asked_.contains(SIGTERM) || asked_.contains(SIGINT)) return true;
  // These two may mean something else to a command: it may read its configuration again, or tell where it stands.
  const int by = WIFSIGNALED(wait_status_) ? WTERMSIG(wait_status_) : WEXITSTATUS(wait_status_) - 128;
  return (by == SIGHUP || by == SIGQUIT) && asked_.contains(by);
}

RunOutcome Session::Outcome(const std::string& tail) const {
  RunOutcome outcome;
  outcome.duration_seconds = BootSeconds() - started_boot_;
  if (WIFSIGNALED(wait_status_)) {
    outcome.exit_status = 128 + WTERMSIG(wait_status_);
    outcome.error_type = "signal";
    outcome.error_message = "killed by " + SignalName(WTERMSIG(wait_status_));
    if (WCOREDUMP(wait_status_)) outcome.error_message += ", core dumped";
  } else {
    outcome.exit_status = WEXITSTATUS(wait_status_);
    if (outcome.exit_status == 0) return outcome;
    outcome.error_type = "exit_status";
    outcome.error_message = "exit status " + std::to_string(outcome.exit_status);
  }
  outcome.status = EndedAsAsked() ? codecs::Status::kAborted : codecs::Status::kFailed;
  if (outcome.status == codecs::Status::kAborted) {
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
      if (asked_.contains(signal)) outcome.error_message += " after " + SignalName(signal);
    }
  }
  if (!tail.empty()) outcome.error_message += ": " + tail;
  return outcome;
}

// Of a command that ended well, what it found decides.
void Session::DiscoverInto(RunOutcome* outcome) const {
  if (!options_.discover_status || outcome->status != codecs::Status::kSuccess) return;
  const DiscoveredStatus found = options_.result_file.empty() ? DiscoverStatusOfLastLine(output_)
                                                              : DiscoverStatusOfFile(options_.result_file, started_us_);
  outcome->status = found.status;
  outcome->records = found.records;
}

// Waits for the log, at most flush_timeout; less if somebody is in a hurry, or nothing more can come. What is not
// delivered then goes to where it is kept.
void Session::Flush() {
  const auto deadline = steady_clock::now() + options_.flush_timeout;
  while (true) {
    const auto slice = std::min(deadline, steady_clock::now() + kSlice);
    flushed_ = sink_->Flush(slice);
    const bool done = flushed_.undelivered == 0 && !flushed_.draining;
    if (done || steady_clock::now() < slice || slice == deadline || AskedToHurry()) break;
  }
  flushed_ = sink_->Finish();
  if (not_taken_ > 0 && flushed_.undelivered == 0) flushed_.reason = not_taken_why_;
  flushed_.undelivered += not_taken_;
}

void Session::WaitForOutput() {
  for (StderrTee* const tee : {tee_.get(), out_tee_.get()}) {
    if (tee == nullptr) continue;
    pollfd drained = {tee->drained_fd(), POLLIN, 0};
    while (poll(&drained, 1, static_cast<int>(kSlice.count())) <= 0 && !AskedToHurry()) continue;
    if (poll(&drained, 1, 0) > 0) tee->LeaveReader();
  }
}

bool Session::AskedToHurry() {
  while (const auto signal = signals_.Next(kNow)) hurry_ |= AsksToStop(*signal);
  return hurry_;
}

void Session::Say(const std::string& text) const {
  if (has_stderr_) dprintf(STDERR_FILENO, "runledger: %s\n", text.c_str());
}

}  // namespace

int Exec(const ExecOptions& options, EventSink& sink) {
  if (options.command.empty()) {
    std::fputs(
        "runledger: exec: no command: write it behind --, as in runledger exec --job NAME -- COMMAND ARGUMENTS\n",
        stderr);
    return kWrongUse;
  }
  return Session(options, &sink).Run();
}

}  // namespace runledger::tools
