#include "exporters/prometheus/exposition.h"

#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "aggregators/orchestration/event_details.h"
#include "aggregators/orchestration/run_verdict.h"
#include "exporters/prometheus/metric_catalogue.h"
#include "exporters/prometheus/registry_series.h"

namespace runledger::exporters {
namespace {

using aggregators::kDurationBoundsS;
using aggregators::kNever;
using codecs::Status;

auto Unsigned(uint64_t value) {
  return [value](char* out) { return PrintUnsigned(value, out); };
}
auto Signed(int64_t value) {
  return [value](char* out) { return PrintSigned(value, out); };
}
auto Seconds(int64_t microseconds) {
  return [microseconds](char* out) { return PrintSeconds(microseconds, out); };
}
auto Double(double value) {
  return [value](char* out) { return PrintDouble(value, out); };
}

std::array<std::string, codecs::kTerminalStatuses> StatusLabels() {
  std::array<std::string, codecs::kTerminalStatuses> labels;
  for (const Status status : codecs::kAllTerminalStatuses) {
    labels[codecs::TerminalIndex(status)] = ",status=\"" + std::string(codecs::StatusName(status)) + "\"} ";
  }
  return labels;
}

std::array<std::string, aggregators::kWindows> WindowLabels() {
  std::array<std::string, aggregators::kWindows> labels;
  for (size_t i = 0; i < labels.size(); ++i)
    labels[i] = ",window=\"" + std::string(aggregators::kWindowNames[i]) + "\"} ";
  return labels;
}

// The bounds are written as OpenMetrics wants them in both formats, "1.0": a scraper that changes the format must not
// change the series.
std::array<std::string, kDurationBoundsS.size() + 1> BoundLabels() {
  std::array<std::string, kDurationBoundsS.size() + 1> labels;
  for (size_t i = 0; i < labels.size(); ++i) {
    char text[kNumberBytes];
    const std::string bound =
        i < kDurationBoundsS.size() ? std::string(text, PrintDouble(kDurationBoundsS[i], text)) : "+Inf";
    labels[i] = ",le=\"" + bound + "\"} ";
  }
  return labels;
}

// Writes the lines of one metric for all shards.
class FamilyLines {
 public:
  FamilyLines(const Metric& metric, const std::vector<ShardSeries*>& shards, ExpositionWriter* writer)
      : metric_(metric), shards_(shards), writer_(*writer) {}

