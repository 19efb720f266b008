// How fast does runledger read a topic, without writing rows, beside a bare librdkafka consumer of the same topic? Both
// use one queue a partition and batches, in this process, in turn, and both are measured by the events that the topic
// holds, so that batches of events count for what is in them. Medians, and the ratio of each pair.
//
//   bench_end_to_end --brokers HOST:PORT --topic NAME [--pairs 5] [--workers 2]

#include <spdlog/sinks/null_sink.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ingest/kafka/consumer.h"
#include "ingest/pipeline.h"

namespace runledger::bench {
namespace {

struct Options {
  std::string brokers = "127.0.0.1:9092";
  std::string topic = "runledger.events";
  int pairs = 5;
  int workers = 2;
};

struct Result {
  double seconds = 0;
  double cpu_seconds = 0;
  uint64_t records = 0;
  uint64_t events = 0;
};

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  double cpu() const { return CpuSeconds() - cpu_; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double cpu_ = CpuSeconds();
};

// Starts its clock when the group has given it the partitions: joining a group takes the broker's time, not ours.
class Bare : public kafka::Consumer::Listener {
 public:
  Result Run(const Options& options) {
    auto created = kafka::Consumer::Create(
        {{"bootstrap.servers", options.brokers}, {"group.id", "bench-bare-" + std::to_string(std::random_device()())}},
        this, nullptr);
    if (!created.ok()) std::exit((std::fprintf(stderr, "%s\n", created.status().ToString().c_str()), 1));
    consumer_ = std::move(*created);
    if (!consumer_->Subscribe({options.topic}).ok()) std::exit(1);
    while (!assigned_) consumer_->Poll(10);
    Stopwatch watch;
    std::vector<std::thread> threads;
    std::atomic<size_t> next{0};
    std::atomic<uint64_t> records{0};
    // As many threads as runledger has workers, each over its share of the partitions.
    for (int t = 0; t < options.workers; ++t) {
      threads.emplace_back([&, t] {
        std::vector<size_t> mine;
        for (size_t p = static_cast<size_t>(t); p < queues_.size(); p += static_cast<size_t>(options.workers))
          mine.push_back(p);
        kafka::MessageBatch batch;
        uint64_t sum = 0, bytes = 0;
        while (!mine.empty()) {
          for (size_t i = 0; i < mine.size();) {
            const size_t p = mine[i];
            queues_[p]->Drain(1'000, 5, &batch);
            for (const kafka::MessageView& message : batch.messages()) bytes += message.value.size();
            sum += batch.messages().size();
            const bool done =
                ends_[p] == 0 || (!batch.messages().empty() && batch.messages().back().offset + 1 >= ends_[p]);
            if (done) {
              mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(i));
            } else {
              ++i;
            }
          }
        }
        records += sum;
        if (bytes == 1) std::puts("");  // so that the sum is not thrown away
      });
    }
    for (std::thread& thread : threads) thread.join();
    Result result{watch.seconds(), watch.cpu(), records, records};
    queues_.clear();
    consumer_.reset();
    return result;
  }

