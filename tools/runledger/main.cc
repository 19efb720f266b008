// The runledger binary: parses the command line and wires commands to what does the work.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "codecs/table_page.h"
#include "exporters/http/http_server.h"
#include "exporters/prometheus/metric_catalogue.h"
#include "exporters/queries/named_queries.h"
#include "ingest/kafka/producer.h"
#include "tools/runledger/ask_instance.h"
#include "tools/runledger/bigquery_warehouse.h"
#include "tools/runledger/complaint.h"
#include "tools/runledger/config_loader.h"
#include "tools/runledger/demo.h"
#include "tools/runledger/exec_options.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/generate_command.h"
#include "tools/runledger/history_commands.h"
#include "tools/runledger/log_command.h"
#include "tools/runledger/logging.h"
#include "tools/runledger/monitor_questions.h"
#include "tools/runledger/orchestration_questions.h"
#include "tools/runledger/producer_commands.h"
#include "tools/runledger/questions.h"
#include "tools/runledger/schema_command.h"
#include "tools/runledger/serve.h"
#include "tools/runledger/topics.h"
#include "tools/runledger/version.h"

namespace runledger::tools {
namespace {

// What every command may need: the configuration, loaded when it is wanted.
class Settings {
 public:
  void AddFlags(CLI::App* command) {
    command->add_option("--config", file_, "Configuration file (YAML); without it RUNLEDGER_CONFIG, else the defaults");
    command->add_option("--log-level", log_level_, "How much is logged")
        ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "critical", "off"}))
        ->capture_default_str();
  }
  // Runs `use` with the configuration, or says what is wrong with it.
  int With(const std::function<int(const Config&)>& use) const {
    const auto config = LoadConfigFile(file_, ProcessEnvironment());
    if (!config.ok()) {
      std::fprintf(stderr, "%s\n", std::string(config.status().message()).c_str());
      return kWrongUse;
    }
    return use(*config);
  }
  // How to load it again. Good for as long as this lives.
  ConfigSource source() const {
    return {ConfigFileOf(file_, ProcessEnvironment()), [this] { return LoadConfigFile(file_, ProcessEnvironment()); }};
  }
  std::shared_ptr<spdlog::logger> logger() const { return MakeLogger(log_level_); }

 private:
  std::string file_;
  std::string log_level_ = "info";
};

void AddServe(CLI::App* app, int* status) {
  auto settings = std::make_shared<Settings>();
  CLI::App* command =
      app->add_subcommand("serve", "Read the log, keep the state of all runs, answer over HTTP, write the history");
  settings->AddFlags(command);
  command->callback([=] {
    *status =
        settings->With([&](const Config& config) { return Serve(config, settings->source(), settings->logger()); });
  });
}

void AddSetup(CLI::App* app, int* status) {
  auto settings = std::make_shared<Settings>();
  auto partitions = std::make_shared<int>(12);
  auto replication = std::make_shared<int>(0);
  CLI::App* command = app->add_subcommand("setup",
                                          "Make the topics that do not exist: events (LogAppendTime), dead letters "
                                          "and, where state.kafka_topic names one, snapshots (compacted)");
  settings->AddFlags(command);
  command->add_option("--partitions", *partitions, "Partitions of an events topic")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command->add_option("--replication", *replication, "Replicas; 0: the broker's default")->check(CLI::Range(0, 100));
  command->callback([=] {
    *status = settings->With([&](const Config& config) {
      const absl::Status made = CreateTopics(config, *partitions, *replication);
      if (!made.ok()) {
        std::fprintf(stderr, "runledger: %s\n", std::string(made.message()).c_str());
        return kFailed;
      }
      for (const ingest::TopicOptions& topic : config.topics) {
        if (topic.own) std::printf("topic %s is there\n", topic.name.c_str());
      }
      std::printf("topic %s is there\n", config.dead_letter_topic.c_str());
      if (!config.state_kafka_topic.empty()) std::printf("topic %s is there\n", config.state_kafka_topic.c_str());
      return kFine;
    });
  });
}

void AddConfig(CLI::App* app, int* status) {
  CLI::App* config = app->add_subcommand("config", "Check the configuration, or print what there is to configure");
  config->require_subcommand(1);
  auto settings = std::make_shared<Settings>();
  CLI::App* check =
      config->add_subcommand("check", "Report every problem of the configuration; exit status 2 if there is one");
  settings->AddFlags(check);
  check->callback([=] {
    *status = settings->With([](const Config& loaded) {
      if (loaded.warehouse_kind == "bigquery") {
        if (const absl::Status files = CheckBigQueryFiles(loaded); !files.ok()) return Complain(files);
      }
      // What TLS files are worth is known by using them; nobody is waited for.
      const auto client = kafka::Producer::Create(ConnectionSettings(loaded), nullptr, nullptr);
      if (!client.ok()) return Complain(client.status());
      if (!loaded.tls_cert.empty()) {  // likewise, on a port that nobody knows
        const auto server = exporters::HttpServer::Start(
            {.listen = "127.0.0.1:0", .tls_cert_file = loaded.tls_cert, .tls_key_file = loaded.tls_key}, {});
        if (!server.ok()) return Complain(server.status());
      }
      std::printf("the configuration is fine: %zu topic(s), warehouse %s, %zu entries of jobs\n", loaded.topics.size(),
                  loaded.warehouse_kind.c_str(), loaded.policies.rules().size());
      return kFine;
    });
  });
  const auto print = [&](const char* name, const char* help, std::string (*page)()) {
    config->add_subcommand(name, help)->callback([=] { std::fputs(page().c_str(), stdout); });
  };
  print("reference", "Print the page of all settings (Markdown)", &ConfigurationPage);
  print("metrics", "Print the page of all metrics (Markdown)", &exporters::MetricsPage);
  print("tables", "Print the page of the table and its views (Markdown)", &codecs::TablePage);
  print("queries", "Print the page of the named queries (Markdown)", &exporters::QueryPage);
}

