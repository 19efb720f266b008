#include "exporters/warehouse/sqlite_database.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"

namespace runledger::exporters {
namespace {

const char* NameOf(int code) {
  switch (code) {
    case SQLITE_BUSY:
      return "SQLITE_BUSY";
    case SQLITE_LOCKED:
      return "SQLITE_LOCKED";
    case SQLITE_FULL:
      return "SQLITE_FULL";
    case SQLITE_IOERR:
      return "SQLITE_IOERR";
    case SQLITE_READONLY:
      return "SQLITE_READONLY";
    case SQLITE_CANTOPEN:
      return "SQLITE_CANTOPEN";
    case SQLITE_PERM:
      return "SQLITE_PERM";
    case SQLITE_CORRUPT:
      return "SQLITE_CORRUPT";
    case SQLITE_NOTADB:
      return "SQLITE_NOTADB";
    case SQLITE_NOMEM:
      return "SQLITE_NOMEM";
    case SQLITE_CONSTRAINT:
      return "SQLITE_CONSTRAINT";
    case SQLITE_ERROR:
      return "SQLITE_ERROR";
    default:
      return "SQLite";
  }
}

// What whoever runs it can do.
std::string Advice(int code, int busy_timeout_ms) {
  switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StrCat("another process has held the file's lock for more than ", busy_timeout_ms,
                          " ms; let it finish or end it");
    case SQLITE_FULL:
      return "free space on the file system that holds it";
    case SQLITE_IOERR:
      return "look at the file system that holds it, its quota and the kernel's messages";
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return "make the file and its directory writable for this user";
    case SQLITE_CANTOPEN:
      return "the directory must exist and be writable for this user (SQLite keeps -wal and -shm files beside the "
             "file)";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "the file is damaged or no SQLite database; restore it from a copy, whose later rows are read again from "
             "the log, or move it away: a new file begins where the group's committed offsets stand, and with a new "
             "log.group at the beginning of the log";
    default:
      return {};
  }
}

absl::StatusCode CodeOf(int code) {
  switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
      return absl::StatusCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  sqlite3_reset(statement_.get());
  if (code == SQLITE_DONE) return false;
  return database_->Failed(code, sqlite3_sql(statement_.get()));
}

absl::Status Statement::Run() {
  while (true) {
    const absl::StatusOr<bool> row = Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
  }
}

std::string_view Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return text == nullptr ? std::string_view()
                         : std::string_view(text, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

std::vector<std::string> Statement::ColumnNames() const {
  std::vector<std::string> names;
  const int count = sqlite3_column_count(statement_.get());
  for (int i = 0; i < count; ++i) names.emplace_back(sqlite3_column_name(statement_.get(), i));
  return names;
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const Options& options) {
  std::unique_ptr<Database> database(new Database(options));
  const int flags = (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(options.path.c_str(), &db, flags, nullptr);
  database->db_.reset(db);
  if (code != SQLITE_OK) return database->Failed(code, "opening it");
  sqlite3_busy_timeout(db, options.busy_timeout_ms);
  return database;
}

absl::Status Database::Execute(const std::string& sql) {
  const int code = sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Failed(code, sql);
}

absl::Status Database::ExecuteInTurn(const std::string& sql) {
  constexpr std::chrono::milliseconds kPause{5};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.busy_timeout_ms);
  while (true) {
    absl::Status status = Execute(sql);
    if (status.ok() || last_error_ != SQLITE_BUSY || std::chrono::steady_clock::now() >= deadline) return status;
    std::this_thread::sleep_for(kPause);
  }
}

absl::StatusOr<Statement> Database::Prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) return Failed(code, sql);
  return Statement(this, statement);
}

absl::StatusOr<int64_t> Database::QueryInteger(const std::string& sql) {
  absl::StatusOr<Statement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(absl::StrCat(options_.path, ": no row: ", sql));
  return statement->Integer(0);
}

bool Database::moved() {
  int moved = 0;
  return sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

absl::Status Database::Failed(int code, std::string_view doing) {
  constexpr size_t kLongest = 60;  // of the SQL shown
  const int primary = code & 0xff;
  last_error_ = primary;
  std::string text =
      absl::StrCat(options_.path, ": ", std::string(doing.substr(0, kLongest)), doing.size() > kLongest ? "..." : "",
                   ": ", db_ != nullptr ? sqlite3_errmsg(db_.get()) : sqlite3_errstr(code), " (", NameOf(primary));
  if (primary != code) absl::StrAppend(&text, ", extended code ", code);
  if (const int error = db_ != nullptr ? sqlite3_system_errno(db_.get()) : 0;
      error != 0 && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN)) {
    absl::StrAppend(&text, ", ", std::strerror(error));
  }
  text += ")";
  if (const std::string advice = Advice(primary, options_.busy_timeout_ms); !advice.empty())
    absl::StrAppend(&text, "; ", advice);
  return absl::Status(CodeOf(primary), text);
}

std::string Quoted(std::string_view name) { return absl::StrCat("\"", std::string(name), "\""); }

}  // namespace runledger::exporters
