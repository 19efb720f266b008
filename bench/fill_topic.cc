// Fills topics with the same events, one a record and in zstd batches, for bench/end_to_end.py, bench/kafka_streams.py
// and bench/answers.py. The topics must exist and have as many partitions as told.
//
//   bench_fill_topic --brokers HOST:PORT --events N --partitions P [--plain TOPIC] [--batches TOPIC] [--batch 100]
//                    [--jobs 500] [--rate 0]
//
// --rate: so many events a second, in steps of 10 ms; 0: as fast as it goes.
// The events are Workload's, about 250 bytes each: jobs of very different popularity, some 50,000 runs open at any
// time, a third of the events starts, a third signs of life, a third ends. Keyed by job, as the topic's contract has
// it, so partitions differ in size as they do in life. Prints events, bytes an event,
// and the runs that started and ended.

#include <zstd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/workload.h"
#include "ingest/kafka/producer.h"

namespace runledger::bench {
namespace {

constexpr size_t kOpenRuns = 50'000;
constexpr char kPlainType[] = "application/x-protobuf; messageType=runledger.v1.Event";
constexpr char kBatchType[] = "application/x-protobuf; messageType=runledger.v1.EventBatch";

[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

class Filler {
 public:
  explicit Filler(const std::string& brokers) {
    auto created = kafka::Producer::Create(
        {{"bootstrap.servers", brokers}, {"linger.ms", "50"}, {"queue.buffering.max.kbytes", "131072"}},
        [this](const kafka::DeliveryReport& report) {
          if (!report.status.ok()) failed_ = report.status;
        },
        nullptr);
    if (!created.ok()) Die(created.status());
    producer_ = std::move(*created);
  }

  void Write(const kafka::OutgoingMessage& message) {
    absl::Status status;
    do {
      producer_->Poll(status.ok() ? 0 : 100);  // a full queue waits for reports
      status = producer_->Produce(message, 0);
    } while (absl::IsResourceExhausted(status));
    if (!status.ok()) Die(status);
    if (!failed_.ok()) Die(failed_);
  }
  void Finish() {
    if (const absl::Status status = producer_->Flush(120'000); !status.ok()) Die(status);
    if (!failed_.ok()) Die(failed_);
  }

 private:
  absl::Status failed_;
  std::unique_ptr<kafka::Producer> producer_;
};

// Events of one partition on their way into one message.
struct Batch {
  std::string bytes;
  std::string key;
  int events = 0;
};

void Add(const std::string& event, Batch* batch) {
  batch->bytes.push_back('\x0a');  // EventBatch.events: field 1, bytes
  size_t size = event.size();
  for (; size >= 0x80; size >>= 7) batch->bytes.push_back(static_cast<char>(size | 0x80));
  batch->bytes.push_back(static_cast<char>(size));
  batch->bytes += event;
  ++batch->events;
}

void Send(const std::string& topic, int32_t partition, Batch* batch, Filler* filler) {
  if (batch->events == 0) return;
  std::string packed(ZSTD_compressBound(batch->bytes.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), batch->bytes.data(), batch->bytes.size(), 3));
  filler->Write({.topic = topic,
                 .partition = partition,
                 .key = batch->key,
                 .value = packed,
                 .headers = {{"content-type", kBatchType}, {"content-encoding", "zstd"}}});
  *batch = {};
}

struct Options {
  std::string brokers = "127.0.0.1:9092";
  std::string plain;
  std::string batches;
  int64_t events = 1'000'000;
  int32_t partitions = 12;
  int batch = 100;
  int jobs = Workload::kJobs;
  int64_t rate = 0;
};

void Fill(const Options& options) {
  Filler filler(options.brokers);
  // They end about now: an event that is a day behind its record would be history.
  const int64_t now_us =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  Workload workload(1, now_us - options.events * Workload::kStepUs, EventIds::kHash, options.jobs);
  std::mt19937_64 random(2);
  std::vector<size_t> open;
  std::vector<Batch> batches(static_cast<size_t>(options.partitions));
  std::string event;
  uint64_t bytes = 0;
  int64_t ended = 0;
  const auto began = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < options.events; ++i) {
    if (options.rate > 0 && i % std::max<int64_t>(options.rate / 100, 1) == 0)
      std::this_thread::sleep_until(began + std::chrono::microseconds(i * 1'000'000 / options.rate));
    const uint64_t what = open.size() < kOpenRuns ? random() % 2 : random() % 3;
    size_t run = 0;
    if (open.empty() || what == 0) {
      run = workload.Start(&event);
      open.push_back(run);
    } else {
      size_t& chosen = open[random() % open.size()];
      run = chosen;
      if (what == 1) {
        workload.Heartbeat(run, &event);
      } else {
        workload.Finish(run, &event);
        ++ended;
        chosen = open.back();
        open.pop_back();
      }
    }
    bytes += event.size();
    const std::string& job = workload.job_of(run);
    const int32_t partition = kafka::PartitionFor(kafka::Partitioner::kMurmur2, job, options.partitions);
    if (!options.plain.empty()) {
      filler.Write({.topic = options.plain,
                    .partition = partition,
                    .key = job,
                    .value = event,
                    .headers = {{"content-type", kPlainType}}});
    }
    if (!options.batches.empty()) {
      Batch& batch = batches[static_cast<size_t>(partition)];
      if (batch.events == 0) batch.key = job;
      Add(event, &batch);
      if (batch.events == options.batch) Send(options.batches, partition, &batch, &filler);
    }
  }
  for (size_t p = 0; p < batches.size(); ++p) Send(options.batches, static_cast<int32_t>(p), &batches[p], &filler);
  filler.Finish();
  std::printf("events %lld bytes_per_event %.1f started %zu finished %lld\n", static_cast<long long>(options.events),
              static_cast<double>(bytes) / static_cast<double>(options.events), workload.runs(),
              static_cast<long long>(ended));
}

}  // namespace
}  // namespace runledger::bench

int main(int argc, char** argv) {
  runledger::bench::Options options;
  CLI::App app("Fills topics with the same events, one a record and in zstd batches");
  app.add_option("--brokers", options.brokers);
  app.add_option("--plain", options.plain);
  app.add_option("--batches", options.batches);
  app.add_option("--events", options.events)->check(CLI::PositiveNumber);
  app.add_option("--partitions", options.partitions)->check(CLI::PositiveNumber);
  app.add_option("--batch", options.batch)->check(CLI::PositiveNumber);
  app.add_option("--jobs", options.jobs)->check(CLI::PositiveNumber);
  app.add_option("--rate", options.rate)->check(CLI::NonNegativeNumber);
  CLI11_PARSE(app, argc, argv);
  runledger::bench::Fill(options);
  return 0;
}
