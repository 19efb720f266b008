#include "exporters/warehouse/sqlite_sink.h"

#include <gtest/gtest.h>

#include "codecs/event.h"
#include "codecs/status.h"
#include "exporters/warehouse/warehouse_testing.h"

namespace runledger::exporters {
namespace {

using ingest::CommitMetadata;
using ingest::Position;
using ingest::SinkOpened;
using ingest::SubmitResult;
using ingest::TopicPartition;
using Kind = SubmitResult::Kind;

const TopicPartition kPartition{"runledger.events", 3};

using SinkTest = WarehouseTest;

CommitMetadata OfLog(int64_t epoch, const std::string& cluster_id, uint32_t rules = 0) {
  CommitMetadata metadata;
  metadata.log_epoch = epoch;
  metadata.cluster_id = cluster_id;
  metadata.rules = rules;
  return metadata;
}

TEST_F(SinkTest, RowsHeadsAndPositionAreWritten) {
  const auto sink = NewSink();
  const SinkOpened opened = OpenPartition(sink.get(), 1, kPartition, {100, 2}, OfLog(4, "c", 77));
  EXPECT_FALSE(opened.knew_partition);
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  EXPECT_EQ(opened.position, (Position{100, 2}));
  EXPECT_EQ(opened.rows_to_skip, 0);
  EXPECT_EQ(opened.metadata.rules, 77u);

  v1::Event start = RunEvent("job", "run-1", v1::RUNNING);
  start.set_event_id("e1");
  v1::Event end = RunEvent("job", "run-1", v1::FAILED, kStart + kHour);
  end.set_event_id("e2");
  end.set_sequence(9);
  end.mutable_run()->set_attempt(2);
  const auto batch = BatchOf(kPartition, {100, 2}, {start, end}, 4);
  batch->ExtendTo({105, 0});  // what follows was no good event
  const SubmitResult result = SubmitBatch(sink.get(), 1, batch);
  ASSERT_EQ(result.kind, Kind::kDone) << result.status;

  EXPECT_EQ(Query("SELECT topic, \"partition\", \"offset\", batch_index, log_epoch, event_id, kind, job_name, run_id, "
                  "attempt, status,"
                  " sequence, backfill, event_time, log_time, ingested_at, ingest_date FROM events ORDER BY rowid"),
            (std::vector<SqlRow>{
                {"runledger.events", "3", "100", "2", "4", "e1", "processor", "job", "run-1", "0", "running", "NULL",
                 "0", std::to_string(kStart), std::to_string(kStart + kSecond), std::to_string(kStart), "2026-01-12"},
                {"runledger.events", "3", "101", "0", "4", "e2", "processor", "job", "run-1", "2", "failed", "9", "0",
                 std::to_string(kStart + kHour), std::to_string(kStart + kHour + kSecond), std::to_string(kStart),
                 "2026-01-12"}}));
  EXPECT_EQ(Query("SELECT attempt, rank, status, event_id, sequence FROM run_heads ORDER BY attempt"),
            (std::vector<SqlRow>{{"0", "0", "running", "e1", "0"}, {"2", "2", "failed", "e2", "9"}}));
  EXPECT_EQ(
      Query("SELECT topic, \"partition\", log_epoch, cluster_id, \"offset\", batch_index, fence, rules FROM positions"),
      (std::vector<SqlRow>{{"runledger.events", "3", "4", "c", "105", "0", "1", "77"}}));
}

TEST_F(SinkTest, ABatchWithoutRowsMovesThePosition) {
  const auto sink = NewSink();
  OpenPartition(sink.get(), 1, kPartition);
  const auto batch = BatchOf(kPartition, {}, {});
  batch->ExtendTo({50, 0});
  EXPECT_EQ(SubmitBatch(sink.get(), 1, batch).kind, Kind::kDone);
  EXPECT_EQ(QueryOne("SELECT \"offset\" FROM positions"), "50");
}

TEST_F(SinkTest, ValuesHaveTheirTypes) {
  v1::Event event = RunEvent("job", "run", v1::SUCCESS);
  v1::RunEvent& run = *event.mutable_run();
  run.set_data_date(kDate);
  run.set_started_at_us(kStart - kHour);
  run.set_duration_seconds(3);
  run.set_records_created(0);
  run.set_alert_sent(false);
  run.set_recovery(true);
  run.set_phase("");
  run.set_summary("{\"a\": 1}");
  run.set_opts("5");  // JSON, and not a number for that
  const auto sink = NewSink();
  Write(sink.get(), {event});
  EXPECT_EQ(
      Query("SELECT data_date, typeof(data_date), started_at, typeof(started_at), typeof(duration_seconds), "
            "records_created,"
            " alert_sent, recovery, phase IS NULL, phase, summary, opts, typeof(opts), records_updated FROM events"),
      (std::vector<SqlRow>{{"2026-01-12", "text", std::to_string(kStart - kHour), "integer", "real", "0", "0", "1", "0",
                            "", "{\"a\": 1}", "5", "text", "NULL"}}));
}

TEST_F(SinkTest, SecretsAreRemovedFromOpts) {
  v1::Event event = RunEvent("job", "run", v1::SUCCESS);
  event.mutable_run()->set_opts(R"({"sport":"basketball","password":"hunter2","nested":[{"apiKey":"k","keep":1}]})");
  const auto sink = NewSink();
  Write(sink.get(), {event});
  EXPECT_EQ(QueryOne("SELECT opts FROM events"), R"({"sport":"basketball","nested":[{"keep":1}]})");
  EXPECT_EQ(QueryOne("SELECT opts LIKE '%hunter2%' FROM processor_run_history"), "0");
}

TEST_F(SinkTest, ARefusedRowKeepsItsCore) {
  v1::Event event = RunEvent("job", "run", v1::SUCCESS);
  event.mutable_run()->set_data_date(kDate);
  event.mutable_run()->set_phase("phase_2_raw");
  event.mutable_run()->set_summary("{not json");
  const auto sink = NewSink();
  Write(sink.get(), {event});
  EXPECT_EQ(Query("SELECT refused, status, data_date, phase, summary FROM events"),
            (std::vector<SqlRow>{{"summary: is not JSON", "success", "2026-01-12", "NULL", "NULL"}}));
}

TEST_F(SinkTest, EveryBodyIsARowAndOnlyRunsHaveHeads) {
  v1::Event decision, expected, cleanup, verdict;
  for (v1::Event* event : {&decision, &expected, &cleanup, &verdict}) event->set_event_time_us(kStart);
  decision.mutable_decision()->set_workflow("w");
  decision.mutable_decision()->set_action("RUN");
  expected.mutable_expected()->set_job_name("job");
  expected.mutable_expected()->set_expected_run_time_us(kStart);
  cleanup.mutable_cleanup()->set_cleanup_id("c");
  verdict.mutable_verdict()->set_verdict_subject("w");
  verdict.mutable_verdict()->set_verdict_due_us(kStart);
  verdict.set_event_id(codecs::OwnEventId("verdict", "w", kStart));
  const auto sink = NewSink();
  Write(sink.get(), {decision, expected, cleanup, verdict, KindEvent(v1::SCRAPER, "s", "r", v1::RUNNING),
                     KindEvent(v1::PREDICTION, "p", "r", v1::RUNNING), RunEvent("job", "r", v1::RUNNING)});
  EXPECT_EQ(Query("SELECT kind FROM events ORDER BY rowid"),
            (std::vector<SqlRow>{
                {"decision"}, {"expected"}, {"cleanup"}, {"verdict"}, {"scraper"}, {"prediction"}, {"processor"}}));
  EXPECT_EQ(Query("SELECT kind FROM run_heads ORDER BY kind"),
            (std::vector<SqlRow>{{"prediction"}, {"processor"}, {"scraper"}}));
}

TEST_F(SinkTest, OpenAnswersWithTheStoredPosition) {
  {
    const auto sink = NewSink();
    OpenPartition(sink.get(), 1, kPartition, {10, 0});
    ASSERT_EQ(SubmitBatch(sink.get(), 1, BatchOf(kPartition, {10, 0}, {RunEvent("j", "r", v1::RUNNING)})).kind,
              Kind::kDone);
  }
  const auto sink = NewSink();
  const SinkOpened known = OpenPartition(sink.get(), 2, kPartition, {10, 0});
  EXPECT_EQ(known.position, (Position{11, 0})) << "rows are ahead of the commit";
  EXPECT_TRUE(known.knew_partition);
  EXPECT_EQ(OpenPartition(sink.get(), 3, kPartition, {99, 0}).position, (Position{11, 0}))
      << "rows are behind the commit";
  EXPECT_EQ(OpenPartition(sink.get(), 4, {"runledger.events", 4}, {7, 1}).position, (Position{7, 1})) << "unknown";
}

TEST_F(SinkTest, ANewLogStartsWhereItWasAccepted) {
  const auto sink = NewSink();
  OpenPartition(sink.get(), 1, kPartition, {500, 0}, OfLog(1, "a"));
  EXPECT_EQ(OpenPartition(sink.get(), 2, kPartition, {3, 0}, OfLog(2, "b")).position, (Position{3, 0}));

  const SinkOpened older = OpenPartition(sink.get(), 3, kPartition, {600, 0}, OfLog(1, ""));
  EXPECT_TRUE(absl::IsFailedPrecondition(older.status)) << older.status;
  EXPECT_NE(older.status.message().find("runledger log accept --topic runledger.events --partition "),
            std::string::npos);
  EXPECT_NE(older.status.message().find("`--from 3`"), std::string::npos) << "where its rows end: " << older.status;
  const SinkOpened other = OpenPartition(sink.get(), 4, kPartition, {3, 0}, OfLog(2, "c"));
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status)) << other.status;
  // Neither took the partition away from its owner.
  EXPECT_EQ(SubmitBatch(sink.get(), 2, BatchOf(kPartition, {3, 0}, {RunEvent("j", "r", v1::RUNNING)}, 2)).kind,
            Kind::kDone);
}

