#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// SQLite's C API with owners and statuses. Private to this folder.
namespace runledger::exporters {

struct DatabaseCloser {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct StatementFinalizer {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

class Database;

// A prepared statement. Parameters count from 1, columns from 0, as SQLite does. Must go before its database.
class Statement {
 public:
  Statement() = default;

  void BindNull(int parameter) { sqlite3_bind_null(statement_.get(), parameter); }
  void BindInteger(int parameter, int64_t value) { sqlite3_bind_int64(statement_.get(), parameter, value); }
  void BindReal(int parameter, double value) { sqlite3_bind_double(statement_.get(), parameter, value); }
  // The text must stay until the statement is reset or bound anew.
  void BindText(int parameter, std::string_view text) {
    // A null pointer would be NULL; an empty text is a value.
    sqlite3_bind_text64(statement_.get(), parameter, text.empty() ? "" : text.data(), text.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
  }
  // Of a named parameter, its sign included ("@days"); 0: the statement has none.
  int ParameterIndex(const std::string& name) const {
    return sqlite3_bind_parameter_index(statement_.get(), name.c_str());
  }
  void ClearBindings() { sqlite3_clear_bindings(statement_.get()); }

  // True: a row is there. False: done; the statement is then reset. Bindings stay.
  absl::StatusOr<bool> Step();
  // Steps to the end, whatever comes.
  absl::Status Run();
  void Reset() { sqlite3_reset(statement_.get()); }

  // Of the current row. Text is good until the next step.
  bool IsNull(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }
  int64_t Integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  double Real(int column) const { return sqlite3_column_double(statement_.get(), column); }
  std::string_view Text(int column) const;
  // Of the result.
  std::vector<std::string> ColumnNames() const;

 private:
  friend class Database;
  Statement(Database* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  Database* database_ = nullptr;
  std::unique_ptr<sqlite3_stmt, StatementFinalizer> statement_;
};

// One connection. One thread. Errors say the file, what was tried, what SQLite said and what to do about it; by code:
// Unavailable may be well later without anybody's change to the file, DataLoss is a damaged file, Internal the rest.
class Database {
 public:
  struct Options {
    std::string path;
    bool read_only = false;
    int busy_timeout_ms = 5000;  // how long to wait for another process
  };
  // Nothing of the file is read yet.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const Options& options);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  absl::Status Execute(const std::string& sql);
  // As Execute, for a statement at which SQLite does not wait for other processes by itself: `PRAGMA journal_mode`
  // gives up at once where two change it at the same moment. Asked again until the busy timeout is over.
  absl::Status ExecuteInTurn(const std::string& sql);
  // `sql` is one statement, and stays prepared for as long as the Statement lives.
  absl::StatusOr<Statement> Prepare(const std::string& sql);
  // The first column of the only row.
  absl::StatusOr<int64_t> QueryInteger(const std::string& sql);

  int64_t last_insert_rowid() const { return sqlite3_last_insert_rowid(db_.get()); }
  // Rows that the last INSERT, UPDATE or DELETE changed.
  int changes() const { return sqlite3_changes(db_.get()); }
  // SQLite may roll back by itself after an error.
  bool in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }
  // The file was removed, renamed or replaced: what is written now is lost.
  bool moved();

  // Primary result code of the last call that failed; SQLITE_OK if none did.
  int last_error() const { return last_error_; }
  const std::string& path() const { return options_.path; }
  sqlite3* handle() { return db_.get(); }

  // The status of a call that failed with `code`.
  absl::Status Failed(int code, std::string_view doing);

 private:
  explicit Database(const Options& options) : options_(options) {}
  Options options_;
  std::unique_ptr<sqlite3, DatabaseCloser> db_;
  int last_error_ = SQLITE_OK;
};

// `name` as SQL writes it: in double quotes.
std::string Quoted(std::string_view name);

}  // namespace runledger::exporters
