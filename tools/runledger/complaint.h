#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace runledger::tools {

// Says on standard error what is wrong, each line with `runledger: ` in front, so that a log of many programs shows
// whose it is. Returns `exit_status`.
int Complain(std::string_view text, int exit_status);

// Of a command that asks a warehouse: kWrongUse for InvalidArgument (flags, configuration), else kUnknown: it could not
// be reached or read.
int Complain(const absl::Status& status);

}  // namespace runledger::tools