TEST_F(SinkTest, WhoeverOpensLastOwnsThePartition) {
  const auto first = NewSink();
  const auto second = NewSink();  // another process, as far as SQLite is concerned
  OpenPartition(first.get(), 1, kPartition);
  ASSERT_EQ(SubmitBatch(first.get(), 1, BatchOf(kPartition, {0, 0}, {RunEvent("j", "a", v1::RUNNING)})).kind,
            Kind::kDone);

  EXPECT_EQ(OpenPartition(second.get(), 2, kPartition).position, (Position{1, 0}));
  const SubmitResult fenced =
      SubmitBatch(first.get(), 1, BatchOf(kPartition, {1, 0}, {RunEvent("j", "b", v1::RUNNING)}));
  EXPECT_EQ(fenced.kind, Kind::kFenced);
  EXPECT_NE(fenced.status.message().find("fence"), std::string::npos);
  EXPECT_EQ(SubmitBatch(first.get(), 1, BatchOf(kPartition, {2, 0}, {RunEvent("j", "c", v1::RUNNING)})).kind,
            Kind::kStopped);
  EXPECT_EQ(SubmitBatch(first.get(), 1, BatchOf(kPartition, {1, 0}, {RunEvent("j", "b", v1::RUNNING)})).kind,
            Kind::kFenced);

  EXPECT_EQ(SubmitBatch(second.get(), 2, BatchOf(kPartition, {1, 0}, {RunEvent("j", "d", v1::RUNNING)})).kind,
            Kind::kDone);
  EXPECT_EQ(Query("SELECT run_id FROM events ORDER BY rowid"), (std::vector<SqlRow>{{"a"}, {"d"}}));

  // Back again: it opens anew.
  EXPECT_EQ(OpenPartition(first.get(), 3, kPartition).position, (Position{2, 0}));
  EXPECT_EQ(SubmitBatch(first.get(), 3, BatchOf(kPartition, {2, 0}, {RunEvent("j", "e", v1::RUNNING)})).kind,
            Kind::kDone);
  EXPECT_EQ(QueryOne("SELECT fence FROM positions"), "3");
}

