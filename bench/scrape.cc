// What does a scrape cost for each series: writing it in either format, and compressing it?
//
// The 100,000 series of many_series.h.

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "bench/many_series.h"
#include "exporters/prometheus/exposition.h"
#include "exporters/prometheus/gzip.h"

namespace runledger::exporters {
namespace {

uint64_t Lines(const std::string& text) {
  uint64_t lines = 0;
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; ++at) {
    if (at + 1 < text.size() && text[at + 1] != '#') ++lines;
  }
  return lines;
}

void BM_Scrape(benchmark::State& state, Format format, bool gzip) {
  const auto instance = std::make_unique<bench::ManySeries>();
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
