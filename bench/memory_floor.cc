// What does this machine take for looks at memory at random? The floor below `decode_fold`: an event of a shard with
// 1,000,000 open runs touches about four lines that nothing but its own run's number leads to (index, run, deadline,
// text), on tables of 16 to 128 MB in huge pages.
//
// Dependent: the next address is read from the last line. Independent: addresses are known, as after decoding ahead.
// Ahead: a line of each of four tables an event, prefetched 16 events at a time, a step a table, as Shard::Prefetch
// does.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "aggregators/slab.h"

namespace runledger::bench {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kWordsPerLine = kLine / sizeof(uint64_t);

// Lines that lead to each other in one circle, in no order.
class Lines {
 public:
  explicit Lines(size_t bytes) : slab_(bytes, /*huge=*/true), count_(bytes / kLine) {
    std::vector<uint32_t> order(count_);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
    for (size_t i = 0; i < count_; ++i) At(order[i]) = order[(i + 1) % count_];
  }
  uint64_t& At(size_t line) { return static_cast<uint64_t*>(slab_.data())[line * kWordsPerLine]; }
  size_t count() const { return count_; }

 private:
  aggregators::Slab slab_;
  size_t count_;
};

void Dependent(benchmark::State& state) {
  Lines lines(static_cast<size_t>(state.range(0)) << 20);
  uint64_t at = 0;
  for (auto _ : state) at = lines.At(at);
  benchmark::DoNotOptimize(at);
}
BENCHMARK(Dependent)->Arg(1)->Arg(16)->Arg(64)->Arg(128)->Arg(1024);

void Independent(benchmark::State& state) {
  Lines lines(static_cast<size_t>(state.range(0)) << 20);
  std::minstd_rand random(1);
  uint64_t sum = 0;
  for (auto _ : state) sum += lines.At(random() % lines.count());
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(Independent)->Arg(1)->Arg(16)->Arg(64)->Arg(128)->Arg(1024);

// Time an event.
void Ahead(benchmark::State& state) {
  constexpr size_t kAhead = 16;
  std::array<Lines, 4> tables = {Lines(size_t{16} << 20), Lines(size_t{64} << 20), Lines(size_t{16} << 20),
                                 Lines(size_t{64} << 20)};
  std::minstd_rand random(1);
  std::array<uint32_t, kAhead> keys;
  uint64_t sum = 0;
  while (state.KeepRunningBatch(kAhead)) {
    for (uint32_t& key : keys) key = static_cast<uint32_t>(random());
    for (size_t table = 0; table < tables.size(); ++table) {
      for (const uint32_t key : keys) {
        if (table > 0) sum += tables[table - 1].At(key % tables[table - 1].count());  // where the next one is
        __builtin_prefetch(&tables[table].At(key % tables[table].count()), 1);
      }
    }
    for (const uint32_t key : keys) {
      for (Lines& lines : tables) sum += ++lines.At(key % lines.count());
    }
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(Ahead);

}  // namespace
}  // namespace runledger::bench

BENCHMARK_MAIN();
