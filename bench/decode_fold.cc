// What does it cost to decode one event and fold it into a shard that holds many open runs, touched at random?

#include <benchmark/benchmark.h>

#include <memory>
#include <random>

#include "aggregators/shard.h"
#include "bench/workload.h"
#include "codecs/record_decoder.h"

namespace runledger::bench {
namespace {

constexpr int64_t kStartUs = 1'768'217'408'000'000;

class FoldVisitor : public codecs::EventVisitor {
 public:
  explicit FoldVisitor(aggregators::Shard* shard) : shard_(shard) {}
  void OnEvent(int32_t, const codecs::Event& event) override { shard_->Apply(event); }
  void OnRejected(int32_t, const codecs::Rejection& rejection, std::string_view, bool) override {
    std::fprintf(stderr, "rejected: %s\n", rejection.text.c_str());
    std::abort();
  }

 private:
  aggregators::Shard* shard_;
};

// A shard with `open` runs, and events that keep their number: a third are signs of life of any of them, a third ends
// of any, a third new ones.
class Fold : public benchmark::Fixture {
 public:
  void SetUp(const benchmark::State& state) override {
    const auto open = static_cast<size_t>(state.range(0));
    aggregators::ShardOptions options;
    options.open_runs = 100'000'000;
    shard_ = std::make_unique<aggregators::Shard>(options, std::make_shared<aggregators::JobPolicies>());
    Workload workload(1, kStartUs);
    FoldVisitor visitor(shard_.get());
    std::vector<size_t> running;
    std::string event;
    for (size_t i = 0; i < open; ++i) {
      running.push_back(workload.Start(&event));
      Apply(event, &visitor);
    }
    std::mt19937_64 random(2);
    events_.clear();
    bytes_ = 0;
    for (size_t i = 0; i < kEvents / 3; ++i) {
      workload.Heartbeat(running[random() % open], &events_.emplace_back());
      size_t& ended = running[random() % open];
      workload.Finish(ended, &events_.emplace_back());
      ended = workload.Start(&events_.emplace_back());
    }
    for (const std::string& e : events_) bytes_ += e.size();
  }
  void TearDown(const benchmark::State&) override {
    shard_.reset();
    events_.clear();
  }

 protected:
  static constexpr size_t kEvents = 600'000;

  void Apply(const std::string& event, FoldVisitor* visitor) {
    shard_->BeginRecord(kStartUs, aggregators::TimestampKind::kAppendTime);
    decoder_.Decode(event, false, {}, kStartUs, visitor);
    shard_->EndRecord();
  }

  std::unique_ptr<aggregators::Shard> shard_;
  codecs::RecordDecoder decoder_{codecs::Limits{.future_us = INT64_MAX / 4}, codecs::Framing::kProtobuf};
  std::vector<std::string> events_;
  size_t bytes_ = 0;
};

BENCHMARK_DEFINE_F(Fold, DecodeAndFold)(benchmark::State& state) {
  FoldVisitor visitor(shard_.get());
  for (auto _ : state) {
    for (const std::string& event : events_) Apply(event, &visitor);
  }
  const auto count = static_cast<double>(events_.size()) * static_cast<double>(state.iterations());
  state.counters["cpu_per_event"] =
      benchmark::Counter(count, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes_per_event"] = static_cast<double>(bytes_) / static_cast<double>(events_.size());
  state.counters["record_bytes_per_open_run"] =
      static_cast<double>(shard_->record_bytes()) / static_cast<double>(shard_->open_runs());
}
// One pass over the events: a second one would meet runs that have ended.
BENCHMARK_REGISTER_F(Fold, DecodeAndFold)
    ->Arg(10'000)
    ->Arg(1'000'000)
    ->Arg(4'000'000)
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
