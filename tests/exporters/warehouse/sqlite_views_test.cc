#include <gtest/gtest.h>

#include "codecs/civil_time.h"
#include "codecs/event.h"
#include "codecs/status.h"
#include "exporters/warehouse/warehouse_testing.h"

// Each view on events made by hand: what is renamed, what is derived, and which event wins.
namespace runledger::exporters {
namespace {

class ViewsTest : public WarehouseTest {
 protected:
  ViewsTest() : sink_(NewSink()) {}
  std::unique_ptr<SqliteSink> sink_;
};

std::string Text(int64_t number) { return std::to_string(number); }

TEST_F(ViewsTest, ProcessorRunHistoryRenamesAndDerives) {
  v1::Event event = RunEvent("gamebook", "run-1", v1::FAILED, kStart + 90 * kSecond);
  v1::RunEvent& run = *event.mutable_run();
  run.set_attempt(2);
  run.set_phase("phase_2_raw");
  run.set_data_date(kDate);
  run.set_started_at_us(kStart);
  run.set_duration_seconds(90);
  run.set_parent_job("upstream");
  run.set_service("svc");
  run.set_revision("svc-00036-ldn");
  run.set_version("abc123");
  run.set_errors(R"([{"error_type":"ValueError","error_message":"bad value"}])");
  run.set_missing_dependencies(R"(["a.b"])");
  run.set_dependency_check_passed(false);
  run.set_attributes(
      R"({"season_year": 2025, "team_filter": "LAL", "espn_roster_date": "2026-01-11", "used_source_fallback": true})");
  now_us_ = kStart + kHour;
  Write(sink_.get(), {event});
  EXPECT_EQ(Query("SELECT processor_name, run_id, retry_attempt, phase, status, data_date, processing_date, "
                  "started_at, run_timestamp,"
                  " completed_at, processed_at, duration_seconds, error_type, error_message, parent_processor, "
                  "cloud_run_service,"
                  " cloud_run_revision, version, processor_version, skipped, created_at, updated_at FROM "
                  "processor_run_history"),
            (std::vector<SqlRow>{{"gamebook",
                                  "run-1",
                                  "2",
                                  "phase_2_raw",
                                  "failed",
                                  "2026-01-12",
                                  "2026-01-12",
                                  Text(kStart),
                                  Text(kStart),
                                  Text(kStart + 90 * kSecond),
                                  Text(kStart + 90 * kSecond),
                                  "90.0",
                                  "ValueError",
                                  "bad value",
                                  "upstream",
                                  "svc",
                                  "svc-00036-ldn",
                                  "abc123",
                                  "abc123",
                                  "0",
                                  Text(kStart + kHour),
                                  Text(kStart + kHour)}}));
  EXPECT_EQ(Query("SELECT season_year, team_filter, espn_roster_date, used_source_fallback, season_filter FROM "
                  "processor_run_history"),
            (std::vector<SqlRow>{{"2025", "LAL", "2026-01-11", "1", "NULL"}}));
  EXPECT_EQ(Query("SELECT missing_dependencies, dependency_check_passed, first_event_at, last_seen_at, events FROM "
                  "processor_run_history"),
            (std::vector<SqlRow>{{R"(["a.b"])", "0", Text(kStart + 90 * kSecond), Text(kStart + 90 * kSecond), "1"}}));
}

TEST_F(ViewsTest, ARunningRunIsARow) {
  v1::Event start = RunEvent("j", "r", v1::RUNNING);
  start.mutable_run()->set_started_at_us(kStart);
  v1::Event beat = RunEvent("j", "r", v1::RUNNING, kStart + kHour);
  beat.mutable_run()->set_heartbeat(true);
  Write(sink_.get(), {start, beat, beat});
  EXPECT_EQ(Query("SELECT status, started_at, completed_at, processed_at, first_event_at, last_seen_at, events FROM "
                  "processor_run_history"),
            (std::vector<SqlRow>{{"running", Text(kStart), "NULL", "NULL", Text(kStart), Text(kStart + kHour), "2"}}));
}

TEST_F(ViewsTest, OneRowPerRunAndAttempt) {
  v1::Event second = RunEvent("j", "r", v1::SUCCESS);
  second.mutable_run()->set_attempt(2);
  v1::Event first = RunEvent("j", "r", v1::FAILED);
  first.mutable_run()->set_attempt(1);
  Write(sink_.get(), {first, second, RunEvent("other", "r", v1::RUNNING)});
  EXPECT_EQ(
      Query("SELECT processor_name, run_id, retry_attempt, status FROM processor_run_history ORDER BY 1, 3"),
      (std::vector<SqlRow>{{"j", "r", "1", "failed"}, {"j", "r", "2", "success"}, {"other", "r", "0", "running"}}));
}

// What an earlier status left behind goes with it; what only an earlier event knows stays.
TEST_F(ViewsTest, StateFromTheGreatestEventTheRestFromTheGreatestThatHasIt) {
  v1::Event start = RunEvent("j", "r", v1::RUNNING, kStart);
  start.mutable_run()->set_phase("first");
  start.mutable_run()->set_trigger_source("pubsub");
  v1::Event again = RunEvent("j", "r", v1::RUNNING, kStart + 1);
  again.mutable_run()->set_phase("second");
  v1::Event closed = RunEvent("j", "r", v1::FAILED, kStart + 5 * kHour);
  closed.mutable_run()->set_source_status(std::string(codecs::kClosedByRunledger));
  closed.set_event_id(
      codecs::OwnEventId(codecs::kClosedByRunledger, codecs::RunSubject("j", "r", 0), kStart + 5 * kHour));
  closed.mutable_run()->set_errors(R"([{"error_type":"stale_running_cleanup","error_message":"stuck"}])");
  closed.mutable_run()->set_duration_seconds(18000);
  Write(sink_.get(), {start, again, closed});
  EXPECT_EQ(Query("SELECT status, source_status, error_message, duration_seconds, phase, trigger_source FROM "
                  "processor_run_history"),
            (std::vector<SqlRow>{{"failed", "stale_running_cleanup", "stuck", "18000.0", "second", "pubsub"}}));

  // The producer's own end wins over runledger's, although it is the earlier one.
  v1::Event end = RunEvent("j", "r", v1::SUCCESS, kStart + 4 * kHour);
  Write(sink_.get(), {end});
  EXPECT_EQ(
      Query("SELECT status, source_status, errors, error_type, error_message, duration_seconds, completed_at, phase"
            " FROM processor_run_history"),
      (std::vector<SqlRow>{{"success", "NULL", "NULL", "NULL", "NULL", "NULL", Text(kStart + 4 * kHour), "second"}}));
}

TEST_F(ViewsTest, ACoreRowCountsLikeAnyOther) {
  v1::Event start = RunEvent("j", "r", v1::RUNNING, kStart);
  start.mutable_run()->set_phase("p");
  v1::Event end = RunEvent("j", "r", v1::SUCCESS, kStart + kHour);
  end.mutable_run()->set_summary("not json");
  end.mutable_run()->set_records_processed(7);
  Write(sink_.get(), {start, end});
  EXPECT_EQ(
      Query("SELECT status, refused, phase, records_processed, completed_at, processed_at FROM processor_run_history"),
      (std::vector<SqlRow>{
          {"success", "summary: is not JSON", "p", "NULL", Text(kStart + kHour), Text(kStart + kHour)}}));
}

TEST_F(ViewsTest, LatestFailuresAndSummary) {
  const int64_t now = 1000 * (std::stoll(QueryOne("SELECT unixepoch('now')")) / 1000) * kSecond;
  const int32_t today = codecs::DayOf(std::stoll(QueryOne("SELECT unixepoch('now')")) * kSecond);
  const auto on = [&](const char* job, const std::string& run, v1::Status status, int days_ago, double seconds) {
    v1::Event event = RunEvent(job, run, status, now);
    event.mutable_run()->set_data_date(today - days_ago);
    event.mutable_run()->set_started_at_us(now - days_ago * kDay);
    event.mutable_run()->set_duration_seconds(seconds);
    if (status == v1::FAILED) event.mutable_run()->set_errors(R"(["boom",{"error_type":"B","error_message":"b"}])");
    return event;
  };
  Write(sink_.get(),
        {on("a", "1", v1::SUCCESS, 3, 10), on("a", "2", v1::FAILED, 1, 20), on("a", "3", v1::SUCCESS, 5, 30),
         on("a", "4", v1::SUCCESS, 40, 1000), on("a", "5", v1::FAILED, 31, 1000), on("b", "1", v1::RUNNING, 0, 1)});
  EXPECT_EQ(Query("SELECT processor_name, last_processing_date, last_run_timestamp, days_since_last_run FROM "
                  "processor_run_history_latest"),
            (std::vector<SqlRow>{{"a", codecs::FormatDate(today - 3), Text(now - 3 * kDay), "3"}}));
  EXPECT_EQ(Query("SELECT processor_name, run_id, processing_date, run_timestamp, duration_seconds, error_message, "
                  "first_error_type,"
                  " first_error_message FROM processor_run_history_failures"),
            (std::vector<SqlRow>{
                {"a", "2", codecs::FormatDate(today - 1), Text(now - kDay), "20.0", "boom", "NULL", "boom"}}));
  EXPECT_EQ(Query("SELECT * FROM processor_run_history_summary ORDER BY 1"),
            (std::vector<SqlRow>{
                {"a", "3", "2", "1", "66.67", "20.0", codecs::FormatDate(today - 5), codecs::FormatDate(today - 1)},
                {"b", "1", "0", "0", "0.0", "1.0", codecs::FormatDate(today), codecs::FormatDate(today)}}));
}

TEST_F(ViewsTest, RunsWithoutADateCountForTheDayOnWhichTheyBegan) {
  const int64_t today_s = std::stoll(QueryOne("SELECT unixepoch('now', 'start of day')"));
  const auto on = [&](const std::string& run, int days_ago) {
    v1::Event event = RunEvent("a", run, v1::FAILED, today_s * kSecond);
    event.mutable_run()->clear_data_date();
    event.mutable_run()->set_started_at_us(today_s * kSecond - days_ago * kDay);
    return event;
  };
  Write(sink_.get(), {on("1", 2), on("2", 31)});
  EXPECT_EQ(Query("SELECT run_id, processing_date FROM processor_run_history_failures"),
            (std::vector<SqlRow>{{"1", "NULL"}}));
  EXPECT_EQ(Query("SELECT failed_runs, first_run, last_run FROM processor_run_history_summary"),
            (std::vector<SqlRow>{{"1", codecs::FormatDate(codecs::DayOf(today_s * kSecond) - 2),
                                  codecs::FormatDate(codecs::DayOf(today_s * kSecond) - 2)}}));
}

TEST_F(ViewsTest, ScraperExecutionLog) {
  v1::Event given = KindEvent(v1::SCRAPER, "nbac_injury_report", "a1b2c3d4", v1::SUCCESS, kStart + 5 * kSecond);
  v1::RunEvent& run = *given.mutable_run();
  run.set_workflow("injury_discovery");
  run.set_started_at_us(kStart);
  run.set_duration_seconds(5);
  run.set_output_path("gs://bucket/file.json");
  run.set_summary(R"({"record_count":12,"games":8})");
  run.set_records_processed(99);
  run.set_attempt(3);
  run.set_source("CONTROLLER");
  run.set_attributes(R"({"execution_id":"exec-7"})");

  v1::Event bare = KindEvent(v1::SCRAPER, "bdl", "r2", v1::NO_DATA, kStart + kHour);
  bare.mutable_run()->set_duration_seconds(2.5);
  bare.mutable_run()->set_records_processed(0);
  v1::Event none = KindEvent(v1::SCRAPER, "oddsa", "r3", v1::FAILED, kStart + kHour);
  none.mutable_run()->set_attempt(1);
  none.mutable_run()->set_summary(R"({"stats":{}})");
  none.mutable_run()->set_records_processed(4);
  Write(sink_.get(), {given, bare, none, RunEvent("a processor", "x", v1::SUCCESS)});

  EXPECT_EQ(Query("SELECT execution_id, scraper_name, workflow, status, triggered_at, completed_at, duration_seconds, "
                  "source, gcs_path,"
                  " data_summary, retry_count, run_id FROM scraper_execution_log ORDER BY run_id"),
            (std::vector<SqlRow>{{"exec-7", "nbac_injury_report", "injury_discovery", "success", Text(kStart),
                                  Text(kStart + 5 * kSecond), "5.0", "CONTROLLER", "gs://bucket/file.json",
                                  R"({"record_count":12,"games":8})", "2", "a1b2c3d4"},
                                 {"r2", "bdl", "MANUAL", "no_data", Text(kStart + kHour - 5 * kSecond / 2),
                                  Text(kStart + kHour), "2.5", "NULL", "NULL", R"({"record_count":0})", "0", "r2"},
                                 {"r3", "oddsa", "MANUAL", "failed", Text(kStart + kHour), Text(kStart + kHour), "NULL",
                                  "NULL", "NULL", R"({"stats":{},"record_count":4})", "0", "r3"}}));
}

TEST_F(ViewsTest, TodaysScraperSummary) {
  const int64_t today = std::stoll(QueryOne("SELECT unixepoch('now', 'start of day')")) * kSecond;
  const auto at = [](const char* job, const char* run, v1::Status status, int64_t began_us) {
    v1::Event event = KindEvent(v1::SCRAPER, job, run, status, began_us + kSecond);
    event.mutable_run()->set_started_at_us(began_us);
    return event;
  };
  Write(sink_.get(), {at("s", "1", v1::SUCCESS, today), at("s", "2", v1::FAILED, today + kDay - 1),
                      at("s", "3", v1::SUCCESS, today - 1), at("t", "1", v1::NO_DATA, today + kHour),
                      at("t", "2", v1::SUCCESS, today + kDay)});
  EXPECT_EQ(Query("SELECT * FROM v_todays_scraper_summary ORDER BY 1"),
            (std::vector<SqlRow>{{"s", "2", "1"}, {"t", "1", "0"}}));
}

TEST_F(ViewsTest, PredictionWorkerRuns) {
  std::vector<v1::Event> events;
  const std::pair<v1::Status, const char*> statuses[] = {
      {v1::SUCCESS, "1"},    {v1::PARTIAL, "1"},    {v1::FAILED, "0"},    {v1::ABORTED, "0"},
      {v1::NO_DATA, "NULL"}, {v1::SKIPPED, "NULL"}, {v1::RUNNING, "NULL"}};
  std::vector<SqlRow> expected;
  for (const auto& [status, success] : statuses) {
    const std::string id = "req-" + std::to_string(events.size());
    v1::Event& event = events.emplace_back(KindEvent(v1::PREDICTION, "model", id, status));
    event.mutable_run()->set_subject("lebronjames");
    event.mutable_run()->set_data_date(kDate);
    event.mutable_run()->set_started_at_us(kStart - kSecond);
    event.mutable_run()->set_batch_id("batch");
    event.mutable_run()->set_records_created(5);
    expected.push_back({id, "lebronjames", "2026-01-12", success, Text(kStart - kSecond), "batch", "0", "5"});
  }
  events[0].mutable_run()->set_attributes(R"({"predictions_generated": 6})");
  expected[0].back() = "6";
  Write(sink_.get(), events);
  EXPECT_EQ(Query("SELECT request_id, player_lookup, game_date, success, run_date, batch_id, retry_attempt, "
                  "predictions_generated"
                  " FROM prediction_worker_runs ORDER BY request_id"),
            expected);
}

TEST_F(ViewsTest, WorkflowDecisions) {
  v1::Event event;
  event.set_event_time_us(kStart);
  event.set_event_id("d1");
  v1::WorkflowDecision& decision = *event.mutable_decision();
  decision.set_decision_id("uuid");
  decision.set_workflow("betting_lines");
  decision.set_action("SKIP");
  decision.set_reason("no games");
  decision.set_scrapers_triggered(R"(["a","b"])");
  decision.set_priority("CRITICAL");
  decision.set_alert_level("NONE");
  v1::Event timed = event;
  timed.set_event_id("d2");
  timed.mutable_decision()->set_decision_time_us(kStart - kHour);
  Write(sink_.get(), {event, event, timed});
  EXPECT_EQ(Query("SELECT decision_id, decision_time, workflow_name, action, reason, scrapers_triggered, priority, "
                  "alert_level, event_id"
                  " FROM workflow_decisions ORDER BY event_id"),
            (std::vector<SqlRow>{
                {"uuid", Text(kStart), "betting_lines", "SKIP", "no games", R"(["a","b"])", "CRITICAL", "NONE", "d1"},
                {"uuid", Text(kStart - kHour), "betting_lines", "SKIP", "no games", R"(["a","b"])", "CRITICAL", "NONE",
                 "d2"}}));
}

// Whatever the order of writing: partition 5's copy comes after partition 4's, and the earlier offset first.
TEST_F(ViewsTest, OfAnEventIdTheFirstInTheOrderOfTheLog) {
  const auto with_reason = [](const char* reason) {
    v1::Event event;
    event.set_event_time_us(kStart);
    event.set_event_id("same");
    event.mutable_decision()->set_workflow("w");
    event.mutable_decision()->set_action("RUN");
    event.mutable_decision()->set_reason(reason);
    return event;
  };
  OpenPartition(sink_.get(), 50, {"t", 5});
  OpenPartition(sink_.get(), 40, {"t", 4});
  SubmitBatch(sink_.get(), 50, BatchOf({"t", 5}, {}, {with_reason("5+0"), with_reason("5+1")}));
  EXPECT_EQ(QueryOne("SELECT reason FROM workflow_decisions"), "5+0");
  SubmitBatch(sink_.get(), 40, BatchOf({"t", 4}, {}, {RunEvent("j", "r", v1::RUNNING), with_reason("4+1")}));
  EXPECT_EQ(QueryOne("SELECT reason FROM workflow_decisions"), "4+1");
}

TEST_F(ViewsTest, DailyExpectedSchedule) {
  v1::Event workflow;
  workflow.set_event_time_us(kStart);
  workflow.mutable_expected()->set_workflow("morning_operations");
  workflow.mutable_expected()->set_job_name("ignored");
  workflow.mutable_expected()->set_expected_date(kDate);
  workflow.mutable_expected()->set_expected_run_time_us(kStart + kHour);
  workflow.mutable_expected()->set_locked_at_us(kStart);
  workflow.mutable_expected()->set_attributes(R"({"games_today": 8})");
  v1::Event job;
  job.set_event_time_us(kStart);
  job.mutable_expected()->set_job_name("gamebook");
  job.mutable_expected()->set_expected_run_time_us(kStart + 2 * kHour);
  Write(sink_.get(), {workflow, job});
  EXPECT_EQ(Query("SELECT date, workflow_name, expected_run_time, locked_at, games_today FROM daily_expected_schedule "
                  "ORDER BY 3"),
            (std::vector<SqlRow>{{"2026-01-12", "morning_operations", Text(kStart + kHour), Text(kStart), "8"},
                                 {"NULL", "gamebook", Text(kStart + 2 * kHour), "NULL", "NULL"}}));
}

TEST_F(ViewsTest, CleanupOperations) {
  v1::Event event;
  event.set_event_time_us(kStart);
  v1::CleanupOperation& cleanup = *event.mutable_cleanup();
  cleanup.set_cleanup_id("c-1");
  cleanup.set_files_checked(142);
  cleanup.set_missing_files_found(1);
  cleanup.set_republished_count(0);
  cleanup.set_missing_files(
      R"([{"scraper_name":"oddsa_events","gcs_path":"gs://x","age_minutes":250,"republished":false}])");
  cleanup.set_pubsub_enabled(false);
  cleanup.set_errors("Unable to query");
  Write(sink_.get(), {event});
  EXPECT_EQ(
      Query("SELECT cleanup_id, cleanup_time, files_checked, missing_files_found, republished_count, pubsub_enabled, "
            "errors"
            " FROM cleanup_operations"),
      (std::vector<SqlRow>{{"c-1", Text(kStart), "142", "1", "0", "0", R"([{"error_message":"Unable to query"}])"}}));
  EXPECT_EQ(Query("SELECT file.value ->> 'scraper_name', file.value ->> 'age_minutes' FROM cleanup_operations, "
                  "json_each(missing_files) file"),
            (std::vector<SqlRow>{{"oddsa_events", "250"}}));
}

TEST_F(ViewsTest, RunVerdicts) {
  v1::Event event;
  event.set_event_time_us(kStart + kHour);
  event.set_event_id(codecs::OwnEventId("verdict", "betting_lines", kStart));
  event.mutable_verdict()->set_verdict_subject("betting_lines");
  event.mutable_verdict()->set_verdict_due_us(kStart);
  event.mutable_verdict()->set_verdict("late");
  event.mutable_verdict()->set_delay_seconds(3600);
  event.mutable_verdict()->set_matched_run_id("r");
  Write(sink_.get(), {event, event});
  EXPECT_EQ(
      Query("SELECT verdict_subject, verdict_due, verdict, delay_seconds, matched_run_id, judged_at FROM run_verdicts"),
      (std::vector<SqlRow>{{"betting_lines", Text(kStart), "late", "3600.0", "r", Text(kStart + kHour)}}));
}

}  // namespace
}  // namespace runledger::exporters
