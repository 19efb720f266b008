#include <CLI/CLI.hpp>
#include <cstdio>

#include "audit/audit.h"

// Exit status: 0 no difference, 1 differences, 2 something could not be read.

int main(int argc, char** argv) {
  using runledger::audit::RecordVisitor;
  runledger::audit::AuditOptions options;
  std::string brokers, log_file;
  std::optional<int64_t> append_us;
  size_t keep = 10;
  CLI::App app("Compares what runledger made of a topic with an independent reading of it");
  app.add_option("--brokers", brokers, "bootstrap.servers");
  app.add_option("--topic", options.topic, "the topic")->capture_default_str();
  app.add_option("--dead-letters", options.dead_letter_topic, "topic of the dead letters");
  app.add_option("--log-file", log_file, "file of generated records instead of the topic");
  app.add_option("--append-time-us", append_us,
                 "with --log-file: stamp every record with this time, as a broker would");
  app.add_option("--scrapes", options.scrapes, "directory of saved bodies of /metrics, in the order of their names");
  app.add_option("--sqlite", options.sqlite, "the warehouse's file");
  app.add_option("--ledger", options.ledger, "the generator's ledger");
  app.add_option("--config", options.config, "runledger's configuration");
  app.add_flag("--fresh", options.fresh, "the process has read the whole log since it started: check its own counters");
  app.add_option("--partition-counts", options.partition_counts,
                 "how many partitions the topic had, one number after the other, if it grew")
      ->delimiter(',');
  app.add_option("--keep", keep, "differences of a kind to print")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (brokers.empty() == log_file.empty()) {
    std::fprintf(stderr, "give either --brokers or --log-file\n");
    return 2;
  }

  runledger::audit::Report report(keep);
  const auto read = [&](const std::string& topic, const RecordVisitor& visit) {
    return log_file.empty() ? runledger::audit::ReadTopic(brokers, topic, visit)
                            : runledger::audit::ReadRecordFile(log_file, append_us, visit);
  };
  const absl::Status status = runledger::audit::Audit(options, read, &report);
  if (status.ok() || !report.clean()) std::fputs(report.ToText().c_str(), stdout);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 2;
  }
  return report.clean() ? 0 : 1;
}
