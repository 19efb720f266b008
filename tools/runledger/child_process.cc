#include "tools/runledger/child_process.h"

#include <spawn.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

extern char** environ;  // NOLINT: as environ(7) says

namespace runledger::tools {
namespace {

constexpr int kPassedOn[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGTSTP};

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts)
    pointers.push_back(const_cast<char*>(text.c_str()));  // the C interface changes nothing
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(const std::vector<std::pair<std::string, std::string>>& set) {
  std::vector<std::string> all;
  for (const auto& [name, value] : set) all.push_back(name + "=" + value);
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view variable(*at);
    bool replaced = false;
    for (const auto& [name, value] : set) {
      replaced |= variable.starts_with(name) && variable.substr(name.size()).starts_with('=');
    }
    if (!replaced) all.emplace_back(variable);
  }
  return all;
}

// The file that PATH has for a command; the command itself if none.
std::string Resolve(const std::string& command) {
  const char* const path = std::getenv("PATH");
  if (command.find('/') != std::string::npos || path == nullptr) return command;
  std::string_view left(path);
  while (true) {
    const size_t colon = left.find(':');
    const std::string_view folder = left.substr(0, colon);
    const std::string file = (folder.empty() ? std::string(".") : std::string(folder)) + "/" + command;
    if (access(file.c_str(), X_OK) == 0) return file;
    if (colon == std::string_view::npos) return command;
    left.remove_prefix(colon + 1);
  }
}

}  // namespace

int SpawnChild(const ChildSpec& spec, pid_t* child) {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  if (const int error = posix_spawnattr_init(&attributes)) return error;
  if (const int error = posix_spawn_file_actions_init(&actions)) {
    posix_spawnattr_destroy(&attributes);
    return error;
  }
  posix_spawnattr_setsigmask(&attributes, &spec.signal_mask);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  int error = spec.stderr_fd < 0 ? 0 : posix_spawn_file_actions_adddup2(&actions, spec.stderr_fd, STDERR_FILENO);
  if (error == 0 && spec.stdout_fd >= 0)
    error = posix_spawn_file_actions_adddup2(&actions, spec.stdout_fd, STDOUT_FILENO);

  const std::vector<std::string> environment = Environment(spec.environment);
  const std::vector<char*> environment_pointers = Pointers(environment);
  if (error == 0) {
    error = posix_spawnp(child, spec.argv[0].c_str(), &actions, &attributes, Pointers(spec.argv).data(),
                         environment_pointers.data());
  }
  if (error == ENOEXEC) {
    std::vector<std::string> script = spec.argv;
    script[0] = Resolve(script[0]);
    script.insert(script.begin(), "/bin/sh");
    error = posix_spawn(child, "/bin/sh", &actions, &attributes, Pointers(script).data(), environment_pointers.data());
  }
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error;
}

int ShellStatusOfSpawnError(int error) { return error == ENOENT ? 127 : 126; }

std::string SignalName(int signal) {
  const char* const name = sigabbrev_np(signal);
  return name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(signal);
}

SignalHold::SignalHold() {
  sigemptyset(&held_);
  struct sigaction action;
  for (const int signal : kPassedOn) {
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) sigaddset(&held_, signal);
  }
  sigaddset(&held_, SIGCHLD);
  if (sigaction(SIGCHLD, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) std::signal(SIGCHLD, SIG_DFL);
  pthread_sigmask(SIG_BLOCK, &held_, &original_mask_);
}

SignalHold::~SignalHold() { pthread_sigmask(SIG_SETMASK, &original_mask_, nullptr); }

std::optional<siginfo_t> SignalHold::Next(std::chrono::milliseconds wait) {
  const timespec limit = {static_cast<time_t>(wait.count() / 1'000),
                          static_cast<long>(wait.count() % 1'000) * 1'000'000};
  siginfo_t info;
  if (sigtimedwait(&held_, &info, &limit) < 0) return std::nullopt;
  return info;
}

void SignalHold::Stop() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  raise(SIGTSTP);
  pthread_sigmask(SIG_UNBLOCK, &stop, nullptr);  // stops here
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
}

}  // namespace runledger::tools
