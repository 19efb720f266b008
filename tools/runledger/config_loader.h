#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "tools/runledger/config.h"

namespace runledger::tools {

// Environment variables by name.
using Environment = std::map<std::string, std::string>;
Environment ProcessEnvironment();

// The configuration of this YAML text with the environment over it. InvalidArgument lists every problem, one a line,
// each with its place (file:line or variable), the key, what it holds and what it takes. An empty text is all defaults.
absl::StatusOr<Config> LoadConfig(const std::string& text, const std::string& file_name,
                                  const Environment& environment);

// The file that is meant: `path`, else RUNLEDGER_CONFIG; empty: none, so the environment and the defaults.
std::string ConfigFileOf(const std::string& path, const Environment& environment);
// The same for the file that is meant.
absl::StatusOr<Config> LoadConfigFile(const std::string& path, const Environment& environment);

}  // namespace runledger::tools
