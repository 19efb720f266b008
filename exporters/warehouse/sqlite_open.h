#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "exporters/warehouse/sqlite_database.h"

namespace runledger::exporters {

// The warehouse file for reading, also while others write to it. NotFound: it is not there or no warehouse.
absl::StatusOr<std::unique_ptr<Database>> OpenForReading(const std::string& path);

}  // namespace runledger::exporters
