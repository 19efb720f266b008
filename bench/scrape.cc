// What does a scrape cost for each series: writing it in either format, and compressing it?
//
// 12 partitions with 3,660 jobs in all: about 100,000 series, 60 phase histograms among them.

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "exporters/prometheus/exposition.h"
#include "exporters/prometheus/gzip.h"

namespace runledger::exporters {
namespace {

constexpr int kPartitions = 12;
constexpr int kJobs = 305;  // in each
constexpr int64_t kNowUs = 1'768'217'408'123'456;

void Apply(aggregators::Shard* shard, std::string_view job, std::string_view run_id, codecs::Status status,
           int64_t time_us) {
  codecs::Event event;
  event.id = run_id;
  event.time_us = time_us;
  event.run.job_name = job;
  event.run.run_id = run_id;
  event.run.status = status;
  event.run.phase = "phase_3_analytics";
  const std::string workflow = "workflow_" + std::to_string(job.size() % 5);
  event.run.workflow = workflow;
  shard->BeginRecord(time_us, aggregators::TimestampKind::kAppendTime);
  shard->Apply(event);
  shard->EndRecord();
}

std::shared_ptr<aggregators::Shard> MakeShard(int partition) {
  auto policies = std::make_shared<aggregators::JobPolicies>();
  auto shard = std::make_shared<aggregators::Shard>(aggregators::ShardOptions{}, policies);
  for (int i = 0; i < kJobs; ++i) {
    const std::string job = "PlayerDailySummaryProcessor" + std::string(static_cast<size_t>(i % 5), 'x') +
                            std::to_string(partition * kJobs + i);
    for (int run = 0; run < 6; ++run) {
      const std::string id = job + "_20260112_113008_" + std::to_string(run);
      const int64_t start_us = kNowUs - 3'600'000'000 + run * 60'000'000 + i * 1'237;
      Apply(shard.get(), job, id, codecs::Status::kRunning, start_us);
      if (run == 5) continue;  // goes on
      Apply(shard.get(), job, id, run == 2 ? codecs::Status::kFailed : codecs::Status::kSuccess,
            start_us + 12'345'678 + i);
    }
  }
  shard->AdvanceWatermark(kNowUs);
  shard->Publish({.applied_offset = 123'456,
                  .acked_offset = 123'400,
                  .log_start_offset = 0,
                  .log_end_offset = 123'456,
                  .caught_up = true,
                  .shown = true});
  return shard;
}

struct Instance {
  Instance() {
    for (int partition = 0; partition < kPartitions; ++partition) {
      directory.Add({{"runledger.events", partition}, MakeShard(partition), nullptr});
    }
    directory.SetAssigned();
  }
  ingest::PartitionDirectory directory;
  ingest::OwnMetrics own;
};

uint64_t Lines(const std::string& text) {
  uint64_t lines = 0;
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; ++at) {
    if (at + 1 < text.size() && text[at + 1] != '#') ++lines;
  }
  return lines;
}

void BM_Scrape(benchmark::State& state, Format format, bool gzip) {
  const auto instance = std::make_unique<Instance>();
  Exposition exposition(instance->directory, instance->own, {});
  std::string text = exposition.Scrape(format);
  size_t sent = 0;
  for (auto _ : state) {
    text = exposition.Scrape(format);
    sent = gzip ? Gzip(text)->size() : text.size();
    benchmark::DoNotOptimize(text.data());
  }
  const auto series = static_cast<double>(Lines(text));
  state.counters["series"] = series;
  state.counters["bytes"] = static_cast<double>(text.size());
  state.counters["sent"] = static_cast<double>(sent);
  state.counters["cpu_per_series"] =
      benchmark::Counter(series, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK_CAPTURE(BM_Scrape, text, Format::kText004, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Scrape, open_metrics, Format::kOpenMetrics100, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Scrape, text_gzip, Format::kText004, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Scrape, open_metrics_gzip, Format::kOpenMetrics100, true)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace runledger::exporters

BENCHMARK_MAIN();
