#include "audit/rows_check.h"

#include <sqlite3.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <tuple>

namespace runledger::audit {
namespace {

uint64_t HashOf(const std::string& text) { return std::hash<std::string>()(text); }

struct Closer {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

std::string TextOf(sqlite3_stmt* statement, int column) {
  const unsigned char* text = sqlite3_column_text(statement, column);
  if (text == nullptr) return "";
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(sqlite3_column_bytes(statement, column))};
}

}  // namespace

int32_t RowsCheck::NumberOf(const std::string& name) {
  const auto [at, fresh] = numbers_.emplace(name, static_cast<int32_t>(names_.size()));
  if (fresh) names_.push_back(name);
  return at->second;
}

void RowsCheck::Expect(const LogRecord& record, int32_t index, const reference::Event& event) {
  const bool run = event.body == "run";
  Row row{};
  row.offset = record.offset;
  row.index = index;
  row.event_id = HashOf(event.id);
  row.run_id = HashOf(event.run_id);
  row.job = NumberOf(event.job);
  row.attempt = run ? event.attempt : -1;
  row.kind = NumberOf(event.kind);
  row.status = run ? static_cast<uint8_t>(event.status) : 0;
  row.refused = !event.refused.empty();
  rows_[record.partition].push_back(row);
}

int64_t RowsCheck::expected() const {
  int64_t count = 0;
  for (const auto& [partition, rows] : rows_) count += static_cast<int64_t>(rows.size());
  return count;
}

absl::Status RowsCheck::CheckSqlite(const std::string& path, const std::string& topic) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
  const std::unique_ptr<sqlite3, Closer> db(raw);
  if (opened != SQLITE_OK) return absl::NotFoundError(path + ": " + sqlite3_errmsg(raw));
  sqlite3_busy_timeout(raw, 30'000);
  sqlite3_stmt* prepared = nullptr;
  const char* const sql =
      "SELECT partition, \"offset\", batch_index, event_id, kind, status, job_name, run_id, attempt, refused "
      "FROM events WHERE topic = ?";
  if (sqlite3_prepare_v2(raw, sql, -1, &prepared, nullptr) != SQLITE_OK) {
    return absl::FailedPreconditionError(path + ": " + sqlite3_errmsg(raw));
  }
  const std::unique_ptr<sqlite3_stmt, Closer> statement(prepared);
  sqlite3_bind_text(prepared, 1, topic.data(), static_cast<int>(topic.size()), SQLITE_STATIC);
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(prepared)) == SQLITE_ROW) {
    Found found;
    found.partition = sqlite3_column_int(prepared, 0);
    found.offset = sqlite3_column_int64(prepared, 1);
    found.index = sqlite3_column_int(prepared, 2);
    found.event_id = TextOf(prepared, 3);
    found.kind = TextOf(prepared, 4);
    found.status = TextOf(prepared, 5);
    found.job = TextOf(prepared, 6);
    found.run_id = TextOf(prepared, 7);
    found.attempt = sqlite3_column_type(prepared, 8) == SQLITE_NULL ? -1 : sqlite3_column_int(prepared, 8);
    found.refused = sqlite3_column_type(prepared, 9) != SQLITE_NULL;
    report_.Checked("rows");
    Check(found);
  }
  if (step != SQLITE_DONE) return absl::DataLossError(path + ": " + sqlite3_errmsg(raw));
  for (const auto& [partition, rows] : rows_) {
    for (const Row& row : rows) {
      if (row.seen) continue;
      report_.Differs("rows that are missing", "partition " + std::to_string(partition) + " offset " +
                                                   std::to_string(row.offset) + " index " + std::to_string(row.index) +
                                                   " of job " + names_[static_cast<size_t>(row.job)]);
    }
  }
  return absl::OkStatus();
}

void RowsCheck::Check(const Found& found) {
  const std::string where = "partition " + std::to_string(found.partition) + " offset " + std::to_string(found.offset) +
                            " index " + std::to_string(found.index);
  const auto before = [](const Row& row, const std::pair<int64_t, int32_t>& place) {
    return std::tie(row.offset, row.index) < std::tie(place.first, place.second);
  };
  std::vector<Row>& rows = rows_[found.partition];
  const auto at = std::lower_bound(rows.begin(), rows.end(), std::pair(found.offset, found.index), before);
  if (at == rows.end() || at->offset != found.offset || at->index != found.index) {
    report_.Differs("rows without an event", where + " event " + found.event_id);
    return;
  }
  if (at->seen) report_.Differs("rows that are there twice", where);
  at->seen = true;
  CheckValues(where, found, *at);
}

void RowsCheck::CheckValues(const std::string& where, const Found& found, const Row& row) {
  const auto differs = [&](const char* column, const std::string& value) {
    report_.Differs("values of rows", where + ": " + column + " is '" + value + "'");
  };
  const std::string status = row.status == 0 ? "" : reference::NameOf(static_cast<reference::Status>(row.status));
  if (HashOf(found.event_id) != row.event_id) differs("event_id", found.event_id);
  if (HashOf(found.run_id) != row.run_id) differs("run_id", found.run_id);
  if (found.job != names_[static_cast<size_t>(row.job)]) differs("job_name", found.job);
  if (found.kind != names_[static_cast<size_t>(row.kind)]) differs("kind", found.kind);
  if (found.status != status) differs("status", found.status);
  if (found.attempt != row.attempt) differs("attempt", std::to_string(found.attempt));
  if (found.refused != row.refused) differs("refused", found.refused ? "set" : "NULL");
}

}  // namespace runledger::audit
