#pragma once

#include <CLI/CLI.hpp>

namespace runledger::tools {

// `demo`: plays an incident on an embedded broker and a SQLite file, in compressed time, and says what happens.
void AddDemo(CLI::App* app, int* status);

}  // namespace runledger::tools
