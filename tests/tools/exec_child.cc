// The command that tests of exec run. Its first argument says what it does.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

void Print(const std::string& text) {
  if (write(STDOUT_FILENO, text.data(), text.size()) < 0) _exit(99);
}

void WaitForEndOfInput() {
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
}

// Writes so many bytes to standard error, each its position modulo 251.
void Flood(size_t bytes) {
  std::string chunk(251 * 256, '\0');
  for (size_t i = 0; i < chunk.size(); ++i) chunk[i] = static_cast<char>(i % 251);
  for (size_t at = 0; at < bytes;) {
    const size_t offset = at % 251;
    const ssize_t written = write(STDERR_FILENO, chunk.data() + offset, std::min(chunk.size() - offset, bytes - at));
    if (written < 0) _exit(98);
    at += static_cast<size_t>(written);
  }
}

// Says of each signal that it came, and whether from the kernel, until SIGUSR1 comes. Then exits.
[[noreturn]] void ListSignals(int exit_status) {
  sigset_t all;
  sigemptyset(&all);
  for (const int signal : {SIGINT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTERM, SIGHUP}) sigaddset(&all, signal);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  Print("ready\n");
  while (true) {
    siginfo_t info;
    const int signal = sigwaitinfo(&all, &info);
    if (signal < 0) continue;  // stopped and continued
    Print(std::string("SIG") + sigabbrev_np(signal) +
          (info.si_code == SI_KERNEL ? " from the kernel\n" : " from a process\n"));
    if (signal == SIGUSR1) _exit(exit_status);
  }
}

// Ends with a last word, and leaves a process behind that keeps standard error until the input ends.
[[noreturn]] void LeaveGrandchild() {
  if (fork() == 0) {
    WaitForEndOfInput();
    _exit(0);
  }
  dprintf(STDERR_FILENO, "last word\n");
  _exit(7);
}

// "SigBlk" and "SigIgn" of this process, as proc(5) shows them.
void PrintSignalState() {
  FILE* const status = std::fopen("/proc/self/status", "r");
  char line[256];
  while (std::fgets(line, sizeof line, status) != nullptr) {
    if (std::strncmp(line, "SigBlk", 6) == 0 || std::strncmp(line, "SigIgn", 6) == 0) Print(line);
  }
  std::fclose(status);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const int number = argc > 2 ? std::atoi(argv[2]) : 0;
  if (what == "exit") return number;
  if (what == "die") {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  if (what == "args") {
    for (int i = 2; i < argc; ++i) Print(std::string(argv[i]) + "\n");
    return 0;
  }
  if (what == "flood") {
    Flood(static_cast<size_t>(std::atoll(argv[2])));
    Print("flooded\n");
    WaitForEndOfInput();
    return 3;
  }
  if (what == "wait") {  // for the end of the input, then exits
    Print("ready\n");
    WaitForEndOfInput();
    return number;
  }
  if (what == "list-signals") ListSignals(number);
  if (what == "exit-on-term") {  // with the number
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, nullptr);
    Print("ready\n");
    int signal;
    sigwait(&term, &signal);
    return number;
  }
  if (what == "close-stderr") {
    close(STDERR_FILENO);
    Print("closed\n");
    WaitForEndOfInput();
    return 7;
  }
  if (what == "grandchild") LeaveGrandchild();
  if (what == "signal-state") {
    PrintSignalState();
    return 0;
  }
  if (what == "write-until-epipe") {
    std::signal(SIGPIPE, SIG_IGN);
    Print("ready\n");
    while (write(STDERR_FILENO, "x\n", 2) > 0) continue;
    Print(errno == EPIPE ? "EPIPE\n" : "another error\n");
    return 5;
  }
  return 97;
}
