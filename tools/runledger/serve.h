#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "tools/runledger/config.h"
#include "tools/runledger/config_watch.h"

namespace runledger::tools {

// Runs the pipeline until SIGTERM or SIGINT; a second signal ends it at once. At SIGHUP, and when its file has changed,
// the configuration is read again from `source`. Exit status.
int Serve(const Config& config, ConfigSource source, std::shared_ptr<spdlog::logger> logger);

// Blocks SIGTERM and SIGINT in this and all threads made later, so that WaitForSignal can take them.
void BlockSignals();
// Waits for one of them; its number.
int WaitForSignal();
// Whether one of them came that nobody has waited for.
bool StopSignalPending();

}  // namespace runledger::tools
