// How much faster do two threads fold than one, each with shards of its own?
//
//   bench_two_cores [events a shard] [rounds]     500,000 and 7 unless told otherwise
//
// Two shards with 250,000 open runs each. In each round one thread folds new events of both, one shard after the other,
// and two threads fold as many more of both at once. The ratio of wall times needs two idle cores. What holds threads
// up beside other programs' turns (locks, cache lines that both write, memory that both fill) shows in the processor
// time of an event too, except for time spent asleep: twice the ratio of processor times is printed beside it.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "aggregators/shard.h"
#include "bench/fold_visitor.h"
#include "bench/result.h"
#include "bench/stopwatch.h"
#include "bench/workload.h"
#include "codecs/record_decoder.h"

namespace runledger::bench {
namespace {

constexpr int64_t kStartUs = 1'768'217'408'000'000;
constexpr size_t kOpenRuns = 250'000;
constexpr size_t kBatch = 1'000;  // published after so many, more often than `serve` does

class Folder {
 public:
  explicit Folder(uint64_t seed) : workload_(seed, kStartUs, EventIds::kHash), random_(seed) {
    aggregators::ShardOptions options;
    options.closed_runs = kOpenRuns;  // so that their number stays as it is after the first round
    shard_ = std::make_unique<aggregators::Shard>(options, std::make_shared<aggregators::JobPolicies>());
    for (size_t i = 0; i < kOpenRuns; ++i) running_.push_back(workload_.Start(&events_.emplace_back()));
    Fold();
  }
  // The next events: signs of life, ends and new runs of runs chosen at random.
  void MakeEvents(size_t count) {
    events_.clear();
    for (size_t i = 0; i < count / 3; ++i) {
      workload_.Heartbeat(running_[random_() % kOpenRuns], &events_.emplace_back());
      size_t& ended = running_[random_() % kOpenRuns];
      workload_.Finish(ended, &events_.emplace_back());
      ended = workload_.Start(&events_.emplace_back());
    }
  }
  void Fold() {
    const std::span<const std::string> all = events_;
    for (size_t at = 0; at < all.size(); at += kBatch) {
      FoldEvents(all.subspan(at, std::min(kBatch, all.size() - at)), kStartUs, &decoder_, shard_.get());
      shard_->Publish({.applied_offset = static_cast<int64_t>(at), .shown = true});
    }
  }

 private:
  Workload workload_;
  std::mt19937_64 random_;
  std::unique_ptr<aggregators::Shard> shard_;
  codecs::RecordDecoder decoder_{codecs::Limits{.future_us = INT64_MAX / 4}, codecs::Framing::kProtobuf};
  std::vector<size_t> running_;
  std::vector<std::string> events_;
};

int Main(size_t events, int rounds) {
  Folder first(1);
  Folder second(2);
  std::vector<double> wall_ratio, cpu_ratio;
  std::printf("%-6s %14s %14s %8s %20s\n", "round", "one thread, s", "two threads, s", "ratio", "by processor time");
  for (int round = 0; round < rounds; ++round) {
    first.MakeEvents(events);
    second.MakeEvents(events);
    const Stopwatch one;
    first.Fold();
    second.Fold();
    const double one_wall = one.wall_seconds(), one_cpu = one.cpu_seconds();
    first.MakeEvents(events);
    second.MakeEvents(events);
    const Stopwatch two;
    std::thread beside([&] { second.Fold(); });
    first.Fold();
    beside.join();
    const double two_wall = two.wall_seconds(), two_cpu = two.cpu_seconds();
    wall_ratio.push_back(one_wall / two_wall);
    cpu_ratio.push_back(2 * one_cpu / two_cpu);
    std::printf("%-6d %14.3f %14.3f %8.2f %20.2f\n", round + 1, one_wall, two_wall, wall_ratio.back(),
                cpu_ratio.back());
  }
  std::printf("%-6s %14s %14s %8.2f %20.2f\n", "median", "", "", Median(wall_ratio), Median(cpu_ratio));
  Record("two_cores.wall_ratio", Median(wall_ratio));
  Record("two_cores.cpu_ratio", Median(cpu_ratio));
  return 0;
}

}  // namespace
}  // namespace runledger::bench

int main(int argc, char** argv) {
  return runledger::bench::Main(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 500'000,
                                argc > 2 ? std::atoi(argv[2]) : 7);
}
