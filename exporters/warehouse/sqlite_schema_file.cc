#include "exporters/warehouse/sqlite_schema_file.h"

#include <filesystem>

#include "exporters/warehouse/sqlite_database.h"
#include "exporters/warehouse/sqlite_schema.h"
#include "exporters/warehouse/sqlite_upgrade.h"

namespace runledger::exporters {

std::string SqliteSchemaText() { return SqliteScript(); }

absl::StatusOr<std::vector<std::string>> SqliteSchemaDiff(const std::string& path) {
  // A file that is not there needs what an empty one needs. Opening it for writing would make it.
  std::error_code ignored;
  const bool there = std::filesystem::exists(path, ignored);
  absl::StatusOr<std::unique_ptr<Database>> database =
      Database::Open({.path = there ? path : ":memory:", .read_only = there});
  if (!database.ok()) return database.status();
  return PendingChanges(database->get());
}

absl::Status SqliteSchemaApply(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open({.path = path});
  if (!database.ok()) return database.status();
  return BringUpToDate(database->get());
}

}  // namespace runledger::exporters
