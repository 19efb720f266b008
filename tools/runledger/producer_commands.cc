#include "tools/runledger/producer_commands.h"

#include <cstdio>
#include <memory>

#include "tools/runledger/emit.h"
#include "tools/runledger/exec.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/log_flags.h"
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
  auto exec_flags = std::make_shared<LogFlags>();
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
    EventSender sender(SenderOptionsOf(*config));
    *status = Exec(*exec_options, sender);
  });

  auto emit_flags = std::make_shared<LogFlags>();
  auto emit_options = std::make_shared<EmitOptions>();
  CLI::App* emit = app->add_subcommand("emit", "Send one event from flags, or many from standard input as JSON lines");
  emit_flags->Add(emit);
  AddEmitOptions(emit, emit_options.get());
  emit->callback([=] {
    const auto config = emit_flags->Load();
    if (!config.ok()) {
      std::fprintf(stderr, "%s\n", std::string(config.status().message()).c_str());
      *status = kWrongUse;
      return;
    }
    EventSender sender(SenderOptionsOf(*config));
    *status = Emit(*emit_options, sender);
  });
}

}  // namespace runledger::tools
