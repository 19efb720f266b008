#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "tools/runledger/config.h"
#include "tools/runledger/event_sender.h"

namespace runledger::tools {

// `exec` and `emit`. `command`: what stands behind "--" on the command line.
void AddProducerCommands(CLI::App* app, const std::vector<std::string>& command, int* status);

// How events of our own get to the first topic of the configuration.
EventSenderOptions SenderOptionsOf(const Config& config);

}  // namespace runledger::tools
