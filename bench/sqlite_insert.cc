// How fast does the SQLite warehouse take rows, beside a bare prepared-statement insert of the same?
//
//   bench_sqlite_insert [rows] [pairs] [directory]     200,000, 5 and a directory of its own, unless told otherwise
//
// Both write the same rows of platform_rows.h, all columns, into a new file that the warehouse has made, so tables and
// indexes are the same too: 20,000 rows a transaction, the same pragmas, a checkpoint when the log has 16 MiB. The
// warehouse begins with the events' bytes, as they come from the log: it decodes them, makes rows, looks up the head of
// each run, checks the fence and moves the position. The bare insert has all values ready and knows the statement for
// each head before (insert, touch, replace), so it writes what the tables hold in the end and does nothing else. The
// contents of both files are compared. The ratio is that of rows a processor second of the writing thread; wall time,
// in which the disk has a part, stands beside it.

#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/platform_rows.h"
#include "bench/result.h"
#include "bench/stopwatch.h"
#include "codecs/civil_time.h"
#include "codecs/event_decoder.h"
#include "codecs/row.h"
#include "exporters/warehouse/sqlite_schema.h"
#include "exporters/warehouse/sqlite_sink.h"

namespace runledger::bench {
namespace {

constexpr int kPartitions = 12;
constexpr size_t kBatchRows = 2'000;
constexpr size_t kTransactionRows = 20'000;  // as SqliteOptions has it
constexpr int64_t kCheckpointBytes = 16 << 20;
constexpr char kTopic[] = "runledger.events";
constexpr int64_t kIngestedUs = PlatformRows::kFirstUs + PlatformRows::kDays * PlatformRows::kDayUs;

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

// Every answer must be that the rows are there.
class Listener : public ingest::RowSinkListener {
 public:
  void OnSinkOpened(const ingest::TopicPartition&, ingest::Tenure, ingest::SinkOpened opened) override {
    if (!opened.status.ok()) Die(opened.status.ToString());
  }
  void OnSubmitted(const ingest::TopicPartition&, ingest::Tenure, uint64_t, ingest::SubmitResult result) override {
    if (result.kind != ingest::SubmitResult::Kind::kDone)
      Die("a submission was not written: " + result.status.ToString());
  }
};

using Batches = std::vector<std::shared_ptr<const ingest::RowBatch>>;

// Batch by batch over the partitions; the steps of a run come apart, as they do in life.
Batches MakeBatches(int64_t rows) {
  Batches batches;
  std::vector<ingest::Position> at(kPartitions);
  v1::Event event;
  const int64_t runs = rows / PlatformRows::kEventsPerRun;
  const int64_t span = kPartitions * static_cast<int64_t>(kBatchRows);
  for (int64_t first = 0; first < runs; first += span) {
    for (int step = 0; step < PlatformRows::kEventsPerRun; ++step) {
      for (int p = 0; p < kPartitions; ++p) {
        ingest::Position& position = at[static_cast<size_t>(p)];
        auto batch = std::make_shared<ingest::RowBatch>(ingest::TopicPartition{kTopic, p}, 0, position);
        for (int64_t number = first + p; number < std::min(first + span, runs); number += kPartitions) {
          PlatformRows::Fill(number, step, runs, &event);
          batch->BeginRecord(false, {}, {});
          batch->Add(position, event.event_time_us(), event.SerializeAsString(), {});
          ++position.offset;
          batch->ExtendTo(position);
        }
        if (!batch->empty()) batches.push_back(std::move(batch));
      }
    }
  }
  return batches;
}

struct Cost {
  double cpu_seconds = 0;
  double wall_seconds = 0;
};

Cost WriteWithSink(const std::string& path, const Batches& batches) {
  Listener listener;
  exporters::SqliteOptions options;
  options.path = path;
  options.now_us = [] { return kIngestedUs; };
  exporters::SqliteSink sink(options, &listener, nullptr);
  if (const absl::Status status = sink.Start(); !status.ok()) Die(status.ToString());
  for (int p = 0; p < kPartitions; ++p) sink.Open({kTopic, p}, static_cast<ingest::Tenure>(p + 1), {}, {});
  sink.WaitIdle();
  const Stopwatch process;
  const Stopwatch mine(CLOCK_THREAD_CPUTIME_ID);
  uint64_t submission = 0;
  for (const auto& batch : batches) {
    sink.Submit(static_cast<ingest::Tenure>(batch->partition().partition + 1), ++submission, batch);
  }
  sink.Stop();
  return {process.cpu_seconds() - mine.cpu_seconds(), process.wall_seconds()};
}

// A value that is not NULL, ready to bind.
struct Bound {
  enum class Type : uint8_t { kInteger, kReal, kText };
  int parameter = 0;
  Type type = Type::kInteger;
  int64_t integer = 0;
  double real = 0;
  std::string text;
};

// Rows one after the other in one piece of memory, so that reading them costs no more than it must. A row is the number
// of the head's statement, the values of `events`, 0, those of the head, 0; a value is its parameter, its type, and 8
// bytes of number or 4 of size and the text.
struct BareRows {
  std::string bytes;
  size_t count = 0;

