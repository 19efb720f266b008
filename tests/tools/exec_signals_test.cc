#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "tools/exec_fixture.h"

namespace runledger::tools {
namespace {

using testing::HasSubstr;

TEST_F(ExecTest, KilledBySignal) {
  Process process(Argv({}, {kChild, "die", std::to_string(SIGKILL)}));
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 137);
  const v1::Event end = Events().back();
  EXPECT_EQ(end.run().status(), v1::FAILED);
  EXPECT_EQ(Error(end).at("error_type"), "signal");
  EXPECT_EQ(Message(end), "killed by SIGKILL");
  EXPECT_EQ(nlohmann::json::parse(end.run().attributes()).at("exit_status"), 137);
}

TEST_F(ExecTest, ForwardedTermAborts) {
  Process process(Argv({}, {kChild, "wait", "0"}));
  process.WaitForOutput("ready");
  process.Kill(SIGTERM);
  EXPECT_EQ(process.Wait(), 143);
  const v1::Event end = Events().back();
  EXPECT_EQ(end.run().status(), v1::ABORTED);
  EXPECT_EQ(Message(end), "killed by SIGTERM after SIGTERM");
}

TEST_F(ExecTest, TermThatTheCommandHandles) {
  for (const auto& [status, expected] :
       {std::pair(3, v1::ABORTED), std::pair(143, v1::ABORTED), std::pair(0, v1::SUCCESS)}) {
    std::filesystem::remove(EventsFile());
    Process process(Argv({}, {kChild, "exit-on-term", std::to_string(status)}));
    process.WaitForOutput("ready");
    process.Kill(SIGTERM);
    EXPECT_EQ(process.Wait(), status);
    EXPECT_EQ(Events().back().run().status(), expected) << status;
  }
}

TEST_F(ExecTest, HangUpAbortsOnlyWhatEndsOfIt) {
  {
    Process process(Argv({}, {kChild, "wait", "0"}));
    process.WaitForOutput("ready");
    process.Kill(SIGHUP);
    EXPECT_EQ(process.Wait(), 129);
    EXPECT_EQ(Events().back().run().status(), v1::ABORTED);
  }
  std::filesystem::remove(EventsFile());
  Process process(Argv({}, {kChild, "list-signals", "7"}));
  process.WaitForOutput("ready");
  process.Kill(SIGHUP);
  process.WaitForOutput("SIGHUP from a process");
  process.Kill(SIGUSR1);
  EXPECT_EQ(process.Wait(), 7);
  EXPECT_EQ(Events().back().run().status(), v1::FAILED);
}

TEST_F(ExecTest, SignalsArePassedOn) {
  Process process(Argv({}, {kChild, "list-signals", "0"}));
  process.WaitForOutput("ready");
  for (const auto& [signal, name] :
       {std::pair(SIGUSR2, "SIGUSR2"), std::pair(SIGWINCH, "SIGWINCH"), std::pair(SIGINT, "SIGINT")}) {
    process.Kill(signal);
    process.WaitForOutput(name + std::string(" from a process\n"));
  }
  process.Kill(SIGUSR1);
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_EQ(Events().back().run().status(), v1::SUCCESS);
}

TEST_F(ExecTest, StopsAndContinuesTogether) {
  Process process(Argv({}, {kChild, "list-signals", "0"}));
  process.WaitForOutput("ready");
  process.Kill(SIGTSTP);
  int status = 0;
  ASSERT_EQ(waitpid(process.pid(), &status, WUNTRACED), process.pid());
  EXPECT_TRUE(WIFSTOPPED(status));
  const int child = nlohmann::json::parse(WaitForEvents(1)[0].run().attributes()).at("pid");
  std::string state;
  while (state != "T") {  // the child stops when it gets to run
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string pid, name;
    stat >> pid >> name >> state;
  }
  process.Kill(SIGCONT);
  process.Kill(SIGUSR1);
  EXPECT_EQ(process.Wait(), 0);
}

TEST_F(ExecTest, MaskAndDispositionsAreInherited) {
  const auto state = [](const std::vector<std::string>& argv) {
    Process process(argv);
    process.CloseInput();
    EXPECT_EQ(process.Wait(), 0);
    return process.Output();
  };
  EXPECT_EQ(state(Argv({}, {kChild, "signal-state"})), state({kChild, "signal-state"}));
  const std::string nohup = "trap '' HUP CHLD; exec \"$@\"";
  std::vector<std::string> under_nohup = {"/bin/sh", "-c", nohup, "sh"};
  const std::vector<std::string> wrapped = Argv({}, {kChild, "signal-state"});
  under_nohup.insert(under_nohup.end(), wrapped.begin(), wrapped.end());
  EXPECT_EQ(state(under_nohup), state({"/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", kChild, "signal-state"}));
}

TEST_F(ExecTest, IgnoredHangUpStaysIgnored) {
  std::vector<std::string> argv = {"/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh"};
  const std::vector<std::string> wrapped = Argv({}, {kChild, "wait", "0"});
  argv.insert(argv.end(), wrapped.begin(), wrapped.end());
  Process process(argv);
  process.WaitForOutput("ready");
  process.Kill(SIGHUP);
  process.CloseInput();
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_EQ(Events().back().run().status(), v1::SUCCESS);
}

TEST_F(ExecTest, KilledWithoutWarningLeavesTheRunOpen) {
  Process process(Argv({}, {kChild, "wait", "0"}));
  process.WaitForOutput("ready");
  WaitForEvents(1);
  process.Kill(SIGKILL);
  EXPECT_EQ(process.Wait(), 137);
  process.CloseInput();
  EXPECT_EQ(process.Output(), "ready\n");  // the child has ended too
  ASSERT_EQ(Events().size(), 1);
  EXPECT_EQ(Events()[0].run().status(), v1::RUNNING);
}

// A terminal that runs the wrapper in its foreground group.
class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& argv) {
    std::vector<char*> arguments;
    for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    pid_ = forkpty(&fd_, nullptr, nullptr, nullptr);
    if (pid_ == 0) {
      execv(arguments[0], arguments.data());
      _exit(96);
    }
  }
  ~Terminal() { close(fd_); }

  pid_t pid() const { return pid_; }
  void Type(char key) { EXPECT_EQ(write(fd_, &key, 1), 1); }
  void WaitFor(const std::string& text) {
    while (text_.find(text) == std::string::npos && Read()) continue;
    EXPECT_THAT(text_, HasSubstr(text));
  }
  int Wait() {
    while (Read()) continue;
    int status = 0;
    waitpid(pid_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  const std::string& text() const { return text_; }

 private:
  bool Read() {
    char chunk[4096];
    const ssize_t got = read(fd_, chunk, sizeof chunk);  // EIO when nobody holds the other end
    if (got > 0) text_.append(chunk, static_cast<size_t>(got));
    return got > 0;
  }

  int fd_ = -1;
  pid_t pid_ = 0;
  std::string text_;
};

constexpr char kCtrlC = 3;

TEST_F(ExecTest, InterruptFromTheTerminalIsNotDoubled) {
  Terminal terminal(Argv({}, {kChild, "list-signals", "0"}));
  terminal.WaitFor("ready");
  terminal.Type(kCtrlC);
  terminal.WaitFor("SIGINT from the kernel");
  // Passed on in order: had the interrupt been sent again, it would have come before this.
  kill(terminal.pid(), SIGUSR1);
  EXPECT_EQ(terminal.Wait(), 0);
  EXPECT_THAT(terminal.text(), Not(HasSubstr("SIGINT from a process")));
}

TEST_F(ExecTest, InterruptFromTheTerminalAborts) {
  Terminal terminal(Argv({}, {kChild, "wait", "0"}));
  terminal.WaitFor("ready");
  terminal.Type(kCtrlC);
  EXPECT_EQ(terminal.Wait(), 130);
  EXPECT_EQ(Events().back().run().status(), v1::ABORTED);
}

TEST_F(ExecTest, InterruptFromTheTerminalReachesACommandThatLeftTheGroup) {
  // A group of its own, in the background: the terminal does not reach it.
  Terminal terminal(Argv({}, {"/usr/bin/setsid", kChild, "list-signals", "0"}));
  terminal.WaitFor("ready");
  terminal.Type(kCtrlC);
  terminal.WaitFor("SIGINT from a process");
  kill(terminal.pid(), SIGUSR1);
  EXPECT_EQ(terminal.Wait(), 0);
}

}  // namespace
}  // namespace runledger::tools
