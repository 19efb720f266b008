// The named queries where the answer is known: the incidents and the boundaries that the queries were written for.

#include "exporters/warehouse/sqlite_history.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "codecs/civil_time.h"
#include "exporters/warehouse/sqlite_schema_file.h"
#include "exporters/warehouse/warehouse_testing.h"

namespace runledger::exporters {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMinute = 60 * kSecond;
using Row = std::vector<std::string>;

class SqliteHistoryTest : public WarehouseTest {
 protected:
  SqliteHistoryTest() : sink_(NewSink()) {}

  // The rows of a query's answer, as texts; "NULL".
  std::vector<Row> Ask(const char* name, std::map<std::string, std::string> given, int64_t now_us = kStart) {
    const auto bound = Bind(*FindQuery(name), given, now_us);
    EXPECT_TRUE(bound.ok()) << bound.status();
    const auto history = OpenSqliteHistory(path_);
    EXPECT_TRUE(history.ok()) << history.status();
    if (!bound.ok() || !history.ok()) return {};
    const auto answer = (*history)->Ask(*bound);
    EXPECT_TRUE(answer.ok()) << answer.status();
    std::vector<Row> rows;
    if (!answer.ok()) return rows;
    for (const auto& values : answer->rows) {
      Row& row = rows.emplace_back();
      for (const AnswerValue& value : values) row.push_back(value.value_or("NULL"));
    }
    return rows;
  }

  v1::Event Scraper(const std::string& run, v1::Status status, int64_t time_us) {
    v1::Event event = KindEvent(v1::SCRAPER, "nbac_injury_report", run, status, time_us);
    event.mutable_run()->set_started_at_us(time_us);
    return event;
  }
  v1::Event Decision(const std::string& workflow, const std::string& action, int64_t time_us) {
    v1::Event event;
    event.set_event_time_us(time_us);
    event.mutable_decision()->set_workflow(workflow);
    event.mutable_decision()->set_action(action);
    event.mutable_decision()->set_priority("CRITICAL");
    event.mutable_decision()->set_reason("r");
    return event;
  }