  void operator()(FromJobCount from) const {
    ForEachJob([&](const JobRow& job) { writer_.Line(metric_.name, job.labels, Unsigned(job.block->*from.field)); });
  }
  void operator()(FromJobTime from) const {
    ForEachJob([&](const JobRow& job) {
      const int64_t time_us = job.block->*from.field;
      if (time_us != kNever) writer_.Line(metric_.name, job.labels, Seconds(time_us));
    });
  }
  void operator()(FromJobSeconds from) const {
    ForEachJob([&](const JobRow& job) {
      const double seconds = job.block->*from.field;
      if (seconds >= 0) writer_.Line(metric_.name, job.labels, Double(seconds));
    });
  }
  void operator()(FromJobFlag from) const {
    ForEachJob(
        [&](const JobRow& job) { writer_.Line(metric_.name, job.labels, Unsigned(job.block->*from.field ? 1 : 0)); });
  }
  void operator()(FromJobWatch from) const {
    ForEachJob([&](const JobRow& job) {
      const int32_t value = job.block->*from.field;
      if (value >= 0) writer_.Line(metric_.name, job.labels, Unsigned(static_cast<uint64_t>(value)));
    });
  }
  void operator()(FromFinished) const {
    static const auto kLabels = StatusLabels();
    const bool exemplars = IsOpenMetrics(writer_.format());
    ForEachJob([&](const JobRow& job) {
      for (size_t i = 0; i < kLabels.size(); ++i) {
        writer_.Line(metric_.name, job.open_labels(), kLabels[i], Unsigned(job.block->finished[i]));
        const aggregators::Exemplar& exemplar = (*job.exemplars)[i];
        if (exemplars && exemplar.time_us != kNever) writer_.AddExemplar(exemplar.text(), exemplar.time_us);
      }
    });
  }
  void operator()(FromCorrections) const {
    std::string labels;
    for (const ShardSeries* shard : shards_) {
      for (const CorrectionRow& row : shard->corrections()) {
        labels = ",from=\"";
        labels += codecs::StatusName(row.from);
        labels += "\",to=\"";
        labels += codecs::StatusName(row.to);
        labels += "\"} ";
        writer_.Line(metric_.name, row.open_labels, labels, Unsigned(row.count));
      }
    }
  }
  void operator()(FromRunDurations) const {
    const std::string sum = std::string(metric_.name) + "_sum";
    const std::string count = std::string(metric_.name) + "_count";
    ForEachJob([&](const JobRow& job) {
      writer_.Line(sum, job.labels, Double(job.block->duration_sum_s));
      writer_.Line(count, job.labels, Unsigned(job.block->duration_count));
    });
  }
  void operator()(FromWindows) const {
    static const auto kLabels = WindowLabels();
    ForEachJob([&](const JobRow& job) {
      for (size_t i = 0; i < kLabels.size(); ++i) {
        const aggregators::Outcomes& outcomes = job.block->windows[i];
        if (outcomes.all == 0) continue;
        writer_.Line(metric_.name, job.open_labels(), kLabels[i],
                     Double(static_cast<double>(outcomes.good) / outcomes.all));
      }
    });
  }
  void operator()(FromJobLabels) const {
    std::string labels;
    ForEachJob([&](const JobRow& job) {
      labels = ",priority=\"";
      AppendLabelValue(job.names->priority, &labels);
      labels += "\",display_name=\"";
      AppendLabelValue(job.names->display_name, &labels);
      labels += "\"} ";
      writer_.Line(metric_.name, job.open_labels(), labels, Unsigned(1));
    });
  }
  void operator()(FromPhases) const {
    static const auto kLabels = BoundLabels();
    const std::string bucket = std::string(metric_.name) + "_bucket";
    const std::string sum = std::string(metric_.name) + "_sum";
    const std::string count = std::string(metric_.name) + "_count";
    for (const ShardSeries* shard : shards_) {
      for (const PhaseRow& phase : shard->phases()) {
        uint64_t cumulative = 0;
        for (size_t i = 0; i < kLabels.size(); ++i) {
          cumulative += phase.block->counts[i];
          writer_.Line(bucket, phase.open_labels(), kLabels[i], Unsigned(cumulative));
        }
        writer_.Line(sum, phase.labels, Double(phase.block->sum_s));
        writer_.Line(count, phase.labels, Unsigned(cumulative));
      }
    }
  }
  void operator()(FromPosition from) const {
    for (const ShardSeries* shard : shards_) {
      const int64_t value = shard->positions().*from.field;
      if (value >= 0) writer_.Line(metric_.name, shard->partition_labels(), Signed(value));
    }
  }
  void operator()(FromPositionTime from) const {
    for (const ShardSeries* shard : shards_) {
      const int64_t time_us = shard->positions().*from.field;
      if (time_us != kNever) writer_.Line(metric_.name, shard->partition_labels(), Seconds(time_us));
    }
  }
  void operator()(FromPositionFlag from) const {
    for (const ShardSeries* shard : shards_) {
      const bool value = shard->positions().*from.field != from.inverted;
      writer_.Line(metric_.name, shard->partition_labels(), Unsigned(value ? 1 : 0));
    }
  }
  void operator()(FromVerdicts) const {
    ForEachWorkflow([&](const WorkflowRow& row) {
      for (const aggregators::RunVerdict verdict : aggregators::kFinalVerdicts) {
        writer_.Line(metric_.name, row.open_labels(), Label("verdict", aggregators::VerdictName(verdict)),
                     Unsigned(row.block->verdicts[static_cast<size_t>(verdict)]));
      }
    });
  }
  void operator()(FromWorkflowCount from) const {
    ForEachWorkflow([&](const WorkflowRow& row) {
      if (row.block->at_home) writer_.Line(metric_.name, row.labels, Unsigned(row.block->*from.field));
    });
  }
  void operator()(FromMissingRuns) const {
    ForEachWorkflow([&](const WorkflowRow& row) {
      if (!row.block->at_home) return;
      writer_.Line(metric_.name, row.open_labels(), Label("explained", "false"), Unsigned(row.block->missing));
      writer_.Line(metric_.name, row.open_labels(), Label("explained", "true"), Unsigned(row.block->missing_explained));
    });
  }
  void operator()(FromDecisions) const {
    ForEachWorkflow([&](const WorkflowRow& row) {
      for (const aggregators::Action action : aggregators::kAllActions) {
        const int64_t time_us = row.block->last_decision_us[static_cast<size_t>(action)];
        if (time_us == kNever) continue;
        writer_.Line(metric_.name, row.open_labels(), Label("action", aggregators::ActionName(action)),
                     Seconds(time_us));
      }
    });
  }
  void operator()(FromNotEvaluated) const {
    ForEachWorkflow([&](const WorkflowRow& row) {
      if (row.block->at_home && row.block->has_evaluation_limit)
        writer_.Line(metric_.name, row.labels, Unsigned(row.block->not_evaluated ? 1 : 0));
    });
  }
  void operator()(FromMissingFiles) const {
    for (const ShardSeries* shard : shards_) {
      if (shard->orchestration() == nullptr || !shard->orchestration()->files_known) continue;
      for (const aggregators::Urgency urgency : aggregators::kAllUrgencies) {
        writer_.Line(metric_.name, shard->open_partition_labels(), Label("urgency", aggregators::UrgencyName(urgency)),
                     Unsigned(shard->orchestration()->missing_files[static_cast<size_t>(urgency)]));
      }
    }
  }
  void operator()(FromCleanup) const {
    for (const ShardSeries* shard : shards_) {
      if (shard->orchestration() == nullptr || shard->orchestration()->cleanup_us == kNever) continue;
      writer_.Line(metric_.name, shard->partition_labels(), Seconds(shard->orchestration()->cleanup_us));
    }
  }
  void operator()(FromDroppedWorkflows) const {
    for (const ShardSeries* shard : shards_) {
      if (shard->orchestration() != nullptr)
        writer_.Line(metric_.name, shard->partition_labels(), Unsigned(shard->orchestration()->dropped));
    }
  }
  // Not of a shard: written by Exposition.
  void operator()(FromRegistry) const {}
  void operator()(FromScrape) const {}