void AddQuestions(CLI::App* app, int* status) {
  auto options = std::make_shared<QuestionOptions>();
  const auto ask = [=](int (*question)(const QuestionOptions&)) {
    const absl::Status found = FindInstance(&options->instance);
    *status = found.ok() ? question(*options) : Complain(found);
  };
  CLI::App* of_jobs = app->add_subcommand("status",
                                          "Is anything stuck? All jobs, or one with its runs. Exit status 1 if "
                                          "something is stale, silent or timed out, 3 if unknown");
  of_jobs->add_option("job", options->job, "A job");
  AddInstanceFlags(of_jobs, &options->instance);
  of_jobs->callback([=] { ask(&Status); });

  CLI::App* runs = app->add_subcommand("runs", "Runs: open ones first, then those that ended last");
  runs->add_option("job", options->job, "Of one job");
  runs->add_option("--status", options->status, "running, success, no_data, partial, skipped, failed, aborted");
  runs->add_option("--date", options->date, "Data date, 2026-01-12");
  runs->add_flag("--stale", options->stale, "Only stale ones");
  runs->add_option("--limit", options->limit, "At most so many")->check(CLI::Range(1, 10'000))->capture_default_str();
  runs->add_option("--warehouse", options->warehouse, "Ask this SQLite warehouse instead of a running instance");
  AddInstanceFlags(runs, &options->instance);
  runs->callback([=] { ask(&Runs); });

  CLI::App* trace = app->add_subcommand("trace", "Find a run by any part of its id");
  trace->add_option("fragment", options->fragment, "Part of a run id, e.g. fea26b01")->required();
  trace->add_option("--limit", options->limit, "At most so many")->check(CLI::Range(1, 10'000));
  trace->add_option("--warehouse", options->warehouse, "Ask this SQLite warehouse instead of a running instance");
  AddInstanceFlags(trace, &options->instance);
  trace->callback([=] { ask(&Trace); });
}

// The first word; empty: there is none.
std::string_view CommandOf(int argc, char** argv) { return argc > 1 ? argv[1] : std::string_view(); }
bool IsExec(int argc, char** argv) { return CommandOf(argc, argv) == "exec"; }

int Main(int argc, char** argv) {
  CLI::App app("runledger: every run of every job accounted for");
  app.require_subcommand(1);
  app.footer(kExitStatusHelp);
  app.set_version_flag("--version", kVersion);
  int status = kFine;
  AddServe(&app, &status);
  // The other commands leave "--" to CLI11: behind it stand jobs whose names begin with a dash.
  const CommandLine line =
      IsExec(argc, argv) ? SplitCommandLine(argc, argv) : CommandLine{.ours = {argv + 1, argv + argc}, .command = {}};
  AddProducerCommands(&app, line.command, &status);
  AddQuestions(&app, &status);
  AddMonitorQuestions(&app, &status);
  AddOrchestrationQuestions(&app, &status);
  AddHistoryCommands(&app, &status);
  AddSchema(&app, &status);
  AddSetup(&app, &status);
  AddGenerate(&app, &status);
  AddDemo(&app, &status);
  AddLog(&app, &status);
  AddConfig(&app, &status);
  app.add_subcommand("version", "Print the version")->callback([] { std::printf("runledger %s\n", kVersion); });
  const std::string name(CommandOf(argc, argv));
  const auto is_named = [&](const CLI::App* command) { return command->check_name(name); };
  if (argc > 1 && !name.starts_with('-') && app.get_subcommands(is_named).empty())
    return Complain("there is no command '" + name + "'; `runledger --help` lists them", kWrongUse);
  try {
    app.parse(std::vector<std::string>(line.ours.rbegin(), line.ours.rend()));  // CLI11 takes them last first
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);  // prints help, version or what is wrong
    return code == 0 ? kFine : kWrongUse;
  } catch (const std::system_error& e) {  // no thread left, as a rule: nothing is known
    return Complain(std::string("the system has not given what is needed: ") + e.what(), kUnknown);
  }
  return status;
}

}  // namespace
}  // namespace runledger::tools

int main(int argc, char** argv) {
  int status = runledger::tools::Main(argc, argv);
  // An answer that was cut short is none. What `exec` ends with is its command's.
  if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && !runledger::tools::IsExec(argc, argv))
    status = runledger::tools::Complain("standard output could not be written to the end", runledger::tools::kUnknown);
  std::fflush(stderr);
  _exit(status);  // threads of libraries that were let go on must not meet what exit() destroys
}
