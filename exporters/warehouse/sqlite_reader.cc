#include "exporters/warehouse/sqlite_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codecs/civil_time.h"
#include "codecs/events_table.h"
#include "codecs/views.h"
#include "exporters/warehouse/sqlite_database.h"
#include "exporters/warehouse/sqlite_open.h"

namespace runledger::exporters {
namespace {

using codecs::ColumnType;

// How each view of runs names what RunRow holds; NULL where it has no such column.
struct RunViewNames {
  const char* view;
  const char* job_name;
  const char* run_id;
  const char* attempt;
  const char* data_date;
  const char* began;
  const char* phase;
  const char* workflow;
  const char* records_processed;
};
constexpr RunViewNames kRunViews[] = {
    {"processor_run_history", "processor_name", "run_id", "retry_attempt", "data_date", "run_timestamp", "phase",
     "workflow", "records_processed"},
    {"scraper_execution_log", "scraper_name", "run_id", "attempt", "data_date", "triggered_at", "NULL", "workflow",
     "records_processed"},
    {"prediction_worker_runs", "job_name", "request_id", "retry_attempt", "game_date", "run_date", "NULL", "NULL",
     "NULL"},
};

// The text as a pattern of LIKE that it matches anywhere.
std::string Anywhere(std::string_view text) {
  std::string pattern = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

std::string RunsSql(const RunViewNames& names, const RunQuery& query) {
  std::vector<std::string> where;
  if (!query.job.empty()) where.push_back(absl::StrCat(names.job_name, " = ?1"));
  if (!query.status.empty()) where.push_back("status = ?2");
  if (!query.data_date.empty()) where.push_back(absl::StrCat(names.data_date, " = ?3"));
  if (!query.run_id_part.empty()) where.push_back(absl::StrCat(names.run_id, " LIKE ?4 ESCAPE '\\'"));
  return absl::StrCat("SELECT ", names.job_name, ", ", names.run_id, ", ", names.attempt, ", status, source_status, ",
                      names.phase, ", ", names.workflow, ", ", names.data_date, ", ", names.began,
                      ", completed_at, duration_seconds, ", names.records_processed,
                      ", error_type, error_message, first_event_at, last_seen_at, events FROM ", names.view,
                      where.empty() ? "" : " WHERE ", absl::StrJoin(where, " AND "), " ORDER BY ", names.began,
                      " DESC, ", names.job_name, ", ", names.run_id, ", ", names.attempt, " LIMIT ?5");
}

std::optional<std::string> OptionalText(const Statement& row, int column) {
  if (row.IsNull(column)) return std::nullopt;
  return std::string(row.Text(column));
}

std::optional<int64_t> OptionalInteger(const Statement& row, int column) {
  if (row.IsNull(column)) return std::nullopt;
  return row.Integer(column);
}

std::string ValueText(const codecs::Column& column, const Statement& row, int at) {
  switch (column.type) {
    case ColumnType::kTimestamp:
      return codecs::FormatRfc3339(row.Integer(at));
    case ColumnType::kBool:
      return row.Integer(at) != 0 ? "true" : "false";
    default:
      return std::string(row.Text(at));
  }
}

}  // namespace

class SqliteReader::Impl {
 public:
  explicit Impl(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  absl::Status AppendRuns(const RunViewNames& names, const RunQuery& query, std::vector<RunRow>* runs) {
    absl::StatusOr<Statement> statement = database_->Prepare(RunsSql(names, query));
    if (!statement.ok()) return statement.status();
    const std::string part = Anywhere(query.run_id_part);
    statement->BindText(1, query.job);
    statement->BindText(2, query.status);
    statement->BindText(3, query.data_date);
    statement->BindText(4, part);
    statement->BindInteger(5, static_cast<int64_t>(query.limit));
    while (true) {
      const absl::StatusOr<bool> row = statement->Step();
      if (!row.ok()) return row.status();
      if (!*row) return absl::OkStatus();
      runs->push_back(ReadRun(*statement, codecs::ViewNamed(names.view).kind));
    }
  }

  Database& database() { return *database_; }

 private:
  static RunRow ReadRun(const Statement& row, std::string_view kind) {
    RunRow run;
    run.kind = kind;
    run.job_name = row.Text(0);
    run.run_id = row.Text(1);
    run.attempt = row.Integer(2);
    run.status = row.Text(3);
    run.source_status = OptionalText(row, 4);
    run.phase = OptionalText(row, 5);
    run.workflow = OptionalText(row, 6);
    run.data_date = OptionalText(row, 7);
    run.began_us = row.Integer(8);
    run.completed_us = OptionalInteger(row, 9);
    if (!row.IsNull(10)) run.duration_seconds = row.Real(10);
    run.records_processed = OptionalInteger(row, 11);
    run.error_type = OptionalText(row, 12);
    run.error_message = OptionalText(row, 13);
    run.first_event_us = row.Integer(14);
    run.last_seen_us = row.Integer(15);
    run.events = row.Integer(16);
    return run;
  }

  std::unique_ptr<Database> database_;
};

const std::string* EventRow::Find(std::string_view column) const {
  const auto at =
      std::find_if(values.begin(), values.end(), [column](const auto& value) { return value.first == column; });
  return at == values.end() ? nullptr : &at->second;
}

SqliteReader::SqliteReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SqliteReader::~SqliteReader() = default;

absl::StatusOr<std::unique_ptr<SqliteReader>> SqliteReader::Open(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Database>> database = OpenForReading(path);
  if (!database.ok()) return database.status();
  return std::unique_ptr<SqliteReader>(new SqliteReader(std::make_unique<Impl>(std::move(*database))));
}

absl::StatusOr<std::vector<RunRow>> SqliteReader::Runs(const RunQuery& query) {
  std::vector<RunRow> runs;
  for (const RunViewNames& names : kRunViews) {
    if (absl::Status status = impl_->AppendRuns(names, query, &runs); !status.ok()) return status;
  }
  std::stable_sort(runs.begin(), runs.end(), [](const RunRow& a, const RunRow& b) { return a.began_us > b.began_us; });
  if (runs.size() > query.limit) runs.resize(query.limit);
  return runs;
}

absl::StatusOr<std::vector<EventRow>> SqliteReader::EventsOf(const std::string& job_name, const std::string& run_id,
                                                             int64_t attempt) {
  const std::span<const codecs::Column> columns = codecs::EventColumns();
  std::vector<std::string> names;
  for (const codecs::Column& column : columns) names.push_back(Quoted(column.name));
  absl::StatusOr<Statement> statement =
      impl_->database().Prepare(absl::StrCat("SELECT ", absl::StrJoin(names, ", "),
                                             " FROM events WHERE job_name = ?1 AND run_id = ?2 AND attempt = ?3"
                                             " ORDER BY event_time, COALESCE(sequence, 0), event_id, rowid"));
  if (!statement.ok()) return statement.status();
  statement->BindText(1, job_name);
  statement->BindText(2, run_id);
  statement->BindInteger(3, attempt);
  std::vector<EventRow> events;
  while (true) {
    const absl::StatusOr<bool> row = statement->Step();
    if (!row.ok()) return row.status();
    if (!*row) return events;
    EventRow& event = events.emplace_back();
    for (size_t i = 0; i < columns.size(); ++i) {
      const int at = static_cast<int>(i);
      if (!statement->IsNull(at)) event.values.emplace_back(columns[i].name, ValueText(columns[i], *statement, at));
    }
  }
}

}  // namespace runledger::exporters
