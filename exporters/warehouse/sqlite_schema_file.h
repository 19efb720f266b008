#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace runledger::exporters {

// The schema of a SQLite warehouse file, for people: `schema print|diff|apply`.

// The whole schema as a script for an empty file.
std::string SqliteSchemaText();

// What SqliteSchemaApply would do, one SQL statement each; none: nothing is to be done. Reads alone.
// FailedPrecondition: what may not be done, naming table, column, what is wanted and what is found.
absl::StatusOr<std::vector<std::string>> SqliteSchemaDiff(const std::string& path);

// Makes the file what the schema says, in one transaction; makes the file if it is not there. Errors as above.
absl::Status SqliteSchemaApply(const std::string& path);

}  // namespace runledger::exporters