 private:
  // A last label of a closed set of words.
  static std::string Label(std::string_view name, std::string_view word) {
    std::string label = ",";
    label += name;
    label += "=\"";
    label += word;
    label += "\"} ";
    return label;
  }
  template <typename Visit>
  void ForEachWorkflow(Visit visit) const {
    for (const ShardSeries* shard : shards_) {
      if (metric_.judged && !shard->has_watermark()) continue;
      for (const WorkflowRow& row : shard->workflows()) visit(row);
    }
  }
  // Those jobs that have this metric, shard by shard.
  template <typename Visit>
  void ForEachJob(Visit visit) const {
    // Of a job whose home is elsewhere now only what adds up is shown: a gauge of two partitions would be two answers.
    const bool of_moved = metric_.type != MetricType::kGauge || metric_.adds_up;
    for (const ShardSeries* shard : shards_) {
      if (metric_.judged && !shard->has_watermark()) continue;
      for (const JobRow& job : shard->jobs()) {
        if (job.block->moved && !of_moved) continue;
        if (job.names != nullptr || metric_.overflow) visit(job);
      }
      if (!metric_.history) continue;
      for (const JobRow& job : shard->history_jobs()) visit(job);
    }
  }

  const Metric& metric_;
  const std::vector<ShardSeries*>& shards_;
  ExpositionWriter& writer_;
};

int64_t SteadyClockUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// One job's worth is kept for the overflow, so that the cut lies where it lies before there is any.
size_t KeptJobs(uint64_t series_per_partition) {
  const uint64_t jobs = series_per_partition / static_cast<uint64_t>(SeriesPerJob());
  return jobs == 0 ? 0 : static_cast<size_t>(jobs - 1);
}

}  // namespace

Exposition::Exposition(const ingest::PartitionDirectory& directory, ingest::OwnMetrics& own,
                       const ExpositionOptions& options)
    : directory_(directory),
      own_(own),
      ready_(own.ready.Add({})),
      clock_us_(options.clock_us ? options.clock_us : SteadyClockUs),
      kept_jobs_(KeptJobs(options.series_per_partition)) {}

std::string Exposition::Scrape(Format format) {
  const std::lock_guard lock(mutex_);
  const int64_t begin_us = clock_us_();
  const std::vector<ingest::PartitionView> views = directory_.List();
  MatchShards(views);
  ready_.Set(directory_.Ready() ? 1 : 0);

  std::string text;
  text.reserve(last_bytes_ + last_bytes_ / 16 + 4096);
  ExpositionWriter writer(format, &text);
  WriteScrape(views, &writer);
  last_bytes_ = text.size();
  last_series_ = writer.series();
  last_duration_us_ = clock_us_() - begin_us;
  return text;
}

// Keeps what is remembered of shards that are still there, and nothing of others.
void Exposition::MatchShards(const std::vector<ingest::PartitionView>& views) {
  std::map<ingest::TopicPartition, ShardSeries> kept;
  for (const ingest::PartitionView& view : views) {
    auto known = shards_.extract(view.partition);
    if (!known.empty() && known.mapped().IsOf(view.shard)) {
      kept.insert(std::move(known));
    } else {
      kept.try_emplace(view.partition, view.partition, view.shard);
    }
  }
  shards_ = std::move(kept);
}

void Exposition::WriteScrape(const std::vector<ingest::PartitionView>& views, ExpositionWriter* writer) {
  // Before the guards: its families lock.
  const std::vector<prometheus::MetricFamily> own = own_.registry().Collect();
  {
    std::vector<aggregators::Shard::ReadGuard> guards;
    std::vector<ShardSeries*> shards;
    guards.reserve(views.size());
    for (const ingest::PartitionView& view : views) {
      guards.push_back(view.shard->Read());
      shards.push_back(&shards_.at(view.partition));
      shards.back()->Refresh(*guards.back(), kept_jobs_);
      series_dropped_ += shards.back()->dropped_series();
    }
    for (const Metric& metric : MetricCatalogue()) {
      if (metric.scope == Scope::kInstance) continue;
      writer->BeginFamily(metric.name, metric.type, metric.unit, metric.help);
      std::visit(FamilyLines(metric, shards, writer), metric.source);
      writer->EndFamily();
    }
  }
  for (const prometheus::MetricFamily& family : own) WriteFamily(family, writer);
  for (const Metric& metric : MetricCatalogue()) {
    const FromScrape* from = std::get_if<FromScrape>(&metric.source);
    if (from == nullptr || (*from != FromScrape::kSeriesDropped && last_series_ == 0)) continue;
    writer->BeginFamily(metric.name, metric.type, metric.unit, metric.help);
    switch (*from) {
      case FromScrape::kDuration:
        writer->Line(metric.name, " ", Seconds(last_duration_us_));
        break;
      case FromScrape::kSeries:
        writer->Line(metric.name, " ", Unsigned(last_series_));
        break;
      case FromScrape::kSeriesDropped:
        writer->Line(metric.name, " ", Unsigned(series_dropped_));
        break;
    }
    writer->EndFamily();
  }
  writer->Finish();
}

}  // namespace runledger::exporters