TEST_F(SinkTest, ANewTenureOfTheSameProcessFencesTheOldOne) {
  const auto sink = NewSink();
  OpenPartition(sink.get(), 1, kPartition);
  OpenPartition(sink.get(), 2, kPartition);
  EXPECT_EQ(SubmitBatch(sink.get(), 1, BatchOf(kPartition, {}, {RunEvent("j", "a", v1::RUNNING)})).kind, Kind::kFenced);
  EXPECT_EQ(SubmitBatch(sink.get(), 2, BatchOf(kPartition, {}, {RunEvent("j", "a", v1::RUNNING)})).kind, Kind::kDone);
}

TEST_F(SinkTest, RowsThatDoNotFollowOnAreStopped) {
  const auto sink = NewSink();
  OpenPartition(sink.get(), 1, kPartition, {10, 0});
  const SubmitResult gap = SubmitBatch(sink.get(), 1, BatchOf(kPartition, {11, 0}, {RunEvent("j", "a", v1::RUNNING)}));
  EXPECT_EQ(gap.kind, Kind::kStopped);
  EXPECT_NE(gap.status.message().find("stands at 10 "), std::string::npos) << gap.status;
  OpenPartition(sink.get(), 2, kPartition, {10, 0});
  EXPECT_EQ(
      SubmitBatch(sink.get(), 2, BatchOf(kPartition, {10, 0}, {RunEvent("j", "a", v1::RUNNING)}, /*epoch=*/1)).kind,
      Kind::kStopped);
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM events"), "0");
}

