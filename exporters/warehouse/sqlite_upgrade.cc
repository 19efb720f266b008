#include "exporters/warehouse/sqlite_upgrade.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "exporters/warehouse/sqlite_schema.h"

namespace runledger::exporters {
namespace {

struct FoundColumn {
  std::string name;
  std::string type;
  bool not_null = false;
  bool has_default = false;
};

// What sqlite_schema holds: name -> CREATE statement.
using Objects = std::map<std::string, std::string>;

absl::StatusOr<Objects> ReadObjects(Database* database, const char* type) {
  absl::StatusOr<Statement> query =
      database->Prepare("SELECT name, sql FROM sqlite_schema WHERE type = ? AND sql IS NOT NULL");
  if (!query.ok()) return query.status();
  query->BindText(1, type);
  Objects objects;
  while (true) {
    const absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return objects;
    objects.emplace(query->Text(0), query->Text(1));
  }
}

absl::StatusOr<std::vector<FoundColumn>> ReadColumns(Database* database, const std::string& table) {
  absl::StatusOr<Statement> query =
      database->Prepare("SELECT name, type, \"notnull\", dflt_value IS NOT NULL FROM pragma_table_xinfo(?)");
  if (!query.ok()) return query.status();
  query->BindText(1, table);
  std::vector<FoundColumn> columns;
  while (true) {
    const absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return columns;
    columns.push_back(
        {std::string(query->Text(0)), std::string(query->Text(1)), query->Integer(2) != 0, query->Integer(3) != 0});
  }
}

std::string TypeText(const std::string& type, bool not_null) { return absl::StrCat(type, not_null ? " NOT NULL" : ""); }

absl::Status Drift(const Database& database, const std::string& table, const std::string& column,
                   const std::string& wanted, const std::string& found) {
  return absl::FailedPreconditionError(
      absl::StrCat(database.path(), ": table ", table, ", column ", column, ": wanted ", wanted, ", found ", found,
                   "; change the table, or move the file away: a new one begins where the group's committed "
                   "offsets stand, and with a new log.group at the beginning of the log"));
}

using Script = std::vector<std::string>;

// What the table needs, at the end of `script`.
absl::Status PlanTable(Database* database, const SqliteTable& table, Script* script) {
  const absl::StatusOr<std::vector<FoundColumn>> found = ReadColumns(database, table.name);
  if (!found.ok()) return found.status();
  std::map<std::string, const FoundColumn*> by_name;
  for (const FoundColumn& column : *found) by_name[column.name] = &column;

  for (const SqliteColumn& wanted : table.columns) {
    const std::string wanted_type = TypeText(wanted.type, wanted.not_null);
    const auto at = by_name.find(wanted.name);
    if (at == by_name.end()) {
      if (wanted.not_null) return Drift(*database, table.name, wanted.name, wanted_type, "no such column");
      script->push_back(
          absl::StrCat("ALTER TABLE ", Quoted(table.name), " ADD COLUMN ", Quoted(wanted.name), " ", wanted.type));
      continue;
    }
    const FoundColumn& has = *at->second;
    if (has.type != wanted.type || has.not_null != wanted.not_null) {
      return Drift(*database, table.name, wanted.name, wanted_type, TypeText(has.type, has.not_null));
    }
    by_name.erase(at);
  }
  for (const auto& [name, extra] : by_name) {
    if (extra->not_null && !extra->has_default) {
      return Drift(*database, table.name, name, "no such column, or one that may be NULL",
                   TypeText(extra->type, extra->not_null));
    }
  }
  return absl::OkStatus();
}

// A name that something of another type has is an error of SQLite's, which says so.
absl::Status PlanObjects(Database* database, const char* type, const char* word,
                         const std::vector<SqliteObject>& wanted, Script* script) {
  const absl::StatusOr<Objects> found = ReadObjects(database, type);
  if (!found.ok()) return found.status();
  for (const SqliteObject& object : wanted) {
    const auto at = found->find(object.name);
    if (at != found->end()) {
      if (at->second == object.sql) continue;
      script->push_back(absl::StrCat("DROP ", word, " ", Quoted(object.name)));
    }
    script->push_back(object.sql);
  }
  return absl::OkStatus();
}

absl::Status PlanMark(Database* database, const char* pragma, int64_t wanted, Script* script) {
  const absl::StatusOr<int64_t> found = database->QueryInteger(absl::StrCat("PRAGMA ", pragma));
  if (!found.ok()) return found.status();
  if (*found != wanted) script->push_back(absl::StrCat("PRAGMA ", pragma, " = ", wanted));
  return absl::OkStatus();
}

absl::Status PlanStatistics(Database* database, const Objects& tables, Script* script) {
  if (tables.contains("sqlite_stat1") && script->empty()) {
    const absl::StatusOr<int64_t> known = database->QueryInteger("SELECT COUNT(DISTINCT idx) FROM sqlite_stat1");
    if (!known.ok()) return known.status();
    if (*known >= static_cast<int64_t>(SqliteStatistics().size())) return absl::OkStatus();
  }
  script->push_back(kSqliteMakeStatistics);
  for (const SqliteStatistic& statistic : SqliteStatistics()) script->push_back(statistic.Sql());
  return absl::OkStatus();
}

absl::Status CheckOwner(Database* database, const Objects& tables) {
  const absl::StatusOr<int64_t> application = database->QueryInteger("PRAGMA application_id");
  if (!application.ok()) return application.status();
  const absl::StatusOr<int64_t> layout = database->QueryInteger("PRAGMA user_version");
  if (!layout.ok()) return layout.status();
  const bool unmarked = *application == 0 && (tables.empty() || tables.contains("events"));
  if (*application != kSqliteApplicationId && !unmarked) {
    return absl::FailedPreconditionError(
        absl::StrCat(database->path(), ": a database of another program; give warehouse.path a file of its own"));
  }
  if (*layout > kSqliteLayout) {
    return absl::FailedPreconditionError(absl::StrCat(database->path(), ": has layout ", *layout,
                                                      ", made by a newer version; this one knows up to ", kSqliteLayout,
                                                      ": run the newer version, or give warehouse.path another file"));
  }
  // All tables are made in one transaction. To make one of them anew would hide that history is gone.
  if (*application == kSqliteApplicationId && *layout == kSqliteLayout) {
    for (const SqliteTable& table : SqliteTables()) {
      if (tables.contains(table.name)) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          database->path(), ": table ", table.name,
          " is missing: it was dropped. Put a copy of the file back, or move the file away: a new one begins "
          "where the group's committed offsets stand, and with a new log.group at the beginning of the log"));
    }
  }
  return absl::OkStatus();
}