  std::unique_ptr<SqliteSink> sink_;
};

TEST_F(SqliteHistoryTest, DiscoveryOfADay) {
  // 2026-01-12 in New York is five hours behind UTC: nothing at 11:00 and 12:00, data at 1 PM.
  const int64_t eleven = codecs::ParseRfc3339("2026-01-12T16:00:00Z").value();
  std::vector<v1::Event> events = {Scraper("r1", v1::NO_DATA, eleven), Scraper("r2", v1::NO_DATA, eleven + kHour),
                                   Scraper("r3", v1::SUCCESS, eleven + 2 * kHour),
                                   Scraper("yesterday", v1::FAILED, eleven - kDay)};
  events[2].mutable_run()->set_records_processed(12);
  Write(sink_.get(), events);
  const std::map<std::string, std::string> day = {{"scraper", "nbac_injury_report"}, {"date", "2026-01-12"}};
  EXPECT_THAT(Ask("latest_attempt", day), ElementsAre(Row{"success", "12", "2026-01-12T18:00:00Z", "01:00 PM"}));
  EXPECT_THAT(Ask("discovery_attempts", day), ElementsAre(Row{"3", "1", "2", "0"}));
  EXPECT_THAT(Ask("todays_scraper_summary", {{"date", "2026-01-12"}}),
              ElementsAre(Row{"nbac_injury_report", "3", "1"}));
}

TEST_F(SqliteHistoryTest, OfTwoAttemptsThatBeganTogetherTheLaterIsTheLatest) {
  const int64_t noon = codecs::ParseRfc3339("2026-01-12T17:00:00Z").value();
  std::vector<v1::Event> events;
  // Attempts 0, 1 and 2 of one run; 0 and 1 are both shown as the first.
  const std::pair<int, v1::Status> attempts[] = {{2, v1::SUCCESS}, {0, v1::FAILED}, {1, v1::NO_DATA}};
  for (const auto& [attempt, status] : attempts) {
    events.push_back(Scraper("r", status, noon));
    events.back().mutable_run()->set_attempt(attempt);
    events.back().set_event_id("attempt " + std::to_string(attempt));
  }
  const std::map<std::string, std::string> day = {{"scraper", "nbac_injury_report"}, {"date", "2026-01-12"}};
  Write(sink_.get(), {events[1], events[2]});
  EXPECT_THAT(Ask("latest_attempt", day), ElementsAre(testing::Contains("no_data")));
  Write(sink_.get(), {events[0]});
  EXPECT_THAT(Ask("latest_attempt", day), ElementsAre(testing::Contains("success")));
}

TEST_F(SqliteHistoryTest, ARunThatEndedIsNotStuck) {
  std::vector<v1::Event> events;
  const auto died = [&](const char* job, int count, int64_t start_us) {
    for (int i = 0; i < count; ++i) {
      v1::Event event = RunEvent(job, std::string(job) + std::to_string(events.size()), v1::RUNNING, start_us);
      event.mutable_run()->set_started_at_us(start_us);
      event.mutable_run()->set_data_date(kDate);
      events.push_back(event);
    }
  };
  died("BasketballRefRosterProcessor", 3, kStart - 5 * kHour);
  died("OddsGameLinesProcessor", 2, kStart - 5 * kHour);
  died("OnTheBoundary", 1, kStart - 4 * kHour);
  died("JustOverIt", 1, kStart - 4 * kHour - 1);
  // This one ended: its first row still says running.
  died("Ended", 1, kStart - 6 * kHour);
  v1::Event end = events.back();
  end.mutable_run()->set_status(v1::SUCCESS);
  end.set_event_time_us(kStart - kHour);
  events.push_back(end);
  // This one lives: it beat an hour ago.
  died("Beating", 1, kStart - 9 * kHour);
  v1::Event beat = events.back();
  beat.mutable_run()->set_heartbeat(true);
  beat.set_event_time_us(kStart - kHour);
  events.push_back(beat);
  Write(sink_.get(), events);
  EXPECT_THAT(Ask("stale_by_processor", {}), ElementsAre(Row{"BasketballRefRosterProcessor", "3"},
                                                         Row{"OddsGameLinesProcessor", "2"}, Row{"JustOverIt", "1"}));
  EXPECT_THAT(Ask("stale_by_date", {{"limit", "1"}}),
              ElementsAre(Row{"BasketballRefRosterProcessor", "2026-01-12", "3"}));
}

TEST_F(SqliteHistoryTest, ExpectedAgainstActualWithBothBounds) {
  const int64_t due = codecs::ParseRfc3339("2026-01-12T17:00:00Z").value();
  const std::pair<const char*, int64_t> cases[] = {
      {"a_in_time", 5 * kMinute},     {"b_thirty", 30 * kMinute + 59 * kSecond},
      {"c_thirty_one", 31 * kMinute}, {"d_almost", 60 * kMinute - 1},
      {"e_hour", 60 * kMinute},       {"f_early", -20 * kMinute},
      {"g_hours_early", -3 * kHour},
  };
  std::vector<v1::Event> events;
  for (const auto& [workflow, delay] : cases) {
    v1::Event expected;
    expected.set_event_time_us(due - kDay);
    expected.mutable_expected()->set_workflow(workflow);
    expected.mutable_expected()->set_expected_date(kDate);
    expected.mutable_expected()->set_expected_run_time_us(due);
    events.push_back(expected);
    events.push_back(Decision(workflow, "RUN", due + delay));
    events.push_back(Decision(workflow, "SKIP", due));
  }
  Write(sink_.get(), events);
  std::vector<std::string> verdicts;
  for (const Row& row : Ask("expected_vs_actual", {{"date", "2026-01-12"}}))
    verdicts.push_back(row[0] + " " + row[2] + " " + row[3]);
  EXPECT_THAT(verdicts, ElementsAre("a_in_time 12:05 ON TIME", "b_thirty 12:30 ON TIME", "c_thirty_one 12:31 LATE",
                                    "d_almost 12:59 LATE", "e_hour NULL MISSING", "f_early 11:40 ON TIME",
                                    "g_hours_early NULL MISSING"));
}

TEST_F(SqliteHistoryTest, ADecisionCountsForOneExpectation) {
  const int64_t due = codecs::ParseRfc3339("2026-01-12T17:00:00Z").value();
  std::vector<v1::Event> events;
  for (int hour = 0; hour < 2; ++hour) {
    v1::Event expected;
    expected.set_event_time_us(due - kDay);
    expected.mutable_expected()->set_workflow("hourly");
    expected.mutable_expected()->set_expected_date(kDate);
    expected.mutable_expected()->set_expected_run_time_us(due + hour * kHour);
    events.push_back(expected);
  }
  events.push_back(Decision("hourly", "RUN", due + 55 * kMinute));  // within an hour of both
  Write(sink_.get(), events);
  const std::vector<Row> rows = Ask("expected_vs_actual", {{"date", "2026-01-12"}});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0][3], "MISSING");
  EXPECT_EQ(rows[1][3], "ON TIME");
}