  void OnAssigned(const std::vector<kafka::TopicPartition>& partitions) override {
    std::vector<kafka::PartitionOffset> starts;
    for (const kafka::PartitionOffset& end : consumer_->EndOffsets(partitions, 10'000)) ends_.push_back(end.offset);
    for (const kafka::TopicPartition& partition : partitions) {
      queues_.push_back(consumer_->OpenQueue(partition));
      starts.push_back({partition, kafka::kOffsetBeginning});
    }
    if (!consumer_->Assign(starts).ok()) std::exit(1);
    assigned_ = true;
  }
  void OnRevoked(const std::vector<kafka::TopicPartition>& partitions, bool) override {
    consumer_->Unassign(partitions).IgnoreError();
  }
  void OnCommitted(uint64_t, const absl::Status&) override {}
  void OnError(const absl::Status& status) override { std::fprintf(stderr, "%s\n", status.ToString().c_str()); }

 private:
  std::unique_ptr<kafka::Consumer> consumer_;
  std::vector<std::unique_ptr<kafka::PartitionQueue>> queues_;
  std::vector<int64_t> ends_;
  bool assigned_ = false;
};

Result RunPipeline(const Options& options) {
  ingest::PartitionDirectory directory;
  ingest::OwnMetrics metrics;
  ingest::MachineClock clock;
  auto logger = std::make_shared<spdlog::logger>("bench", std::make_shared<spdlog::sinks::null_sink_mt>());
  ingest::PipelineOptions pipeline_options;
  pipeline_options.brokers = options.brokers;
  pipeline_options.group = "bench-runledger-" + std::to_string(std::random_device()());
  pipeline_options.topics = {{.name = options.topic}};
  pipeline_options.workers = options.workers;
  auto created =
      ingest::Pipeline::Create(pipeline_options, {std::make_shared<aggregators::JobPolicies>(),
                                                  std::make_shared<codecs::RowEncoder>(codecs::SecretNames()),
                                                  &directory, &metrics, &clock, logger});
  if (!created.ok()) std::exit((std::fprintf(stderr, "%s\n", created.status().ToString().c_str()), 1));
  ingest::NoSnapshots snapshots((*created)->snapshot_listener());
  if (!(*created)->Start(nullptr, &snapshots).ok()) std::exit(1);
  while (directory.List().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  Stopwatch watch;
  Result result;
  for (bool done = false; !done;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    done = true;
    result.records = 0;
    for (const ingest::PartitionView& view : directory.List()) {
      const auto positions = view.shard->Read()->positions;
      done = done && positions.log_end_offset >= 0 && positions.applied_offset >= positions.log_end_offset;
      result.records += static_cast<uint64_t>(std::max<int64_t>(positions.applied_offset, 0));
    }
  }
  result.seconds = watch.seconds();
  result.cpu_seconds = watch.cpu();
  (*created)->Stop();
  for (const auto& family : metrics.registry().Collect()) {
    if (family.name != "runledger_events_total") continue;
    for (const auto& metric : family.metric) result.events += static_cast<uint64_t>(metric.counter.value);
  }
  return result;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Main(const Options& options) {
  uint64_t records = 0, events = 0;
  std::vector<double> rate_ratio, cpu_ratio, bare_rate, bare_cpu, our_rate, our_cpu;
  std::printf("%-6s | %-32s | %-30s\n", "", "events/s", "processor time, ns/event");
  std::printf("%-6s | %10s %12s %8s | %10s %12s %8s\n", "pair", "bare", "runledger", "ratio", "bare", "runledger",
              "ratio");
  for (int pair = 0; pair < options.pairs; ++pair) {
    const Result bare = Bare().Run(options);
    const Result ours = RunPipeline(options);
    if (bare.records != ours.records) {
      std::fprintf(stderr, "the consumer read %llu records, runledger %llu\n",
                   static_cast<unsigned long long>(bare.records), static_cast<unsigned long long>(ours.records));
      return 1;
    }
    records = ours.records;
    events = std::max<uint64_t>(ours.events, 1);
    const auto count = static_cast<double>(events);
    bare_rate.push_back(count / bare.seconds);
    our_rate.push_back(count / ours.seconds);
    bare_cpu.push_back(bare.cpu_seconds * 1e9 / count);
    our_cpu.push_back(ours.cpu_seconds * 1e9 / count);
    rate_ratio.push_back(our_rate.back() / bare_rate.back());
    cpu_ratio.push_back(our_cpu.back() / bare_cpu.back());
    std::printf("%-6d | %10.0f %12.0f %8.2f | %10.0f %12.0f %8.2f\n", pair + 1, bare_rate.back(), our_rate.back(),
                rate_ratio.back(), bare_cpu.back(), our_cpu.back(), cpu_ratio.back());
  }
  std::printf("%-6s | %10.0f %12.0f %8.2f | %10.0f %12.0f %8.2f\n", "median", Median(bare_rate), Median(our_rate),
              Median(rate_ratio), Median(bare_cpu), Median(our_cpu), Median(cpu_ratio));
  std::printf("the topic: %llu records, %llu good events\n", static_cast<unsigned long long>(records),
              static_cast<unsigned long long>(events));
  return 0;
}

}  // namespace
}  // namespace runledger::bench

int main(int argc, char** argv) {
  runledger::bench::Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--brokers") == 0) options.brokers = argv[i + 1];
    if (std::strcmp(argv[i], "--topic") == 0) options.topic = argv[i + 1];
    if (std::strcmp(argv[i], "--pairs") == 0) options.pairs = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--workers") == 0) options.workers = std::atoi(argv[i + 1]);
  }
  return runledger::bench::Main(options);
}