TEST_F(SinkTest, WhatIsNotOpenIsStopped) {
  const auto sink = NewSink();
  EXPECT_EQ(SubmitBatch(sink.get(), 9, BatchOf(kPartition, {}, {RunEvent("j", "a", v1::RUNNING)})).kind,
            Kind::kStopped);
  OpenPartition(sink.get(), 1, kPartition);
  sink->Close(kPartition, 1);
  EXPECT_EQ(SubmitBatch(sink.get(), 1, BatchOf(kPartition, {}, {RunEvent("j", "a", v1::RUNNING)})).kind,
            Kind::kStopped);
}

TEST_F(SinkTest, SeveralSubmissionsAreAnsweredInOrder) {
  const auto sink = NewSink();
  const TopicPartition other{"runledger.events", 4};
  OpenPartition(sink.get(), 1, kPartition);
  OpenPartition(sink.get(), 2, other);
  std::vector<uint64_t> expected;
  for (int64_t i = 0; i < 300; ++i) {
    const uint64_t submission = next_submission_++;
    expected.push_back(submission);
    const TopicPartition& partition = i % 2 == 0 ? kPartition : other;
    sink->Submit(i % 2 == 0 ? 1 : 2, submission,
                 BatchOf(partition, {i / 2, 0}, {RunEvent("j", std::to_string(i), v1::RUNNING)}));
  }
  sink->Close(kPartition, 1);
  sink->Stop();
  EXPECT_EQ(recorder_.order(), expected);
  for (const uint64_t submission : expected) EXPECT_EQ(recorder_.result(submission).kind, Kind::kDone);
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM events"), "300");
}