TEST_F(SqliteHistoryTest, WholeHoursSinceTheLastEvaluation) {
  Write(sink_.get(), {Decision("late", "SKIP", kStart - 3 * kHour), Decision("well", "RUN", kStart - 3 * kHour + 1)});
  EXPECT_THAT(Ask("critical_workflow_not_run", {}),
              ElementsAre(Row{"workflow_decisions", "late", "2026-01-12T08:30:08Z", "3"}));
  EXPECT_THAT(Ask("why_skipped", {{"workflow", "late"}}),
              ElementsAre(Row{"2026-01-12T08:30:08Z", "SKIP", "r", "NULL"}));
}

TEST_F(SqliteHistoryTest, FailureRatesAreRoundedBeforeTheyAreCompared) {
  std::vector<v1::Event> events;
  for (int i = 0; i < 499; ++i)
    events.push_back(Scraper("r" + std::to_string(i), i < 100 ? v1::FAILED : v1::SUCCESS, kStart));
  Write(sink_.get(), events);  // 20.04 %
  EXPECT_THAT(Ask("high_failure_rate", {}), IsEmpty());
  Write(sink_.get(), {Scraper("r500", v1::FAILED, kStart)});  // 20.2 %
  EXPECT_THAT(Ask("high_failure_rate", {}), ElementsAre(Row{"nbac_injury_report", "500", "101", "20.2"}));
  // Less than any number that is not denormal.
  EXPECT_THAT(Ask("high_failure_rate", {{"percent", "0." + std::string(310, '0') + "1"}}), testing::SizeIs(1));
}

TEST_F(SqliteHistoryTest, MissingFilesOfTheLatestCleanup) {
  v1::Event old;
  old.set_event_time_us(kStart - kHour);
  old.mutable_cleanup()->set_missing_files(R"([{"scraper_name": "old", "age_minutes": 1}])");
  v1::Event latest;
  latest.set_event_time_us(kStart);
  latest.mutable_cleanup()->set_missing_files(
      R"([{"scraper_name": "a", "gcs_path": "gs://a", "age_minutes": 240, "republished": true},
          {"scraper_name": "b", "gcs_path": "gs://b", "age_minutes": 241, "republished": false},
          {"scraper_name": "c", "gcs_path": "gs://c", "age_minutes": 120}])");
  Write(sink_.get(), {latest, old});
  EXPECT_THAT(Ask("missing_files", {}), ElementsAre(Row{"b", "gs://b", "241", "false", "CRITICAL (>4h)"},
                                                    Row{"a", "gs://a", "240", "true", "WARNING (>2h)"},
                                                    Row{"c", "gs://c", "120", "NULL", "RECENT (<2h)"}));
}

