#include "codecs/views.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace runledger::codecs {
namespace {

std::set<std::string> NamesOf(const View& view) {
  std::set<std::string> names;
  for (const ViewColumn& column : view.columns) names.emplace(column.name);
  return names;
}

TEST(Views, EveryViewThatReadersKnowIsThere) {
  std::set<std::string> names;
  for (const View& view : Views()) names.emplace(view.name);
  EXPECT_EQ(names, (std::set<std::string>{"processor_run_history", "processor_run_history_latest",
                                          "processor_run_history_failures", "processor_run_history_summary",
                                          "scraper_execution_log", "v_todays_scraper_summary", "prediction_worker_runs",
                                          "workflow_decisions", "daily_expected_schedule", "cleanup_operations",
                                          "run_verdicts"}));
}

TEST(Views, NamesAreUniqueAndDeclarationsComplete) {
  for (const View& view : Views()) {
    SCOPED_TRACE(view.name);
    EXPECT_EQ(NamesOf(view).size(), view.columns.size()) << "a name twice";
    EXPECT_FALSE(view.description.empty());
    EXPECT_FALSE(view.source.empty());
    EXPECT_EQ(view.kind.empty(), view.shape == ViewShape::kQuery);
    EXPECT_EQ(view.over.empty(), view.shape != ViewShape::kQuery);
    for (const ViewColumn& column : view.columns) {
      SCOPED_TRACE(column.name);
      const bool by_name = column.from == ViewSource::kColumn || column.from == ViewSource::kAttribute;
      EXPECT_EQ(column.source.empty(), !by_name);
      EXPECT_EQ(column.sql.sqlite.empty(), by_name);
      EXPECT_EQ(column.description.empty(), column.from == ViewSource::kAttribute);
      EXPECT_TRUE(column.from != ViewSource::kAllEvents || view.shape == ViewShape::kRuns);
    }
  }
}

TEST(Views, ExpressionsNameColumnsOfTheTable) {
  for (const View& view : Views()) {
    for (const ViewColumn& column : view.columns) {
      if (view.shape == ViewShape::kQuery || column.from != ViewSource::kExpression) continue;
      for (const std::string_view sql : {column.sql.sqlite, column.sql.bigquery}) {
        int named = 0;
        ExpandColumns(sql, [&](std::string_view name) {
          EXPECT_TRUE(FindEventColumn(name)) << view.name << "." << column.name << " names " << name;
          ++named;
          return std::string();
        });
        EXPECT_GT(named, 0) << view.name << "." << column.name;
      }
    }
  }
}

TEST(Views, EachTextIsThereInEachDialect) {
  const auto in_both = [](const Sql& sql) { return sql.sqlite.empty() == sql.bigquery.empty(); };
  for (const View& view : Views()) {
    SCOPED_TRACE(view.name);
    EXPECT_TRUE(in_both(view.where));
    EXPECT_TRUE(in_both(view.group_by));
    for (const ViewColumn& column : view.columns) {
      SCOPED_TRACE(column.name);
      // A column of `events` as it is, but that BigQuery may make an array of it.
      EXPECT_TRUE(in_both(column.sql) || !column.bigquery_type.empty());
      EXPECT_EQ(column.bigquery_type.empty(), column.from != ViewSource::kColumn || column.sql.bigquery.empty());
    }
  }
}

// The columns that dashboards and queries written for the original tables select.
TEST(Views, ColumnsOfTheOriginalTables) {
  struct Case {
    const char* view;
    std::set<std::string> columns;
  };
  const Case cases[] = {
      {"processor_run_history",
       {"run_id",
        "processor_name",
        "phase",
        "status",
        "data_date",
        "processing_date",
        "started_at",
        "duration_seconds",
        "trigger_source",
        "trigger_message_id",
        "parent_processor",
        "dependency_check_passed",
        "missing_dependencies",
        "stale_dependencies",
        "upstream_dependencies",
        "alert_sent",
        "alert_type",
        "cloud_run_service",
        "cloud_run_revision",
        "errors",
        "records_processed",
        "season_year",
        "records_created",
        "records_updated",
        "records_skipped",
        "records_deleted",
        "data_source_primary",
        "data_source_enhancement",
        "data_records_queried",
        "validation_mode",
        "validation_skipped_reason",
        "source_data_freshness_days",
        "used_source_fallback",
        "backfill_mode",
        "force_reprocess",
        "test_mode",
        "dry_run",
        "execution_host",
        "triggered_by",
        "processed_at",
        "output_table",
        "output_dataset",
        "trigger_message_data",
        "retry_attempt",
        "skipped",
        "skip_reason",
        "warnings",
        "summary",
        "run_timestamp",
        "completed_at",
        "error_message",
        "processor_version",
        "config_hash",
        "created_at",
        "updated_at",
        "first_event_at",
        "last_seen_at",
        "events"}},
      {"processor_run_history_latest",
       {"processor_name", "last_processing_date", "last_run_timestamp", "days_since_last_run"}},
      {"processor_run_history_failures",
       {"processor_name", "processing_date", "error_message", "first_error_type", "first_error_message"}},
      {"processor_run_history_summary",
       {"processor_name", "total_runs", "successful_runs", "failed_runs", "success_rate"}},
      {"scraper_execution_log",
       {"execution_id",     "scraper_name",   "workflow",     "status",       "triggered_at",  "completed_at",
        "duration_seconds", "source",         "environment",  "triggered_by", "gcs_path",      "data_summary",
        "recovery",         "run_id",         "opts",         "error_type",   "error_message", "retry_count",
        "created_at",       "first_event_at", "last_seen_at", "events"}},
      {"v_todays_scraper_summary", {"scraper_name", "runs", "successes"}},
      {"prediction_worker_runs",
       {"request_id", "player_lookup", "game_date", "success", "trigger_source", "trigger_message_id",
        "cloud_run_service", "cloud_run_revision", "run_date", "retry_attempt", "batch_id", "predictions_generated",
        "first_event_at", "last_seen_at", "events"}},
      {"workflow_decisions",
       {"decision_id", "decision_time", "workflow_name", "action", "reason", "context", "scrapers_triggered",
        "target_games", "next_check_time", "priority", "alert_level", "controller_version", "environment",
        "triggered_by"}},
      {"daily_expected_schedule",
       {"date", "workflow_name", "expected_run_time", "reason", "locked_at", "scrapers", "games_today", "priority",
        "schedule_version", "generated_by", "environment"}},
      {"cleanup_operations",
       {"cleanup_id", "cleanup_time", "files_checked", "missing_files_found", "republished_count", "missing_files",
        "errors", "duration_seconds", "pubsub_enabled", "environment"}},
      {"run_verdicts",
       {"verdict_subject", "verdict_due", "verdict", "workflow", "matched_run_id", "delay_seconds", "explained_by"}},
  };
  for (const Case& c : cases) {
    const std::set<std::string> names = NamesOf(ViewNamed(c.view));
    for (const std::string& column : c.columns) EXPECT_TRUE(names.contains(column)) << c.view << "." << column;
  }
}

TEST(Views, ExpandColumnsReplacesEachName) {
  EXPECT_EQ(
      ExpandColumns("COALESCE({a}, {bc}) + 1", [](std::string_view name) { return "<" + std::string(name) + ">"; }),
      "COALESCE(<a>, <bc>) + 1");
  EXPECT_EQ(ExpandColumns("none", [](std::string_view) { return std::string("?"); }), "none");
}

}  // namespace
}  // namespace runledger::codecs
