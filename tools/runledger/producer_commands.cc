#include "tools/runledger/producer_commands.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>

#include "tools/runledger/emit.h"
#include "tools/runledger/exec.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/log_flags.h"
#include "tools/runledger/spool.h"
#include "tools/runledger/spooling_sink.h"
#include "tools/runledger/topics.h"

namespace runledger::tools {
namespace {

// Stands in where the configuration cannot be read: a command must run all the same.
class NoSink : public EventSink {
 public:
  explicit NoSink(std::string reason) : reason_(std::move(reason)) {}
  absl::Status Send(const codecs::Event&) override {
    ++refused_;
    return absl::OkStatus();
  }
  absl::Status WaitForRoom(Deadline) override { return absl::OkStatus(); }
  FlushResult Flush(Deadline) override { return {0, refused_, reason_}; }

 private:
  std::string reason_;
  uint64_t refused_ = 0;
};

// Flags of commands that make events.
struct ProducerFlags {
  LogFlags log;
  std::optional<std::string> spool_dir;

  void Add(CLI::App* command) {
    log.Add(command);
    command->add_option("--spool-dir", spool_dir,
                        "Where events wait that the log does not take, over spool.dir; empty: nowhere");
  }
  absl::StatusOr<Config> Load() const {
    auto config = log.Load();
    if (!config.ok() || !spool_dir) return config;
    if (!spool_dir->empty() && spool_dir->front() != '/')
      return absl::InvalidArgumentError(
          "--spool-dir \"" + *spool_dir +
          "\" is no absolute path: commands are started anywhere, and must find it again");
    config->spool_dir = *spool_dir;
    return config;
  }
};

// The log, with a spool where there is one. It is not destroyed: its client would wait for a name look-up that is under
// way, and after Finish() it has nothing that the end of the process does not give back.
class ProducerSink {
 public:
  ProducerSink(const Config& config, bool may_wait, std::chrono::milliseconds drain_time) {
    const std::string directory = SpoolDirectory(config.spool_dir);
    if (directory.empty()) {
      sink_ = std::make_unique<EventSender>(SenderOptionsOf(config));
      return;
    }
    spool_ = std::make_unique<Spool>(directory, config.spool_max_bytes);
    SpoolingSinkOptions options;
    options.may_wait = may_wait;
    options.drain_time = drain_time;
    const bool has_stderr = fcntl(STDERR_FILENO, F_GETFD) >= 0;  // else the descriptor may become something else's
    const auto say = [has_stderr](const std::string& text) {
      if (has_stderr) dprintf(STDERR_FILENO, "runledger: spool: %s\n", text.c_str());
    };
    sink_ = std::make_unique<SpoolingSink>(SenderOptionsOf(config), spool_.get(), options, say);
  }
  EventSink& operator*() { return *sink_; }

 private:
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<EventSink> sink_;
};

}  // namespace

EventSenderOptions SenderOptionsOf(const Config& config) {
  const ingest::TopicOptions& topic = config.topics.front();
  EventSenderOptions options;
  options.brokers = config.brokers;
  options.topic = topic.name;
  options.keyed_by_job = topic.keyed_by_job;
  options.partitioner = topic.partitioner;
  options.librdkafka = ConnectionSettings(config);
  options.librdkafka.erase("bootstrap.servers");
  return options;
}

void AddProducerCommands(CLI::App* app, const std::vector<std::string>& command, int* status) {
  auto exec_flags = std::make_shared<ProducerFlags>();
  auto exec_options = std::make_shared<ExecOptions>();
  CLI::App* exec =
      app->add_subcommand("exec", "Run a command and report its run: runledger exec --job NAME -- CMD ARGS");
  exec_flags->Add(exec);
  AddExecOptions(exec, exec_options.get());
  exec->callback([=] {
    exec_options->command = command;
    const auto config = exec_flags->Load();
    if (!config.ok()) {
      std::fprintf(stderr, "runledger: the run is not reported: %s\n", std::string(config.status().message()).c_str());
      NoSink sink("the configuration cannot be used");
      *status = Exec(*exec_options, sink);
      return;
    }
    exec_options->run.secrets = config->secrets;
    // A command's end is not kept waiting for long by what others left.
    auto* const sink = new ProducerSink(*config, false, std::chrono::seconds(2));
    *status = Exec(*exec_options, **sink);
  });

  auto emit_flags = std::make_shared<ProducerFlags>();
  auto emit_options = std::make_shared<EmitOptions>();
  CLI::App* emit = app->add_subcommand("emit", "Send one event from flags, or many from standard input as JSON lines");
  emit_flags->Add(emit);
  AddEmitOptions(emit, emit_options.get());
  emit->callback([=] {
    std::signal(SIGXFSZ, SIG_IGN);  // a spool at a size limit is an error of that write
    const auto config = emit_flags->Load();
    if (!config.ok()) {
      std::fprintf(stderr, "%s\n", std::string(config.status().message()).c_str());
      *status = kWrongUse;
      return;
    }
    const auto drain_time = std::chrono::ceil<std::chrono::milliseconds>(emit_options->flush_timeout);
    auto* const sink = new ProducerSink(*config, true, drain_time);
    *status = Emit(*emit_options, **sink);
  });
}

}  // namespace runledger::tools
