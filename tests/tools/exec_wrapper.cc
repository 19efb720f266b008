// `runledger exec` as a program of its own, for tests that need a process: signals, exit status, standard error. Its
// events go to a broker (--brokers) or as they are, each behind its size in four bytes, into a file or FIFO (--events).
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "tools/runledger/event_sender.h"
#include "tools/runledger/exec.h"

namespace runledger::tools {
namespace {

class FileSink : public EventSink {
 public:
  // `answer`: ack, refuse (takes nothing) or hang (takes all, acknowledges nothing).
  FileSink(const std::string& path, std::string answer)
      : fd_(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)), answer_(std::move(answer)) {}
  ~FileSink() override { close(fd_); }

  absl::Status Send(const codecs::Event& event) override {
    if (answer_ == "refuse") return absl::InternalError("refused by the test");
    const auto size = static_cast<uint32_t>(event.wire.size());
    std::string record(sizeof size, '\0');
    std::memcpy(record.data(), &size, sizeof size);
    record += event.wire;
    for (std::string_view left = record; !left.empty();) {
      const ssize_t written = write(fd_, left.data(), left.size());
      if (written < 0) return absl::InternalError(std::strerror(errno));
      left.remove_prefix(static_cast<size_t>(written));
    }
    ++taken_;
    return absl::OkStatus();
  }
  absl::Status WaitForRoom(Deadline) override { return absl::OkStatus(); }
  FlushResult Flush(Deadline) override {
    if (answer_ == "hang") return {0, taken_, "the test acknowledges nothing"};
    return {taken_, 0, ""};
  }

 private:
  const int fd_;
  const std::string answer_;
  uint64_t taken_ = 0;
};

int Main(int argc, char** argv) {
  CommandLine line = SplitCommandLine(argc, argv);
  CLI::App app("exec for tests");
  ExecOptions options;
  EventSenderOptions sender;
  std::string events;
  std::string answer = "ack";
  AddExecOptions(&app, &options);
  app.add_option("--brokers", sender.brokers);
  app.add_option("--topic", sender.topic);
  app.add_option("--events", events);
  app.add_option("--answer", answer);
  std::reverse(line.ours.begin(), line.ours.end());
  try {
    app.parse(line.ours);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.command = std::move(line.command);
  if (!events.empty()) {
    FileSink sink(events, answer);
    return Exec(options, sink);
  }
  EventSender sink(sender);
  return Exec(options, sink);
}

}  // namespace
}  // namespace runledger::tools

int main(int argc, char** argv) { return runledger::tools::Main(argc, argv); }