// Phase 1 triggers phase 2 by a message, phase 2 starts phase 3, which fails; phase 4 does not run for want of it.
TEST_F(SqliteHistoryTest, TheRunsAroundARunAcrossPhases) {
  std::vector<v1::Event> events;
  const auto add = [&](v1::Kind kind, const std::string& job, const std::string& run, v1::Status status, int minute) {
    v1::Event& event = events.emplace_back(KindEvent(kind, job, run, status, kStart + minute * kMinute));
    event.mutable_run()->set_started_at_us(kStart + minute * kMinute);
    event.mutable_run()->set_data_date(20465);
    return event.mutable_run();
  };
  add(v1::SCRAPER, "bdl_box_scores", "scrape_1", v1::SUCCESS, 0)->set_trigger_message_id("m1");
  // The parent's own end does not repeat which message it was.
  add(v1::PROCESSOR, "Raw", "raw_1", v1::RUNNING, 1)->set_trigger_message_id("m1");
  add(v1::PROCESSOR, "Raw", "raw_1", v1::SUCCESS, 2);
  v1::RunEvent* summary = add(v1::PROCESSOR, "Summary", "summary_fea26b01", v1::FAILED, 3);
  summary->set_parent_run_id("raw_1");
  summary->set_parent_job("Raw");
  summary->set_trigger_message_id("m2");
  summary->set_output_table("player_game_summary");
  summary->set_error_message("99 of 100 rows");
  v1::RunEvent* first_try = add(v1::PROCESSOR, "Summary", "summary_fea26b01", v1::FAILED, 2);
  first_try->set_attempt(1);
  add(v1::PROCESSOR, "Teams", "teams_1", v1::SUCCESS, 3)->set_trigger_message_id("m2");
  v1::RunEvent* cache = add(v1::PROCESSOR, "Cache", "cache_1", v1::SKIPPED, 9);
  cache->set_dependency_check_passed(false);
  cache->set_missing_dependencies(R"(["nba_analytics.player_game_summary"])");
  v1::RunEvent* other = add(v1::PROCESSOR, "Other", "other_1", v1::SKIPPED, 9);
  other->set_dependency_check_passed(false);
  other->set_missing_dependencies(R"(["nba_analytics.my_player_game_summary"])");
  add(v1::PROCESSOR, "Alert", "alert_1", v1::SUCCESS, 10)->set_parent_run_id("summary_fea26b01");
  Write(sink_.get(), events);

  std::vector<Row> found;
  for (const Row& row : Ask("run_graph", {{"run_id", "fea26b01"}})) found.push_back({row[0], row[1], row[2], row[3]});
  EXPECT_THAT(found, ElementsAre(Row{"run", "Summary", "summary_fea26b01", "0"},
                                 Row{"attempt", "Summary", "summary_fea26b01", "1"}, Row{"parent", "Raw", "raw_1", "0"},
                                 Row{"sibling", "Teams", "teams_1", "0"}, Row{"child", "Alert", "alert_1", "0"},
                                 Row{"blocked", "Cache", "cache_1", "0"}));

  // From phase 2: what it was triggered with, and what it started.
  found.clear();
  for (const Row& row : Ask("run_graph", {{"run_id", "raw_1"}})) found.push_back({row[0], row[1], row[4], row[11]});
  EXPECT_THAT(found,
              ElementsAre(Row{"run", "Raw", "processor", "m1"}, Row{"sibling", "bdl_box_scores", "scraper", "m1"},
                          Row{"child", "Summary", "processor", "m2"}));
  EXPECT_THAT(Ask("run_graph", {{"run_id", "nothing"}}), IsEmpty());
}

TEST_F(SqliteHistoryTest, MissingDependenciesOfAnyShape) {
  std::vector<v1::Event> events;
  for (const char* missing : {R"(["a", "b"])", R"(["b"])", "[]", R"({"not": "an array"})", "\"b\""}) {
    v1::Event event = RunEvent("p" + std::to_string(events.size()), "r", v1::FAILED);
    event.mutable_run()->set_started_at_us(kStart);
    event.mutable_run()->set_missing_dependencies(missing);
    events.push_back(event);
  }
  Write(sink_.get(), events);
  EXPECT_THAT(Ask("missing_dependencies", {}), ElementsAre(Row{"b", "2", "2"}, Row{"a", "1", "1"}));
}

