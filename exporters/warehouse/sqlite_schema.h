#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codecs/views.h"

namespace runledger::exporters {

// The SQLite form of what codecs/events_table.h and codecs/views.h declare.
//
//   events     the table: one row per good event; INTEGER microseconds, TEXT dates, TEXT JSON, 0/1
//   run_heads  one row per run: key, kind, merge key, the row of its greatest event, and what is searched for.
//   data_date
//              and started_at are those of the greatest event that has them; began_at is kRunBegan. `said` has a bit
//              for each column that any event of the run has (SaidBit): what none has need not be looked for
//   positions  one row per partition: how far its rows are, and the fence that only its owner knows

struct SqliteColumn {
  std::string name;
  std::string type;  // INTEGER, REAL, TEXT
  bool not_null = false;
};

struct SqliteTable {
  std::string name;
  std::vector<SqliteColumn> columns;
  std::string primary_key;  // empty: a rowid table
};

// An index or a view. `sql` is the text of its CREATE statement to the letter, as SQLite keeps it.
struct SqliteObject {
  std::string name;
  std::string sql;
};

// What SQLite's planner is told of an index (sqlite_stat1). Without it the planner takes any equality for a narrow one,
// and `kind` is not. Fixed, so that plans are the same everywhere and tests see them; a user's ANALYZE goes first.
struct SqliteStatistic {
  const char* table;
  const char* index;
  const char* text;  // entries, then entries for each value of the first column, the first two, ...

  // A statement that adds it if the index has none.
  std::string Sql() const;
};
inline constexpr const char* kSqliteMakeStatistics = "ANALYZE sqlite_schema";  // makes the table sqlite_stat1

const std::vector<SqliteTable>& SqliteTables();
const std::vector<SqliteObject>& SqliteIndexes();
const std::vector<SqliteStatistic>& SqliteStatistics();
const std::vector<SqliteObject>& SqliteViews();

std::string CreateTableSql(const SqliteTable& table);
// The whole schema as a script.
std::string SqliteScript();

// The bit of run_heads.said for a column of `events`: the number of its field in RunEvent, which never changes.
// Nothing: the column has none, and is looked for always.
std::optional<int> SaidBit(std::string_view column);
// In queries over one run's events: what run_heads.said is for them.
std::string SqliteSaid();

// In queries over one run's events under the alias: the greatest event first. Events of one key are repetitions of one
// another, and the first of them counts.
std::string SqliteMergeOrder(std::string_view alias);
// Rank of an event in the merge rule, as codecs::MergeKey has it.
std::string SqliteMergeRank(std::string_view alias);

// Marks a file as ours: "rlgr" in the file's header.
inline constexpr int kSqliteApplicationId = 0x726c6772;
// Layout of the file beyond what the tables show; a file with a higher one was made by a newer version.
inline constexpr int kSqliteLayout = 1;
// Taken by an empty file alone, and kept by it. A row has some 700 bytes, so pages of 8 KiB waste less than those of 4.
inline constexpr char kSqliteFilePragmas[] = "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL";

}  // namespace runledger::exporters
