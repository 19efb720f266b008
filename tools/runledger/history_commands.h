#pragma once

#include <CLI/CLI.hpp>

namespace runledger::tools {

// `query`: the named queries over the warehouse. `export`: one partition of `events` as JSON lines.
void AddHistoryCommands(CLI::App* app, int* status);

}  // namespace runledger::tools
