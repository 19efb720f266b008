#include "exporters/warehouse/sqlite_open.h"

#include "absl/strings/str_cat.h"
#include "exporters/warehouse/sqlite_schema.h"

namespace runledger::exporters {

absl::StatusOr<std::unique_ptr<Database>> OpenForReading(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open({.path = path, .read_only = true});
  if (!database.ok()) {
    return absl::NotFoundError(absl::StrCat(database.status().message(),
                                            "; is it the path of a warehouse? `runledger schema apply` makes one"));
  }
  const absl::StatusOr<int64_t> application = (*database)->QueryInteger("PRAGMA application_id");
  if (!application.ok()) return application.status();
  if (*application != kSqliteApplicationId)
    return absl::NotFoundError(
        absl::StrCat(path, ": no warehouse of runledger; `runledger schema apply` makes one in an empty file"));
  return database;
}

}  // namespace runledger::exporters