// The statements that make the file what it should be; none, as a rule.
absl::Status Plan(Database* database, Script* script) {
  const absl::StatusOr<Objects> tables = ReadObjects(database, "table");
  if (!tables.ok()) return tables.status();
  if (absl::Status status = CheckOwner(database, *tables); !status.ok()) return status;
  for (const SqliteTable& table : SqliteTables()) {
    if (!tables->contains(table.name)) {
      script->push_back(CreateTableSql(table));
    } else if (absl::Status status = PlanTable(database, table, script); !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = PlanObjects(database, "index", "INDEX", SqliteIndexes(), script); !status.ok())
    return status;
  if (absl::Status status = PlanObjects(database, "view", "VIEW", SqliteViews(), script); !status.ok()) return status;
  if (absl::Status status = PlanMark(database, "application_id", kSqliteApplicationId, script); !status.ok())
    return status;
  if (absl::Status status = PlanMark(database, "user_version", kSqliteLayout, script); !status.ok()) return status;
  return PlanStatistics(database, *tables, script);
}

absl::Status CarryOut(Database* database) {
  // Planned anew under the lock: another process may have done it in the meantime.
  Script script;
  absl::Status status = Plan(database, &script);
  for (const std::string& statement : script) {
    if (status.ok()) status = database->Execute(statement);
  }
  return status.ok() ? database->Execute("COMMIT") : status;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> PendingChanges(Database* database) {
  Script script;
  if (absl::Status status = Plan(database, &script); !status.ok()) return status;
  return script;
}

absl::Status BringUpToDate(Database* database) {
  Script script;
  if (absl::Status status = Plan(database, &script); !status.ok()) return status;
  if (!script.empty()) {
    if (absl::Status status = database->Execute(kSqliteFilePragmas); !status.ok()) return status;
  }
  if (absl::Status status = database->ExecuteInTurn("PRAGMA journal_mode = WAL"); !status.ok()) return status;
  if (script.empty()) return absl::OkStatus();
  if (absl::Status status = database->Execute("BEGIN IMMEDIATE"); !status.ok()) return status;
  absl::Status status = CarryOut(database);
  // The first error is the one to tell.
  if (!status.ok() && database->in_transaction()) database->Execute("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace runledger::exporters
