#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <string>

namespace runledger::tools {

// The process's logger, on standard error: lines for people on a terminal, one JSON object a line elsewhere
// ({"time", "level", "message"}). `level`: trace, debug, info, warning, error, off.
std::shared_ptr<spdlog::logger> MakeLogger(const std::string& level);

}  // namespace runledger::tools
