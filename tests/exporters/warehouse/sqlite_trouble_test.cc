#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "exporters/warehouse/sqlite_database.h"
#include "exporters/warehouse/warehouse_testing.h"

// What can go wrong with the file, and that the sink works again once it is well.
namespace runledger::exporters {
namespace {

using ingest::Position;
using ingest::SinkOpened;
using ingest::SubmitResult;
using ingest::TopicPartition;
using Kind = SubmitResult::Kind;

const TopicPartition kPartition{"runledger.events", 0};

class TroubleTest : public WarehouseTest {
 protected:
  // A submission of `rows` events from the next position.
  SubmitResult SubmitNext(SqliteSink* sink, int rows = 1) {
    std::vector<v1::Event> events;
    for (int i = 0; i < rows; ++i) {
      events.push_back(RunEvent("job", "run-" + std::to_string(offset_ + i), v1::FAILED));
      events.back().mutable_run()->set_error_message(std::string(500, 'x'));
    }
    SubmitResult result = SubmitBatch(sink, 1, BatchOf(kPartition, {offset_, 0}, events));
    if (result.kind == Kind::kDone) offset_ += rows;
    return result;
  }

  // Does not wait for a lock that is not going to be free.
  SqliteOptions Impatient() {
    SqliteOptions options = Options();
    options.busy_timeout_ms = 1;
    return options;
  }

  void ExpectWhole() {
    EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM events"), std::to_string(offset_));
    EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM run_heads"), std::to_string(offset_));
    EXPECT_EQ(QueryOne("SELECT \"offset\" FROM positions"), std::to_string(offset_));
    EXPECT_EQ(QueryOne("PRAGMA integrity_check"), "ok");
  }

  std::vector<std::string> problems() {
    const std::lock_guard lock(problems_mutex_);
    return problems_;
  }

