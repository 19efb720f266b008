#include <chrono>
#include <set>
#include <thread>

#include "codecs/events_table.h"
#include "exporters/bigquery/bigquery_testing.h"

namespace runledger::exporters {
namespace {

using fakes::BigQueryFaults;
using ingest::SubmitResult;
using testing::HasSubstr;

TEST_F(BigQueryTest, RowsOfAPartitionGoIntoOneStream) {
  Owner owner(partition_, Events(1'000));
  const auto sink = NewSink(&owner);
  const ingest::SinkOpened opened = owner.Open(sink.get(), 1);
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  EXPECT_EQ(opened.rows_to_skip, 0);
  EXPECT_THAT(opened.metadata.stream, HasSubstr("/streams/"));
  EXPECT_EQ(owner.Write(70, 1'000), "");
  ExpectEachOnce(1'000, {});
  EXPECT_EQ(fake_.calls()["AppendRows.connections"], 1);
  EXPECT_EQ(fake_.rows_of(opened.metadata.stream), 1'000);
  EXPECT_EQ(owner.reopened, 0);
}

TEST_F(BigQueryTest, ASuccessorGoesOnWhereTheTableIs) {
  const auto events = Events(300);
  Owner first(partition_, events);
  const auto sink = NewSink(&first);
  ASSERT_TRUE(first.Open(sink.get(), 1).status.ok());
  ASSERT_EQ(first.Write(50, 100), "");
  first.Commit();
  ASSERT_EQ(first.Write(50, 200), "");  // written, and not committed

  Owner second(partition_, events);
  second.metadata = first.metadata;
  second.committed = first.committed;
  const auto other = NewSink(&second);
  const ingest::SinkOpened opened = second.Open(other.get(), 1);
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  EXPECT_EQ(opened.rows_to_skip, 100);
  EXPECT_EQ(opened.metadata.stream_base, 100);
  EXPECT_EQ(opened.metadata.stream_next_row, 0);

  // The predecessor is fenced: not a row of its counts any more.
  EXPECT_EQ(first.WriteOnce(10).kind, SubmitResult::Kind::kFenced);
  EXPECT_EQ(second.Write(50, 250), "");
  second.Commit();
  EXPECT_EQ(second.Write(50, 300), "");

  Owner third(partition_, events);
  third.metadata = second.metadata;
  third.committed = second.committed;
  const auto last = NewSink(&third);
  EXPECT_EQ(third.Open(last.get(), 1).rows_to_skip, 50);
  EXPECT_EQ(third.written, 300);
  ExpectEachOnce(300, {});
}

TEST_F(BigQueryTest, WhatFailsIsSentAgainAndIsThereOnce) {
  Owner owner(partition_, Events(3'000, /*bad=*/97));
  const auto sink = NewSink(&owner);
  BigQueryFaults faults;
  faults.bad_text = "bad";
  faults.row_errors = 2;
  faults.lost_ack = faults.lost_request = faults.internal = faults.internal_lie = faults.aborted = 0.05;
  faults.throttled = faults.drain = faults.restart = 0.05;
  faults.unary = 0.3;
  fake_.SetFaults(faults);
  while (!owner.Open(sink.get(), 1).status.ok()) {
  }
  EXPECT_EQ(owner.Write(20, 3'000), "");
  std::map<int64_t, std::string> bad;
  for (int64_t i = 96; i < 3'000; i += 97) bad[i];
  EXPECT_EQ(owner.refused.size(), bad.size());
  ExpectEachOnce(3'000, bad);
  EXPECT_GT(fake_.errors()[6], 0) << "no acknowledgement was lost";
}

TEST_F(BigQueryTest, OneBadRowOf199TakesNoneOfTheOthersWithIt) {
  Owner owner(partition_, Events(199, /*bad=*/120));
  const auto sink = NewSink(&owner);
  BigQueryFaults faults;
  faults.bad_text = "bad";
  fake_.SetFaults(faults);
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  const SubmitResult result = owner.WriteOnce(199);
  ASSERT_EQ(result.kind, SubmitResult::Kind::kRefused);
  ASSERT_EQ(result.refused.size(), 1u);
  EXPECT_EQ(result.refused[0].row, 119u);
  EXPECT_THAT(result.refused[0].reason, HasSubstr("error_message"));
  EXPECT_EQ(fake_.row_count(), 0) << "nothing counts as written before it is";
  EXPECT_EQ(owner.Write(199, 199), "");
  ExpectEachOnce(199, {{119, ""}});
}

TEST_F(BigQueryTest, BadRowsThatNobodyNamesAreFound) {
  Owner owner(partition_, Events(500, /*bad=*/100));
  const auto sink = NewSink(&owner);
  BigQueryFaults faults;
  faults.bad_text = "bad";
  faults.row_errors = 0;
  fake_.SetFaults(faults);
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  EXPECT_EQ(owner.Write(125, 500), "");
  std::map<int64_t, std::string> bad;
  for (int64_t i = 99; i < 500; i += 100) bad[i];
  ExpectEachOnce(500, bad);
  EXPECT_EQ(owner.reopened, 0);
}

TEST_F(BigQueryTest, RequestsAreCutToWhatTheServiceTakes) {
  Owner owner(partition_, Events(400, 0, /*padding=*/2'000));
  BigQueryOptions options = Options();
  options.request_bytes = 100'000;
  const auto sink = NewSink(&owner, options);
  BigQueryFaults faults;
  faults.request_limit = 70'000;  // less than is configured
  fake_.SetFaults(faults);
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  EXPECT_EQ(owner.Write(400, 400), "");
  ExpectEachOnce(400, {});
}

TEST_F(BigQueryTest, ARowTooLargeForARequestKeepsItsCore) {
  auto events = Events(10);
  events[6] = Events(7, 0, /*padding=*/60'000)[6];
  Owner owner(partition_, events);
  BigQueryOptions options = Options();
  options.request_bytes = 50'000;
  const auto sink = NewSink(&owner, options);
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  EXPECT_EQ(owner.Write(10, 10), "");
  EXPECT_THAT(owner.refused[6], HasSubstr("warehouse.request_bytes"));
  ExpectEachOnce(10, {{6, ""}});
}

TEST_F(BigQueryTest, AnIdleConnectionIsOpenedAgainWithoutAWord) {
  Owner owner(partition_, Events(20));
  const auto sink = NewSink(&owner);
  BigQueryFaults faults;
  faults.idle_ms = 50;
  fake_.SetFaults(faults);
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  ASSERT_EQ(owner.WriteOnce(10).kind, SubmitResult::Kind::kDone);
  while (fake_.calls()["AppendRows.connections"] < 2) {  // each row has a chance to find the connection gone
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    ASSERT_LT(owner.written, 20);
    ASSERT_EQ(owner.WriteOnce(1).kind, SubmitResult::Kind::kDone);
  }
  ExpectEachOnce(owner.written, {});
  EXPECT_EQ(owner.reopened, 0);
}

TEST_F(BigQueryTest, AStreamThatExpiredIsReplacedAndTheTableSaysWhatIsThere) {
  Owner owner(partition_, Events(100));
  const auto sink = NewSink(&owner);
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  ASSERT_EQ(owner.Write(10, 40), "");
  fake_.ExpireStreams();
  EXPECT_EQ(owner.Write(10, 100), "");
  EXPECT_EQ(owner.reopened, 1);
  ExpectEachOnce(100, {});
}

TEST_F(BigQueryTest, WhereEventsAreNotCountedTheTableIsAsked) {
  const auto events = Events(100);
  Owner first(partition_, events);
  const auto sink = NewSink(&first);
  ASSERT_TRUE(first.Open(sink.get(), 1).status.ok());
  ASSERT_EQ(first.Write(10, 30), "");
  first.Commit();
  ASSERT_EQ(first.Write(10, 60), "");
  Owner second(partition_, events);
  second.metadata = first.metadata;
  second.metadata.stream_base = -1;
  second.committed = first.committed;
  const auto other = NewSink(&second);
  const ingest::SinkOpened opened = second.Open(other.get(), 1);
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  ASSERT_TRUE(opened.position);
  EXPECT_EQ(*opened.position, (ingest::Position{59, 1}));
  EXPECT_EQ(opened.metadata.stream_base, -1);
  EXPECT_EQ(first.WriteOnce(10).kind, SubmitResult::Kind::kFenced) << "it is fenced before the table is asked";
  EXPECT_EQ(second.Write(10, 100), "");
  ExpectEachOnce(100, {});
}

TEST_F(BigQueryTest, ATableThatWasMadeAnewGetsWhatIsNotCommitted) {
  Owner owner(partition_, Events(100));
  const auto sink = NewSink(&owner);
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  ASSERT_EQ(owner.Write(10, 40), "");
  BigQueryFaults gone;
  gone.table_missing = true;
  fake_.SetFaults(gone);
  EXPECT_EQ(owner.WriteOnce(10).kind, SubmitResult::Kind::kFenced);
  const ingest::SinkOpened refused = owner.Open(sink.get(), 1);
  EXPECT_TRUE(absl::IsUnavailable(refused.status)) << refused.status;
  EXPECT_THAT(std::string(refused.status.message()), HasSubstr("Not found"));
  fake_.RecreateTable();
  fake_.SetFaults({});
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  EXPECT_EQ(owner.written, 0) << "nothing was committed";
  EXPECT_EQ(owner.Write(10, 100), "");
  ExpectEachOnce(100, {});
}

TEST_F(BigQueryTest, ColumnsThatTheTableLacksAreNamedBeforeARowIsWritten) {
  Owner owner(partition_, Events(10));
  const auto sink = NewSink(&owner);
  BigQueryFaults faults;
  faults.missing_columns = {"explained_by"};
  fake_.SetFaults(faults);
  const ingest::SinkOpened opened = owner.Open(sink.get(), 1);
  EXPECT_TRUE(absl::IsUnavailable(opened.status)) << opened.status;
  EXPECT_THAT(std::string(opened.status.message()), HasSubstr("explained_by"));
  EXPECT_THAT(std::string(opened.status.message()), HasSubstr("schema apply"));
  EXPECT_EQ(fake_.row_count(), 0);
}

TEST_F(BigQueryTest, WhatIsAboutTheTableIsWaitedOutAndTold) {
  Owner owner(partition_, Events(100));
  const auto sink = NewSink(&owner);
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  ASSERT_EQ(owner.Write(10, 20), "");
  BigQueryFaults faults;
  faults.extra_fields = true;
  fake_.SetFaults(faults);
  owner.SubmitAndForget(10);
  EXPECT_THAT(WaitForProblem([](const std::string& text) { return !text.empty(); }), HasSubstr("more fields"));
  EXPECT_EQ(metrics_.warehouse_retries.Add({{"table", "events"}}).Value() >= 0, true);
  fake_.SetFaults({});
  EXPECT_EQ(WaitForProblem([](const std::string& text) { return text.empty(); }), "");
  EXPECT_EQ(fake_.row_count(), 30);
}

TEST_F(BigQueryTest, TheAddressOfRestInPlaceOfTheOtherIsTold) {
  Owner owner(partition_, Events(1));
  BigQueryOptions options = Options();
  options.endpoint = options.rest_endpoint;
  const auto sink = NewSink(&owner, options);
  EXPECT_THAT(std::string(owner.Open(sink.get(), 1).status.message()), HasSubstr("warehouse.endpoint"));
}

TEST_F(BigQueryTest, ADeadServiceIsWaitedOut) {
  Owner owner(partition_, Events(200));
  const auto sink = NewSink(&owner);
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  ASSERT_EQ(owner.Write(10, 20), "");
  fake_.Stop();
  EXPECT_EQ(owner.WriteOnce(0).kind, SubmitResult::Kind::kDone) << "a batch without rows needs no service";
  std::thread back([this] {
    EXPECT_NE(WaitForProblem([](const std::string& text) { return !text.empty(); }), "");
    fake_.Start();
  });
  EXPECT_EQ(owner.Write(10, 200), "");
  back.join();
  ExpectEachOnce(200, {});
}

TEST_F(BigQueryTest, ASilentServiceIsAskedAgain) {
  Owner owner(partition_, Events(100));
  BigQueryOptions options = Options();
  options.answer_timeout_us = 500'000;
  const auto sink = NewSink(&owner, options);
  BigQueryFaults faults;
  faults.slow = 0.3;
  faults.slow_ms = 1'500;
  fake_.SetFaults(faults);
  ASSERT_TRUE(owner.Open(sink.get(), 1).status.ok());
  EXPECT_EQ(owner.Write(10, 100), "");
  ExpectEachOnce(100, {});
}

TEST_F(BigQueryTest, AServiceThatHangsIsTold) {
  Owner owner(partition_, Events(30));
  BigQueryOptions options = Options();
  options.slow_us = 10'000;
  options.slow_pause_us = 0;
  options.answer_timeout_us = 200'000;
  std::mutex mutex;
  std::condition_variable told;
  std::vector<std::string> texts;
  options.on_slow = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    texts.push_back(text);
    told.notify_all();
  };
  const auto sink = NewSink(&owner, options);
  const ingest::SinkOpened opened = owner.Open(sink.get(), 1);
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  BigQueryFaults faults;
  faults.hangs = true;
  fake_.SetFaults(faults);
  owner.SubmitAndForget(10);
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(told.wait_for(lock, std::chrono::seconds(60), [&] { return texts.size() > 1; }));
    EXPECT_THAT(texts[0], HasSubstr("t[0]: 1 request(s) to table test-project.runledger.events are not answered"));
    EXPECT_THAT(texts[0], HasSubstr(opened.metadata.stream));
    EXPECT_THAT(texts[0], HasSubstr("since 2026-01-12T"));
  }
  EXPECT_THAT(WaitForProblem([](const std::string& text) { return !text.empty(); }), HasSubstr("does not answer"));
  fake_.SetFaults({});
  EXPECT_EQ(WaitForProblem([](const std::string& text) { return text.empty(); }), "");
  ExpectEachOnce(10, {});
  sink->Stop();
}

TEST_F(BigQueryTest, TwoOwnersThatTakeTurnsWriteEachRowOnce) {
  const auto events = Events(2'000, 50);
  BigQueryFaults faults;
  faults.bad_text = "bad";
  faults.lost_ack = faults.lost_request = faults.internal_lie = 0.03;
  fake_.SetFaults(faults);
  ingest::CommitMetadata metadata;
  int64_t committed = 0;
  std::map<int64_t, std::string> refused;
  std::vector<std::unique_ptr<Owner>> owners;  // those that were replaced live on, and go on trying
  std::vector<std::unique_ptr<BigQuerySink>> sinks;
  for (int turn = 0; committed < 2'000; ++turn) {
    owners.push_back(std::make_unique<Owner>(partition_, events));
    Owner& owner = *owners.back();
    owner.metadata = metadata;
    owner.committed = committed;
    owner.refused = refused;
    sinks.push_back(NewSink(&owner));
    ASSERT_TRUE(owner.Open(sinks.back().get(), 1).status.ok());
    metadata = owner.metadata;
    ASSERT_EQ(owner.Write(30, std::min<int64_t>(2'000, owner.written + 150)), "");
    owner.Commit();
    metadata = owner.metadata;
    committed = owner.committed;
    refused = owner.refused;
    if (committed < 2'000) owner.SubmitAndForget(40);  // what becomes of these the successor learns
  }
  std::map<int64_t, std::string> bad;
  for (int64_t i = 49; i < 2'000; i += 50) bad[i];
  ExpectEachOnce(2'000, bad);
}

}  // namespace
}  // namespace runledger::exporters
