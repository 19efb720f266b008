#include "codecs/views.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

namespace runledger::codecs {

// A run without started_at began at the latest when its first word came; a terminal's duration leads back to its start.
const Sql kRunBegan{
    .sqlite = "COALESCE({started_at}, {event_time} - CAST({duration_seconds} * 1000000 AS INTEGER), {event_time})",
    .bigquery =
        "COALESCE({started_at}, TIMESTAMP_SUB({event_time}, INTERVAL CAST(TRUNC({duration_seconds} * 1000000)"
        " AS INT64) MICROSECOND), {event_time})"};

namespace {

using enum ColumnType;
using Columns = std::vector<ViewColumn>;

ViewColumn As(std::string_view name, std::string_view source, std::string_view description = {}) {
  const Column& column = EventColumns()[EventColumnIndex(source)];
  return {.name = name,
          .type = column.type,
          .from = ViewSource::kColumn,
          .source = source,
          .sql = {},
          .description = description.empty() ? column.description : description};
}

ViewColumn Own(std::string_view name) { return As(name, name); }

ViewColumn Attribute(std::string_view name, ColumnType type) {
  return {.name = name, .type = type, .from = ViewSource::kAttribute, .source = name, .sql = {}, .description = {}};
}

ViewColumn Expression(std::string_view name, ColumnType type, Sql sql, std::string_view description) {
  return {.name = name,
          .type = type,
          .from = ViewSource::kExpression,
          .source = {},
          .sql = sql,
          .description = description};
}

// SQL that both dialects write alike.
Sql Both(std::string_view sql) { return {.sqlite = sql, .bigquery = sql}; }

ViewColumn AllEvents(std::string_view name, ColumnType type, Sql sql, std::string_view description) {
  return {
      .name = name, .type = type, .from = ViewSource::kAllEvents, .source = {}, .sql = sql, .description = description};
}

Columns Owns(std::initializer_list<std::string_view> names) {
  Columns columns;
  for (const std::string_view name : names) columns.push_back(Own(name));
  return columns;
}

void Append(Columns* columns, Columns more) {
  columns->insert(columns->end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

ViewColumn CompletedAt() {
  // The core of a refused row has no completed_at.
  return Expression("completed_at", kTimestamp,
                    Both("COALESCE({completed_at}, CASE WHEN {status} <> 'running' THEN {event_time} END)"),
                    "end of the run: as given, else the time of its terminal event");
}

ViewColumn CreatedAt() {
  return AllEvents("created_at", kTimestamp, Both("MIN(ingested_at)"), "when the run's first row was made");
}

// What every view of runs ends with.
Columns SeenColumns() {
  return {AllEvents("first_event_at", kTimestamp, Both("MIN(event_time)"), "least event time of the run"),
          AllEvents("last_seen_at", kTimestamp, Both("MAX(event_time)"), "greatest event time of the run"),
          AllEvents("events", kInt64, Both("COUNT(DISTINCT event_id)"), "events of the run, repetitions not counted")};
}

View ProcessorRunHistory() {
  View view{.name = "processor_run_history",
            .shape = ViewShape::kRuns,
            .kind = "processor",
            .over = {},
            .where = {},
            .group_by = {},
            .columns = {},
            .description = "Runs of processors",
            .source = "M1-M23 s3"};
  view.columns = {
      As("processor_name", "job_name"),
      Own("run_id"),
      As("retry_attempt", "attempt"),
      Own("phase"),
      Own("workflow"),
      Own("status"),
      Own("source_status"),
      Own("data_date"),
      As("processing_date", "data_date"),
      Own("started_at"),
      Expression("run_timestamp", kTimestamp, kRunBegan,
                 "started_at, else the event's time less its duration, else the event's time"),
      CompletedAt(),
      Expression("processed_at", kTimestamp,
                 Both("CASE WHEN {status} <> 'running' THEN COALESCE({completed_at}, {event_time}) END"),
                 "completed_at; NULL while running"),
  };
  Append(&view.columns,
         Owns({"duration_seconds", "records_processed", "records_created", "records_updated", "records_skipped",
               "records_deleted", "errors", "warnings", "summary", "error_type", "error_message"}));
  view.columns.push_back(Expression("skipped", kBool, Both("{status} = 'skipped'"), "processing was skipped"));
  Append(&view.columns, Owns({"skip_reason", "failure_category", "trigger_source", "trigger_message_id",
                              "trigger_message_data", "triggered_by", "source", "environment"}));
  view.columns.push_back(As("parent_processor", "parent_job"));
  Append(&view.columns, Owns({"parent_run_id", "dependency_check_passed", "missing_dependencies", "stale_dependencies",
                              "upstream_dependencies", "alert_sent", "alert_type"}));
  view.columns.push_back(As("cloud_run_service", "service"));
  view.columns.push_back(As("cloud_run_revision", "revision"));
  Append(&view.columns, Owns({"execution_host", "version"}));
  view.columns.push_back(As("processor_version", "version"));
  Append(&view.columns, Owns({"config_hash", "output_path", "output_dataset", "output_table", "recovery", "dry_run",
                              "test_mode", "backfill_mode", "force_reprocess", "subject", "batch_id", "opts",
                              "attributes", "backfill", "refused"}));
  Append(&view.columns, {Attribute("season_year", kInt64),
                         Attribute("data_source_primary", kString),
                         Attribute("data_source_enhancement", kString),
                         Attribute("data_records_queried", kInt64),
                         Attribute("validation_mode", kString),
                         Attribute("validation_skipped_reason", kString),
                         Attribute("source_data_freshness_days", kInt64),
                         Attribute("espn_roster_date", kDate),
                         Attribute("nbacom_source_date", kDate),
                         Attribute("br_scrape_date", kDate),
                         Attribute("gamebook_pdf_date", kDate),
                         Attribute("espn_matched_requested_date", kBool),
                         Attribute("nbacom_matched_requested_date", kBool),
                         Attribute("br_matched_requested_date", kBool),
                         Attribute("gamebook_matched_requested_date", kBool),
                         Attribute("used_source_fallback", kBool),
                         Attribute("season_filter", kString),
                         Attribute("team_filter", kString),
                         Attribute("date_range_filter_start", kDate),
                         Attribute("date_range_filter_end", kDate)});
  view.columns.push_back(CreatedAt());
  view.columns.push_back(
      AllEvents("updated_at", kTimestamp, Both("MAX(ingested_at)"), "when the run's last row was made"));
  Append(&view.columns, SeenColumns());
  return view;
}

// The day that a row of processor_run_history counts for: a run that names no date, the one on which it began (UTC).
// A macro, because the views hold literals.
#define RUN_DAY "COALESCE(processing_date, date(run_timestamp / 1000000, 'unixepoch'))"
#define BIGQUERY_RUN_DAY "COALESCE(processing_date, DATE(run_timestamp))"

View ProcessorLatest() {
  View view{.name = "processor_run_history_latest",
            .shape = ViewShape::kQuery,
            .kind = {},
            .over = "processor_run_history",
            .where = Both("status = 'success'"),
            .group_by = Both("processor_name"),
            .columns = {},
            .description = "Each processor's last successful run",
            .source = "M45 s3"};
  view.columns = {
      Expression("processor_name", kString, Both("processor_name"), "the job"),
      Expression("last_processing_date", kDate, {.sqlite = "MAX(" RUN_DAY ")", .bigquery = "MAX(" BIGQUERY_RUN_DAY ")"},
                 "newest date processed; a run without one counts for the day on which it began, UTC"),
      Expression("last_run_timestamp", kTimestamp, Both("MAX(run_timestamp)"), "start of the newest run"),
      Expression("days_since_last_run", kInt64,
                 {.sqlite = "CAST(julianday(date('now')) - julianday(MAX(" RUN_DAY ")) AS INTEGER)",
                  .bigquery = "DATE_DIFF(CURRENT_DATE(), MAX(" BIGQUERY_RUN_DAY "), DAY)"},
                 "whole days from the newest date processed to today, UTC"),
  };
  return view;
}

View ProcessorFailures() {
  View view{
      .name = "processor_run_history_failures",
      .shape = ViewShape::kQuery,
      .kind = {},
      .over = "processor_run_history",
      .where = {.sqlite = "status = 'failed' AND " RUN_DAY " >= date('now', '-30 day')",
                .bigquery = "status = 'failed' AND " BIGQUERY_RUN_DAY " >= DATE_SUB(CURRENT_DATE(), INTERVAL 30 DAY)"},
      .group_by = {},
      .columns = {},
      .description = "Failed runs of the last 30 days processed",
      .source = "s3"};
  view.columns = {
      Expression("processor_name", kString, Both("processor_name"), "the job"),
      Expression("run_id", kString, Both("run_id"), "the run"),
      Expression("processing_date", kDate, Both("processing_date"), "date being processed"),
      Expression("run_timestamp", kTimestamp, Both("run_timestamp"), "start of the run"),
      Expression("duration_seconds", kFloat64, Both("duration_seconds"), "how long it took"),
      Expression("error_message", kString, Both("error_message"), "the first error in brief"),
      Expression(
          "first_error_type", kString,
          {.sqlite = "json_extract(errors, '$[0].error_type')", .bigquery = "JSON_VALUE(errors, '$[0].error_type')"},
          "of the first of its errors"),
      Expression("first_error_message", kString,
                 {.sqlite = "json_extract(errors, '$[0].error_message')",
                  .bigquery = "JSON_VALUE(errors, '$[0].error_message')"},
                 "of the first of its errors"),
  };
  return view;
}

View ProcessorSummary() {
  View view{.name = "processor_run_history_summary",
            .shape = ViewShape::kQuery,
            .kind = {},
            .over = "processor_run_history",
            .where = {.sqlite = RUN_DAY " >= date('now', '-30 day')",
                      .bigquery = BIGQUERY_RUN_DAY " >= DATE_SUB(CURRENT_DATE(), INTERVAL 30 DAY)"},
            .group_by = Both("processor_name"),
            .columns = {},
            .description = "Each processor's last 30 days processed",
            .source = "s3"};
  view.columns = {
      Expression("processor_name", kString, Both("processor_name"), "the job"),
      Expression("total_runs", kInt64, Both("COUNT(*)"), "runs"),
      Expression("successful_runs", kInt64, Both("COUNT(CASE WHEN status = 'success' THEN 1 END)"),
                 "of these, successful"),
      Expression("failed_runs", kInt64, Both("COUNT(CASE WHEN status = 'failed' THEN 1 END)"), "of these, failed"),
      Expression("success_rate", kFloat64,
                 Both("ROUND(COUNT(CASE WHEN status = 'success' THEN 1 END) * 100.0 / COUNT(*), 2)"),
                 "successful of all, in per cent, to 2 decimals"),
      Expression("avg_duration_seconds", kFloat64, Both("AVG(duration_seconds)"), "mean duration"),
      Expression("first_run", kDate, {.sqlite = "MIN(" RUN_DAY ")", .bigquery = "MIN(" BIGQUERY_RUN_DAY ")"},
                 "oldest date processed, likewise"),
      Expression("last_run", kDate, {.sqlite = "MAX(" RUN_DAY ")", .bigquery = "MAX(" BIGQUERY_RUN_DAY ")"},
                 "newest date processed; a run without one counts for the day on which it began, UTC"),
  };
  return view;
}

#undef RUN_DAY
#undef BIGQUERY_RUN_DAY

View ScraperExecutionLog() {
  View view{.name = "scraper_execution_log",
            .shape = ViewShape::kRuns,
            .kind = "scraper",
            .over = {},
            .where = {},
            .group_by = {},
            .columns = {},
            .description = "Runs of scrapers",
            .source = "M102 M103 s3"};
  view.columns = {
      Expression("execution_id", kString,
                 {.sqlite = "COALESCE(json_extract({attributes}, '$.execution_id'), {run_id})",
                  .bigquery = "COALESCE(JSON_VALUE({attributes}, '$.execution_id'), {run_id})"},
                 "attributes.execution_id, else the run id"),
      As("scraper_name", "job_name"),
      Expression("workflow", kString, Both("COALESCE({workflow}, 'MANUAL')"), "the workflow; MANUAL without one"),
      Own("status"),
      Own("source_status"),
      Expression("triggered_at", kTimestamp, kRunBegan,
                 "started_at, else the event's time less its duration, else the event's time"),
      CompletedAt(),
  };
  Append(&view.columns, Owns({"duration_seconds", "source", "environment", "triggered_by"}));
  view.columns.push_back(As("gcs_path", "output_path"));
  view.columns.push_back(Expression(
      "data_summary", kJson,
      {.sqlite = "CASE WHEN {records_processed} IS NULL THEN {summary}"
                 " WHEN {summary} IS NULL THEN json_object('record_count', {records_processed})"
                 " WHEN json_type({summary}) = 'object' AND json_type({summary}, '$.record_count') IS NULL"
                 " THEN json_set({summary}, '$.record_count', {records_processed}) ELSE {summary} END",
       .bigquery = "CASE WHEN {records_processed} IS NULL THEN {summary}"
                   " WHEN {summary} IS NULL THEN JSON_OBJECT('record_count', {records_processed})"
                   " WHEN JSON_TYPE({summary}) = 'object' AND JSON_QUERY({summary}, '$.record_count') IS NULL"
                   " THEN JSON_SET({summary}, '$.record_count', {records_processed}) ELSE {summary} END"},
      "summary, with record_count from records_processed where it is absent"));
  Append(&view.columns, Owns({"error_type", "error_message"}));
  view.columns.push_back(Expression("retry_count", kInt64,
                                    {.sqlite = "MAX({attempt} - 1, 0)", .bigquery = "GREATEST({attempt} - 1, 0)"},
                                    "tries before this one"));
  Append(&view.columns, Owns({"recovery", "run_id", "attempt", "opts", "data_date", "started_at", "records_processed",
                              "errors", "attributes", "refused"}));
  view.columns.push_back(CreatedAt());
  Append(&view.columns, SeenColumns());
  return view;
}

View TodaysScraperSummary() {
  View view{.name = "v_todays_scraper_summary",
            .shape = ViewShape::kQuery,
            .kind = {},
            .over = "scraper_execution_log",
            .over_days = 2,  // a run of today is written today, or was written tomorrow by a clock that is ahead
            .where = {.sqlite = "triggered_at >= unixepoch('now', 'start of day') * 1000000"
                                " AND triggered_at < unixepoch('now', 'start of day', '+1 day') * 1000000",
                      .bigquery = "DATE(triggered_at) = CURRENT_DATE()"},
            .group_by = Both("scraper_name"),
            .columns = {},
            .description = "Each scraper's runs of today, UTC",
            .source = "M129"};
  view.columns = {
      Expression("scraper_name", kString, Both("scraper_name"), "the job"),
      Expression("runs", kInt64, Both("COUNT(*)"), "runs"),
      Expression("successes", kInt64, Both("COUNT(CASE WHEN status = 'success' THEN 1 END)"), "of these, successful"),
  };
  return view;
}

View PredictionWorkerRuns() {
  View view{.name = "prediction_worker_runs",
            .shape = ViewShape::kRuns,
            .kind = "prediction",
            .over = {},
            .where = {},
            .group_by = {},
            .columns = {},
            .description = "Runs of predictions",
            .source = "M38 M39"};
  view.columns = {
      As("request_id", "run_id"),
      Own("job_name"),
      As("player_lookup", "subject"),
      As("game_date", "data_date"),
      Own("status"),
      Own("source_status"),
      Expression("success", kBool,
                 Both("CASE WHEN {status} IN ('success', 'partial') THEN TRUE WHEN {status} IN ('failed', "
                      "'aborted') THEN FALSE END"),
                 "TRUE: success, partial; FALSE: failed, aborted; else NULL"),
      Expression("run_date", kTimestamp, kRunBegan,
                 "started_at, else the event's time less its duration, else the event's time"),
      CompletedAt(),
      Own("duration_seconds"),
      Expression(
          "predictions_generated", kInt64,
          {.sqlite =
               "COALESCE(CAST(json_extract({attributes}, '$.predictions_generated') AS INTEGER), {records_created})",
           .bigquery = "COALESCE(SAFE_CAST(JSON_VALUE({attributes}, '$.predictions_generated') AS INT64),"
                       " {records_created})"},
          "attributes.predictions_generated, else records_created"),
  };
  Append(&view.columns, Owns({"error_type", "error_message", "skip_reason", "trigger_source", "trigger_message_id"}));
  view.columns.push_back(As("cloud_run_service", "service"));
  view.columns.push_back(As("cloud_run_revision", "revision"));
  view.columns.push_back(As("retry_attempt", "attempt"));
  Append(&view.columns, Owns({"batch_id", "attributes", "refused"}));
  view.columns.push_back(CreatedAt());
  Append(&view.columns, SeenColumns());
  return view;
}

View OfEvents(std::string_view name, std::string_view kind, std::string_view description, std::string_view source) {
  return {.name = name,
          .shape = ViewShape::kEvents,
          .kind = kind,
          .over = {},
          .where = {},
          .group_by = {},
          .columns = {},
          .description = description,
          .source = source};
}

// What every view of events ends with.
Columns EventIdColumns() { return {Own("event_id"), Own("attributes"), As("created_at", "ingested_at")}; }

// A JSON array in `events`; in BigQuery an array, as readers know it.
ViewColumn Array(std::string_view name, std::string_view bigquery_type, std::string_view bigquery) {
  ViewColumn column = Own(name);
  column.bigquery_type = bigquery_type;
  column.sql.bigquery = bigquery;
  return column;
}

View WorkflowDecisions() {
  View view = OfEvents("workflow_decisions", "decision", "Decisions of a controller", "M104-M106 s3");
  view.columns = {Own("decision_id"),
                  Expression("decision_time", kTimestamp, Both("COALESCE({decision_time}, {event_time})"),
                             "when it was taken, else the event's time"),
                  As("workflow_name", "workflow")};
  Append(&view.columns, Owns({"action", "reason", "context"}));
  view.columns.push_back(Array("scrapers_triggered", "ARRAY<STRING>", "JSON_VALUE_ARRAY({scrapers_triggered})"));
  view.columns.push_back(Array("target_games", "ARRAY<STRING>", "JSON_VALUE_ARRAY({target_games})"));
  Append(&view.columns,
         Owns({"next_check_time", "priority", "alert_level", "controller_version", "environment", "triggered_by"}));
  Append(&view.columns, EventIdColumns());
  return view;
}

View DailyExpectedSchedule() {
  View view = OfEvents("daily_expected_schedule", "expected", "Expected runs", "M107 s3");
  view.columns = {As("date", "expected_date"), Own("locked_at"),
                  Expression("workflow_name", kString, Both("COALESCE({workflow}, {job_name})"),
                             "the workflow; of a job's own schedule the job")};
  Append(&view.columns, Owns({"expected_run_time", "reason"}));
  view.columns.push_back(Array("scrapers", "ARRAY<STRING>", "JSON_VALUE_ARRAY({scrapers})"));
  view.columns.push_back(Attribute("games_today", kInt64));
  Append(&view.columns, Owns({"priority", "schedule_version", "generated_by", "environment"}));
  Append(&view.columns, EventIdColumns());
  return view;
}

View CleanupOperations() {
  View view = OfEvents("cleanup_operations", "cleanup", "Cleanups of files that nobody processed", "M108 s3");
  view.columns = {Own("cleanup_id"), As("cleanup_time", "event_time")};
  Append(&view.columns, Owns({"files_checked", "missing_files_found", "republished_count"}));
  view.columns.push_back(
      Array("missing_files",
            "ARRAY<STRUCT<scraper_name STRING, gcs_path STRING, triggered_at TIMESTAMP, age_minutes FLOAT64,"
            " republished BOOL>>",
            "ARRAY(SELECT AS STRUCT JSON_VALUE(file, '$.scraper_name') AS scraper_name,"
            " JSON_VALUE(file, '$.gcs_path') AS gcs_path,"
            " SAFE_CAST(JSON_VALUE(file, '$.triggered_at') AS TIMESTAMP) AS triggered_at,"
            " SAFE_CAST(JSON_VALUE(file, '$.age_minutes') AS FLOAT64) AS age_minutes,"
            " SAFE_CAST(JSON_VALUE(file, '$.republished') AS BOOL) AS republished"
            " FROM UNNEST(JSON_QUERY_ARRAY({missing_files})) AS file)"));
  Append(&view.columns, Owns({"errors", "duration_seconds", "pubsub_enabled", "environment"}));
  Append(&view.columns, EventIdColumns());
  return view;
}

View RunVerdicts() {
  View view =
      OfEvents("run_verdicts", "verdict", "Expected runs that were judged: runledger's own verdicts", "M115 M116 M207");
  view.columns = Owns({"verdict_subject", "verdict_due", "verdict", "workflow", "job_name", "matched_run_id",
                       "delay_seconds", "explained_by"});
  view.columns.push_back(As("judged_at", "event_time"));
  Append(&view.columns, EventIdColumns());
  return view;
}

}  // namespace

bool IsRunState(std::string_view column) {
  static constexpr std::string_view kState[] = {
      "kind",       "event_id",      "event_time",  "sequence",         "backfill",         "refused",
      "status",     "source_status", "heartbeat",   "completed_at",     "duration_seconds", "errors",
      "error_type", "error_message", "skip_reason", "failure_category",
  };
  return std::find(std::begin(kState), std::end(kState), column) != std::end(kState);
}

const std::vector<View>& Views() {
  static const auto* const kViews = new std::vector<View>{
      ProcessorRunHistory(),   ProcessorLatest(),      ProcessorFailures(),    ProcessorSummary(),
      ScraperExecutionLog(),   TodaysScraperSummary(), PredictionWorkerRuns(), WorkflowDecisions(),
      DailyExpectedSchedule(), CleanupOperations(),    RunVerdicts(),
  };
  return *kViews;
}

const View& ViewNamed(std::string_view name) {
  for (const View& view : Views()) {
    if (view.name == name) return view;
  }
  std::abort();
}

}  // namespace runledger::codecs
