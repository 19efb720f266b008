#include "exporters/prometheus/shard_series.h"

#include <algorithm>

#include "exporters/prometheus/job_sum.h"
#include "exporters/prometheus/metric_catalogue.h"
#include "exporters/prometheus/number_text.h"

namespace runledger::exporters {
namespace {

using aggregators::Correction;
using aggregators::JobBlock;
using aggregators::JobExemplars;
using aggregators::JobLabels;
using aggregators::PhaseLabels;
using aggregators::ShardBlock;
using codecs::Status;
using codecs::TerminalIndex;

void AppendLabel(std::string_view name, std::string_view value, std::string* labels) {
  *labels += ',';
  *labels += name;
  *labels += "=\"";
  AppendLabelValue(value, labels);
  *labels += '"';
}

// A job's name as a label: never that of the overflow, and no two names alike.
std::string ProcessorLabel(std::string_view name) {
  const size_t rest = name.find_first_not_of('_');
  const bool alike = rest != std::string_view::npos && rest > 0 && name.substr(rest - 1) == kOverflowJob;
  return alike ? "_" + std::string(name) : std::string(name);
}

void AddExemplars(const JobExemplars& job, JobExemplars* sum) {
  for (size_t i = 0; i < job.size(); ++i) {
    if (job[i].time_us > (*sum)[i].time_us) (*sum)[i] = job[i];
  }
}

// Whether the slot's job of the last scrape has gone: it is free, or has another job, or the same name anew.
bool IsGone(const std::shared_ptr<const JobLabels>& before, const JobBlock& counted,
            const std::shared_ptr<const JobLabels>& now, const JobBlock& counts) {
  if (before == nullptr || before == now) return false;
  return now == nullptr || now->name != before->name || counts.started < counted.started ||
         counts.late_events < counted.late_events;
}

}  // namespace

ShardSeries::ShardSeries(const ingest::TopicPartition& partition,
                         const std::shared_ptr<const aggregators::Shard>& shard)
    : shard_(shard) {
  open_partition_ = "{topic=\"";
  AppendLabelValue(partition.topic, &open_partition_);
  open_partition_ += "\",partition=\"" + std::to_string(partition.partition) + "\"";
  partition_labels_ = open_partition_ + "} ";
  overflow_labels_ = open_partition_;
  AppendLabel("processor", kOverflowJob, &overflow_labels_);
  AppendLabel("phase", "", &overflow_labels_);
  overflow_labels_ += "} ";
}

void ShardSeries::Refresh(const ShardBlock& block, size_t kept_jobs) {
  positions_ = &block.positions;
  jobs_.clear();
  history_jobs_.clear();
  corrections_.clear();
  phases_.clear();
  workflows_.clear();
  orchestration_ = nullptr;
  dropped_series_ = 0;
  if (!block.positions.shown) return;
  RefreshKept(block, std::min(kept_jobs, block.jobs.size()));
  RefreshOverflow(block, kept_jobs);
  RefreshCorrections(block, kept_jobs);
  RefreshPhases(block);
  RefreshWorkflows(block.orchestration);
}

void ShardSeries::RefreshWorkflows(const aggregators::OrchestrationBlock& block) {
  orchestration_ = &block;
  workflow_slots_.resize(std::max(workflow_slots_.size(), block.labels.size()));
  for (size_t number = 0; number < block.labels.size(); ++number) {
    const std::shared_ptr<const aggregators::WorkflowLabels>& names = block.labels[number];
    if (names == nullptr) continue;
    WorkflowSlot& slot = workflow_slots_[number];
    if (slot.names != names) {
      slot.names = names;
      slot.labels = open_partition_;
      AppendLabel("workflow", names->name, &slot.labels);
      slot.labels += "} ";
    }
    workflows_.push_back({&block.workflows[number], slot.labels});
  }
}

void ShardSeries::RefreshKept(const ShardBlock& block, size_t end) {
  slots_.resize(std::max(slots_.size(), end));
  for (size_t number = 0; number < end; ++number) {
    const std::shared_ptr<const JobLabels>& names = block.labels[number];
    if (names == nullptr) continue;
    Slot& slot = slots_[number];
    if (slot.names != names) {
      slot.names = names;
      slot.labels = open_partition_;
      AppendLabel("processor", ProcessorLabel(names->name), &slot.labels);
      AppendLabel("phase", names->phase, &slot.labels);
      slot.labels += "} ";
    }
    const JobBlock& job = block.jobs[number];
    (job.live ? jobs_ : history_jobs_).push_back({&job, &block.exemplars[number], names.get(), slot.labels});
  }
}

void ShardSeries::RefreshOverflow(const ShardBlock& block, size_t begin) {
  const size_t count = block.jobs.size() > begin ? block.jobs.size() - begin : 0;
  overflowed_.resize(std::max(overflowed_.size(), count));
  for (size_t i = 0; i < count; ++i) {
    Overflowed& seen = overflowed_[i];
    if (IsGone(seen.names, seen.block, block.labels[begin + i], block.jobs[begin + i])) Retire(begin + i, seen);
    seen.names = block.labels[begin + i];
    seen.block = block.jobs[begin + i];
  }

  overflow_ = retired_;
  bool any = retired_.block.late_events > 0 || retired_.block.started > 0;
  for (size_t i = 0; i < count; ++i) {
    const Overflowed& seen = overflowed_[i];
    if (seen.names == nullptr) continue;
    any = true;
    AddCounters(seen.block, &overflow_.block);
    AddGauges(seen.block, &overflow_.block);
    AddExemplars(block.exemplars[begin + i], &overflow_.exemplars);
    dropped_series_ += seen.block.live ? static_cast<uint64_t>(SeriesPerJob()) : 1;
  }
  if (!any) return;
  (overflow_.block.live ? jobs_ : history_jobs_)
      .push_back({&overflow_.block, &overflow_.exemplars, nullptr, overflow_labels_});
}

// A job of the overflow is no longer there: its counters stay in the sum.
void ShardSeries::Retire(size_t number, const Overflowed& job) {
  AddCounters(job.block, &retired_.block);
  for (const Correction& correction : overflowed_corrections_) {
    if (correction.job != number) continue;
    retired_.corrections[TerminalIndex(correction.from)][TerminalIndex(correction.to)] += correction.count;
  }
}

void ShardSeries::RefreshCorrections(const ShardBlock& block, size_t kept_jobs) {
  overflowed_corrections_.clear();
  for (const Correction& correction : block.corrections) {
    if (correction.job >= kept_jobs) {
      overflowed_corrections_.push_back(correction);
      overflow_.corrections[TerminalIndex(correction.from)][TerminalIndex(correction.to)] += correction.count;
    } else if (block.labels[correction.job] != nullptr) {
      const std::string_view labels = slots_[correction.job].labels;
      corrections_.push_back({labels.substr(0, labels.size() - 2), correction.from, correction.to, correction.count});
    }
  }
  const std::string_view labels = overflow_labels_;
  for (const Status from : codecs::kAllTerminalStatuses) {
    for (const Status to : codecs::kAllTerminalStatuses) {
      const uint64_t count = overflow_.corrections[TerminalIndex(from)][TerminalIndex(to)];
      if (count > 0) corrections_.push_back({labels.substr(0, labels.size() - 2), from, to, count});
    }
  }
}

void ShardSeries::RefreshPhases(const ShardBlock& block) {
  phase_slots_.resize(std::max(phase_slots_.size(), block.phases.size()));
  for (size_t number = 0; number < block.phases.size(); ++number) {
    PhaseSlot& slot = phase_slots_[number];
    const std::shared_ptr<const PhaseLabels>& names = block.phase_labels[number];
    if (slot.names != names) {
      slot.names = names;
      slot.labels = open_partition_;
      AppendLabel("phase", names->phase, &slot.labels);
      AppendLabel("workflow", names->workflow, &slot.labels);
      slot.labels += "} ";
    }
    phases_.push_back({&block.phases[number], slot.labels});
  }
}

}  // namespace runledger::exporters
