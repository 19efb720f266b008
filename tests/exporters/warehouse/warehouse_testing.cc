#include "exporters/warehouse/warehouse_testing.h"

#include <stdlib.h>

#include <filesystem>

#include "codecs/event_decoder.h"
#include "codecs/limits.h"
#include "codecs/row.h"
#include "exporters/warehouse/sqlite_database.h"

namespace runledger::exporters {

using ingest::CommitMetadata;
using ingest::Position;
using ingest::RowBatch;
using ingest::SinkOpened;
using ingest::SubmitResult;
using ingest::Tenure;
using ingest::TopicPartition;

v1::Event RunEvent(const std::string& job, const std::string& run, v1::Status status, int64_t time_us) {
  v1::Event event;
  event.set_event_time_us(time_us);
  event.mutable_run()->set_job_name(job);
  event.mutable_run()->set_run_id(run);
  event.mutable_run()->set_status(status);
  return event;
}

v1::Event KindEvent(v1::Kind kind, const std::string& job, const std::string& run, v1::Status status, int64_t time_us) {
  v1::Event event = RunEvent(job, run, status, time_us);
  event.mutable_run()->set_kind(kind);
  return event;
}

std::shared_ptr<RowBatch> BatchOf(const TopicPartition& partition, const Position& from,
                                  const std::vector<v1::Event>& events, int64_t epoch) {
  const codecs::EventDecoder decoder{codecs::Limits{}};
  const codecs::RowEncoder encoder{codecs::SecretNames{}};
  auto batch = std::make_shared<RowBatch>(partition, epoch, from);
  Position at = from;
  for (const v1::Event& event : events) {
    const std::string wire = event.SerializeAsString();
    codecs::Event decoded;
    codecs::Rejection rejection;
    EXPECT_TRUE(decoder.Decode(wire, -1, &decoded, &rejection)) << rejection.text;
    const codecs::ColumnRefusal refusal = encoder.Check(decoded);
    batch->BeginRecord(/*has_key=*/false, {}, {});
    batch->Add(at, event.event_time_us() + kSecond, wire, refusal ? codecs::RefusalText(refusal) : std::string());
    at = {at.offset + 1, 0};
    batch->ExtendTo(at);
  }
  return batch;
}

void Recorder::OnSinkOpened(const TopicPartition&, Tenure tenure, SinkOpened opened) {
  const std::lock_guard lock(mutex_);
  opened_[tenure] = std::move(opened);
}

void Recorder::OnSubmitted(const TopicPartition&, Tenure, uint64_t submission, SubmitResult result) {
  std::unique_lock lock(mutex_);
  EXPECT_FALSE(results_.contains(submission)) << "answered twice";
  if (submission == hold_) {
    held_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return hold_ == 0; });
  }
  results_[submission] = std::move(result);
  order_.push_back(submission);
}

SinkOpened Recorder::opened(Tenure tenure) const {
  const std::lock_guard lock(mutex_);
  const auto at = opened_.find(tenure);
  EXPECT_NE(at, opened_.end()) << "no answer to Open";
  return at == opened_.end() ? SinkOpened{} : at->second;
}

SubmitResult Recorder::result(uint64_t submission) const {
  const std::lock_guard lock(mutex_);
  const auto at = results_.find(submission);
  EXPECT_NE(at, results_.end()) << "no answer to submission " << submission;
  return at == results_.end() ? SubmitResult{.kind = SubmitResult::Kind::kStopped,
                                             .refused = {},
                                             .status = absl::UnknownError("no answer")}
                              : at->second;
}

void Recorder::Hold(uint64_t submission) {
  const std::lock_guard lock(mutex_);
  hold_ = submission;
  held_ = false;
}

void Recorder::WaitHeld() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return held_; });
}

void Recorder::Release() {
  const std::lock_guard lock(mutex_);
  hold_ = 0;
  changed_.notify_all();
}

std::vector<uint64_t> Recorder::order() const {
  const std::lock_guard lock(mutex_);
  return order_;
}

