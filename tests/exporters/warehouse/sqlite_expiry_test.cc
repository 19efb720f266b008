#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <utility>

#include "exporters/warehouse/warehouse_testing.h"

namespace runledger::exporters {
namespace {

using ingest::SubmitResult;
using ingest::TopicPartition;

class ExpiryTest : public WarehouseTest {
 protected:
  SqliteOptions Expiring(int days) {
    SqliteOptions options = Options();
    options.expiry_days = days;
    return options;
  }
};

TEST_F(ExpiryTest, RowsGoWhenTheirDayIsOldEnough) {
  const auto sink = NewSink(Expiring(2));
  Write(sink.get(), {RunEvent("j", "monday", v1::SUCCESS)});
  now_us_ = kStart + kDay;
  Write(sink.get(), {RunEvent("j", "tuesday", v1::SUCCESS)});
  now_us_ = kStart + 2 * kDay;
  sink->WaitIdle();
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM events"), "2") << "two days are kept beside the present one";
  now_us_ = kStart + 3 * kDay;
  sink->WaitIdle();
  EXPECT_EQ(Query("SELECT run_id FROM events"), (std::vector<SqlRow>{{"tuesday"}}));
  EXPECT_EQ(Query("SELECT run_id FROM processor_run_history"), (std::vector<SqlRow>{{"tuesday"}}));
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM positions"), "2") << "positions stay";
}

TEST_F(ExpiryTest, NotBeforeTheTimeIsKnown) {
  std::atomic<bool> known = false;
  SqliteOptions options = Expiring(2);
  options.expiry_now_us = [&]() -> std::optional<int64_t> {
    if (!known) return std::nullopt;
    return kStart + 10 * kDay;
  };
  const auto sink = NewSink(std::move(options));
  Write(sink.get(), {RunEvent("j", "r", v1::SUCCESS)});
  now_us_ = kStart + 100 * kDay;
  sink->WaitIdle();
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM events"), "1");
  known = true;
  sink->WaitIdle();
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM events"), "0");
}

TEST_F(ExpiryTest, NeverIfSwitchedOff) {
  const auto sink = NewSink(Expiring(0));
  Write(sink.get(), {RunEvent("j", "r", v1::SUCCESS)});
  now_us_ = kStart + 10'000 * kDay;
  sink->WaitIdle();
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM events"), "1");
}

// The greatest event was written first: it expires before the others of its run.
TEST_F(ExpiryTest, AHeadIsMadeAnewOfWhatRemains) {
  const auto sink = NewSink(Expiring(2));
  v1::Event end = RunEvent("j", "r", v1::SUCCESS, kStart + kHour);
  end.set_event_id("end");
  end.mutable_run()->set_data_date(kDate);
  v1::Event start = RunEvent("j", "r", v1::RUNNING, kStart);
  start.set_event_id("start");
  start.mutable_run()->set_started_at_us(kStart);
  Write(sink.get(), {end});
  now_us_ = kStart + kDay;
  Write(sink.get(), {start});
  EXPECT_EQ(Query("SELECT status, data_date, started_at, events FROM processor_run_history"),
            (std::vector<SqlRow>{{"success", "2026-01-12", std::to_string(kStart), "2"}}));
  now_us_ = kStart + 3 * kDay;
  sink->WaitIdle();
  EXPECT_EQ(Query("SELECT status, data_date, started_at, events FROM processor_run_history"),
            (std::vector<SqlRow>{{"running", "NULL", std::to_string(kStart), "1"}}));
  now_us_ = kStart + 4 * kDay;
  sink->WaitIdle();
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM run_heads"), "0");
}

// A lesser event goes, and with it what only it said.
TEST_F(ExpiryTest, WhatOnlyAnExpiredEventSaidGoes) {
  const auto sink = NewSink(Expiring(2));
  v1::Event start = RunEvent("j", "r", v1::RUNNING, kStart);
  start.mutable_run()->set_data_date(kDate);
  start.mutable_run()->set_phase("p");
  Write(sink.get(), {start});
  now_us_ = kStart + kDay;
  Write(sink.get(), {RunEvent("j", "r", v1::SUCCESS, kStart + kHour)});
  EXPECT_EQ(Query("SELECT data_date, phase FROM processor_run_history"), (std::vector<SqlRow>{{"2026-01-12", "p"}}));
  now_us_ = kStart + 3 * kDay;
  sink->WaitIdle();
  EXPECT_EQ(Query("SELECT status, data_date, phase FROM processor_run_history"),
            (std::vector<SqlRow>{{"success", "NULL", "NULL"}}));
}

TEST_F(ExpiryTest, WhatAnotherEventStillSaysStays) {
  const auto sink = NewSink(Expiring(2));
  v1::Event first = RunEvent("j", "r", v1::RUNNING, kStart);
  first.mutable_run()->set_phase("old");
  first.mutable_run()->set_service("gone");
  Write(sink.get(), {first});
  now_us_ = kStart + kDay;
  v1::Event beat = RunEvent("j", "r", v1::RUNNING, kStart + kSecond);
  beat.mutable_run()->set_phase("new");
  beat.mutable_run()->set_data_date(kDate);
  Write(sink.get(), {beat, RunEvent("j", "r", v1::SUCCESS, kStart + kHour)});
  const char* sql = "SELECT status, phase, cloud_run_service, data_date, events FROM processor_run_history";
  EXPECT_EQ(Query(sql), (std::vector<SqlRow>{{"success", "new", "gone", "2026-01-12", "3"}}));
  now_us_ = kStart + 3 * kDay;
  sink->WaitIdle();
  EXPECT_EQ(Query(sql), (std::vector<SqlRow>{{"success", "new", "NULL", "2026-01-12", "2"}}));
}

TEST_F(ExpiryTest, MoreThanOneStep) {
  const auto sink = NewSink(Expiring(1));
  std::vector<v1::Event> events;
  for (int i = 0; i < 5001; ++i) events.push_back(RunEvent("j", std::to_string(i), v1::SUCCESS));
  Write(sink.get(), events);
  now_us_ = kStart + 2 * kDay;
  sink->WaitIdle();
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM events"), "0");
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM run_heads"), "0");
}

TEST_F(ExpiryTest, FreePagesAreGivenBackAndTheFileDoesNotGrow) {
  const auto sink = NewSink(Expiring(3));
  int64_t greatest = 0;
  int64_t after_a_week = 0;
  for (int day = 0; day < 30; ++day) {
    now_us_ = kStart + day * kDay;
    std::vector<v1::Event> events;
    for (int i = 0; i < 500; ++i)
      events.push_back(RunEvent("j", std::to_string(day) + "-" + std::to_string(i), v1::SUCCESS));
    Write(sink.get(), events);
    const int64_t pages = std::stoll(QueryOne("PRAGMA page_count"));
    greatest = std::max(greatest, pages);
    if (day == 7) after_a_week = greatest;
  }
  EXPECT_LE(greatest, after_a_week + after_a_week / 4);
  now_us_ = kStart + 100 * kDay;
  sink->WaitIdle();
  EXPECT_LT(std::stoll(QueryOne("PRAGMA page_count")), greatest / 2);
  EXPECT_EQ(QueryOne("PRAGMA integrity_check"), "ok");
}

// A clock that stands wrong for a while must neither delete what is new nor keep what is old for ever.
TEST_F(ExpiryTest, AClockThatStepsBack) {
  const auto sink = NewSink(Expiring(2));
  now_us_ = kStart + 1000 * kDay;
  Write(sink.get(), {RunEvent("j", "ahead", v1::SUCCESS)});
  now_us_ = kStart;
  Write(sink.get(), {RunEvent("j", "right", v1::SUCCESS)});
  now_us_ = kStart + 3 * kDay;
  sink->WaitIdle();
  EXPECT_EQ(Query("SELECT run_id FROM events"), (std::vector<SqlRow>{{"ahead"}}));
}

}  // namespace
}  // namespace runledger::exporters
