#include "exporters/queries/named_queries.h"

#include <string>

#include "exporters/queries/embedded_sql.h"

namespace runledger::exporters {
namespace {

using enum codecs::ColumnType;
using Default = QueryParameter::Default;
using Parameters = std::vector<QueryParameter>;

constexpr std::string_view kEastern = "America/New_York";

QueryParameter Needed(std::string_view name, std::string_view description) {
  return {name, kString, Default::kNone, {}, description};
}
QueryParameter Number(std::string_view name, std::string_view otherwise, std::string_view description) {
  return {name, kInt64, Default::kText, otherwise, description};
}
QueryParameter Days(std::string_view otherwise) { return Number("days", otherwise, "days to look back"); }
QueryParameter Hours(std::string_view otherwise) { return Number("hours", otherwise, "hours to look back"); }
QueryParameter Written(std::string_view otherwise) {
  return Number("days", otherwise, "looks at rows written in so many days");
}
QueryParameter Limit(std::string_view otherwise) { return Number("limit", otherwise, "at most so many rows"); }
QueryParameter Ahead(std::string_view otherwise) {
  return Number("days_ahead", otherwise, "how many days before its date a row may have been written");
}
// A day and the zone in which it is one.
Parameters Day(std::string_view zone) {
  return {{"date", kDate, Default::kToday, {}, "the day"},
          {"zone", kString, Default::kText, zone, "time zone in which it is that day"}};
}
Parameters With(Parameters parameters, Parameters more) {
  parameters.insert(parameters.end(), more.begin(), more.end());
  return parameters;
}

std::vector<NamedQuery> Declare() {
  std::vector<NamedQuery> queries = {
      {.name = "trace_run",
       .description = "Traces an alert to its cause: the runs whose id holds a fragment, the newest first",
       .source = "M24",
       .parameters = {Needed("run_id", "any part of the run id"), Written("30")},
       .columns = {{"processor_name", kString},
                   {"run_id", kString},
                   {"retry_attempt", kInt64},
                   {"phase", kString},
                   {"status", kString},
                   {"trigger_source", kString},
                   {"trigger_message_id", kString},
                   {"parent_processor", kString},
                   {"dependency_check_passed", kBool},
                   {"missing_dependencies", kJson},
                   {"stale_dependencies", kJson},
                   {"alert_sent", kBool},
                   {"alert_type", kString},
                   {"errors", kJson},
                   {"started_at", kTimestamp},
                   {"duration_seconds", kFloat64}}},
      {.name = "run_graph",
       .description =
           "A run and those around it: its other attempts, parents, siblings of the same message, children, and "
           "the runs that it blocked",
       .source = "M27 M32 M174",
       .parameters = {Needed("run_id", "any part of the run id; of several runs the newest"), Written("30"),
                      Limit("200")},
       .columns = {{"relation", kString},
                   {"job_name", kString},
                   {"run_id", kString},
                   {"attempt", kInt64},
                   {"kind", kString},
                   {"phase", kString},
                   {"status", kString},
                   {"data_date", kDate},
                   {"started_at", kTimestamp},
                   {"duration_seconds", kFloat64},
                   {"trigger_source", kString},
                   {"trigger_message_id", kString},
                   {"parent_job", kString},
                   {"parent_run_id", kString},
                   {"dependency_check_passed", kBool},
                   {"missing_dependencies", kJson},
                   {"stale_dependencies", kJson},
                   {"upstream_dependencies", kJson},
                   {"error_type", kString},
                   {"error_message", kString},
                   {"alert_sent", kBool},
                   {"alert_type", kString},
                   {"service", kString},
                   {"revision", kString}}},
      {.name = "failed_runs",
       .description = "Failed runs of a data date",
       .source = "M25",
       .parameters = With(Day("UTC"), {Ahead("7")}),
       .columns = {{"processor_name", kString},
                   {"run_id", kString},
                   {"status", kString},
                   {"dependency_check_passed", kBool},
                   {"missing_dependencies", kJson},
                   {"errors", kJson},
                   {"started_at", kTimestamp}},
       .rows_are_bad_news = true},
      {.name = "alerts_sent",
       .description = "Runs during which an alert was sent",
       .source = "M26",
       .parameters = {Hours("24")},
       .columns = {{"processor_name", kString},
                   {"run_id", kString},
                   {"alert_type", kString},
                   {"status", kString},
                   {"dependency_check_passed", kBool},
                   {"missing_dependencies", kJson},
                   {"started_at", kTimestamp}}},
      {.name = "same_trigger",
       .description = "All runs that one message triggered",
       .source = "M27",
       .parameters = {Needed("message_id", "the message"), Written("30")},
       .columns = {{"processor_name", kString},
                   {"run_id", kString},
                   {"phase", kString},
                   {"status", kString},
                   {"started_at", kTimestamp},
                   {"duration_seconds", kFloat64}}},
      {.name = "dependency_failures",
       .description = "Runs whose dependencies were missing or stale",
       .source = "M28",
       .parameters = {Days("7")},
       .columns = {{"processor_name", kString},
                   {"run_id", kString},
                   {"data_date", kDate},
                   {"missing_dependencies", kJson},
                   {"stale_dependencies", kJson},
                   {"started_at", kTimestamp}}},
      {.name = "processor_runs",
       .description = "The recent runs of one processor, the newest first",
       .source = "M29",
       .parameters = {Needed("processor", "the processor"), Days("7"), Ahead("7"), Limit("50")},
       .columns = {{"run_id", kString},
                   {"data_date", kDate},
                   {"status", kString},
                   {"trigger_source", kString},
                   {"dependency_check_passed", kBool},
                   {"duration_seconds", kFloat64},
                   {"records_processed", kInt64},
                   {"started_at", kTimestamp}}},
      {.name = "missing_dependencies",
       .description = "The dependencies that are missing most often",
       .source = "M30",
       .parameters = {Days("7"), Limit("20")},
       .columns = {{"missing_dependency", kString}, {"failure_count", kInt64}, {"affected_processors", kInt64}}},
      {.name = "performance_by_phase",
       .description = "Runs, durations and failures of each processor, by phase",
       .source = "M31",
       .parameters = {Hours("24")},
       .columns = {{"phase", kString},
                   {"processor_name", kString},
                   {"runs", kInt64},
                   {"avg_duration", kFloat64},
                   {"max_duration", kFloat64},
                   {"failures", kInt64}}},
      {.name = "failed_predictions",
       .description = "Predictions that failed, the newest first",
       .source = "M40",
       .parameters = {Hours("24")},
       .columns = {{"request_id", kString},
                   {"player_lookup", kString},
                   {"game_date", kDate},
                   {"success", kBool},
                   {"trigger_source", kString},
                   {"trigger_message_id", kString},
                   {"cloud_run_service", kString},
                   {"run_date", kTimestamp}},
       .rows_are_bad_news = true},
      {.name = "stale_by_date",
       .description = "Runs that say they are running and have said nothing for long, by processor and data date",
       .source = "M69",
       .parameters = {Number("hours", "4", "how long ago their start and their last event are, at least"),
                      Written("30"), Limit("20")},
       .columns = {{"processor_name", kString}, {"data_date", kDate}, {"stuck_count", kInt64}},
       .rows_are_bad_news = true},
      {.name = "stale_by_processor",
       .description = "The same by processor, the most first",
       .source = "M70",
       .parameters = {Number("hours", "4", "how long ago their start and their last event are, at least"),
                      Written("30")},
       .columns = {{"processor_name", kString}, {"stuck_count", kInt64}},
       .rows_are_bad_news = true},
      {.name = "latest_attempt",
       .description = "A scraper's latest attempt of a day: has it found data?",
       .source = "M100",
       .parameters = With(With({Needed("scraper", "the scraper")}, Day("UTC")),
                          {{"clock_zone", kString, Default::kText, kEastern, "time zone of time_et"}}),
       .columns = {{"status", kString}, {"records", kString}, {"triggered_at", kTimestamp}, {"time_et", kString}}},
      {.name = "discovery_attempts",
       .description = "A scraper's attempts of a day, and what they found",
       .source = "M101",
       .parameters = With({Needed("scraper", "the scraper")}, Day("UTC")),
       .columns = {{"attempts_today", kInt64}, {"found_data", kInt64}, {"no_data_yet", kInt64}, {"failures", kInt64}}},
      {.name = "success_rates",
       .description = "Each scraper's success rate, the worst first",
       .source = "M114",
       .parameters = {Days("7")},
       .columns = {{"scraper_name", kString},
                   {"total_runs", kInt64},
                   {"success_count", kInt64},
                   {"success_rate_pct", kFloat64},
                   {"avg_duration_sec", kFloat64}}},
      {.name = "cost_by_source",
       .description = "What scrapers cost, by source and environment",
       .source = "M113",
       .parameters = {Days("30")},
       .columns = {{"source", kString},
                   {"environment", kString},
                   {"executions", kInt64},
                   {"successful", kInt64},
                   {"avg_duration", kFloat64},
                   {"total_seconds", kFloat64}}},
      {.name = "expected_vs_actual",
       .description = "Each expected run of a day with the nearest RUN decision within the hour: MISSING, LATE (more "
                      "than 30 whole "
                      "minutes) or ON TIME. Verdicts that also know schedules of jobs are in the view run_verdicts",
       .source = "M115 M116",
       .parameters = With(Day(kEastern), {Ahead("7")}),
       .columns = {{"workflow_name", kString},
                   {"expected_time", kString},
                   {"actual_time", kString},
                   {"status", kString},
                   {"expected_reason", kString},
                   {"actual_reason", kString}}},
      {.name = "missing_files",
       .description = "The files that the latest cleanup found missing, the oldest first",
       .source = "M117 M118",
       .parameters = {Days("2")},
       .columns = {{"scraper_name", kString},
                   {"gcs_path", kString},
                   {"age_minutes", kFloat64},
                   {"republished", kBool},
                   {"urgency", kString}},
       .rows_are_bad_news = true},
      {.name = "critical_workflow_not_run",
       .description = "Alert: workflows of priority CRITICAL that were evaluated on the day, but not for more than so "
                      "many whole hours",
       .source = "M124",
       .parameters = With(Day("UTC"), {Number("hours", "2", "whole hours")}),
       .columns = {{"alert_source", kString},
                   {"workflow_name", kString},
                   {"last_evaluation", kTimestamp},
                   {"hours_since_last", kInt64}},
       .rows_are_bad_news = true},
      {.name = "high_failure_rate",
       .description = "Alert: scrapers that failed more often than so many per cent since the day before (UTC)",
       .source = "M120 M125",
       .parameters = {Days("1"), {"percent", kFloat64, Default::kText, "20", "of the runs, to one decimal"}},
       .columns =
           {{"scraper_name", kString}, {"total_runs", kInt64}, {"failures", kInt64}, {"failure_rate_pct", kFloat64}},
       .rows_are_bad_news = true},
      {.name = "why_skipped",
       .description = "A workflow's decisions of a day with their reasons, the newest first",
       .source = "M126",
       .parameters = With({Needed("workflow", "the workflow")}, Day("UTC")),
       .columns = {{"decision_time", kTimestamp}, {"action", kString}, {"reason", kString}, {"context", kJson}}},
      {.name = "todays_scraper_summary",
       .description = "Each scraper's runs of a day, as the view v_todays_scraper_summary has them for today",
       .source = "M129",
       .parameters = Day("UTC"),
       .columns = {{"scraper_name", kString}, {"runs", kInt64}, {"successes", kInt64}}},
      {.name = "rows_per_date",
       .description = "Runs and the records that they processed, by data date",
       .source = "M148",
       .parameters = {Days("5"),
                      Ahead("7"),
                      {"processor", kString, Default::kText, "", "of this processor; empty: of all"}},
       .columns = {{"date", kDate}, {"count", kInt64}, {"records", kInt64}}},
  };
  for (NamedQuery& query : queries) {
    query.sqlite = EmbeddedSql(std::string(query.name) + ".sqlite.sql");
    query.bigquery = EmbeddedSql(std::string(query.name) + ".bigquery.sql");
    query.parameters.push_back({"now", kTimestamp, Default::kNow, {}, "the time from which days and hours count back"});
  }
  return queries;
}

}  // namespace

const std::vector<NamedQuery>& NamedQueries() {
  static const auto* const kQueries = new std::vector<NamedQuery>(Declare());
  return *kQueries;
}

const NamedQuery* FindQuery(std::string_view name) {
  for (const NamedQuery& query : NamedQueries()) {
    if (query.name == name) return &query;
  }
  return nullptr;
}

}  // namespace runledger::exporters
