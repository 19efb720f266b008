#include "simulation/scrapes.h"

#include <algorithm>

#include "aggregators/shard_difference.h"
#include "simulation/expected_model.h"

namespace runledger::simulation {

std::string Scrapes::Show(int32_t partition, const std::string& who, const aggregators::ShardBlock& block,
                          const Lineage& lineage, int64_t now_us, const SimulatedPartition& log) {
  Partition& p = shown_[static_cast<size_t>(partition)];
  ++count_;
  const int64_t applied = block.positions.applied_offset;
  const std::string where =
      who + " shows partition " + std::to_string(partition) + " at offset " + std::to_string(applied) + ": ";
  if (applied > log.end()) return where + "beyond the end of the log";

  // The watermark promises that nothing older is still to be read.
  const int64_t watermark_us = block.positions.watermark_us;
  if (watermark_us > now_us) return where + "the watermark lies in the future";
  const size_t next = log.Find(applied);
  if (next < log.records().size() && log.records()[next].appended_us < watermark_us) {
    return where + "the watermark " + std::to_string(watermark_us) + " lies behind a record that is not read, " +
           std::to_string(log.records()[next].offset) + " of " + std::to_string(log.records()[next].appended_us);
  }

  // No counter falls.
  std::string fell;
  const auto rise = [&](const std::string& name, double value) {
    double& last = p.counters[name];
    if (value < last && fell.empty())
      fell = where + name + " fell from " + std::to_string(last) + " to " + std::to_string(value);
    last = value;
  };
  for (size_t i = 0; i < block.jobs.size(); ++i) {
    if (block.labels[i] == nullptr) continue;
    const aggregators::JobBlock& job = block.jobs[i];
    const std::string& name = block.labels[i]->name;
    rise("started of " + name, static_cast<double>(job.started));
    rise("forgotten of " + name, static_cast<double>(job.forgotten));
    rise("late of " + name, static_cast<double>(job.late_events));
    rise("durations of " + name, static_cast<double>(job.duration_count));
    for (size_t s = 0; s < job.finished.size(); ++s)
      rise("finished " + std::to_string(s) + " of " + name, static_cast<double>(job.finished[s]));
    uint64_t finished = 0;
    for (const uint64_t count : job.finished) finished += count;
    if (job.started != job.running + finished + job.forgotten)
      return where + name + ": started is not running + finished + forgotten";
  }
  for (size_t i = 0; i < block.orchestration.labels.size(); ++i) {
    if (block.orchestration.labels[i] == nullptr) continue;
    const std::array<uint64_t, 4>& verdicts = block.orchestration.workflows[i].verdicts;
    for (size_t v = 0; v < verdicts.size(); ++v)
      rise("verdicts " + std::to_string(v) + " of " + block.orchestration.labels[i]->name,
           static_cast<double>(verdicts[v]));
  }
  p.by_lineage[lineage].push_back({applied, who, std::make_shared<aggregators::ShardBlock>(block)});
  return fell;
}

void Scrapes::OnStateLost(int32_t partition) { shown_[static_cast<size_t>(partition)].counters.clear(); }

std::string Scrapes::Compare(int32_t partition, const SimulatedPartition& log, const Truth& truth, bool by_broker) {
  for (auto& [lineage, stops] : shown_[static_cast<size_t>(partition)].by_lineage) {
    std::stable_sort(stops.begin(), stops.end(), [](const Shown& a, const Shown& b) { return a.applied < b.applied; });
    reference::Fold fold(options_, policies_);
    std::optional<aggregators::CounterBase> base;
    ExpectedModel model;
    std::optional<ExpectedModel> model_base;
    size_t next = log.Find(lineage.from);
    const auto fold_to = [&](int64_t offset) {
      for (; next < log.records().size() && log.records()[next].offset < offset; ++next) {
        fold.Add(log.records()[next].stamp_us, by_broker, truth.events(partition)[next]);
        model.Add(truth.events(partition)[next]);
      }
    };
    if (lineage.counted_from) {
      fold_to(*lineage.counted_from);
      base = {fold.Jobs(std::nullopt), fold.Phases()};
      model_base = model;
    }
    for (const Shown& shown : stops) {
      if (base && shown.applied < *lineage.counted_from) return shown.who + " shows what it had lost";
      fold_to(shown.applied);
      const int64_t watermark_us = shown.block->positions.watermark_us;
      std::string difference = aggregators::DifferenceOf(
          *shown.block, fold, watermark_us == aggregators::kNever ? std::nullopt : std::optional(watermark_us),
          base ? &*base : nullptr);
      if (difference.empty())
        difference = model.DifferenceOf(shown.block->orchestration, model_base ? &*model_base : nullptr);
      if (!difference.empty()) {
        return shown.who + " showed partition " + std::to_string(partition) + " at offset " +
               std::to_string(shown.applied) + " (folded from " + std::to_string(lineage.from) + "): " + difference;
      }
    }
  }
  return "";
}

}  // namespace runledger::simulation