// One event that cannot be decoded holds up its own partition and no other.
TEST_F(SinkTest, AfterAFailureNothingLaterIsWrittenUntilItComesAgain) {
  const auto sink = NewSink();
  const TopicPartition other{"runledger.events", 4};
  OpenPartition(sink.get(), 1, kPartition);
  OpenPartition(sink.get(), 2, other);
  auto broken = std::make_shared<ingest::RowBatch>(kPartition, 0, Position{0, 0});
  broken->BeginRecord(false, {}, {});
  broken->Add({0, 0}, kStart, RunEvent("j", "ok", v1::RUNNING).SerializeAsString(), {});
  broken->Add({0, 1}, kStart, "no protobuf", {});
  broken->ExtendTo({1, 0});
  sink->Submit(1, 1, broken);
  sink->Submit(1, 2, BatchOf(kPartition, {1, 0}, {RunEvent("j", "later", v1::RUNNING)}));
  sink->Submit(2, 3, BatchOf(other, {0, 0}, {RunEvent("j", "other", v1::RUNNING)}));
  sink->Submit(1, 4, BatchOf(kPartition, {0, 0}, {RunEvent("j", "again", v1::RUNNING)}));
  sink->Submit(1, 5, BatchOf(kPartition, {1, 0}, {RunEvent("j", "later", v1::RUNNING)}));
  sink->WaitIdle();
  EXPECT_EQ(recorder_.result(1).kind, Kind::kStopped);
  EXPECT_NE(recorder_.result(1).status.message().find("runledger.events[3] at 0+1"), std::string::npos)
      << recorder_.result(1).status;
  EXPECT_EQ(recorder_.result(2).kind, Kind::kStopped);
  EXPECT_EQ(recorder_.result(3).kind, Kind::kDone);
  EXPECT_EQ(recorder_.result(4).kind, Kind::kDone);
  EXPECT_EQ(recorder_.result(5).kind, Kind::kDone);
  EXPECT_EQ(Query("SELECT run_id FROM events ORDER BY \"partition\", \"offset\""),
            (std::vector<SqlRow>{{"again"}, {"later"}, {"other"}}));
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM run_heads"), "3");
}

TEST_F(SinkTest, RunIdsAreFoundByAnyPart) {
  const auto sink = NewSink();
  Write(sink.get(),
        {RunEvent("PlayerGameSummaryProcessor", "PlayerGameSummaryProcessor_20260112_113008_fea26b01", v1::FAILED),
         RunEvent("PlayerGameSummaryProcessor", "PlayerGameSummaryProcessor_20260112_113008_d1cb5a05", v1::FAILED)});
  EXPECT_EQ(Query("SELECT run_id, status FROM processor_run_history WHERE run_id LIKE '%fea26b01%'"),
            (std::vector<SqlRow>{{"PlayerGameSummaryProcessor_20260112_113008_fea26b01", "failed"}}));
}

double ValueOf(ingest::OwnMetrics& metrics, const std::string& name) {
  for (const prometheus::MetricFamily& family : metrics.registry().Collect()) {
    if (family.name != name) continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      EXPECT_EQ(metric.label.at(0).name, "table");
      EXPECT_EQ(metric.label.at(0).value, "events");
      if (metric.histogram.sample_count > 0) return static_cast<double>(metric.histogram.sample_count);
      return metric.counter.value + metric.gauge.value;
    }
  }
  ADD_FAILURE() << name;
  return -1;
}

TEST_F(SinkTest, MetricsCountDurableRows) {
  const auto sink = NewSink();
  OpenPartition(sink.get(), 1, kPartition);
  SubmitBatch(sink.get(), 1,
              BatchOf(kPartition, {}, {RunEvent("j", "a", v1::RUNNING), RunEvent("j", "b", v1::RUNNING)}));
  SubmitBatch(sink.get(), 1, BatchOf(kPartition, {99, 0}, {RunEvent("j", "c", v1::RUNNING)}));
  EXPECT_EQ(ValueOf(metrics_, "runledger_warehouse_rows_total"), 2);
  EXPECT_EQ(ValueOf(metrics_, "runledger_warehouse_rows_in_flight"), 0);
  EXPECT_EQ(ValueOf(metrics_, "runledger_warehouse_append_duration_seconds"), 2);
}

}  // namespace
}  // namespace runledger::exporters
