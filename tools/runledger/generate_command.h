#pragma once

#include <CLI/CLI.hpp>

namespace runledger::tools {

// `generate`: realistic run events into the log or a file, with a ledger of what must come out.
void AddGenerate(CLI::App* app, int* status);

}  // namespace runledger::tools
