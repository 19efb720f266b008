#include "codecs/events_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "codecs/bindings.h"

namespace runledger::codecs {
namespace {

TEST(EventsTable, ColumnsAreNamedOnceAndFoundByName) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < EventColumns().size(); ++i) {
    const Column& column = EventColumns()[i];
    EXPECT_TRUE(names.insert(column.name).second) << column.name;
    EXPECT_EQ(FindEventColumn(column.name), i);
    EXPECT_EQ(EventColumnIndex(column.name), i);
    EXPECT_NE(column.description, "") << column.name;
    EXPECT_NE(column.source, "") << column.name;
  }
  EXPECT_EQ(FindEventColumn("no_such_column"), std::nullopt);
}

// One field for every column, and no column that nothing fills.
TEST(EventsTable, EveryColumnOfAnEventHasAField) {
  std::set<std::string_view> filled;
  for (Body body : kAllBodies) {
    for (const FieldBinding& field : BindingsOf(body).fields()) {
      if (field.number != 0) filled.insert(EventColumns()[field.column].name);
    }
  }
  const std::set<std::string_view> of_the_event = {"event_id", "event_time", "sequence", "backfill"};
  for (const Column& column : EventColumns()) {
    if (column.role == Role::kPipeline) {
      EXPECT_FALSE(filled.contains(column.name)) << column.name << " is the pipeline's own";
    } else {
      EXPECT_TRUE(filled.contains(column.name) || of_the_event.contains(column.name))
          << column.name << " is filled by nothing";
    }
  }
}

TEST(EventsTable, OnlyTextIsBoundedAndAllOfItIs) {
  for (const Column& column : EventColumns()) {
    const bool text = column.type == ColumnType::kString || column.type == ColumnType::kJson;
    EXPECT_EQ(column.max_bytes > 0, text) << column.name;
  }
}

TEST(EventsTable, WhatIsRequiredIsKeptOfARefusedRow) {
  for (const Column& column : EventColumns()) {
    if (column.required) {
      EXPECT_NE(column.role, Role::kPlain) << column.name;
    }
  }
}

TEST(EventsTable, LayoutNamesColumnsThatAreThere) {
  const TableLayout& layout = EventsLayout();
  EXPECT_EQ(layout.name, "events");
  EXPECT_EQ(layout.partition_column, "ingest_date");
  EXPECT_EQ(EventColumns()[EventColumnIndex(layout.partition_column)].type, ColumnType::kDate);
  EXPECT_TRUE(EventColumns()[EventColumnIndex(layout.partition_column)].required);
  EXPECT_EQ(std::vector<std::string_view>(layout.clustering.begin(), layout.clustering.end()),
            (std::vector<std::string_view>{"kind", "job_name", "workflow", "status"}));
  for (std::string_view column : layout.clustering) EXPECT_TRUE(FindEventColumn(column).has_value()) << column;
  EXPECT_EQ(layout.default_expiry_days, 90);
}

// The columns as readers know them, in order: adding one at the end of its group is fine, losing one is not.
TEST(EventsTable, HoldsTheColumnsThatWerePromised) {
  const std::set<std::string_view> promised = {"ingest_date",
                                               "log_time",
                                               "topic",
                                               "partition",
                                               "offset",
                                               "batch_index",
                                               "log_epoch",
                                               "ingested_at",
                                               "event_id",
                                               "event_time",
                                               "sequence",
                                               "backfill",
                                               "refused",
                                               "kind",
                                               "job_name",
                                               "run_id",
                                               "attempt",
                                               "status",
                                               "source_status",
                                               "heartbeat",
                                               "phase",
                                               "workflow",
                                               "data_date",
                                               "started_at",
                                               "completed_at",
                                               "duration_seconds",
                                               "records_processed",
                                               "records_created",
                                               "records_updated",
                                               "records_skipped",
                                               "records_deleted",
                                               "errors",
                                               "warnings",
                                               "summary",
                                               "error_type",
                                               "error_message",
                                               "skip_reason",
                                               "failure_category",
                                               "trigger_source",
                                               "trigger_message_id",
                                               "trigger_message_data",
                                               "triggered_by",
                                               "source",
                                               "environment",
                                               "parent_job",
                                               "parent_run_id",
                                               "dependency_check_passed",
                                               "missing_dependencies",
                                               "stale_dependencies",
                                               "upstream_dependencies",
                                               "alert_sent",
                                               "alert_type",
                                               "service",
                                               "revision",
                                               "execution_host",
                                               "version",
                                               "config_hash",
                                               "output_path",
                                               "output_dataset",
                                               "output_table",
                                               "recovery",
                                               "dry_run",
                                               "test_mode",
                                               "backfill_mode",
                                               "force_reprocess",
                                               "subject",
                                               "batch_id",
                                               "opts",
                                               "attributes",
                                               "decision_id",
                                               "decision_time",
                                               "action",
                                               "reason",
                                               "context",
                                               "scrapers_triggered",
                                               "target_games",
                                               "next_check_time",
                                               "priority",
                                               "alert_level",
                                               "controller_version",
                                               "expected_date",
                                               "expected_run_time",
                                               "locked_at",
                                               "scrapers",
                                               "schedule_version",
                                               "generated_by",
                                               "cleanup_id",
                                               "files_checked",
                                               "missing_files_found",
                                               "republished_count",
                                               "missing_files",
                                               "pubsub_enabled",
                                               "verdict_subject",
                                               "verdict_due",
                                               "verdict",
                                               "matched_run_id",
                                               "delay_seconds",
                                               "explained_by"};
  std::set<std::string_view> there;
  for (const Column& column : EventColumns()) there.insert(column.name);
  for (std::string_view name : promised) EXPECT_TRUE(there.contains(name)) << name;
  for (std::string_view name : there) EXPECT_TRUE(promised.contains(name)) << name << " is new: add it to this list";
}

}  // namespace
}  // namespace runledger::codecs
