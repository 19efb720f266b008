#pragma once

#include <CLI/CLI.hpp>

namespace runledger::tools {

// `log accept`: takes the log of a partition as a new one. For a partition that has stopped because its log is not the
// one that the committed offset is of, or because what was committed is gone.
void AddLog(CLI::App* app, int* status);

}  // namespace runledger::tools
