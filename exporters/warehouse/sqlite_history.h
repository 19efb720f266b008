#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "exporters/queries/history.h"

namespace runledger::exporters {

// A SQLite warehouse file that is asked, read-only, also while others write to it. Each call reads a state of its own.
// NotFound: it is not there or no warehouse.
absl::StatusOr<std::unique_ptr<History>> OpenSqliteHistory(const std::string& path);

}  // namespace runledger::exporters
