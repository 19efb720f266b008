#include "exporters/warehouse/sqlite_writer.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codecs/civil_time.h"
#include "codecs/limits.h"
#include "exporters/warehouse/sqlite_schema.h"
#include "exporters/warehouse/sqlite_upgrade.h"

namespace runledger::exporters {
namespace {

using codecs::ColumnType;
using ingest::Position;
using ingest::RowBatch;
using ingest::SubmitResult;

constexpr int64_t kCheckpointBytes = int64_t{16} << 20;  // a checkpoint when the write-ahead log has this size
constexpr int64_t kRestartBytes = int64_t{64} << 20;     // from here on readers are waited for
constexpr int kRestartWaitMs = 100;                      // this long
constexpr int64_t kShrinkStepPages = 1000;
std::string InsertSql() {
  std::vector<std::string> names;
  std::vector<std::string> values;
  for (const codecs::Column& column : codecs::EventColumns()) {
    names.push_back(Quoted(column.name));
    values.push_back(absl::StrCat("?", values.size() + 1));
  }
  return absl::StrCat("INSERT INTO events (", absl::StrJoin(names, ", "), ") VALUES (", absl::StrJoin(values, ", "),
                      ")");
}

SubmitResult Stopped(absl::Status status) {
  return {.kind = SubmitResult::Kind::kStopped, .refused = {}, .status = std::move(status)};
}

}  // namespace

SqliteWriter::SqliteWriter(const SqliteOptions& options, std::unique_ptr<Database> database)
    : options_(options),
      database_(std::move(database)),
      decoder_(codecs::Limits{}),
      encoder_(codecs::SecretNames(options.secrets)),
      dates_(codecs::EventColumns().size()),
      wal_next_restart_(kRestartBytes) {}

absl::StatusOr<std::unique_ptr<SqliteWriter>> SqliteWriter::Open(const SqliteOptions& options) {
  absl::StatusOr<std::unique_ptr<Database>> database =
      Database::Open({.path = options.path, .read_only = false, .busy_timeout_ms = options.busy_timeout_ms});
  if (!database.ok()) return database.status();
  if (absl::Status status = BringUpToDate(database->get()); !status.ok()) return status;
  std::unique_ptr<SqliteWriter> writer(new SqliteWriter(options, std::move(*database)));
  if (absl::Status status = writer->Prepare(); !status.ok()) return status;
  return writer;
}

absl::Status SqliteWriter::Prepare() {
  // FULL: a commit is on the disk when it returns, because the log's position is committed on the strength of it.
  absl::Status status = database_->Execute(
      "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = "
      "0");
  if (status.ok()) status = database_->Execute(absl::StrCat("PRAGMA journal_size_limit = ", kRestartBytes));
  if (!status.ok()) return status;
  const absl::StatusOr<int64_t> page_size = database_->QueryInteger("PRAGMA page_size");
  if (!page_size.ok()) return page_size.status();
  page_size_ = *page_size;
  sqlite3_wal_hook(
      database_->handle(),
      [](void* writer, sqlite3*, const char*, int pages) {
        static_cast<SqliteWriter*>(writer)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);

  const auto prepare = [&](Statement* statement, const std::string& sql) {
    if (!status.ok()) return;
    absl::StatusOr<Statement> prepared = database_->Prepare(sql);
    if (prepared.ok()) {
      *statement = std::move(*prepared);
    } else {
      status = prepared.status();
    }
  };
  Statements& s = statements_;
  prepare(&s.insert, InsertSql());
  prepare(&s.position,
          "SELECT fence, log_epoch, \"offset\", batch_index, cluster_id FROM positions WHERE topic = ?1 AND "
          "\"partition\" = ?2");
  prepare(&s.position_insert,
          "INSERT INTO positions (topic, \"partition\", log_epoch, cluster_id, \"offset\", batch_index, fence, rules,"
          " opened_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8, ?8)");
  prepare(&s.position_open,
          "UPDATE positions SET fence = fence + 1, log_epoch = ?3, cluster_id = ?4, \"offset\" = ?5, batch_index = ?6,"
          " rules = ?7, opened_at = ?8 WHERE topic = ?1 AND \"partition\" = ?2");
  prepare(&s.position_move,
          "UPDATE positions SET \"offset\" = ?3, batch_index = ?4, updated_at = ?5 WHERE topic = ?1 AND \"partition\" "
          "= ?2");
  prepare(&s.expired,
          "SELECT rowid, job_name, run_id, attempt FROM events WHERE ingest_date < ?1 ORDER BY ingest_date LIMIT ?2");
  prepare(&s.event_delete, "DELETE FROM events WHERE rowid = ?1");
  return status.ok() ? heads_.Prepare(database_.get()) : status;
}

absl::Status SqliteWriter::Begin() { return database_->Execute("BEGIN IMMEDIATE"); }

absl::Status SqliteWriter::Commit() { return database_->Execute("COMMIT"); }

void SqliteWriter::Rollback() {
  if (database_->in_transaction())
    database_->Execute("ROLLBACK").IgnoreError();  // then the next Begin fails, and says why
}

absl::StatusOr<SqliteWriter::Tenancy> SqliteWriter::RaiseFence(const ingest::TopicPartition& partition,
                                                               const Position& committed,
                                                               const ingest::CommitMetadata& metadata) {
  Statement& find = statements_.position;
  find.BindText(1, partition.topic);
  find.BindInteger(2, partition.partition);
  const absl::StatusOr<bool> found = find.Step();
  if (!found.ok()) return found.status();

  Tenancy tenancy{.refused = absl::OkStatus(), .fence = 1, .position = committed, .knew_partition = *found};
  std::string cluster_id = metadata.cluster_id;
  if (*found) {
    const int64_t fence = find.Integer(0);
    const int64_t epoch = find.Integer(1);
    const Position stored{find.Integer(2), static_cast<int32_t>(find.Integer(3))};
    const std::string stored_cluster(find.Text(4));
    find.Reset();
    if (epoch > metadata.log_epoch) {
      tenancy.refused = absl::FailedPreconditionError(absl::StrCat(
          database_->path(), ": holds rows of ", ToString(partition), " of log epoch ", epoch,
          ", but the committed position is of epoch ", metadata.log_epoch,
          ": the commit was lost (the group's offsets expired, or were set by hand), or the topic was made again. "
          "`runledger log accept --topic ",
          partition.topic, " --partition ", partition.partition,
          "` takes the log as a new one, from its beginning; with `--from ", stored.offset,
          "` rows go on where the warehouse ends. Stop the instances of the group first"));
      return tenancy;
    }
    if (epoch == metadata.log_epoch && !stored_cluster.empty() && !cluster_id.empty() && stored_cluster != cluster_id) {
      tenancy.refused = absl::FailedPreconditionError(
          absl::StrCat(database_->path(), ": holds rows of ", ToString(partition), " of the Kafka cluster ",
                       stored_cluster, ", not ", cluster_id,
                       "; give warehouse.path another file, or take the log as it is with `runledger log accept`"));
      return tenancy;
    }
    tenancy.fence = fence + 1;
    if (epoch == metadata.log_epoch) tenancy.position = stored;
    if (cluster_id.empty()) cluster_id = stored_cluster;
  }

  Statement& store = *found ? statements_.position_open : statements_.position_insert;
  store.BindText(1, partition.topic);
  store.BindInteger(2, partition.partition);
  store.BindInteger(3, metadata.log_epoch);
  store.BindText(4, cluster_id);
  store.BindInteger(5, tenancy.position.offset);
  store.BindInteger(6, tenancy.position.index);
  store.BindInteger(7, metadata.rules);
  store.BindInteger(8, options_.now_us());
  if (absl::Status status = store.Run(); !status.ok()) return status;
  return tenancy;
}

absl::StatusOr<SubmitResult> SqliteWriter::Append(const RowBatch& rows, int64_t fence) {
  const ingest::TopicPartition& partition = rows.partition();
  Statement& find = statements_.position;
  find.BindText(1, partition.topic);
  find.BindInteger(2, partition.partition);
  const absl::StatusOr<bool> found = find.Step();
  if (!found.ok()) return found.status();
  const int64_t stored_fence = *found ? find.Integer(0) : 0;
  const int64_t epoch = *found ? find.Integer(1) : 0;
  const Position stored = *found ? Position{find.Integer(2), static_cast<int32_t>(find.Integer(3))} : Position{};
  find.Reset();
  if (stored_fence != fence) {
    return SubmitResult{.kind = SubmitResult::Kind::kFenced,
                        .refused = {},
                        .status = absl::AbortedError(absl::StrCat(database_->path(), ": ", ToString(partition),
                                                                  " has fence ", stored_fence, ", this owner got ",
                                                                  fence, ": another owner has opened it since"))};
  }
  if (epoch != rows.log_epoch() || stored != rows.from()) {
    return Stopped(absl::FailedPreconditionError(
        absl::StrCat(database_->path(), ": ", ToString(partition), " stands at ", ToString(stored), " of log epoch ",
                     epoch, "; rows from ", ToString(rows.from()), " of epoch ", rows.log_epoch(),
                     " do not follow on that; the partition has to be opened again")));
  }

  if (absl::Status status = AppendRows(rows); !status.ok()) return status;
  return SubmitResult{};
}

absl::Status SqliteWriter::AppendRows(const RowBatch& rows) {
  codecs::Event event;
  codecs::Rejection rejection;
  codecs::RowPlace place{.topic = rows.partition().topic,
                         .partition = rows.partition().partition,
                         .offset = 0,
                         .batch_index = 0,
                         .log_epoch = rows.log_epoch(),
                         .log_time_us = 0,
                         .ingested_at_us = options_.now_us()};
  for (size_t i = 0; i < rows.size(); ++i) {
    const RowBatch::Row row = rows[i];
    // Its time was judged when it was read.
    if (!decoder_.Decode(row.event, /*record_time_us=*/-1, &event, &rejection)) {
      return absl::InternalError(absl::StrCat(ToString(rows.partition()), " at ", ToString(row.position),
                                              ": an event that was good is not any more: ", rejection.text));
    }
    place.offset = row.position.offset;
    place.batch_index = row.position.index;
    place.log_time_us = row.log_time_us;
    encoder_.Encode(place, event, row.refused, &row_);
    if (absl::Status status = InsertRow(); !status.ok()) return status;
    if (event.body == codecs::Body::kRun) {
      if (absl::Status status = heads_.Add(row_, event, database_->last_insert_rowid()); !status.ok()) return status;
    }
  }
  Statement& move = statements_.position_move;
  move.BindText(1, rows.partition().topic);
  move.BindInteger(2, rows.partition().partition);
  move.BindInteger(3, rows.to().offset);
  move.BindInteger(4, rows.to().index);
  move.BindInteger(5, place.ingested_at_us);
  return move.Run();
}

absl::Status SqliteWriter::InsertRow() {
  const std::span<const codecs::Column> columns = codecs::EventColumns();
  Statement& insert = statements_.insert;
  for (size_t i = 0; i < columns.size(); ++i) {
    const codecs::Value& value = row_[i];
    const int parameter = static_cast<int>(i) + 1;
    if (value.null) {
      insert.BindNull(parameter);
      continue;
    }
    switch (columns[i].type) {
      case ColumnType::kString:
      case ColumnType::kJson:
        insert.BindText(parameter, value.text);
        break;
      case ColumnType::kFloat64:
        insert.BindReal(parameter, value.number);
        break;
      case ColumnType::kDate:
        insert.BindText(parameter, DateOf(i, value.integer));
        break;
      case ColumnType::kInt64:
      case ColumnType::kBool:
      case ColumnType::kTimestamp:
        insert.BindInteger(parameter, value.integer);
        break;
    }
  }
  return insert.Run();
}

absl::StatusOr<size_t> SqliteWriter::Expire(int32_t before_day, size_t limit) {
  const std::string before = codecs::FormatDate(before_day);
  Statement& expired = statements_.expired;
  expired.BindText(1, before);
  expired.BindInteger(2, static_cast<int64_t>(limit));
  std::vector<int64_t> rowids;
  std::set<RunKey> runs;
  while (true) {
    const absl::StatusOr<bool> row = expired.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    rowids.push_back(expired.Integer(0));
    if (!expired.IsNull(1) && !expired.IsNull(2)) {
      runs.insert({std::string(expired.Text(1)), std::string(expired.Text(2)), expired.Integer(3)});
    }
  }
  for (const int64_t rowid : rowids) {
    statements_.event_delete.BindInteger(1, rowid);
    if (absl::Status status = statements_.event_delete.Run(); !status.ok()) return status;
  }
  for (const RunKey& run : runs) {
    if (absl::Status status = heads_.Remake(run); !status.ok()) return status;
  }
  return rowids.size();
}

absl::StatusOr<bool> SqliteWriter::Shrink() {
  const absl::StatusOr<int64_t> free_pages = database_->QueryInteger("PRAGMA freelist_count");
  if (!free_pages.ok()) return free_pages.status();
  const absl::StatusOr<int64_t> pages = database_->QueryInteger("PRAGMA page_count");
  if (!pages.ok()) return pages.status();
  // Some are kept: the next days' rows take them.
  const int64_t keep = *pages / 10;
  if (*free_pages <= keep) return false;
  const absl::StatusOr<int64_t> mode = database_->QueryInteger("PRAGMA auto_vacuum");
  if (!mode.ok()) return mode.status();
  if (*mode == 0) return false;  // a file that was made otherwise; its free pages are used again
  const int64_t step = std::min(*free_pages - keep, kShrinkStepPages);
  absl::StatusOr<Statement> vacuum = database_->Prepare(absl::StrCat("PRAGMA incremental_vacuum(", step, ")"));
  if (!vacuum.ok()) return vacuum.status();
  if (absl::Status status = vacuum->Run(); !status.ok()) return status;
  return *free_pages - step > keep;
}

absl::Status SqliteWriter::Checkpoint() {
  const int64_t wal_bytes = wal_pages_ * page_size_;
  if (wal_bytes < std::min(kCheckpointBytes, options_.wal_limit_bytes)) return absl::OkStatus();
  int log_pages = 0;
  int moved_pages = 0;
  int code =
      sqlite3_wal_checkpoint_v2(database_->handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &log_pages, &moved_pages);
  const bool over_limit = wal_bytes >= options_.wal_limit_bytes;
  if (over_limit || wal_bytes >= wal_next_restart_) {
    // Readers that come and go keep the log from beginning again, though none of them stays for long: wait for a gap.
    sqlite3_busy_timeout(database_->handle(), kRestartWaitMs);
    code =
        sqlite3_wal_checkpoint_v2(database_->handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, &log_pages, &moved_pages);
    sqlite3_busy_timeout(database_->handle(), options_.busy_timeout_ms);
    wal_next_restart_ = code == SQLITE_OK ? kRestartBytes : wal_bytes + kRestartBytes;
  }
  if (code == SQLITE_OK && log_pages == moved_pages) {
    wal_pages_ = 0;  // the next commit says what it is then
    if (!over_limit) return absl::OkStatus();
  }
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) return database_->Failed(code, "checkpoint");
  if (!over_limit || code == SQLITE_OK) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(options_.path, ": its write-ahead log has ", wal_bytes >> 20,
                   " MiB and cannot be used again, because a reader has kept its view of the file open;"
                   " end that reader's query"));
}

absl::Status SqliteWriter::SetPageLimit(int64_t pages) {
  return database_->Execute(absl::StrCat("PRAGMA max_page_count = ", pages > 0 ? pages : int64_t{4294967294}));
}

bool SqliteWriter::NeedsReopening() const {
  switch (database_->last_error()) {
    case SQLITE_OK:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_INTERRUPT:
      return false;
    default:
      return true;
  }
}

std::string_view SqliteWriter::DateOf(size_t column, int64_t day) {
  DateText& date = dates_[column];
  if (date.day != day) date = {day, codecs::FormatDate(static_cast<int32_t>(day))};
  return date.text;
}

}  // namespace runledger::exporters
