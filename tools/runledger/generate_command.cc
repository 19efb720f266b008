#include "tools/runledger/generate_command.h"

#include <cstdio>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "ingest/kafka/admin.h"
#include "tools/generate/generate.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/log_flags.h"
#include "tools/runledger/topics.h"
#include "tools/runledger/units.h"
#include "tools/runledger/wall_clock.h"

namespace runledger::tools {
namespace {

constexpr int kTimeoutMs = 10'000;

struct Flags {
  LogFlags log;
  GenerateOptions options;
  std::string out;
  std::string ledger;
  std::string start;
  std::string span = "6h";
  std::string timestamps = "auto";
  std::string partitioner;
};

template <typename T>
absl::StatusOr<std::unique_ptr<Sink>> AsSink(absl::StatusOr<std::unique_ptr<T>> sink) {
  if (!sink.ok()) return sink.status();
  return std::unique_ptr<Sink>(std::move(*sink));
}

absl::Status ReadTimes(const Flags& flags, GenerateOptions* options) {
  const auto span = ParseDuration(flags.span);
  if (!span.has_value() || *span <= 0)
    return absl::InvalidArgumentError(absl::StrCat("--span: \"", flags.span, "\" is not a duration like 6h"));
  options->span_us = *span;
  if (flags.start.empty()) {
    options->start_us = WallUs() - *span;
    return absl::OkStatus();
  }
  const auto start = codecs::ParseRfc3339(flags.start);
  if (!start.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--start: \"", flags.start, "\" is not a time like 2026-01-12T11:30:08Z"));
  }
  options->start_us = *start;
  return absl::OkStatus();
}

// Whether the broker stamps the records: as the topic says, unless a flag does.
absl::StatusOr<bool> BrokerStamps(const Flags& flags, const Config& config, const std::string& topic) {
  if (flags.timestamps != "auto") return flags.timestamps == "log-append";
  if (!flags.out.empty()) return true;
  const auto type = kafka::TopicConfig(ConnectionSettings(config), topic, "message.timestamp.type", kTimeoutMs);
  if (!type.ok()) return type.status();
  return *type == "LogAppendTime";
}

absl::Status Run(const Flags& flags) {
  const auto config = flags.log.Load();
  if (!config.ok()) return absl::InvalidArgumentError(config.status().message());
  const ingest::TopicOptions& topic = config->topics.front();
  GenerateOptions options = flags.options;
  options.topic = topic.name;
  options.horizon_us = config->horizon_us;
  options.partitioner = topic.partitioner;
  if (absl::Status status = ReadTimes(flags, &options); !status.ok()) return status;
  const auto stamps = BrokerStamps(flags, *config, topic.name);
  if (!stamps.ok()) return stamps.status();
  options.append_time = *stamps;

  auto sink = flags.out.empty() ? AsSink(KafkaSink::Create(ConnectionSettings(*config), topic.name, options.partitions))
                                : AsSink(FileSink::Create(flags.out));
  if (!sink.ok()) return sink.status();
  Ledger ledger;
  if (absl::Status status = Generate(options, **sink, &ledger); !status.ok()) return status;
  if (!flags.ledger.empty()) {
    std::ofstream file(flags.ledger);
    file << ledger.ToJson();
    if (!file.flush().good()) return absl::UnknownError(absl::StrCat("cannot write --ledger ", flags.ledger));
  }
  std::printf("%lld events of %d jobs, seed %llu, into %s\n", static_cast<long long>(options.events), options.jobs,
              static_cast<unsigned long long>(options.seed),
              flags.out.empty() ? topic.name.c_str() : flags.out.c_str());
  return absl::OkStatus();
}

}  // namespace

void AddGenerate(CLI::App* app, int* status) {
  auto flags = std::make_shared<Flags>();
  GenerateOptions& options = flags->options;
  CLI::App* command = app->add_subcommand(
      "generate", "Send realistic run events, bad ones among them, and say what must come out of them");
  flags->log.Add(command);
  command->add_option("--out", flags->out, "File for the records, instead of the topic");
  command->add_option("--ledger", flags->ledger,
                      "File for the ledger (JSON): rows, dead letters and counters that must come out");
  command->add_option("--seed", options.seed, "Equal seeds give equal records")->capture_default_str();
  command->add_option("--events", options.events, "How many, good and bad together")->capture_default_str();
  command->add_option("--jobs", options.jobs, "Jobs; the first is the busiest")->capture_default_str();
  command->add_option("--partitions", options.partitions, "Partitions that are used")->capture_default_str();
  command->add_option("--rate", options.rate, "Events a second; 0: as fast as they are taken")->capture_default_str();
  command->add_option("--start", flags->start,
                      "First event's time, e.g. 2026-01-12T11:30:08Z; without it --span before now");
  command->add_option("--span", flags->span, "Time over which the events are spread")->capture_default_str();
  command
      ->add_option("--timestamps", flags->timestamps,
                   "Who stamps the records: as the topic has it, the broker, or the events' times")
      ->check(CLI::IsMember({"auto", "log-append", "create"}))
      ->capture_default_str();
  command->add_option("--bad", options.bad, "Share of events that must be refused")->capture_default_str();
  command->add_option("--refused", options.refused, "Share of good events with a value that no column holds")
      ->capture_default_str();
  command->add_option("--duplicates", options.duplicates, "Share of events sent again")->capture_default_str();
  command->add_option("--disorder", options.disorder, "Share of events seconds behind their successors")
      ->capture_default_str();
  command->add_option("--late", options.late, "Share of events minutes to hours late")->capture_default_str();
  command->add_option("--backfill", options.backfill, "Share of runs that are history")->capture_default_str();
  command->add_option("--crashes", options.crashes, "Share of runs that never end")->capture_default_str();
  command->callback([=] {
    const absl::Status done = Run(*flags);
    if (done.ok()) {
      *status = kFine;
      return;
    }
    std::fprintf(stderr, "runledger: %s\n", std::string(done.message()).c_str());
    *status = absl::IsInvalidArgument(done) ? kWrongUse : kFailed;
  });
}

}  // namespace runledger::tools