TEST_F(SqliteHistoryTest, AFragmentIsTakenAsItIs) {
  Write(sink_.get(), {RunEvent("p", "PlayerGameSummaryProcessor_20260112_113008_fea26b01", v1::FAILED),
                      RunEvent("p", "50%_done", v1::FAILED)});
  ASSERT_EQ(Ask("trace_run", {{"run_id", "fea26b01"}}).size(), 1u);
  EXPECT_EQ(Ask("trace_run", {{"run_id", "%"}}).at(0)[1], "50%_done");
  EXPECT_THAT(Ask("trace_run", {{"run_id", "' OR 1=1 --"}}), IsEmpty());
}

TEST_F(SqliteHistoryTest, EveryQueryRunsOnAnEmptyWarehouse) {
  for (const NamedQuery& query : NamedQueries()) {
    SCOPED_TRACE(query.name);
    std::map<std::string, std::string> given;
    for (const QueryParameter& parameter : query.parameters) {
      if (parameter.otherwise == QueryParameter::Default::kNone) given[std::string(parameter.name)] = "x";
    }
    Ask(query.name.data(), given);
  }
}

TEST_F(SqliteHistoryTest, APartitionInTheOrderOfTheLog) {
  Write(sink_.get(), {RunEvent("a", "1", v1::RUNNING), RunEvent("b", "2", v1::SUCCESS)});
  now_us_ += kDay;
  Write(sink_.get(), {RunEvent("c", "3", v1::SUCCESS)});
  const auto history = OpenSqliteHistory(path_);
  ASSERT_TRUE(history.ok());
  const std::vector<AnswerColumn> columns = ExportColumns();
  std::vector<std::string> lines;
  const auto take = [&](const std::vector<AnswerValue>& row) {
    lines.push_back(JsonLine(columns, row, false));
    return absl::OkStatus();
  };
  ASSERT_TRUE((*history)->ReadPartition(kDate, take).ok());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0],
              HasSubstr(R"("ingest_date":"2026-01-12","log_time":"2026-01-12T11:30:09Z","topic":"runledger.events")"));
  EXPECT_THAT(lines[0], HasSubstr(R"("job_name":"a")"));
  EXPECT_THAT(lines[1], HasSubstr(R"("job_name":"b")"));
  // The first error of whoever takes the rows ends it.
  const absl::Status stopped = (*history)->ReadPartition(
      kDate, [](const std::vector<AnswerValue>&) { return absl::UnavailableError("disk full"); });
  EXPECT_EQ(stopped.message(), "disk full");
}

TEST_F(SqliteHistoryTest, NoWarehouse) {
  EXPECT_TRUE(absl::IsNotFound(OpenSqliteHistory(directory_ + "/none.db").status()));
}

TEST_F(SqliteHistoryTest, SchemaDiffAndApply) {
  const std::string fresh = directory_ + "/fresh.db";
  const auto before = SqliteSchemaDiff(fresh);
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_THAT(before->front(), HasSubstr("CREATE TABLE \"events\""));
  EXPECT_FALSE(std::filesystem::exists(fresh)) << "asking makes no file";
  ASSERT_TRUE(SqliteSchemaApply(fresh).ok());
  const auto after = SqliteSchemaDiff(fresh);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_THAT(*after, IsEmpty());

  Execute("DROP VIEW v_todays_scraper_summary");
  EXPECT_THAT(*SqliteSchemaDiff(path_),
              ElementsAre(HasSubstr("CREATE VIEW \"v_todays_scraper_summary\""), HasSubstr("ANALYZE"), testing::_,
                          testing::_, testing::_, testing::_, testing::_, testing::_, testing::_, testing::_));
  sink_.reset();
  std::filesystem::remove(path_);
  Execute("CREATE TABLE events (ingest_date INTEGER NOT NULL) STRICT");
  const auto drift = SqliteSchemaDiff(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(drift.status()));
  EXPECT_THAT(std::string(drift.status().message()),
              HasSubstr("table events, column ingest_date: wanted TEXT NOT NULL, found INTEGER NOT NULL"));
}

}  // namespace
}  // namespace runledger::exporters