  template <typename T>
  void Add(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void Add(const std::vector<Bound>& values) {
    for (const Bound& value : values) {
      Add(static_cast<uint8_t>(value.parameter));
      Add(value.type);
      switch (value.type) {
        case Bound::Type::kInteger:
          Add(value.integer);
          break;
        case Bound::Type::kReal:
          Add(value.real);
          break;
        case Bound::Type::kText:
          Add(static_cast<uint32_t>(value.text.size()));
          bytes += value.text;
          break;
      }
    }
    Add(uint8_t{0});
  }
};
template <typename T>
T Take(const char** at) {
  T value;
  std::memcpy(&value, *at, sizeof value);
  *at += sizeof value;
  return value;
}

// Parameters of every statement of heads.
enum HeadParameter {
  kJobName = 1,
  kRunId,
  kAttempt,
  kRank,
  kEventTime,
  kSequence,
  kEventId,
  kEventRowid,
  kSaid,
  kDuration,
  kKind,
  kStatus,
  kDataDate,
  kStartedAt,
  kBeganAt,
};

constexpr const char* kHeadSql[] = {
    "INSERT INTO run_heads (job_name, run_id, attempt, rank, event_time, sequence, event_id, event_rowid, said,"
    " duration_seconds, kind, status, data_date, started_at, began_at)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    "UPDATE run_heads SET rank = ?4, event_time = ?5, sequence = ?6, event_id = ?7, event_rowid = ?8, said = ?9,"
    " duration_seconds = ?10 WHERE job_name = ?1 AND run_id = ?2 AND attempt = ?3",
    "UPDATE run_heads SET rank = ?4, event_time = ?5, sequence = ?6, event_id = ?7, event_rowid = ?8, said = ?9,"
    " duration_seconds = ?10, kind = ?11, status = ?12, data_date = ?13, started_at = ?14, began_at = ?15"
    " WHERE job_name = ?1 AND run_id = ?2 AND attempt = ?3"};

BareRows MakeBareRows(const Batches& batches) {
  const std::span<const codecs::Column> columns = codecs::EventColumns();
  codecs::EventDecoder decoder{codecs::Limits{}};
  const codecs::RowEncoder encoder{codecs::SecretNames{}};
  BareRows rows;
  std::vector<Bound> values, head_values;
  std::unordered_map<std::string, int64_t> said_of;  // by run
  codecs::Event event;
  codecs::Rejection rejection;
  codecs::Row row;
  for (const auto& batch : batches) {
    for (size_t i = 0; i < batch->size(); ++i) {
      const ingest::RowBatch::Row source = (*batch)[i];
      if (!decoder.Decode(source.event, -1, &event, &rejection)) Die(rejection.text);
      encoder.Encode({.topic = kTopic,
                      .partition = batch->partition().partition,
                      .offset = source.position.offset,
                      .batch_index = source.position.index,
                      .log_epoch = 0,
                      .log_time_us = source.log_time_us,
                      .ingested_at_us = kIngestedUs},
                     event, {}, &row);
      values.clear();
      head_values.clear();
      int64_t said = 0;
      for (size_t c = 0; c < columns.size(); ++c) {
        const codecs::Value& value = row[c];
        if (value.null) continue;
        if (const auto bit = exporters::SaidBit(columns[c].name)) said |= int64_t{1} << *bit;
        Bound bound{.parameter = static_cast<int>(c) + 1, .integer = value.integer, .real = value.number, .text = {}};
        switch (columns[c].type) {
          case codecs::ColumnType::kString:
          case codecs::ColumnType::kJson:
            bound.type = Bound::Type::kText;
            bound.text = value.text;
            break;
          case codecs::ColumnType::kDate:
            bound.type = Bound::Type::kText;
            bound.text = codecs::FormatDate(static_cast<int32_t>(value.integer));
            break;
          case codecs::ColumnType::kFloat64:
            bound.type = Bound::Type::kReal;
            break;
          default:
            break;
        }
        values.push_back(std::move(bound));
      }
      const bool ends = event.run.status != codecs::Status::kRunning;
      const uint8_t head = ends ? 2 : event.run.heartbeat ? 1 : 0;
      const auto integer = [&](int parameter, int64_t value) {
        head_values.push_back({.parameter = parameter, .integer = value, .text = {}});
      };
      const auto column = [&](int parameter, const char* name) {
        for (const Bound& value : values) {
          if (value.parameter != static_cast<int>(codecs::EventColumnIndex(name)) + 1) continue;
          head_values.push_back(value);
          head_values.back().parameter = parameter;
        }
      };
      column(kJobName, "job_name");
      column(kRunId, "run_id");
      column(kAttempt, "attempt");
      integer(kRank, ends ? 2 : 0);
      column(kEventTime, "event_time");
      column(kSequence, "sequence");
      column(kEventId, "event_id");
      int64_t& said_so_far = said_of[std::string(event.run.run_id)];
      said_so_far |= said;
      integer(kSaid, said_so_far);
      column(kDuration, "duration_seconds");
      if (head != 1) {  // what is searched for has changed
        column(kKind, "kind");
        column(kStatus, "status");
        column(kDataDate, "data_date");
        column(kStartedAt, "started_at");
        column(kBeganAt, "started_at");
      }
      rows.Add(head);
      rows.Add(values);
      rows.Add(head_values);
      ++rows.count;
    }
  }
  return rows;
}

class Bare {
 public:
  explicit Bare(const std::string& path) {
    // The warehouse makes the file, so the schema is the same.
    WriteWithSink(path, {});
    Check(sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr));
    Execute("PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536");
    Execute("PRAGMA wal_autocheckpoint = " + std::to_string(kCheckpointBytes / PageSize()));
    std::string names, parameters;
    for (const codecs::Column& column : codecs::EventColumns()) {
      if (!names.empty()) names += ", ", parameters += ", ";
      names += '"' + std::string(column.name) + '"';
      parameters += '?';
    }
    insert_ = Prepare("INSERT INTO events (" + names + ") VALUES (" + parameters + ")");
    for (const char* sql : kHeadSql) heads_.push_back(Prepare(sql));
  }
  ~Bare() { Close(); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  void Write(const BareRows& rows) {
    const char* at = rows.bytes.data();
    for (size_t i = 0; i < rows.count; ++i) {
      if (i % kTransactionRows == 0) Execute(i == 0 ? "BEGIN IMMEDIATE" : "COMMIT; BEGIN IMMEDIATE");
      sqlite3_stmt* head = heads_[Take<uint8_t>(&at)];
      Run(insert_, 0, &at);
      Run(head, sqlite3_last_insert_rowid(db_), &at);
    }
    Execute("COMMIT");
  }
  // Moves what is left of the log into the file, as the warehouse does when it stops.
  void Close() {
    sqlite3_finalize(insert_);
    insert_ = nullptr;
    for (sqlite3_stmt* head : heads_) sqlite3_finalize(head);
    heads_.clear();
    sqlite3_close(db_);
    db_ = nullptr;
  }

 private:
  void Check(int code) {
    if (code != SQLITE_OK) Die(sqlite3_errmsg(db_));
  }
  void Execute(const std::string& sql) { Check(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr)); }
  sqlite3_stmt* Prepare(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v3(db_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr));
    return statement;
  }
  int64_t PageSize() {
    sqlite3_stmt* statement = Prepare("PRAGMA page_size");
    sqlite3_step(statement);
    const int64_t size = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return size;
  }
  void Run(sqlite3_stmt* statement, int64_t rowid, const char** at) {
    sqlite3_clear_bindings(statement);
    if (rowid != 0) sqlite3_bind_int64(statement, kEventRowid, rowid);
    while (const int parameter = Take<uint8_t>(at)) {
      switch (Take<Bound::Type>(at)) {
        case Bound::Type::kInteger:
          sqlite3_bind_int64(statement, parameter, Take<int64_t>(at));
          break;
        case Bound::Type::kReal:
          sqlite3_bind_double(statement, parameter, Take<double>(at));
          break;
        case Bound::Type::kText: {
          const auto size = Take<uint32_t>(at);
          sqlite3_bind_text64(statement, parameter, *at, size, SQLITE_STATIC, SQLITE_UTF8);
          *at += size;
          break;
        }
      }
    }
    if (sqlite3_step(statement) != SQLITE_DONE) Die(sqlite3_errmsg(db_));
    sqlite3_reset(statement);
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  std::vector<sqlite3_stmt*> heads_;
};

// What both files must agree on.
std::string Digest(const std::string& path) {
  sqlite3* db = nullptr;
  if (sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK) Die(sqlite3_errmsg(db));
  std::string text;
  for (const char* sql :
       {"SELECT COUNT(*), SUM(event_time), SUM(duration_seconds), SUM(LENGTH(run_id)), SUM(LENGTH(opts)),"
        " SUM(LENGTH(summary)), COUNT(errors), SUM(\"offset\"), MIN(ingest_date), SUM(ingested_at) FROM events",
        "SELECT status, kind, COUNT(*), SUM(rank), SUM(event_time), SUM(sequence), SUM(said), MIN(data_date),"
        " SUM(started_at), SUM(began_at), SUM(duration_seconds), SUM(event_rowid), SUM(LENGTH(event_id))"
        " FROM run_heads GROUP BY 1, 2 ORDER BY 1, 2"}) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) != SQLITE_OK) Die(sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW) {
      for (int c = 0; c < sqlite3_column_count(statement); ++c) {
        const auto* value = reinterpret_cast<const char*>(sqlite3_column_text(statement, c));
        text += value == nullptr ? "NULL" : value;
        text += ' ';
      }
      text += '\n';
    }
    sqlite3_finalize(statement);
  }
  sqlite3_close(db);
  return text;
}

