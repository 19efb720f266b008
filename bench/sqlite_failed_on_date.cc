// How fast does the SQLite warehouse take rows, and how long do the questions of an operator take over all its history?
//
//   sqlite_failed_on_date [rows] [directory]     10,000 rows and a directory of its own, unless told otherwise
//
// Rows are those of a platform of 500 jobs over 90 days: 4 events a run, about 36 filled columns. The rate is rows over
// wall time, with the rows' making on another thread; beside it the processor time of the sink's thread. Each question
// is asked 5 times: median, least and greatest time.

#include <time.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bench/platform_rows.h"
#include "codecs/civil_time.h"
#include "exporters/warehouse/sqlite_database.h"
#include "exporters/warehouse/sqlite_sink.h"
#include "runledger/v1/event.pb.h"

namespace runledger {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPartitions = 12;
constexpr int kEventsPerRun = bench::PlatformRows::kEventsPerRun;
constexpr int64_t kFirstUs = bench::PlatformRows::kFirstUs;
constexpr int64_t kDayUs = bench::PlatformRows::kDayUs;
constexpr int kDays = bench::PlatformRows::kDays;
constexpr size_t kBatchRows = 2000;
constexpr int kInFlight = 8;

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

// Processor time of the threads beside this one, so far.
double OtherThreadsSeconds() {
  timespec all{};
  timespec mine{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mine);
  return static_cast<double>(all.tv_sec - mine.tv_sec) + static_cast<double>(all.tv_nsec - mine.tv_nsec) / 1e9;
}

// Fails loudly; lets the producer wait for room.
class Listener : public ingest::RowSinkListener {
 public:
  void OnSinkOpened(const ingest::TopicPartition&, ingest::Tenure, ingest::SinkOpened opened) override {
    Check(opened.status);
    const std::lock_guard lock(mutex_);
    ++opened_;
    changed_.notify_one();
  }
  void OnSubmitted(const ingest::TopicPartition&, ingest::Tenure, uint64_t, ingest::SubmitResult result) override {
    Check(result.status);
    const std::lock_guard lock(mutex_);
    --in_flight_;
    changed_.notify_one();
  }
  void WaitOpened(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return opened_ == count; });
  }
  void WaitForRoom(int in_flight) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return in_flight_ <= in_flight; });
    ++in_flight_;
  }

 private:
  static void Check(const absl::Status& status) {
    if (status.ok()) return;
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    std::exit(1);
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  int opened_ = 0;
  int in_flight_ = 0;
};

