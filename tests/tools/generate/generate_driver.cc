#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <map>

#include "tools/generate/generate.h"

// Sends generated events from the command line, for tests that need them before and beside the runledger binary.

using runledger::kafka::Partitioner;
using runledger::tools::FileSink;
using runledger::tools::GenerateOptions;
using runledger::tools::KafkaSink;
using runledger::tools::Ledger;
using runledger::tools::Sink;

namespace {

template <typename T>
absl::StatusOr<std::unique_ptr<Sink>> AsSink(absl::StatusOr<std::unique_ptr<T>> sink) {
  if (!sink.ok()) return sink.status();
  return std::unique_ptr<Sink>(std::move(*sink));
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  GenerateOptions options;
  std::string brokers, out, ledger_path;
  CLI::App app("Generates run events");
  app.add_option("--brokers", brokers, "bootstrap.servers");
  app.add_option("--topic", options.topic, "topic");
  app.add_option("--out", out, "file instead of a topic");
  app.add_option("--ledger", ledger_path, "where the ledger goes")->required();
  app.add_option("--seed", options.seed, "seed");
  app.add_option("--events", options.events, "events");
  app.add_option("--jobs", options.jobs, "jobs");
  app.add_option("--partitions", options.partitions, "partitions");
  app.add_option("--rate", options.rate, "events a second");
  app.add_option("--start-us", options.start_us, "start of the events' time");
  app.add_option("--span-us", options.span_us, "span of the events' time");
  app.add_option("--append-time", options.append_time, "the topic is LogAppendTime");
  app.add_option("--bad", options.bad, "share of bad events");
  app.add_option("--refused", options.refused, "share of events with a bad column");
  app.add_option("--duplicates", options.duplicates, "share of repeated events");
  app.add_option("--disorder", options.disorder, "share of disordered events");
  app.add_option("--late", options.late, "share of late events");
  app.add_option("--partitioner", options.partitioner, "murmur2 or crc32")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Partitioner>{{"murmur2", Partitioner::kMurmur2}, {"crc32", Partitioner::kCrc32}}));
  CLI11_PARSE(app, argc, argv);

  absl::StatusOr<std::unique_ptr<Sink>> sink =
      out.empty() ? AsSink(KafkaSink::Create({{"bootstrap.servers", brokers}}, options.topic, options.partitions))
                  : AsSink(FileSink::Create(out));
  if (!sink.ok()) return Fail(sink.status());
  Ledger ledger;
  if (absl::Status status = Generate(options, **sink, &ledger); !status.ok()) return Fail(status);
  std::ofstream file(ledger_path);
  file << ledger.ToJson();
  return file.good() ? 0 : Fail(absl::UnknownError("cannot write " + ledger_path));
}
