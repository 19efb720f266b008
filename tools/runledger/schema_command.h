#pragma once

#include <CLI/CLI.hpp>

namespace runledger::tools {

// `schema print|diff|apply`: what the warehouse's tables and views are, what the warehouse lacks, and bringing it
// there.
void AddSchema(CLI::App* app, int* status);

}  // namespace runledger::tools
