#include "codecs/events_table.h"

#include <array>
#include <cstdlib>
#include <unordered_map>

namespace runledger::codecs {
namespace {

constexpr bool kRequired = true;
constexpr bool kNullable = false;

// Lengths in bytes. Identifiers bound what a run costs in memory; texts and JSON bound what a row costs.
constexpr uint32_t kWord = 128;
constexpr uint32_t kName = 512;
constexpr uint32_t kText = 64 << 10;
constexpr uint32_t kJsonText = 1 << 20;

using enum ColumnType;
using enum Role;

constexpr std::array kColumns = {
    // Identity and times.
    Column{"ingest_date", kDate, kRequired, kPipeline, 0, "UTC day on which the row was made; the partition column",
           "P"},
    Column{"log_time", kTimestamp, kRequired, kPipeline, 0, "timestamp of the Kafka record", "P"},
    Column{"topic", kString, kRequired, kPipeline, kName, "topic of the record", "P"},
    Column{"partition", kInt64, kRequired, kPipeline, 0, "partition of the record", "P"},
    Column{"offset", kInt64, kRequired, kPipeline, 0, "offset of the record", "P"},
    Column{"batch_index", kInt64, kRequired, kPipeline, 0, "place of the event within the record, from 0", "P"},
    Column{"log_epoch", kInt64, kRequired, kPipeline, 0, "rises when a topic was deleted and made again", "P"},
    Column{"ingested_at", kTimestamp, kRequired, kPipeline, 0,
           "when the row was made; with ingest_date the only column that does not depend on the log alone", "P"},
    Column{"event_id", kString, kRequired, kCore, kName, "the same id again is the same event", "P"},
    Column{"event_time", kTimestamp, kRequired, kCore, 0, "when it happened", "P"},
    Column{"sequence", kInt64, kNullable, kCore, 0, "per run, rising; NULL if the producer keeps none", "P"},
    Column{"backfill", kBool, kRequired, kCore, 0, "history that was replayed", "P"},
    Column{"refused", kString, kNullable, kPipeline, kText,
           "column and reason, where a bad value left only the core of the row", "P"},
    Column{"kind", kString, kRequired, kCore, kWord,
           "processor, scraper, prediction; decision, expected, cleanup, verdict", "M2"},
    // The run.
    Column{"job_name", kString, kNullable, kCore, kName, "the job", "M3"},
    Column{"run_id", kString, kNullable, kCore, kName, "the run, whole as the producer wrote it", "M2"},
    Column{"attempt", kInt64, kNullable, kCore, 0,
           "0 = not told, 1 = first try; (job_name, run_id, attempt) is the run", "M39"},
    Column{"status", kString, kNullable, kCore, kWord, "running, success, no_data, partial, skipped, failed, aborted",
           "M5 M93-M95"},
    Column{"source_status", kString, kNullable, kCore, kWord, "the producer's own word, if another", "M5 M184"},
    Column{"heartbeat", kBool, kNullable, kCore, 0, "a sign of life", "P"},
    Column{"phase", kString, kNullable, kPlain, kName, "phase_2_raw, phase_3_analytics, phase_4_precompute, or any",
           "M4"},
    Column{"workflow", kString, kNullable, kCore, kName,
           "the workflow that the run, decision or expectation belongs to", "M103"},
    Column{"data_date", kDate, kNullable, kCore, 0, "date being processed", "M6"},
    Column{"started_at", kTimestamp, kNullable, kCore, 0, "start of the run", "M7"},
    Column{"completed_at", kTimestamp, kNullable, kPlain, 0,
           "end of the run: as given, else the time of the terminal event", "M103"},
    Column{"duration_seconds", kFloat64, kNullable, kPlain, 0, "how long it took", "M8 M103"},
    Column{"records_processed", kInt64, kNullable, kPlain, 0, "records read", "M21"},
    Column{"records_created", kInt64, kNullable, kPlain, 0, "records made", "s3"},
    Column{"records_updated", kInt64, kNullable, kPlain, 0, "records changed", "s3"},
    Column{"records_skipped", kInt64, kNullable, kPlain, 0, "records left out", "s3"},
    Column{"records_deleted", kInt64, kNullable, kPlain, 0, "records removed", "s3"},
    Column{"errors", kJson, kNullable, kPlain, kJsonText, "[{error_type, error_message}]; plain strings are wrapped",
           "M20"},
    Column{"warnings", kJson, kNullable, kPlain, kJsonText, "what was odd but no error", "s3"},
    Column{"summary", kJson, kNullable, kPlain, kJsonText, "what the run did, in the producer's own structure", "M103"},
    Column{"error_type", kString, kNullable, kPlain, kName, "type of the first error", "s3"},
    Column{"error_message", kString, kNullable, kPlain, kText, "the first error in brief", "s3"},
    Column{"skip_reason", kString, kNullable, kPlain, kText, "smart_skip, early_exit, already_processed, no_data",
           "s3"},
    Column{"failure_category", kString, kNullable, kPlain, kName,
           "no_data_available, upstream_failure, processing_error, timeout, configuration_error, unknown", "s3"},
    Column{"trigger_source", kString, kNullable, kPlain, kName, "pubsub, scheduler, manual, api", "M9"},
    Column{"trigger_message_id", kString, kNullable, kPlain, kName, "message that triggered the run", "M10"},
    Column{"trigger_message_data", kJson, kNullable, kPlain, kJsonText, "content of that message", "s3"},
    Column{"triggered_by", kString, kNullable, kPlain, kName, "who or what triggered it", "M103 M105"},
    Column{"source", kString, kNullable, kPlain, kName, "CONTROLLER, MANUAL, LOCAL, CLOUD_RUN, SCHEDULER, RECOVERY",
           "M103 M112"},
    Column{"environment", kString, kNullable, kPlain, kName, "prod, dev, local", "M103 M105"},
    Column{"parent_job", kString, kNullable, kPlain, kName, "upstream job that triggered this one", "M11"},
    Column{"parent_run_id", kString, kNullable, kPlain, kName, "its run", "M174"},
    Column{"dependency_check_passed", kBool, kNullable, kPlain, 0, "all critical dependencies passed", "M12"},
    Column{"missing_dependencies", kJson, kNullable, kPlain, kJsonText, "array of missing table names", "M13"},
    Column{"stale_dependencies", kJson, kNullable, kPlain, kJsonText, "array of stale table names", "M14"},
    Column{"upstream_dependencies", kJson, kNullable, kPlain, kJsonText, "all results: [{table, status, age_hours}]",
           "M15"},
    Column{"alert_sent", kBool, kNullable, kPlain, 0, "an alert was sent during this run", "M16"},
    Column{"alert_type", kString, kNullable, kPlain, kName, "error, warning, info", "M17"},
    Column{"service", kString, kNullable, kPlain, kName, "service that ran it (K_SERVICE)", "M18"},
    Column{"revision", kString, kNullable, kPlain, kName, "its revision (K_REVISION)", "M19"},
    Column{"execution_host", kString, kNullable, kPlain, kName, "host that ran it", "s3"},
    Column{"version", kString, kNullable, kPlain, kName, "version of the job's code", "s3"},
    Column{"config_hash", kString, kNullable, kPlain, kName, "hash of the job's configuration", "s3"},
    Column{"output_path", kString, kNullable, kPlain, kText, "file or object written", "M103"},
    Column{"output_dataset", kString, kNullable, kPlain, kName, "dataset written", "s3"},
    Column{"output_table", kString, kNullable, kPlain, kName, "table written", "s3"},
    Column{"recovery", kBool, kNullable, kPlain, 0, "started by a recovery", "M103"},
    Column{"dry_run", kBool, kNullable, kPlain, 0, "nothing was written", "s3"},
    Column{"test_mode", kBool, kNullable, kPlain, 0, "a test", "s3"},
    Column{"backfill_mode", kBool, kNullable, kPlain, 0, "the producer's own flag; not `backfill`", "s3"},
    Column{"force_reprocess", kBool, kNullable, kPlain, 0, "ran although it had run before", "s3"},
    Column{"subject", kString, kNullable, kPlain, kName, "what a prediction is about", "M39"},
    Column{"batch_id", kString, kNullable, kPlain, kName, "bulk request the run belongs to", "M39"},
    Column{"opts", kJson, kNullable, kPlain, kJsonText, "options; secrets removed at any depth", "M103 M192"},
    Column{"attributes", kJson, kNullable, kPlain, kJsonText, "whatever one domain needs", "s3"},
    // Decisions of a controller.
    Column{"decision_id", kString, kNullable, kCore, kName, "the decision", "M105"},
    Column{"decision_time", kTimestamp, kNullable, kCore, 0, "when it was taken", "M105"},
    Column{"action", kString, kNullable, kCore, kWord, "RUN, SKIP, ABORT", "M106"},
    Column{"reason", kString, kNullable, kPlain, kText, "why", "M105 M107"},
    Column{"context", kJson, kNullable, kPlain, kJsonText, "what the decision was based on", "M105"},
    Column{"scrapers_triggered", kJson, kNullable, kPlain, kJsonText, "array of names", "M105"},
    Column{"target_games", kJson, kNullable, kPlain, kJsonText, "array of names", "M105"},
    Column{"next_check_time", kTimestamp, kNullable, kPlain, 0, "when it is looked at again", "M105"},
    Column{"priority", kString, kNullable, kPlain, kName, "CRITICAL, HIGH, MEDIUM, LOW, MANUAL", "M105 s3"},
    Column{"alert_level", kString, kNullable, kPlain, kName, "NONE, INFO, WARNING, CRITICAL", "M105 s3"},
    Column{"controller_version", kString, kNullable, kPlain, kName, "version of the controller", "M105"},
    // Expected runs.
    Column{"expected_date", kDate, kNullable, kCore, 0, "day of the expectation, in the schedule's own zone", "M107"},
    Column{"expected_run_time", kTimestamp, kNullable, kCore, 0, "when it should run", "M107"},
    Column{"locked_at", kTimestamp, kNullable, kPlain, 0, "when the day's schedule was locked", "s3"},
    Column{"scrapers", kJson, kNullable, kPlain, kJsonText, "array of names", "s3"},
    Column{"schedule_version", kString, kNullable, kPlain, kName, "version of the schedule", "s3"},
    Column{"generated_by", kString, kNullable, kPlain, kName, "who made the schedule", "s3"},
    // Cleanups of files.
    Column{"cleanup_id", kString, kNullable, kCore, kName, "the cleanup", "s3"},
    Column{"files_checked", kInt64, kNullable, kPlain, 0, "files looked at", "s3"},
    Column{"missing_files_found", kInt64, kNullable, kPlain, 0, "files that nobody processed", "M108"},
    Column{"republished_count", kInt64, kNullable, kPlain, 0, "of these, announced again", "M108"},
    Column{"missing_files", kJson, kNullable, kPlain, kJsonText,
           "[{scraper_name, gcs_path, triggered_at, age_minutes, republished}]", "M108"},
    Column{"pubsub_enabled", kBool, kNullable, kPlain, 0, "announcing again was switched on", "M108 M111"},
    // runledger's own verdicts.
    Column{"verdict_subject", kString, kNullable, kCore, kName, "job or workflow", "M115"},
    Column{"verdict_due", kTimestamp, kNullable, kCore, 0, "when it was due", "M115"},
    Column{"verdict", kString, kNullable, kCore, kWord, "on_time, early, late, missing", "M116"},
    Column{"matched_run_id", kString, kNullable, kPlain, kName, "the run that answers the expectation", "M115"},
    Column{"delay_seconds", kFloat64, kNullable, kPlain, 0, "its start after the due time", "M116"},
    Column{"explained_by", kString, kNullable, kPlain, kText, "the decision that explains a miss", "M207"},
};

constexpr std::string_view kClustering[] = {"kind", "job_name", "workflow", "status"};
constexpr TableLayout kLayout = {"events", "ingest_date", kClustering, 90};

}  // namespace

std::span<const Column> EventColumns() { return kColumns; }

std::optional<size_t> FindEventColumn(std::string_view name) {
  static const auto* const kByName = [] {
    auto* map = new std::unordered_map<std::string_view, size_t>;
    for (size_t i = 0; i < kColumns.size(); ++i) map->emplace(kColumns[i].name, i);
    return map;
  }();
  const auto found = kByName->find(name);
  if (found == kByName->end()) return std::nullopt;
  return found->second;
}

size_t EventColumnIndex(std::string_view name) {
  const std::optional<size_t> index = FindEventColumn(name);
  if (!index) std::abort();  // a misspelt name in our own code
  return *index;
}

std::string_view ColumnTypeName(ColumnType type) {
  switch (type) {
    case kString:
      return "STRING";
    case kInt64:
      return "INT64";
    case kFloat64:
      return "FLOAT64";
    case kBool:
      return "BOOL";
    case kTimestamp:
      return "TIMESTAMP";
    case kDate:
      return "DATE";
    case kJson:
      return "JSON";
  }
  return "?";
}

const TableLayout& EventsLayout() { return kLayout; }

}  // namespace runledger::codecs
