#include "exporters/prometheus/metric_catalogue.h"

#include <array>

namespace runledger::exporters {
namespace {

using aggregators::JobBlock;
using aggregators::ShardPositions;
using codecs::kTerminalStatuses;

constexpr Metric kCatalogue[] = {
    // Jobs.
    {.name = "runledger_runs_started_total",
     .type = MetricType::kCounter,
     .scope = Scope::kJob,
     .source = FromJobCount{&JobBlock::started},
     .help = "Runs seen, counted at their first event. Started = running + finished + forgotten."},
    {.name = "runledger_runs_finished_total",
     .type = MetricType::kCounter,
     .scope = Scope::kJob,
     .labels = "status",
     .source = FromFinished{},
     .series = kTerminalStatuses,
     .help = "Runs that ended, counted once at their first terminal event in the order of the log, with its status."},
    {.name = "runledger_runs_corrected_total",
     .type = MetricType::kCounter,
     .scope = Scope::kJob,
     .labels = "from, to",
     .source = FromCorrections{},
     .series = 0,
     .help = "Runs whose status changed after they had been counted as finished. Only changes that occurred have a "
             "series."},
    {.name = "runledger_runs_forgotten_total",
     .type = MetricType::kCounter,
     .scope = Scope::kJob,
     .source = FromJobCount{&JobBlock::forgotten},
     .help = "Runs dropped while open: too many of them, or nothing heard for state.forget_job_after."},
    {.name = "runledger_late_events_total",
     .type = MetricType::kCounter,
     .scope = Scope::kJob,
     .source = FromJobCount{&JobBlock::late_events},
     .history = true,
     .help = "Events of history: marked as backfill, older than state.horizon when they arrived, or of a run that was "
             "forgotten."},
    {.name = "runledger_runs_running",
     .scope = Scope::kJob,
     .source = FromJobCount{&JobBlock::running},
     .adds_up = true,
     .help = "Runs that have started and not ended."},
    {.name = "runledger_runs_stale",
     .scope = Scope::kJob,
     .source = FromJobCount{&JobBlock::stale},
     .judged = true,
     .help = "Running runs without a sign of life for longer than stale_after, at the partition's watermark."},
    {.name = "runledger_runs_silent",
     .scope = Scope::kJob,
     .source = FromJobCount{&JobBlock::silent},
     .judged = true,
     .help = "Running runs that used to beat and have not for longer than heartbeat_silent_after, at the watermark."},
    {.name = "runledger_runs_timed_out",
     .scope = Scope::kJob,
     .source = FromJobCount{&JobBlock::timed_out},
     .judged = true,
     .help = "Running runs that started longer than max_runtime ago, at the watermark."},
    {.name = "runledger_oldest_running_start_timestamp_seconds",
     .unit = "seconds",
     .scope = Scope::kJob,
     .source = FromJobTime{&JobBlock::oldest_running_start_us},
     .help = "Start of the run that has been running longest. Absent while none runs."},
    {.name = "runledger_last_start_timestamp_seconds",
     .unit = "seconds",
     .scope = Scope::kJob,
     .source = FromJobTime{&JobBlock::last_start_us},
     .help = "Newest start of a run."},
    {.name = "runledger_last_success_timestamp_seconds",
     .unit = "seconds",
     .scope = Scope::kJob,
     .source = FromJobTime{&JobBlock::last_success_us},
     .help = "Newest end with status success."},
    {.name = "runledger_last_failure_timestamp_seconds",
     .unit = "seconds",
     .scope = Scope::kJob,
     .source = FromJobTime{&JobBlock::last_failure_us},
     .help = "Newest end with status failed or aborted."},
    {.name = "runledger_last_run_duration_seconds",
     .unit = "seconds",
     .scope = Scope::kJob,
     .source = FromJobSeconds{&JobBlock::last_duration_s},
     .overflow = false,
     .help = "How long the run took that finished last, whatever its status."},
    {.name = "runledger_run_duration_seconds",
     .type = MetricType::kSummary,
     .unit = "seconds",
     .scope = Scope::kJob,
     .source = FromRunDurations{},
     .series = 2,
     .help = "How long finished runs took, where start and end are known."},
    {.name = "runledger_consecutive_failures",
     .scope = Scope::kJob,
     .source = FromJobCount{&JobBlock::consecutive_failures},
     .overflow = false,
     .help = "Runs that failed or were aborted since the last success, in the order of the log."},
    {.name = "runledger_success_ratio",
     .scope = Scope::kJob,
     .labels = "window",
     .source = FromWindows{},
     .series = aggregators::kWindows,
     .judged = true,
     .overflow = false,
     .help = "Success of success, partial, failed and aborted by event time, over the window (1h, 24h, 7d, 30d) that "
             "ends at "
             "the watermark. Absent where nothing ended in it."},
    {.name = "runledger_job_stale",
     .scope = Scope::kJob,
     .source = FromJobFlag{&JobBlock::job_stale},
     .judged = true,
     .overflow = false,
     .help = "1 while the job has had no success for longer than its staleness_threshold, at the watermark."},
    {.name = "runledger_job_missing_dates",
     .scope = Scope::kJob,
     .source = FromJobWatch{&JobBlock::missing_dates},
     .judged = true,
     .overflow = false,
     .help = "Dates of the look-back window on which the job's schedule expected it, that are over, and that have no "
             "status among its success_counts. Only of jobs with a schedule."},
    {.name = "runledger_job_long_running",
     .scope = Scope::kJob,
     .source = FromJobWatch{&JobBlock::long_running},
     .judged = true,
     .overflow = false,
     .help = "1 while the run that has been running longest is over long_running_after, or over long_running_factor "
             "times the p95 of its job. Only of jobs with one of these."},
    {.name = "runledger_job_concurrent",
     .scope = Scope::kJob,
     .source = FromJobWatch{&JobBlock::concurrent},
     .overflow = false,
     .help = "1 while more than max_concurrent runs of the job are running. Only of jobs with that limit."},
    {.name = "runledger_job_flapping",
     .scope = Scope::kJob,
     .source = FromJobWatch{&JobBlock::flapping},
     .overflow = false,
     .help = "1 while the last 20 runs that ended changed between success and failure more often than "
             "flapping_changes. Only of jobs with that limit."},
    {.name = "runledger_job_info",
     .scope = Scope::kJob,
     .labels = "priority, display_name",
     .source = FromJobLabels{},
     .overflow = false,
     .help = "Always 1; the job's settings are labels."},
    // Phases.
    {.name = "runledger_phase_run_duration_seconds",
     .type = MetricType::kHistogram,
     .unit = "seconds",
     .scope = Scope::kPhase,
     .source = FromPhases{},
     .help = "How long finished runs took, by the phase and workflow that they name."},
    // Workflows.
    {.name = "runledger_expected_runs_total",
     .type = MetricType::kCounter,
     .scope = Scope::kWorkflow,
     .labels = "verdict",
     .source = FromVerdicts{},
     .help = "Expected runs by their final verdict (on_time, early, late, missing), counted when it is read back from "
             "the log."},
    {.name = "runledger_expected_runs_pending",
     .scope = Scope::kWorkflow,
     .source = FromWorkflowCount{&aggregators::WorkflowBlock::pending},
     .judged = true,
     .help = "Expected runs that have not started and are not later than late_after, at the watermark."},
    {.name = "runledger_expected_runs_overdue",
     .scope = Scope::kWorkflow,
     .source = FromWorkflowCount{&aggregators::WorkflowBlock::overdue},
     .judged = true,
     .help = "Expected runs that have not started for longer than late_after, and may still within match_window."},
    {.name = "runledger_expected_runs_missing",
     .scope = Scope::kWorkflow,
     .labels = "explained",
     .source = FromMissingRuns{},
     .judged = true,
     .help = "Expected runs of the 24 hours before the watermark that did not start within match_window. explained is "
             "true where a decision to skip or to abort says why."},
    {.name = "runledger_workflow_last_decision_timestamp_seconds",
     .unit = "seconds",
     .scope = Scope::kWorkflow,
     .labels = "action",
     .source = FromDecisions{},
     .help = "Time of the newest decision of each action (RUN, SKIP, ABORT)."},
    {.name = "runledger_workflow_not_evaluated",
     .scope = Scope::kWorkflow,
     .source = FromNotEvaluated{},
     .judged = true,
     .help =
         "1 while nobody has decided about the workflow for longer than evaluation_overdue_after, at the watermark. "
         "Absent where there is no such limit."},
    // Partitions.
    {.name = "runledger_log_start_offset",
     .scope = Scope::kPartition,
     .source = FromPosition{&ShardPositions::log_start_offset},
     .help = "First offset that the broker still holds."},
    {.name = "runledger_log_end_offset",
     .scope = Scope::kPartition,
     .source = FromPosition{&ShardPositions::log_end_offset},
     .help = "Offset that the next record of the partition will get."},
    {.name = "runledger_log_applied_offset",
     .scope = Scope::kPartition,
     .source = FromPosition{&ShardPositions::applied_offset},
     .help = "Next offset to be folded: every other series of the partition is the fold of the log before it."},
    {.name = "runledger_log_acked_offset",
     .scope = Scope::kPartition,
     .source = FromPosition{&ShardPositions::acked_offset},
     .help = "Next offset whose row is not durable in the warehouse yet."},
    {.name = "runledger_log_watermark_timestamp_seconds",
     .unit = "seconds",
     .scope = Scope::kPartition,
     .source = FromPositionTime{&ShardPositions::watermark_us},
     .help = "Time up to which the partition is known: the one at which what depends on time is judged. Absent while "
             "there is none."},
    {.name = "runledger_log_caught_up",
     .scope = Scope::kPartition,
     .source = FromPositionFlag{&ShardPositions::caught_up},
     .help = "1 while everything that the broker had has been folded and the broker said so recently. At 0, verdicts "
             "are unknown."},
    {.name = "runledger_restoring",
     .scope = Scope::kPartition,
     .source = FromPositionFlag{&ShardPositions::shown, true},
     .help = "1 while the partition's state is being rebuilt and its jobs are not shown yet."},
    {.name = "runledger_restore_remaining_records",
     .scope = Scope::kPartition,
     .source = FromPosition{&ShardPositions::restore_remaining},
     .help = "Records to be folded before the partition's jobs are shown."},
    {.name = "runledger_snapshot_timestamp_seconds",
     .unit = "seconds",
     .scope = Scope::kPartition,
     .source = FromPositionTime{&ShardPositions::snapshot_time_us},
     .help = "When this instance last made a snapshot of the partition's state durable. Absent until it has."},
    {.name = "runledger_snapshot_bytes",
     .unit = "bytes",
     .scope = Scope::kPartition,
     .source = FromPosition{&ShardPositions::snapshot_bytes},
     .help = "Size of that snapshot as it is kept."},
    {.name = "runledger_missing_files",
     .scope = Scope::kPartition,
     .labels = "urgency",
     .source = FromMissingFiles{},
     .help = "Files that nobody has processed, as the newest cleanup lists them, by their age: critical above 240 "
             "minutes, warning above 120, recent. Of several partitions the one with the newest cleanup holds."},
    {.name = "runledger_last_cleanup_timestamp_seconds",
     .unit = "seconds",
     .scope = Scope::kPartition,
     .source = FromCleanup{},
     .help = "Time of the newest cleanup. Absent while none is known."},
    {.name = "runledger_workflow_events_dropped_total",
     .type = MetricType::kCounter,
     .scope = Scope::kPartition,
     .source = FromDroppedWorkflows{},
     .help = "Decisions and expected runs of workflows beyond the 20000 of which a partition keeps state. Their rows "
             "are written."},
    // The instance: counted by this process since it began.
    {.name = "runledger_events_total",
     .type = MetricType::kCounter,
     .labels = "topic, body, framing",
     .source = FromRegistry{},
     .help = "Good events read from the log, by body and framing."},
    {.name = "runledger_events_rejected_total",
     .type = MetricType::kCounter,
     .labels = "category",
     .source = FromRegistry{},
     .help = "Events and records that could not be used, by category."},
    {.name = "runledger_dead_letters_total",
     .type = MetricType::kCounter,
     .labels = "category",
     .source = FromRegistry{},
     .help = "Dead letters that the log has acknowledged, by category: whatever was rejected, and events of which one "
             "column was refused, which count as events all the same."},
    {.name = "runledger_dead_letters_truncated_total",
     .type = MetricType::kCounter,
     .source = FromRegistry{},
     .help = "Dead letters that their topic refused for their size: only the head of the value went there."},
    {.name = "runledger_partition_violations_total",
     .type = MetricType::kCounter,
     .labels = "topic",
     .source = FromRegistry{},
     .help = "Jobs seen in a partition that is not their home: the producer's partitioner differs from "
             "log.topics[].partitioner."},
    {.name = "runledger_warehouse_rows_total",
     .type = MetricType::kCounter,
     .labels = "table",
     .source = FromRegistry{},
     .help = "Rows that are durable in the warehouse."},
    {.name = "runledger_warehouse_rows_in_flight",
     .labels = "table",
     .source = FromRegistry{},
     .help = "Rows handed to the warehouse and not acknowledged yet."},
    {.name = "runledger_warehouse_retries_total",
     .type = MetricType::kCounter,
     .labels = "table",
     .source = FromRegistry{},
     .help = "Submissions that had to be made again."},
    {.name = "runledger_warehouse_circuit_open",
     .labels = "table",
     .source = FromRegistry{},
     .help = "1 while the warehouse takes no rows, of all or of some partitions."},
    {.name = "runledger_warehouse_append_duration_seconds",
     .type = MetricType::kHistogram,
     .unit = "seconds",
     .labels = "table",
     .source = FromRegistry{},
     .help = "Time from a submission to its acknowledgement."},
    {.name = "runledger_clock_unknown",
     .source = FromRegistry{},
     .help = "1 while the clocks of this machine and of brokers differ by more than log.clock_step, so that no time is "
             "told to watermarks."},
    {.name = "runledger_state_lost_total",
     .type = MetricType::kCounter,
     .labels = "topic, partition",
     .source = FromRegistry{},
     .help = "Partitions whose counters began again because their state had to be built from a part of the log."},
    {.name = "runledger_spool_events",
     .source = FromRegistry{},
     .help = "Events that producers of this machine left in spool.dir for want of the log."},
    {.name = "runledger_spool_bytes",
     .unit = "bytes",
     .source = FromRegistry{},
     .help = "What the files in spool.dir take of spool.max_bytes."},
    {.name = "runledger_spool_sent_total",
     .type = MetricType::kCounter,
     .source = FromRegistry{},
     .help = "Events that this instance sent to the log out of spool.dir."},
    {.name = "runledger_config_last_reload_successful",
     .source = FromRegistry{},
     .help =
         "1 if the configuration was taken over when it was read last, 0 if it was refused and the one before it is "
         "still in use."},
    {.name = "runledger_config_last_reload_success_timestamp_seconds",
     .unit = "seconds",
     .source = FromRegistry{},
     .help = "When a configuration was taken over last."},
    {.name = "runledger_ready",
     .source = FromRegistry{},
     .help = "1 once every partition owned shows its series (as /readyz)."},
    {.name = "runledger_build_info",
     .labels = "version",
     .source = FromRegistry{},
     .help = "Always 1; the version is a label."},
    {.name = "runledger_scrape_duration_seconds",
     .unit = "seconds",
     .source = FromScrape::kDuration,
     .help = "Time that writing the scrape before this one took, without compression. Absent in the first."},
    {.name = "runledger_scrape_series",
     .source = FromScrape::kSeries,
     .help = "Series in the scrape before this one. Absent in the first."},
    {.name = "runledger_series_dropped_total",
     .type = MetricType::kCounter,
     .source = FromScrape::kSeriesDropped,
     .help = "Series left out because of limits.series, added up over all scrapes. While it rises, the jobs beyond the "
             "limit "
             "are in the series with processor _other."},
};

constexpr int CountSeriesPerJob() {
  int series = 0;
  for (const Metric& metric : kCatalogue) {
    if (metric.scope == Scope::kJob) series += metric.series;
  }
  return series;
}

}  // namespace

std::span<const Metric> MetricCatalogue() { return kCatalogue; }

int SeriesPerJob() {
  static constexpr int kSeries = CountSeriesPerJob();
  return kSeries;
}

std::string_view MetricTypeName(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kSummary:
      return "summary";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "";
}

std::string_view ScopeLabels(Scope scope) {
  switch (scope) {
    case Scope::kJob:
      return "topic, partition, processor, phase";
    case Scope::kPhase:
      return "topic, partition, phase, workflow";
    case Scope::kWorkflow:
      return "topic, partition, workflow";
    case Scope::kPartition:
      return "topic, partition";
    case Scope::kInstance:
      return "";
  }
  return "";
}

}  // namespace runledger::exporters
