#include "exporters/warehouse/sqlite_reader.h"

#include <gtest/gtest.h>

#include "exporters/warehouse/sqlite_database.h"
#include "exporters/warehouse/warehouse_testing.h"

namespace runledger::exporters {
namespace {

class ReaderTest : public WarehouseTest {
 protected:
  ReaderTest() : sink_(NewSink()) {}

  std::vector<std::string> RunIds(const RunQuery& query) {
    absl::StatusOr<std::unique_ptr<SqliteReader>> reader = SqliteReader::Open(path_);
    EXPECT_TRUE(reader.ok()) << reader.status();
    const absl::StatusOr<std::vector<RunRow>> runs = (*reader)->Runs(query);
    EXPECT_TRUE(runs.ok()) << runs.status();
    std::vector<std::string> ids;
    for (const RunRow& run : *runs) ids.push_back(run.run_id);
    return ids;
  }

  std::unique_ptr<SqliteSink> sink_;
};

using Ids = std::vector<std::string>;

TEST_F(ReaderTest, RunsOfAllKindsTheNewestFirst) {
  v1::Event processor = RunEvent("gamebook", "p_fea26b01", v1::FAILED, kStart + kHour);
  processor.mutable_run()->set_started_at_us(kStart);
  processor.mutable_run()->set_data_date(kDate);
  processor.mutable_run()->set_phase("phase_2_raw");
  processor.mutable_run()->set_duration_seconds(3600);
  processor.mutable_run()->set_errors("boom");
  const v1::Event scraper = KindEvent(v1::SCRAPER, "injuries", "s_1", v1::NO_DATA, kStart + 2 * kSecond);
  v1::Event prediction = KindEvent(v1::PREDICTION, "model", "q_1", v1::RUNNING, kStart + kSecond);
  prediction.mutable_run()->set_data_date(kDate);
  Write(sink_.get(), {processor, scraper, prediction});

  absl::StatusOr<std::unique_ptr<SqliteReader>> reader = SqliteReader::Open(path_);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const absl::StatusOr<std::vector<RunRow>> runs = (*reader)->Runs({});
  ASSERT_TRUE(runs.ok()) << runs.status();
  ASSERT_EQ(runs->size(), 3u);
  EXPECT_EQ((*runs)[0].kind, "scraper");
  EXPECT_EQ((*runs)[1].kind, "prediction");
  const RunRow& row = (*runs)[2];
  EXPECT_EQ(row.kind, "processor");
  EXPECT_EQ(row.job_name, "gamebook");
  EXPECT_EQ(row.status, "failed");
  EXPECT_EQ(row.phase, "phase_2_raw");
  EXPECT_EQ(row.data_date, "2026-01-12");
  EXPECT_EQ(row.began_us, kStart);
  EXPECT_EQ(row.completed_us, kStart + kHour);
  EXPECT_EQ(row.duration_seconds, 3600);
  EXPECT_EQ(row.error_message, "boom");
  EXPECT_EQ(row.error_type, std::nullopt);
  EXPECT_EQ(row.events, 1);

  EXPECT_EQ(RunIds({.job = {}, .status = {}, .data_date = {}, .run_id_part = {}, .limit = 2}), (Ids{"s_1", "q_1"}));
  EXPECT_EQ(RunIds({.job = "model", .status = {}, .data_date = {}, .run_id_part = {}}), Ids{"q_1"});
  EXPECT_EQ(RunIds({.job = {}, .status = "failed", .data_date = {}, .run_id_part = {}}), Ids{"p_fea26b01"});
  EXPECT_EQ(RunIds({.job = {}, .status = {}, .data_date = "2026-01-12", .run_id_part = {}}),
            (Ids{"q_1", "p_fea26b01"}));
  EXPECT_EQ(RunIds({.job = {}, .status = {}, .data_date = {}, .run_id_part = "fea26b01"}), Ids{"p_fea26b01"});
  EXPECT_EQ(RunIds({.job = "gamebook", .status = "success", .data_date = {}, .run_id_part = {}}), Ids{});
}

TEST_F(ReaderTest, AFragmentIsNoPattern) {
  Write(sink_.get(),
        {RunEvent("j", "a_b", v1::RUNNING), RunEvent("j", "axb", v1::RUNNING), RunEvent("j", "100%\\", v1::RUNNING)});
  const auto find = [this](const char* part) {
    return RunIds({.job = {}, .status = {}, .data_date = {}, .run_id_part = part});
  };
  EXPECT_EQ(find("a_b"), Ids{"a_b"});
  EXPECT_EQ(find("%"), Ids{"100%\\"});
  EXPECT_EQ(find("\\"), Ids{"100%\\"});
  EXPECT_EQ(find("'"), Ids{});
}

TEST_F(ReaderTest, EventsOfOneRun) {
  v1::Event start = RunEvent("j", "r", v1::RUNNING, kStart);
  start.set_event_id("e1");
  start.mutable_run()->set_alert_sent(false);
  start.mutable_run()->set_data_date(kDate);
  v1::Event end = RunEvent("j", "r", v1::SUCCESS, kStart + kSecond);
  v1::Event other = RunEvent("j", "r", v1::SUCCESS, kStart + kSecond);
  other.mutable_run()->set_attempt(2);
  Write(sink_.get(), {end, start, start, other});

  absl::StatusOr<std::unique_ptr<SqliteReader>> reader = SqliteReader::Open(path_);
  const absl::StatusOr<std::vector<EventRow>> events = (*reader)->EventsOf("j", "r", 0);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 3u) << "repetitions are rows too";
  const EventRow& first = (*events)[0];
  EXPECT_EQ(*first.Find("event_id"), "e1");
  EXPECT_EQ(*first.Find("event_time"), "2026-01-12T11:30:08Z");
  EXPECT_EQ(*first.Find("data_date"), "2026-01-12");
  EXPECT_EQ(*first.Find("alert_sent"), "false");
  EXPECT_EQ(first.Find("phase"), nullptr);
  EXPECT_EQ(*(*events)[2].Find("status"), "success");
}

TEST_F(ReaderTest, WhatIsNoWarehouseIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(SqliteReader::Open(directory_ + "/none.db").status()));
  path_ = directory_ + "/other.db";
  Execute("CREATE TABLE t (a)");
  const absl::Status status = SqliteReader::Open(path_).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_NE(status.message().find("no warehouse"), std::string::npos);
}

TEST_F(ReaderTest, ReadsWhileOthersWrite) {
  Write(sink_.get(), {RunEvent("j", "r1", v1::RUNNING)});
  absl::StatusOr<std::unique_ptr<SqliteReader>> reader = SqliteReader::Open(path_);
  ASSERT_TRUE(reader.ok());
  absl::StatusOr<std::unique_ptr<Database>> writer = Database::Open({.path = path_});
  ASSERT_TRUE((*writer)->Execute("BEGIN IMMEDIATE").ok());
  EXPECT_EQ((*reader)->Runs({})->size(), 1u);
  ASSERT_TRUE((*writer)->Execute("COMMIT").ok());
  Write(sink_.get(), {RunEvent("j", "r2", v1::RUNNING)});
  EXPECT_EQ((*reader)->Runs({})->size(), 2u) << "each call reads the newest state";
}

}  // namespace
}  // namespace runledger::exporters