void Fill(const std::string& path, int64_t rows) {
  Listener listener;
  exporters::SqliteOptions options;
  options.path = path;
  options.now_us = [] {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  exporters::SqliteSink sink(options, &listener, nullptr);
  if (const absl::Status status = sink.Start(); !status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    std::exit(1);
  }
  for (int p = 0; p < kPartitions; ++p) sink.Open({"runledger.events", p}, static_cast<ingest::Tenure>(p + 1), {}, {});
  listener.WaitOpened(kPartitions);
  if (rows == 0) return;  // opened, so that its views are those of today

  const Clock::time_point start = Clock::now();
  std::vector<ingest::Position> at(kPartitions);
  v1::Event event;
  const int64_t runs = rows / kEventsPerRun;
  uint64_t submission = 0;
  Clock::time_point last = start;
  int64_t last_rows = 0;
  // Runs of one span of time, batch by batch over the partitions; the steps of a run come apart, as they do in life.
  const int64_t span = kPartitions * static_cast<int64_t>(kBatchRows);
  for (int64_t first = 0; first < runs; first += span) {
    for (int step = 0; step < kEventsPerRun; ++step) {
      for (int p = 0; p < kPartitions; ++p) {
        ingest::Position& position = at[static_cast<size_t>(p)];
        auto batch = std::make_shared<ingest::RowBatch>(ingest::TopicPartition{"runledger.events", p}, 0, position);
        for (int64_t number = first + p; number < std::min(first + span, runs); number += kPartitions) {
          bench::PlatformRows::Fill(number, step, runs, &event);
          batch->BeginRecord(false, {}, {});
          batch->Add(position, event.event_time_us(), event.SerializeAsString(), {});
          ++position.offset;
          batch->ExtendTo(position);
        }
        listener.WaitForRoom(kInFlight - 1);
        sink.Submit(static_cast<ingest::Tenure>(p + 1), ++submission, batch);
      }
    }
    const int64_t done = std::min(first + span, runs) * kEventsPerRun;
    if (done - last_rows >= 1'000'000 || done == rows) {
      std::printf("%12lld rows  %8.0f rows/s\n", static_cast<long long>(done),
                  static_cast<double>(done - last_rows) / Seconds(last));
      std::fflush(stdout);
      last = Clock::now();
      last_rows = done;
    }
  }
  sink.Stop();
  std::printf("written: %lld rows, %.0f rows/s, %.1f us of processor time a row; file: %.0f MiB, %.0f bytes a row\n",
              static_cast<long long>(rows), static_cast<double>(rows) / Seconds(start),
              OtherThreadsSeconds() * 1e6 / static_cast<double>(rows),
              static_cast<double>(std::filesystem::file_size(path)) / (1 << 20),
              static_cast<double>(std::filesystem::file_size(path)) / static_cast<double>(rows));
  std::fflush(stdout);
}

void Ask(exporters::Database* database, const char* name, const std::string& sql) {
  std::vector<double> times;
  int64_t rows = 0;
  for (int i = 0; i < 5; ++i) {
    const Clock::time_point start = Clock::now();
    absl::StatusOr<exporters::Statement> statement = database->Prepare(sql);
    if (!statement.ok()) {
      std::fprintf(stderr, "%s\n", statement.status().ToString().c_str());
      std::exit(1);
    }
    rows = 0;
    while (true) {
      const absl::StatusOr<bool> row = statement->Step();
      if (!row.ok() || !*row) break;
      ++rows;
    }
    times.push_back(Seconds(start));
  }
  std::printf("%-34s %8lld rows  first %8.4f s", name, static_cast<long long>(rows), times[0]);
  std::sort(times.begin(), times.end());
  std::printf("  median %8.4f  least %8.4f  greatest %8.4f s\n", times[2], times.front(), times.back());
}

void AskAll(const std::string& path) {
  absl::StatusOr<std::unique_ptr<exporters::Database>> database =
      exporters::Database::Open({.path = path, .read_only = true});
  if (!database.ok()) std::exit(1);
  const std::string date = codecs::FormatDate(codecs::DayOf(kFirstUs + 60 * kDayUs));
  const std::string since = std::to_string(kFirstUs + (kDays - 1) * kDayUs);
  const auto ask = [&](const char* name, const std::string& sql) { Ask(database->get(), name, sql); };
  ask("failed on a date",
      "SELECT processor_name, run_id, phase, error_message, started_at FROM processor_run_history WHERE data_date = '" +
          date + "' AND status = 'failed' ORDER BY started_at DESC");
  ask("the same, every column",
      "SELECT * FROM processor_run_history WHERE data_date = '" + date + "' AND status = 'failed'");
  ask("part of a run id",
      "SELECT processor_name, run_id, status FROM processor_run_history WHERE run_id LIKE '%fea26b01%'");
  ask("one job's 50 newest runs",
      "SELECT run_id, status, duration_seconds FROM processor_run_history WHERE processor_name ="
      " 'PlayerSummaryProcessor003' ORDER BY started_at DESC LIMIT 50");
  ask("by phase, the last day",
      "SELECT phase, processor_name, COUNT(*), AVG(duration_seconds), MAX(duration_seconds) FROM processor_run_history"
      " WHERE started_at >= " +
          since + " GROUP BY 1, 2");
  ask("success rate by scraper, all",
      "SELECT scraper_name, COUNT(*), AVG(duration_seconds) FROM scraper_execution_log GROUP BY 1");
  ask("runs by status, all", "SELECT status, COUNT(*) FROM processor_run_history GROUP BY 1");
}

}  // namespace
}  // namespace runledger

int main(int argc, char** argv) {
  const int64_t rows = argc > 1 ? std::atoll(argv[1]) : 10'000;
  std::string directory = (std::filesystem::temp_directory_path() / "runledger-bench-XXXXXX").string();
  if (argc > 2) {
    directory = argv[2];
  } else if (mkdtemp(directory.data()) == nullptr) {
    return 1;
  }
  const std::string path = directory + "/warehouse.db";
  runledger::Fill(path, std::filesystem::exists(path) ? 0 : rows / 4 * 4);
  runledger::AskAll(path);
  if (argc <= 2) std::filesystem::remove_all(directory);
  return 0;
}
