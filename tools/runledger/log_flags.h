#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "absl/status/statusor.h"
#include "tools/runledger/config.h"

namespace runledger::tools {

// Flags of commands that write to the log: where it is, over what the configuration says.
struct LogFlags {
  std::string config;  // file
  std::string brokers;
  std::string topic;

  void Add(CLI::App* command);
  // The configuration; its first topic is the one to write to. InvalidArgument: every problem of the configuration.
  absl::StatusOr<Config> Load() const;
};

}  // namespace runledger::tools