  int64_t offset_ = 0;
};

void ExpectStopped(const SubmitResult& result, const std::vector<std::string>& said) {
  EXPECT_EQ(result.kind, Kind::kStopped);
  for (const std::string& word : said) {
    EXPECT_NE(result.status.message().find(word), std::string::npos) << word << " in " << result.status;
  }
}

TEST_F(TroubleTest, DiskFullAndWellAgain) {
  const auto sink = NewSink();
  OpenPartition(sink.get(), 1, kPartition);
  ASSERT_EQ(SubmitNext(sink.get(), 100).kind, Kind::kDone);

  sink->SetPageLimit(std::stoll(QueryOne("PRAGMA page_count")) + 2);
  const SubmitResult full = SubmitNext(sink.get(), 100);
  ExpectStopped(full, {path_, "full", "SQLITE_FULL", "free space"});
  EXPECT_TRUE(absl::IsUnavailable(full.status));
  ExpectStopped(SubmitNext(sink.get(), 100), {"SQLITE_FULL"});
  ExpectWhole();
  ASSERT_EQ(problems().size(), 1u) << "said once";
  EXPECT_NE(problems()[0].find("SQLITE_FULL"), std::string::npos);

  sink->SetPageLimit(0);
  EXPECT_EQ(SubmitNext(sink.get(), 100).kind, Kind::kDone);
  ExpectWhole();
  EXPECT_EQ(problems().back(), "");
}

// What is submitted behind the one that failed is not written, even where there is room for it.
TEST_F(TroubleTest, NothingOvertakesAFailedSubmission) {
  const auto sink = NewSink();
  OpenPartition(sink.get(), 1, kPartition);
  ASSERT_EQ(SubmitNext(sink.get(), 100).kind, Kind::kDone);
  sink->SetPageLimit(1);
  ExpectStopped(SubmitNext(sink.get(), 100), {"SQLITE_FULL"});
  sink->SetPageLimit(0);
  ExpectStopped(
      SubmitBatch(sink.get(), 1, BatchOf(kPartition, {offset_ + 100, 0}, {RunEvent("j", "later", v1::RUNNING)})),
      {"come again from 100"});
  EXPECT_EQ(SubmitNext(sink.get(), 100).kind, Kind::kDone);
  EXPECT_EQ(SubmitNext(sink.get(), 1).kind, Kind::kDone);
  ExpectWhole();
}

// Several submissions of one transaction fail together, and come again from the first of them.
TEST_F(TroubleTest, ATransactionOfSeveralIsGivenUpWhole) {
  const auto sink = NewSink();
  const TopicPartition other{"runledger.events", 1};
  OpenPartition(sink.get(), 1, kPartition);
  OpenPartition(sink.get(), 2, other);
  recorder_.Hold(1);
  sink->Submit(1, 1, BatchOf(kPartition, {0, 0}, {RunEvent("j", "first", v1::RUNNING)}));
  recorder_.WaitHeld();
  // These wait, and are one transaction: small, out of place, of another partition, too large.
  const std::vector<v1::Event> many(3000, RunEvent("j", "many", v1::FAILED));
  sink->SetPageLimit(std::stoll(QueryOne("PRAGMA page_count")) + 5);
  sink->Submit(1, 2, BatchOf(kPartition, {1, 0}, {RunEvent("j", "second", v1::RUNNING)}));
  sink->Submit(1, 3, BatchOf(kPartition, {50, 0}, {RunEvent("j", "astray", v1::RUNNING)}));
  sink->Submit(2, 4, BatchOf(other, {0, 0}, {RunEvent("j", "other", v1::RUNNING)}));
  sink->Submit(1, 5, BatchOf(kPartition, {2, 0}, many));
  sink->Submit(2, 6, BatchOf(other, {1, 0}, many));
  recorder_.Release();
  sink->WaitIdle();
  for (const uint64_t submission : {2, 3, 4, 5, 6})
    EXPECT_EQ(recorder_.result(submission).kind, Kind::kStopped) << submission;
  EXPECT_EQ(Query("SELECT run_id FROM events"), (std::vector<SqlRow>{{"first"}}));

  sink->SetPageLimit(0);
  sink->Submit(1, 7, BatchOf(kPartition, {2, 0}, many));
  sink->Submit(1, 8, BatchOf(kPartition, {1, 0}, {RunEvent("j", "second", v1::RUNNING)}));
  sink->Submit(1, 9, BatchOf(kPartition, {2, 0}, many));
  sink->Submit(2, 10, BatchOf(other, {0, 0}, many));
  sink->WaitIdle();
  EXPECT_EQ(recorder_.result(7).kind, Kind::kStopped);
  for (const uint64_t submission : {8, 9, 10})
    EXPECT_EQ(recorder_.result(submission).kind, Kind::kDone) << recorder_.result(submission).status;
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM events"), "6002");
}

// Whatever the moment at which the process dies: as many rows as the position says.
TEST_F(TroubleTest, KilledAtAnyMoment) {
  for (const int64_t at_least : {1, 700, 1500, 3300}) {
    const pid_t child = fork();
    if (child == 0) {
      const auto sink = NewSink();
      const SinkOpened opened = OpenPartition(sink.get(), 1, kPartition);
      if (!opened.position) _exit(1);  // what was expected of it is told by then
      offset_ = opened.position->offset;
      while (SubmitNext(sink.get(), 37).kind == Kind::kDone) continue;
      _exit(1);
    }
    ASSERT_GT(child, 0);
    const auto reached = [&] {
      absl::StatusOr<std::unique_ptr<Database>> database = Database::Open({.path = path_, .read_only = true});
      if (!database.ok()) return false;
      const absl::StatusOr<int64_t> offset = (*database)->QueryInteger("SELECT \"offset\" FROM positions");
      return offset.ok() && *offset >= at_least;
    };
    int status = 0;
    while (!reached()) ASSERT_EQ(waitpid(child, &status, WNOHANG), 0) << "it ended by itself";
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
    offset_ = std::stoll(QueryOne("SELECT \"offset\" FROM positions"));
    EXPECT_GE(offset_, at_least);
    ExpectWhole();
  }
}

TEST_F(TroubleTest, AnotherProcessHoldsTheLock) {
  const auto sink = NewSink(Impatient());
  OpenPartition(sink.get(), 1, kPartition);
  absl::StatusOr<std::unique_ptr<Database>> other = Database::Open({.path = path_});
  ASSERT_TRUE((*other)->Execute("BEGIN IMMEDIATE").ok());
  ExpectStopped(SubmitNext(sink.get()), {path_, "locked", "SQLITE_BUSY", "another process"});
  EXPECT_TRUE(absl::IsUnavailable(OpenPartition(sink.get(), 2, kPartition).status));
  ASSERT_TRUE((*other)->Execute("COMMIT").ok());
  EXPECT_EQ(SubmitNext(sink.get()).kind, Kind::kDone) << "the Open that failed has not fenced the owner";
  ExpectWhole();
}

// Exclusive from before the sink's first look at it.
TEST_F(TroubleTest, LockedAtTheStart) {
  NewSink();
  absl::StatusOr<std::unique_ptr<Database>> other = Database::Open({.path = path_});
  ASSERT_TRUE((*other)->Execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").ok());
  SqliteSink sink(Impatient(), &recorder_, nullptr);
  EXPECT_TRUE(absl::IsUnavailable(sink.Start()));
  EXPECT_TRUE(absl::IsUnavailable(OpenPartition(&sink, 1, kPartition).status));
  other->reset();
  EXPECT_TRUE(OpenPartition(&sink, 2, kPartition).status.ok());
}

TEST_F(TroubleTest, NoSuchDirectoryUntilItIsMade) {
  path_ = directory_ + "/later/warehouse.db";
  SqliteSink sink(Options(), &recorder_, nullptr);
  const absl::Status status = sink.Start();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_NE(status.message().find("directory must exist"), std::string::npos) << status;
  EXPECT_NE(status.message().find(path_), std::string::npos) << status;
  EXPECT_TRUE(absl::IsUnavailable(OpenPartition(&sink, 1, kPartition).status));
  std::filesystem::create_directory(directory_ + "/later");
  EXPECT_TRUE(OpenPartition(&sink, 1, kPartition).status.ok());
  EXPECT_EQ(SubmitNext(&sink).kind, Kind::kDone);
}

TEST_F(TroubleTest, NoDatabaseAtAll) {
  std::ofstream(path_) << std::string(5000, 'x');
  SqliteSink sink(Options(), &recorder_, nullptr);
  const absl::Status status = sink.Start();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_NE(status.message().find("no SQLite database"), std::string::npos) << status;
  EXPECT_EQ(std::filesystem::file_size(path_), 5000u) << "left as it is";
  std::filesystem::remove(path_);
  EXPECT_TRUE(OpenPartition(&sink, 1, kPartition).status.ok());
}

// A file that was taken away takes no rows; one in its place begins at the committed position.
TEST_F(TroubleTest, TheFileIsReplaced) {
  const auto sink = NewSink();
  OpenPartition(sink.get(), 1, kPartition);
  ASSERT_EQ(SubmitNext(sink.get(), 5).kind, Kind::kDone);
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::rename(path_ + suffix, directory_ + "/old" + suffix);
  EXPECT_EQ(SubmitNext(sink.get()).kind, Kind::kFenced) << "the new file knows of no owner";
  EXPECT_EQ(OpenPartition(sink.get(), 1, kPartition, {5, 0}).position, (Position{5, 0}));
  EXPECT_EQ(SubmitNext(sink.get()).kind, Kind::kDone);
  EXPECT_EQ(QueryOne("SELECT COUNT(*) FROM events"), "1");
}

// A real error of the file system: this process may not write beyond so many bytes.
TEST_F(TroubleTest, WritesFailAndWorkAgain) {
  const auto sink = NewSink();
  OpenPartition(sink.get(), 1, kPartition);
  ASSERT_EQ(SubmitNext(sink.get(), 10).kind, Kind::kDone);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = std::filesystem::file_size(path_ + "-wal") + 1000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const SubmitResult failed = SubmitNext(sink.get(), 1000);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  ExpectStopped(failed, {path_, "SQLITE_IOERR", "file system"});
  EXPECT_TRUE(absl::IsUnavailable(failed.status));
  EXPECT_EQ(SubmitNext(sink.get(), 1000).kind, Kind::kDone);
  ExpectWhole();
}

// A reader that never lets go keeps the write-ahead log from being used again: it must not fill the disk.
TEST_F(TroubleTest, ALongReaderStopsRowsAtTheLimitOfTheLog) {
  SqliteOptions options = Options();
  options.wal_limit_bytes = 1 << 20;
  const auto sink = NewSink(options);
  OpenPartition(sink.get(), 1, kPartition);
  ASSERT_EQ(SubmitNext(sink.get(), 10).kind, Kind::kDone);

  absl::StatusOr<std::unique_ptr<Database>> reader = Database::Open({.path = path_});
  ASSERT_TRUE((*reader)->Execute("BEGIN; SELECT COUNT(*) FROM events").ok());
  SubmitResult last;
  for (int i = 0; i < 100 && last.kind == Kind::kDone; ++i) last = SubmitNext(sink.get(), 300);
  ExpectStopped(last, {path_, "write-ahead log", "reader"});
  const auto size = std::filesystem::file_size(path_ + "-wal");
  EXPECT_LT(size, 4u << 20);
  SubmitNext(sink.get(), 300);
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), size) << "it grows no more";

  ASSERT_TRUE((*reader)->Execute("COMMIT").ok());
  EXPECT_EQ(SubmitNext(sink.get(), 300).kind, Kind::kDone);
  EXPECT_LT(std::filesystem::file_size(path_ + "-wal"), size);
  ExpectWhole();
}

TEST_F(TroubleTest, TheLogIsUsedAgainWhereNobodyReads) {
  const auto sink = NewSink();
  OpenPartition(sink.get(), 1, kPartition);
  for (int i = 0; i < 60; ++i) ASSERT_EQ(SubmitNext(sink.get(), 2000).kind, Kind::kDone);
  EXPECT_GT(std::filesystem::file_size(path_), 64u << 20);
  EXPECT_LT(std::filesystem::file_size(path_ + "-wal"), 40u << 20);
}

}  // namespace
}  // namespace runledger::exporters
