#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace runledger::exporters {

// What a file holds. InvalidArgument: it cannot be read, and why; the text does not name the file.
absl::StatusOr<std::string> ReadTextFile(const std::string& path);

}  // namespace runledger::exporters
