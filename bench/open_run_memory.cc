// How much memory does an open run take, without its text and with it?
//
//   bench_open_run_memory [open runs]     1,000,000 unless told otherwise
//
// By how much the process grows (resident memory) when a shard folds its first events, divided by the runs that are
// open then: records, index, deadlines, starts, what tables keep for growing, and the little that 500 jobs take. The
// text is what the shard says of its arena. The events are made before, so that nothing else grows meanwhile.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "aggregators/shard.h"
#include "bench/fold_visitor.h"
#include "bench/result.h"
#include "bench/workload.h"
#include "codecs/record_decoder.h"

namespace runledger::bench {
namespace {

constexpr int64_t kStartUs = 1'768'217'408'000'000;

// Resident memory of this process: the second number of statm, in pages.
size_t ResidentBytes() {
  size_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

int Main(size_t runs) {
  Workload workload(1, kStartUs, EventIds::kHash);
  std::vector<std::string> events(runs);
  for (std::string& event : events) workload.Start(&event);

  aggregators::ShardOptions options;
  options.open_runs = 100'000'000;
  codecs::RecordDecoder decoder(codecs::Limits{.future_us = INT64_MAX / 4}, codecs::Framing::kProtobuf);
  const size_t before = ResidentBytes();
  aggregators::Shard shard(options, std::make_shared<aggregators::JobPolicies>());
  FoldEvents(events, kStartUs, &decoder, &shard);
  const auto open = static_cast<double>(shard.open_runs());
  const double whole = static_cast<double>(ResidentBytes() - before) / open;
  const double text = static_cast<double>(shard.text_bytes()) / open;
  std::printf("%.0f open runs: %.1f bytes each, %.1f of them text; without it %.1f (records and index %.1f)\n", open,
              whole, text, whole - text, static_cast<double>(shard.record_bytes()) / open);
  Record("open_run_memory.without_text", whole - text);
  Record("open_run_memory.with_text", whole);
  return 0;
}

}  // namespace
}  // namespace runledger::bench

int main(int argc, char** argv) {
  return runledger::bench::Main(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000);
}
