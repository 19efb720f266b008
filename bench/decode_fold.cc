// What does it cost to decode one event and fold it into a shard that holds many open runs, touched at random?
//
// With 10,000, 1,000,000 and 10,000,000 of them; the last takes 4 GB and a minute to make
// (--benchmark_filter=-.*/10000000/.* leaves it out).

#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "aggregators/shard.h"
#include "bench/fold_visitor.h"
#include "bench/workload.h"
#include "codecs/record_decoder.h"

namespace runledger::bench {
namespace {

constexpr int64_t kStartUs = 1'768'217'408'000'000;

constexpr size_t kClosed = 200'000;

// A shard with so many open runs and as many closed ones as it keeps. Made once and used by all repetitions, which may
// then come in turn (--benchmark_enable_random_interleaving): what else the machine does hits all sizes alike.
struct OpenShard {
  explicit OpenShard(size_t open) : workload(1, kStartUs) {
    aggregators::ShardOptions options;
    options.open_runs = 100'000'000;
    options.closed_runs = kClosed;
    shard = std::make_unique<aggregators::Shard>(options, std::make_shared<aggregators::JobPolicies>());
    std::vector<std::string> event(1);
    for (size_t i = 0; i < open; ++i) {
      running.push_back(workload.Start(event.data()));
      Fold(event);
    }
    // As many closed ones as are kept: from now on one goes for each that comes.
    for (size_t i = 0; i < kClosed; ++i) {
      const size_t run = workload.Start(event.data());
      workload.Finish(run, event.data());
      Fold(event);
    }
  }
  void Fold(const std::vector<std::string>& events) { FoldEvents(events, kStartUs, &decoder, shard.get()); }
  static OpenShard* WithRuns(size_t open) {
    static auto* const kShards = new std::map<size_t, OpenShard>;
    return &kShards->try_emplace(open, open).first->second;
  }

  Workload workload;
  codecs::RecordDecoder decoder{codecs::Limits{.future_us = INT64_MAX / 4}, codecs::Framing::kProtobuf};
  std::unique_ptr<aggregators::Shard> shard;
  std::vector<size_t> running;
  std::mt19937_64 random{2};
};

// New events in each repetition, which keep the numbers of open and closed runs: a third are signs of life of any of
// them, a third ends of any, a third new ones.
class Fold : public benchmark::Fixture {
 public:
  void SetUp(const benchmark::State& state) override {
    const auto open = static_cast<size_t>(state.range(0));
    shard_ = OpenShard::WithRuns(open);
    events_.clear();
    bytes_ = 0;
    for (size_t i = 0; i < kEvents / 3; ++i) {
      shard_->workload.Heartbeat(shard_->running[shard_->random() % open], &events_.emplace_back());
      size_t& ended = shard_->running[shard_->random() % open];
      shard_->workload.Finish(ended, &events_.emplace_back());
      ended = shard_->workload.Start(&events_.emplace_back());
    }
    for (const std::string& e : events_) bytes_ += e.size();
  }
  void TearDown(const benchmark::State&) override { events_.clear(); }

 protected:
  static constexpr size_t kEvents = 600'000;

  OpenShard* shard_ = nullptr;
  std::vector<std::string> events_;
  size_t bytes_ = 0;
};

BENCHMARK_DEFINE_F(Fold, DecodeAndFold)(benchmark::State& state) {
  for (auto _ : state) shard_->Fold(events_);
  const auto count = static_cast<double>(events_.size()) * static_cast<double>(state.iterations());
  state.counters["cpu_per_event"] =
      benchmark::Counter(count, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes_per_event"] = static_cast<double>(bytes_) / static_cast<double>(events_.size());
  state.counters["record_bytes_per_open_run"] =
      static_cast<double>(shard_->shard->record_bytes()) / static_cast<double>(shard_->shard->open_runs());
}
// One pass over the events: a second one would meet runs that have ended.
BENCHMARK_REGISTER_F(Fold, DecodeAndFold)
    ->Arg(10'000)
    ->Arg(1'000'000)
    ->Arg(10'000'000)
    ->Iterations(1)
    ->Repetitions(5)
    ->Unit(benchmark::kMillisecond);

// The decoder alone.
BENCHMARK_DEFINE_F(Fold, DecodeOnly)(benchmark::State& state) {
  codecs::EventDecoder decoder(codecs::Limits{.future_us = INT64_MAX / 4});
  codecs::Event event;
  codecs::Rejection rejection;
  for (auto _ : state) {
    for (const std::string& bytes : events_)
      benchmark::DoNotOptimize(decoder.Decode(bytes, kStartUs, &event, &rejection));
  }
  const auto count = static_cast<double>(events_.size()) * static_cast<double>(state.iterations());
  state.counters["cpu_per_event"] =
      benchmark::Counter(count, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK_REGISTER_F(Fold, DecodeOnly)->Arg(10'000)->Iterations(1)->Repetitions(5)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace runledger::bench

BENCHMARK_MAIN();
