#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace runledger::tools {

// A program that a test has started, with its output as it comes. A test that waits in vain ends by ctest's limit.
class Process {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  explicit Process(const std::vector<std::string>& argv, const Environment& environment = {}) {
    int in[2], out[2], err[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    // A process group of its own, whose parent is outside it: otherwise SIGTSTP might have no effect.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    std::vector<char*> arguments = Pointers(argv);
    std::vector<std::string> variables;
    for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
    for (char** at = environ; *at != nullptr; ++at) variables.emplace_back(*at);  // the first of a name counts
    EXPECT_EQ(posix_spawn(&pid_, argv[0].c_str(), &actions, &attributes, arguments.data(), Pointers(variables).data()),
              0)
        << argv[0];
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    for (const int fd : {in[0], out[1], err[1]}) close(fd);
    input_ = in[1];
    out_.Start(out[0]);
    err_.Start(err[0]);
  }

  ~Process() {
    CloseInput();
    if (!waited_) Wait();
    out_.Stop();
    err_.Stop();
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Kill(int signal) const { kill(pid_, signal); }
  void CloseInput() {
    if (input_ >= 0) close(input_);
    input_ = -1;
  }
  void WaitForOutput(const std::string& text) { out_.WaitFor(text); }
  std::string OutputSoFar() { return out_.SoFar(); }
  void CloseError() { err_.Stop(); }

  // As a shell says it: 128 + n for signal n.
  int Wait() {
    if (!waited_) {
      waitpid(pid_, &status_, 0);
      waited_ = true;
    }
    return WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
  }
  // All of it; waits for its end, which those that inherited it may put off.
  std::string Output() { return out_.All(); }
  std::string Error() { return err_.All(); }

  // "VmHWM" of proc(5), in KiB.
  int64_t PeakMemoryKib() const {
    FILE* const status = std::fopen(("/proc/" + std::to_string(pid_) + "/status").c_str(), "r");
    char line[256];
    long long kib = 0;
    while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr)
      std::sscanf(line, "VmHWM: %lld", &kib);
    if (status != nullptr) std::fclose(status);
    return kib;
  }

 private:
  // One end of a pipe, read by a thread.
  class Stream {
   public:
    void Start(int fd) {
      fd_ = fd;
      EXPECT_EQ(pipe2(stop_, O_CLOEXEC), 0);
      thread_ = std::thread([this] { Run(); });
    }
    void WaitFor(const std::string& text) {
      std::unique_lock lock(mutex_);
      came_.wait(lock, [&] { return text_.find(text) != std::string::npos || ended_; });
      EXPECT_NE(text_.find(text), std::string::npos) << text_;
    }
    std::string SoFar() {
      const std::lock_guard lock(mutex_);
      return text_;
    }
    std::string All() {
      std::unique_lock lock(mutex_);
      came_.wait(lock, [&] { return ended_; });
      return text_;
    }
    // Nobody reads any more.
    void Stop() {
      if (!thread_.joinable()) return;
      close(stop_[1]);
      thread_.join();
      close(stop_[0]);
      close(fd_);
    }

   private:
    void Run() {
      pollfd waits[2] = {{fd_, POLLIN, 0}, {stop_[0], 0, 0}};
      std::string chunk(size_t{1} << 16, '\0');
      while (true) {
        poll(waits, 2, -1);
        ssize_t got = 0;
        if (waits[0].revents != 0) got = read(fd_, chunk.data(), chunk.size());
        const std::lock_guard lock(mutex_);
        if (got > 0) text_.append(chunk, 0, static_cast<size_t>(got));
        ended_ = got <= 0;
        came_.notify_all();
        if (ended_) return;
      }
    }

    int fd_ = -1;
    int stop_[2] = {-1, -1};
    std::thread thread_;
    std::mutex mutex_;
    std::condition_variable came_;
    std::string text_;
    bool ended_ = false;
  };

  static std::vector<char*> Pointers(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
    pointers.push_back(nullptr);
    return pointers;
  }

  pid_t pid_ = 0;
  int input_ = -1;
  int status_ = 0;
  bool waited_ = false;
  Stream out_;
  Stream err_;
};

}  // namespace runledger::tools
