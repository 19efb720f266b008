#include "exporters/warehouse/sqlite_schema.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codecs/bindings.h"
#include "codecs/events_table.h"
#include "codecs/status.h"
#include "exporters/warehouse/sqlite_database.h"

namespace runledger::exporters {
namespace {

using codecs::ColumnType;
using codecs::View;
using codecs::ViewColumn;
using codecs::ViewShape;
using codecs::ViewSource;

const char* StorageType(ColumnType type) {
  switch (type) {
    case ColumnType::kString:
    case ColumnType::kDate:
    case ColumnType::kJson:
      return "TEXT";
    case ColumnType::kFloat64:
      return "REAL";
    case ColumnType::kInt64:
    case ColumnType::kBool:
    case ColumnType::kTimestamp:
      return "INTEGER";
  }
  std::abort();
}

std::string Word(std::string_view word) { return absl::StrCat("'", std::string(word), "'"); }

std::string Of(std::string_view alias, std::string_view column) {
  return absl::StrCat(std::string(alias), alias.empty() ? "" : ".", Quoted(column));
}

SqliteTable EventsTable() {
  SqliteTable table{.name = std::string(codecs::EventsLayout().name), .columns = {}, .primary_key = {}};
  for (const codecs::Column& column : codecs::EventColumns()) {
    table.columns.push_back({std::string(column.name), StorageType(column.type), column.required});
  }
  return table;
}

// What run_heads holds of the greatest event, so that views need not look the event up for it.
constexpr std::string_view kHeadColumns[] = {"job_name", "run_id", "attempt",   "kind",       "event_time",
                                             "event_id", "status", "data_date", "started_at", "duration_seconds"};

SqliteTable RunHeadsTable() {
  return {.name = "run_heads",
          .columns = {{"job_name", "TEXT", true},
                      {"run_id", "TEXT", true},
                      {"attempt", "INTEGER", true},
                      {"kind", "TEXT", true},
                      {"rank", "INTEGER", true},
                      {"event_time", "INTEGER", true},
                      {"sequence", "INTEGER", true},
                      {"event_id", "TEXT", true},
                      {"event_rowid", "INTEGER", true},
                      {"said", "INTEGER", true},
                      {"status", "TEXT", true},
                      {"data_date", "TEXT", false},
                      {"started_at", "INTEGER", false},
                      {"duration_seconds", "REAL", false},
                      {"began_at", "INTEGER", true}},
          .primary_key = "\"job_name\", \"run_id\", \"attempt\""};
}

SqliteTable PositionsTable() {
  return {.name = "positions",
          .columns = {{"topic", "TEXT", true},
                      {"partition", "INTEGER", true},
                      {"log_epoch", "INTEGER", true},
                      {"cluster_id", "TEXT", true},
                      {"offset", "INTEGER", true},
                      {"batch_index", "INTEGER", true},
                      {"fence", "INTEGER", true},
                      {"rules", "INTEGER", true},
                      {"opened_at", "INTEGER", true},
                      {"updated_at", "INTEGER", true}},
          .primary_key = "\"topic\", \"partition\""};
}

// Where a column of `events` is found for one run. Each column looks for itself: a join with the greatest event would
// look it up also for the many questions that the heads answer alone.
std::string RunColumn(std::string_view column) {
  if (std::find(std::begin(kHeadColumns), std::end(kHeadColumns), column) != std::end(kHeadColumns))
    return Of("h", column);
  const std::string of_greatest =
      absl::StrCat("(SELECT ", Of("e", column), " FROM events e WHERE e.rowid = h.event_rowid)");
  if (codecs::IsRunState(column)) return of_greatest;
  const std::string other = Of("x", column);
  std::string of_others = absl::StrCat(
      "(SELECT ", other,
      " FROM events x WHERE x.run_id = h.run_id AND x.job_name = h.job_name AND x.attempt = h.attempt AND ", other,
      " IS NOT NULL ORDER BY ", SqliteMergeOrder("x"), " LIMIT 1)");
  if (const std::optional<int> bit = SaidBit(column)) {
    of_others = absl::StrCat("CASE WHEN h.said & ", int64_t{1} << *bit, " THEN ", of_others, " END");
  }
  return absl::StrCat("COALESCE(", of_greatest, ", ", of_others, ")");
}

std::string ColumnOf(ViewShape shape, std::string_view column) {
  codecs::EventColumnIndex(column);  // aborts on a name that is none
  return shape == ViewShape::kRuns ? RunColumn(column) : Of("e", column);
}

std::string AttributeOf(ViewShape shape, const ViewColumn& column) {
  const std::string member =
      absl::StrCat("json_extract(", ColumnOf(shape, "attributes"), ", '$.", std::string(column.source), "')");
  switch (column.type) {
    case ColumnType::kInt64:
      return absl::StrCat("CAST(", member, " AS INTEGER)");
    case ColumnType::kFloat64:
      return absl::StrCat("CAST(", member, " AS REAL)");
    default:
      return member;
  }
}

std::string ExpressionOf(const View& view, const ViewColumn& column) {
  switch (column.from) {
    case ViewSource::kColumn:
      return ColumnOf(view.shape, column.source);
    case ViewSource::kAttribute:
      return AttributeOf(view.shape, column);
    case ViewSource::kExpression:
      if (view.shape == ViewShape::kQuery) return std::string(column.sql.sqlite);
      if (column.sql.sqlite == codecs::kRunBegan.sqlite) return Of("h", "began_at");
      return codecs::ExpandColumns(column.sql.sqlite,
                                   [&](std::string_view name) { return ColumnOf(view.shape, name); });
    case ViewSource::kAllEvents:
      return absl::StrCat(
          "(SELECT ", std::string(column.sql.sqlite),
          " FROM events x WHERE x.run_id = h.run_id AND x.job_name = h.job_name AND x.attempt = h.attempt)");
  }
  std::abort();
}

std::string FromOf(const View& view) {
  switch (view.shape) {
    case ViewShape::kRuns:
      return absl::StrCat("FROM run_heads h\nWHERE h.kind = ", Word(view.kind));
    case ViewShape::kEvents:
      return absl::StrCat(
          "FROM events e\nWHERE e.kind = ", Word(view.kind),
          " AND NOT EXISTS (SELECT 1 FROM events f WHERE f.kind = ", Word(view.kind),
          " AND f.event_id = e.event_id AND (f.topic, f.\"partition\", f.log_epoch, f.\"offset\", f.batch_index)"
          " < (e.topic, e.\"partition\", e.log_epoch, e.\"offset\", e.batch_index))");
    case ViewShape::kQuery: {
      std::string from = absl::StrCat("FROM ", Quoted(view.over));
      if (!view.where.sqlite.empty()) absl::StrAppend(&from, "\nWHERE ", std::string(view.where.sqlite));
      if (!view.group_by.sqlite.empty()) absl::StrAppend(&from, "\nGROUP BY ", std::string(view.group_by.sqlite));
      return from;
    }
  }
  std::abort();
}

SqliteObject ViewOf(const View& view) {
  std::vector<std::string> columns;
  for (const ViewColumn& column : view.columns)
    columns.push_back(absl::StrCat("  ", ExpressionOf(view, column), " AS ", Quoted(column.name)));
  return {std::string(view.name), absl::StrCat("CREATE VIEW ", Quoted(view.name), " AS SELECT\n",
                                               absl::StrJoin(columns, ",\n"), "\n", FromOf(view))};
}

SqliteObject IndexOf(std::string name, std::string_view table, std::string_view columns, std::string_view where) {
  std::string sql =
      absl::StrCat("CREATE INDEX ", Quoted(name), " ON ", std::string(table), " (", std::string(columns), ")");
  if (!where.empty()) absl::StrAppend(&sql, " WHERE ", std::string(where));
  return {std::move(name), std::move(sql)};
}

}  // namespace

std::optional<int> SaidBit(std::string_view column) {
  static const auto* const kBits = [] {
    auto* bits = new std::vector<std::pair<std::string_view, int>>;
    for (const codecs::FieldBinding& field : codecs::BindingsOf(codecs::Body::kRun).fields()) {
      if (field.number > 0 && field.number < 63)
        bits->emplace_back(codecs::EventColumns()[field.column].name, static_cast<int>(field.number));
    }
    return bits;
  }();
  const auto at = std::find_if(kBits->begin(), kBits->end(), [column](const auto& bit) { return bit.first == column; });
  if (at == kBits->end()) return std::nullopt;
  return at->second;
}

std::string SqliteSaid() {
  std::vector<std::string> bits;
  for (const codecs::Column& column : codecs::EventColumns()) {
    if (const std::optional<int> bit = SaidBit(column.name)) {
      bits.push_back(absl::StrCat("(MAX(", Quoted(column.name), " IS NOT NULL) << ", *bit, ")"));
    }
  }
  return absl::StrJoin(bits, " | ");
}

std::string SqliteMergeRank(std::string_view alias) {
  return absl::StrCat("CASE WHEN ", Of(alias, "status"), " = 'running' THEN 0 WHEN ", Of(alias, "source_status"), " = ",
                      Word(codecs::kClosedByRunledger), " THEN 1 ELSE 2 END");
}

std::string SqliteMergeOrder(std::string_view alias) {
  return absl::StrCat(SqliteMergeRank(alias), " DESC, ", Of(alias, "event_time"), " DESC, COALESCE(",
                      Of(alias, "sequence"), ", 0) DESC, ", Of(alias, "event_id"), " DESC, ", std::string(alias),
                      alias.empty() ? "" : ".", "rowid");
}

const std::vector<SqliteTable>& SqliteTables() {
  static const auto* const kTables = new std::vector<SqliteTable>{EventsTable(), RunHeadsTable(), PositionsTable()};
  return *kTables;
}

const std::vector<SqliteObject>& SqliteIndexes() {
  // SQLite takes a partial index for a query that repeats one of the terms joined by OR.
  static constexpr std::string_view kNoRun =
      "kind = 'decision' OR kind = 'expected' OR kind = 'cleanup' OR kind = 'verdict'";
  static const auto* const kIndexes = new std::vector<SqliteObject>{
      // The events of a run: what a run's greatest event lacks, and how many there are.
      IndexOf("events_run", "events", "run_id, job_name, attempt", "run_id IS NOT NULL"),
      // What expires.
      IndexOf("events_ingest_date", "events", "ingest_date", {}),
      // The first event of an id, and the events of a kind.
      IndexOf("events_event_id", "events", "event_id, topic, \"partition\", log_epoch, \"offset\", batch_index",
              kNoRun),
      IndexOf("events_kind", "events", "kind, event_time", kNoRun),
      // Runs of a date, runs since a time.
      IndexOf("run_heads_data_date", "run_heads", "kind, data_date, status, started_at", {}),
      IndexOf("run_heads_began", "run_heads", "kind, began_at", {}),
      IndexOf("run_heads_started", "run_heads", "kind, started_at", "kind = 'processor'"),
  };
  return *kIndexes;
}

const std::vector<SqliteStatistic>& SqliteStatistics() {
  // Of a warehouse with 10 M rows and 2.5 M runs of 500 jobs over 90 days.
  static const auto* const kStatistics = new std::vector<SqliteStatistic>{
      {"events", "events_run", "10000000 4 4 4"},
      {"events", "events_ingest_date", "10000000 110000"},
      {"events", "events_event_id", "100000 1 1 1 1 1 1"},
      {"events", "events_kind", "100000 25000 1"},
      {"run_heads", "run_heads", "2500000 5000 1 1"},
      {"run_heads", "run_heads_data_date", "2500000 800000 9000 2000 1"},
      {"run_heads", "run_heads_began", "2500000 800000 1"},
      {"run_heads", "run_heads_started", "1700000 1700000 1"},
  };
  return *kStatistics;
}

const std::vector<SqliteObject>& SqliteViews() {
  static const auto* const kViews = [] {
    auto* views = new std::vector<SqliteObject>;
    for (const View& view : codecs::Views()) views->push_back(ViewOf(view));
    return views;
  }();
  return *kViews;
}

std::string SqliteStatistic::Sql() const {
  return absl::StrCat("INSERT INTO sqlite_stat1 SELECT '", table, "', '", index, "', '", text,
                      "' WHERE NOT EXISTS (SELECT 1 FROM sqlite_stat1 WHERE idx = '", index, "')");
}

std::string CreateTableSql(const SqliteTable& table) {
  std::vector<std::string> parts;
  for (const SqliteColumn& column : table.columns) {
    parts.push_back(absl::StrCat("  ", Quoted(column.name), " ", column.type, column.not_null ? " NOT NULL" : ""));
  }
  if (!table.primary_key.empty()) parts.push_back(absl::StrCat("  PRIMARY KEY (", table.primary_key, ")"));
  return absl::StrCat("CREATE TABLE ", Quoted(table.name), " (\n", absl::StrJoin(parts, ",\n"), "\n) STRICT",
                      table.primary_key.empty() ? "" : ", WITHOUT ROWID");
}

std::string SqliteScript() {
  std::string script = absl::StrCat(kSqliteFilePragmas, ";\n");
  absl::StrAppend(&script, "PRAGMA application_id = ", kSqliteApplicationId, ";\nPRAGMA user_version = ", kSqliteLayout,
                  ";\n");
  for (const SqliteTable& table : SqliteTables()) absl::StrAppend(&script, CreateTableSql(table), ";\n");
  for (const SqliteObject& index : SqliteIndexes()) absl::StrAppend(&script, index.sql, ";\n");
  for (const SqliteObject& view : SqliteViews()) absl::StrAppend(&script, view.sql, ";\n");
  absl::StrAppend(&script, kSqliteMakeStatistics, ";\n");
  for (const SqliteStatistic& statistic : SqliteStatistics()) absl::StrAppend(&script, statistic.Sql(), ";\n");
  return script;
}

}  // namespace runledger::exporters
