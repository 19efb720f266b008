#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aggregators/published.h"
#include "aggregators/shard.h"
#include "ingest/position.h"

namespace runledger::exporters {

// `processor` of the one that stands for all jobs beyond limits.series.
inline constexpr std::string_view kOverflowJob = "_other";

// One job as the exposition shows it. Label texts are escaped, in braces, with the blank that goes before the value.
struct JobRow {
  const aggregators::JobBlock* block = nullptr;
  const aggregators::JobExemplars* exemplars = nullptr;
  const aggregators::JobLabels* names = nullptr;  // nullptr: kOverflowJob
  std::string_view labels;

  // Without brace and blank: further labels may follow.
  std::string_view open_labels() const { return labels.substr(0, labels.size() - 2); }
};

struct CorrectionRow {
  std::string_view open_labels;
  codecs::Status from;
  codecs::Status to;
  uint64_t count;
};

struct PhaseRow {
  const aggregators::PhaseBlock* block = nullptr;
  std::string_view labels;

  std::string_view open_labels() const { return labels.substr(0, labels.size() - 2); }
};

struct WorkflowRow {
  const aggregators::WorkflowBlock* block = nullptr;
  std::string_view labels;

  std::string_view open_labels() const { return labels.substr(0, labels.size() - 2); }
};

// The series of one shard: what a scrape shows of its block, and what is kept from scrape to scrape, which is the label
// texts and what the overflow has to remember. One thread at a time.
class ShardSeries {
 public:
  ShardSeries(const ingest::TopicPartition& partition, const std::shared_ptr<const aggregators::Shard>& shard);

  // False: the partition came back with another shard.
  bool IsOf(const std::shared_ptr<const aggregators::Shard>& shard) const { return shard_.lock() == shard; }

  // Takes the block in. Jobs from number `kept_jobs` on go into the overflow. Rows point into the block: they are good
  // as long as its guard.
  void Refresh(const aggregators::ShardBlock& block, size_t kept_jobs);

  const aggregators::ShardPositions& positions() const { return *positions_; }
  bool has_watermark() const { return positions_->watermark_us != aggregators::kNever; }
  std::string_view partition_labels() const { return partition_labels_; }
  // None of them while the shard is hidden.
  std::span<const JobRow> jobs() const { return jobs_; }
  std::span<const JobRow> history_jobs() const { return history_jobs_; }  // known from history only
  std::span<const CorrectionRow> corrections() const { return corrections_; }
  std::span<const PhaseRow> phases() const { return phases_; }
  std::span<const WorkflowRow> workflows() const { return workflows_; }
  // nullptr while the shard is hidden.
  const aggregators::OrchestrationBlock* orchestration() const { return orchestration_; }
  std::string_view open_partition_labels() const { return open_partition_; }
  // Series that the jobs in the overflow would have.
  uint64_t dropped_series() const { return dropped_series_; }

 private:
  struct Slot {
    std::shared_ptr<const aggregators::JobLabels> names;  // whose text this is
    std::string labels;
  };
  struct PhaseSlot {
    std::shared_ptr<const aggregators::PhaseLabels> names;
    std::string labels;
  };
  struct WorkflowSlot {
    std::shared_ptr<const aggregators::WorkflowLabels> names;
    std::string labels;
  };
  using CorrectionCounts = std::array<std::array<uint64_t, codecs::kTerminalStatuses>, codecs::kTerminalStatuses>;
  // Jobs added up. A job that is forgotten leaves its counters behind, so that no sum falls.
  struct Sum {
    aggregators::JobBlock block;
    aggregators::JobExemplars exemplars;
    CorrectionCounts corrections{};
  };
  struct Overflowed {
    std::shared_ptr<const aggregators::JobLabels> names;
    aggregators::JobBlock block;  // as the last scrape saw it
  };

  void RefreshKept(const aggregators::ShardBlock& block, size_t end);
  void RefreshOverflow(const aggregators::ShardBlock& block, size_t begin);
  void RefreshCorrections(const aggregators::ShardBlock& block, size_t kept_jobs);
  void RefreshPhases(const aggregators::ShardBlock& block);
  void RefreshWorkflows(const aggregators::OrchestrationBlock& block);
  void Retire(size_t number, const Overflowed& job);

  const std::weak_ptr<const aggregators::Shard> shard_;
  std::string open_partition_;  // {topic="t",partition="0"
  std::string partition_labels_;
  std::string overflow_labels_;

  std::vector<Slot> slots_;             // by job number
  std::vector<PhaseSlot> phase_slots_;  // by phase number
  std::vector<WorkflowSlot> workflow_slots_;
  std::vector<Overflowed> overflowed_;  // by job number less the first in the overflow
  std::vector<aggregators::Correction> overflowed_corrections_;
  Sum retired_;   // counters of forgotten jobs of the overflow
  Sum overflow_;  // as shown

  const aggregators::ShardPositions* positions_ = nullptr;
  std::vector<JobRow> jobs_;
  std::vector<JobRow> history_jobs_;
  std::vector<CorrectionRow> corrections_;
  std::vector<PhaseRow> phases_;
  std::vector<WorkflowRow> workflows_;
  const aggregators::OrchestrationBlock* orchestration_ = nullptr;
  uint64_t dropped_series_ = 0;
};

}  // namespace runledger::exporters