WarehouseTest::WarehouseTest() {
  std::string name = (std::filesystem::temp_directory_path() / "runledger-XXXXXX").string();
  directory_ = mkdtemp(name.data());
  path_ = directory_ + "/warehouse.db";
}

WarehouseTest::~WarehouseTest() { std::filesystem::remove_all(directory_); }

SqliteOptions WarehouseTest::Options() {
  SqliteOptions options;
  options.path = path_;
  options.secrets = {"password", "api_key"};
  options.expiry_days = 0;
  options.busy_timeout_ms = kBusyTimeoutMs;
  options.now_us = [this] { return now_us_.load(); };
  options.on_problem = [this](const std::string& text) {
    const std::lock_guard lock(problems_mutex_);
    problems_.push_back(text);
  };
  return options;
}

std::unique_ptr<SqliteSink> WarehouseTest::NewSink(const SqliteOptions& options) {
  auto sink = std::make_unique<SqliteSink>(options, &recorder_, &metrics_);
  const absl::Status status = sink->Start();
  EXPECT_TRUE(status.ok()) << status;
  return sink;
}

SinkOpened WarehouseTest::OpenPartition(SqliteSink* sink, Tenure tenure, const TopicPartition& partition,
                                        const Position& committed, const CommitMetadata& metadata) {
  sink->Open(partition, tenure, committed, metadata);
  sink->WaitIdle();
  return recorder_.opened(tenure);
}

SubmitResult WarehouseTest::SubmitBatch(SqliteSink* sink, Tenure tenure, std::shared_ptr<const RowBatch> rows) {
  const uint64_t submission = next_submission_++;
  sink->Submit(tenure, submission, std::move(rows));
  sink->WaitIdle();
  return recorder_.result(submission);
}

void WarehouseTest::Write(SqliteSink* sink, const std::vector<v1::Event>& events) {
  const TopicPartition partition{"runledger.events", next_partition_++};
  const Tenure tenure = next_tenure_++;
  ASSERT_TRUE(OpenPartition(sink, tenure, partition).status.ok());
  const SubmitResult result = SubmitBatch(sink, tenure, BatchOf(partition, {}, events));
  ASSERT_EQ(result.kind, SubmitResult::Kind::kDone) << result.status;
}

std::vector<SqlRow> WarehouseTest::Query(const std::string& sql) {
  absl::StatusOr<std::unique_ptr<Database>> database =
      Database::Open({.path = path_, .busy_timeout_ms = kBusyTimeoutMs});
  EXPECT_TRUE(database.ok()) << database.status();
  absl::StatusOr<Statement> statement = (*database)->Prepare(sql);
  EXPECT_TRUE(statement.ok()) << statement.status();
  if (!statement.ok()) return {};
  const int columns = sqlite3_column_count(sqlite3_next_stmt((*database)->handle(), nullptr));
  std::vector<SqlRow> rows;
  while (true) {
    const absl::StatusOr<bool> row = statement->Step();
    EXPECT_TRUE(row.ok()) << row.status();
    if (!row.ok() || !*row) return rows;
    SqlRow& values = rows.emplace_back();
    for (int i = 0; i < columns; ++i) values.push_back(statement->IsNull(i) ? "NULL" : std::string(statement->Text(i)));
  }
}

std::string WarehouseTest::QueryOne(const std::string& sql) {
  const std::vector<SqlRow> rows = Query(sql);
  EXPECT_EQ(rows.size(), 1u) << sql;
  return rows.size() == 1 ? rows[0][0] : std::string();
}

void WarehouseTest::Execute(const std::string& sql) {
  absl::StatusOr<std::unique_ptr<Database>> database =
      Database::Open({.path = path_, .busy_timeout_ms = kBusyTimeoutMs});
  ASSERT_TRUE(database.ok()) << database.status();
  const absl::Status status = (*database)->Execute(sql);
  ASSERT_TRUE(status.ok()) << status;
}

}  // namespace runledger::exporters
