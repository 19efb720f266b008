#include "bench/many_series.h"

#include <string>

#include "codecs/hash.h"

namespace runledger::bench {
namespace {

constexpr std::string_view kWorkflows[] = {"workflow_0", "workflow_1", "workflow_2", "workflow_3", "workflow_4"};

std::shared_ptr<aggregators::Shard> MakeShard(int partition) {
  aggregators::ShardOptions options;
  options.closed_runs = 10'000;  // what bench_scrape_writer folds keeps no more
  auto shard = std::make_shared<aggregators::Shard>(options, std::make_shared<aggregators::JobPolicies>());
  for (int i = 0; i < ManySeries::kJobs; ++i) {
    const std::string job = ManySeries::JobName(partition, i);
    for (int run = 0; run < 6; ++run) {
      const std::string id = job + "_20260112_113008_" + std::to_string(run);
      const int64_t start_us = ManySeries::kNowUs - 3'600'000'000 + run * 60'000'000 + i * 1'237;
      FoldRunEvent(shard.get(), job, id, codecs::Status::kRunning, start_us);
      if (run == 5) continue;  // goes on
      FoldRunEvent(shard.get(), job, id, run == 2 ? codecs::Status::kFailed : codecs::Status::kSuccess,
                   start_us + 12'345'678 + i);
    }
  }
  PublishShard(shard.get());
  return shard;
}

}  // namespace

ManySeries::ManySeries() {
  for (int partition = 0; partition < kPartitions; ++partition) {
    shards.push_back(MakeShard(partition));
    directory.Add({{"runledger.events", partition}, shards.back(), nullptr});
  }
  directory.SetAssigned();
}

std::string ManySeries::JobName(int partition, int job) {
  return "PlayerDailySummaryProcessor" + std::string(static_cast<size_t>(job % 5), 'x') +
         std::to_string(partition * kJobs + job);
}

void FoldRunEvent(aggregators::Shard* shard, std::string_view job, std::string_view run_id, codecs::Status status,
                  int64_t time_us) {
  codecs::Event event;
  event.id = run_id;
  event.time_us = time_us;
  event.run.job_name = job;
  event.run.run_id = run_id;
  event.run.job_hash = codecs::Hash64(job);
  event.run.id = codecs::HashRun(event.run.job_hash, run_id, /*attempt=*/0);
  event.run.status = status;
  event.run.phase = "phase_3_analytics";
  event.run.workflow = kWorkflows[job.size() % std::size(kWorkflows)];
  shard->BeginRecord(time_us, aggregators::TimestampKind::kAppendTime);
  shard->Apply(event);
  shard->EndRecord();
}

void PublishShard(aggregators::Shard* shard) {
  shard->AdvanceWatermark(ManySeries::kNowUs);
  shard->Publish({.applied_offset = 123'456,
                  .acked_offset = 123'400,
                  .log_start_offset = 0,
                  .log_end_offset = 123'456,
                  .caught_up = true,
                  .shown = true});
}

}  // namespace runledger::bench
