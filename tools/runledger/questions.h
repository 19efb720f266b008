#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "tools/runledger/http_client.h"

namespace runledger::tools {

// The commands that ask: status, runs, trace. Each against a running instance, or, for history, against a warehouse
// file.
struct QuestionOptions {
  InstanceAddress instance;
  std::string warehouse;  // a SQLite file instead of an instance
  bool json = false;
  std::string job;
  std::string status;
  std::string date;
  std::string fragment;
  bool stale = false;
  int limit = 20;
};

// Flags that all of them share: --url, --warehouse, --json, ...
void AddInstanceFlags(CLI::App* command, QuestionOptions* options);

int Status(const QuestionOptions& options);  // of all jobs, or of one with its runs
int Runs(const QuestionOptions& options);
int Trace(const QuestionOptions& options);  // the runs whose id holds a fragment

}  // namespace runledger::tools
