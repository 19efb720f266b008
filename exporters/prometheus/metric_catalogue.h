#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "aggregators/published.h"

namespace runledger::exporters {

enum class MetricType : uint8_t { kCounter, kGauge, kSummary, kHistogram };
std::string_view MetricTypeName(MetricType type);  // as both formats write it

// What a series is about, which decides the labels that it has before its own.
enum class Scope : uint8_t {
  kJob,        // topic, partition, processor, phase
  kPhase,      // topic, partition, phase, workflow
  kWorkflow,   // topic, partition, workflow
  kPartition,  // topic, partition
  kInstance,   // none
};

// Where the values of a metric come from.
struct FromJobCount {
  uint64_t aggregators::JobBlock::*field;
};
struct FromJobTime {  // microseconds; left out while kNever
  int64_t aggregators::JobBlock::*field;
};
struct FromJobSeconds {  // left out below 0
  double aggregators::JobBlock::*field;
};
struct FromJobFlag {
  bool aggregators::JobBlock::*field;
};
struct FromJobWatch {  // left out below 0: the job is not configured for it
  int32_t aggregators::JobBlock::*field;
};
struct FromFinished {};      // JobBlock::finished, with exemplars
struct FromCorrections {};   // ShardBlock::corrections
struct FromRunDurations {};  // JobBlock::duration_sum_s, duration_count
struct FromWindows {};       // JobBlock::windows; left out where nothing counted
struct FromJobLabels {};     // always 1
struct FromPhases {};        // ShardBlock::phases
struct FromPosition {        // left out while -1
  int64_t aggregators::ShardPositions::*field;
};
struct FromPositionTime {  // microseconds; left out while kNever
  int64_t aggregators::ShardPositions::*field;
};
struct FromPositionFlag {
  bool aggregators::ShardPositions::*field;
  bool inverted = false;
};
struct FromRegistry {};  // ingest::OwnMetrics
// Of workflows.
struct FromVerdicts {};     // WorkflowBlock::verdicts
struct FromWorkflowCount {  // at home alone
  uint64_t aggregators::WorkflowBlock::*field;
};
struct FromMissingRuns {};   // missing and missing_explained; at home alone
struct FromDecisions {};     // WorkflowBlock::last_decision_us; left out while kNever
struct FromNotEvaluated {};  // where there is a limit
// OrchestrationBlock.
struct FromMissingFiles {};  // left out while it is not known which
struct FromCleanup {};       // left out while kNever
struct FromDroppedWorkflows {};
enum class FromScrape : uint8_t { kDuration, kSeries, kSeriesDropped };

using Source =
    std::variant<FromJobCount, FromJobTime, FromJobSeconds, FromJobFlag, FromJobWatch, FromFinished, FromCorrections,
                 FromRunDurations, FromWindows, FromJobLabels, FromPhases, FromPosition, FromPositionTime,
                 FromPositionFlag, FromVerdicts, FromWorkflowCount, FromMissingRuns, FromDecisions, FromNotEvaluated,
                 FromMissingFiles, FromCleanup, FromDroppedWorkflows, FromRegistry, FromScrape>;

// One metric, declared here alone: what is exported, documented, and later queried by rules and dashboards.
struct Metric {
  std::string_view name = {};  // of a counter with `_total`, of a summary or histogram without suffix
  MetricType type = MetricType::kGauge;
  std::string_view unit = {};  // "seconds", or empty
  Scope scope = Scope::kInstance;
  std::string_view labels = {};  // its own, beside those of the scope, separated by ", "
  Source source = FromRegistry{};
  int series = 1;              // series for each job; 0: as many as occur
  bool judged = false;         // depends on time: left out while the shard has no watermark
  bool history = false;        // of a job known from history only, too
  bool adds_up = false;        // a gauge that is summed over partitions: of a job that has moved, too
  bool overflow = true;        // means something of several jobs together
  std::string_view help = {};  // one sentence, and what a reader has to know
};

// Every metric, those of one scope together.
std::span<const Metric> MetricCatalogue();

// Labels of a scope, separated by ", ".
std::string_view ScopeLabels(Scope scope);

// Series that one job costs: what limits.series counts. Corrections, of which there are at most 30 a job and mostly
// none, are not in it.
int SeriesPerJob();

// The reference page of all metrics, in Markdown.
std::string MetricsPage();

}  // namespace runledger::exporters