int Main(int64_t rows, int pairs, const std::string& directory) {
  const Batches batches = MakeBatches(rows);
  const BareRows bare_rows = MakeBareRows(batches);
  const auto count = static_cast<double>(bare_rows.count);
  std::vector<double> cpu_ratio, wall_ratio;
  std::printf("%-6s | %-34s | %-34s\n", "", "processor time, us a row", "rows/s, wall time");
  std::printf("%-6s | %10s %12s %10s | %10s %12s %10s\n", "pair", "bare", "runledger", "ratio", "bare", "runledger",
              "ratio");
  for (int pair = 0; pair < pairs; ++pair) {
    const std::string bare_path = directory + "/bare.db";
    const std::string sink_path = directory + "/sink.db";
    Cost bare_cost;
    {
      Bare bare(bare_path);
      const Stopwatch watch(CLOCK_THREAD_CPUTIME_ID);
      bare.Write(bare_rows);
      bare.Close();
      bare_cost = {watch.cpu_seconds(), watch.wall_seconds()};
    }
    const Cost ours = WriteWithSink(sink_path, batches);
    if (pair == 0) {
      const std::string theirs_holds = Digest(bare_path), ours_holds = Digest(sink_path);
      if (theirs_holds != ours_holds) Die("the files differ:\n" + theirs_holds + "and\n" + ours_holds);
    }
    for (const std::string& path : {bare_path, sink_path}) {
      for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
    }
    cpu_ratio.push_back(bare_cost.cpu_seconds / ours.cpu_seconds);
    wall_ratio.push_back(bare_cost.wall_seconds / ours.wall_seconds);
    std::printf("%-6d | %10.2f %12.2f %10.2f | %10.0f %12.0f %10.2f\n", pair + 1, bare_cost.cpu_seconds * 1e6 / count,
                ours.cpu_seconds * 1e6 / count, cpu_ratio.back(), count / bare_cost.wall_seconds,
                count / ours.wall_seconds, wall_ratio.back());
    std::fflush(stdout);
  }
  std::printf("%-6s | %34.2f | %34.2f\n", "median", Median(cpu_ratio), Median(wall_ratio));
  Record("sqlite_insert.cpu_ratio", Median(cpu_ratio));
  Record("sqlite_insert.wall_ratio", Median(wall_ratio));
  return 0;
}

}  // namespace
}  // namespace runledger::bench

int main(int argc, char** argv) {
  const int64_t rows = argc > 1 ? std::atoll(argv[1]) : 200'000;
  const int pairs = argc > 2 ? std::atoi(argv[2]) : 5;
  std::string directory = (std::filesystem::temp_directory_path() / "runledger-bench-XXXXXX").string();
  if (argc > 3) {
    directory = argv[3];
  } else if (mkdtemp(directory.data()) == nullptr) {
    return 1;
  }
  const int status = runledger::bench::Main(rows, pairs, directory);
  if (argc <= 3) std::filesystem::remove_all(directory);
  return status;
}
