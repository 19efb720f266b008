// Reads a topic once from its beginning to its end and prints what that took, as bench/end_to_end.py and
// bench/kafka_streams.py want it: events, processor seconds of the process, wall seconds.
//
//   bench_read_topic bare|looking|runledger --brokers HOST:PORT --topic NAME [--threads 2] [--rows discard|none]
//
// `bare` is librdkafka alone, which looks at the size of a message; `looking` is the same with its headers and bytes.
// `runledger` is the pipeline as `serve` has it: group, decoding, fold, publishing, rows, dead letters, commits,
// without snapshots and the HTTP port. With `discard`, rows are made as for a warehouse and thrown away by a sink that
// answers at once; with `none` there is no warehouse. The last rows of a partition wait 50 ms for company and not the
// second of `warehouse.batch_age`, which is no throughput. It is done when every partition is folded to its end and,
// with rows, acked.

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>

#include "bench/peers/bare_consumer.h"
#include "bench/stopwatch.h"
#include "ingest/pipeline.h"

namespace runledger::bench {
namespace {

struct Options {
  std::string brokers = "127.0.0.1:9092";
  std::string topic = "runledger.events";
  int threads = 2;
  bool rows = true;
};

[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

void Print(double events, double cpu_seconds, double wall_seconds) {
  std::printf("events %.0f cpu_seconds %.4f wall_seconds %.4f\n", events, cpu_seconds, wall_seconds);
}

// A warehouse that is done at once. Its answers go to the threads that own the partitions.
class DiscardSink : public ingest::RowSink {
 public:
  void SetListener(ingest::RowSinkListener* listener) { listener_ = listener; }
  void Open(const ingest::TopicPartition& partition, ingest::Tenure tenure, const ingest::Position& committed,
            const ingest::CommitMetadata& metadata) override {
    ingest::SinkOpened opened;
    opened.metadata = metadata;
    opened.position = committed;
    listener_->OnSinkOpened(partition, tenure, std::move(opened));
  }
  void Submit(ingest::Tenure tenure, uint64_t submission, std::shared_ptr<const ingest::RowBatch> rows) override {
    listener_->OnSubmitted(rows->partition(), tenure, submission, {});
  }
  void Close(const ingest::TopicPartition&, ingest::Tenure) override {}

 private:
  ingest::RowSinkListener* listener_ = nullptr;
};

// Whether all partitions are at the end of their logs.
bool Done(const ingest::PartitionDirectory& directory, bool rows) {
  for (const ingest::PartitionView& view : directory.List()) {
    const aggregators::ShardPositions positions = view.shard->Read()->positions;
    const int64_t there = rows ? std::min(positions.applied_offset, positions.acked_offset) : positions.applied_offset;
    if (positions.log_end_offset < 0 || there < positions.log_end_offset) return false;
  }
  return true;
}

void ReadWithRunledger(const Options& options) {
  ingest::PartitionDirectory directory;
  ingest::OwnMetrics metrics;
  ingest::MachineClock clock;
  auto logger = std::make_shared<spdlog::logger>("bench", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(spdlog::level::warn);
  ingest::PipelineOptions pipeline_options;
  pipeline_options.brokers = options.brokers;
  pipeline_options.group = "bench-runledger-" + std::to_string(std::random_device()());
  pipeline_options.topics = {{.name = options.topic}};
  pipeline_options.workers = options.threads;
  pipeline_options.delivery.rows.batch_age_us = 50'000;
  auto created = ingest::Pipeline::Create(pipeline_options,
                                          {.policies = std::make_shared<aggregators::JobPolicies>(),
                                           .encoder = std::make_shared<codecs::RowEncoder>(codecs::SecretNames()),
                                           .directory = &directory,
                                           .metrics = &metrics,
                                           .clock = &clock,
                                           .logger = logger});
  if (!created.ok()) Die(created.status());
  DiscardSink sink;
  sink.SetListener((*created)->row_sink_listener());
  ingest::NoSnapshots snapshots((*created)->snapshot_listener());
  if (const absl::Status started = (*created)->Start(options.rows ? &sink : nullptr, &snapshots); !started.ok()) {
    Die(started);
  }
  // Joining a group takes the broker's time, not ours: the clock starts when the partitions are here.
  while (directory.List().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const Stopwatch watch;
  while (!Done(directory, options.rows)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const double cpu_seconds = watch.cpu_seconds();
  const double wall_seconds = watch.wall_seconds();
  (*created)->Stop();
  double events = 0;
  for (const auto& family : metrics.registry().Collect()) {
    if (family.name != "runledger_events_total") continue;
    for (const auto& metric : family.metric) events += metric.counter.value;
  }
  Print(events, cpu_seconds, wall_seconds);
}

}  // namespace
}  // namespace runledger::bench

int main(int argc, char** argv) {
  runledger::bench::Options options;
  std::string reader;
  std::string rows = "discard";
  CLI::App app("Reads a topic once and prints what that took");
  app.add_option("reader", reader)->required()->check(CLI::IsMember({"bare", "looking", "runledger"}));
  app.add_option("--brokers", options.brokers);
  app.add_option("--topic", options.topic);
  app.add_option("--threads", options.threads)->check(CLI::PositiveNumber);
  app.add_option("--rows", rows)->check(CLI::IsMember({"discard", "none"}));
  CLI11_PARSE(app, argc, argv);
  options.rows = rows == "discard";
  if (reader == "runledger") {
    runledger::bench::ReadWithRunledger(options);
    return 0;
  }
  using runledger::bench::Look;
  const auto reading = runledger::bench::ReadBare(options.brokers, options.topic, options.threads,
                                                  reader == "looking" ? Look::kWhole : Look::kSize);
  if (!reading.ok()) runledger::bench::Die(reading.status());
  if (reader == "looking" && reading->hash == 0) runledger::bench::Die(absl::DataLossError("nothing was looked at"));
  // What a message holds is not decoded: these are messages.
  runledger::bench::Print(static_cast<double>(reading->messages), reading->cpu_seconds, reading->wall_seconds);
  return 0;
}
