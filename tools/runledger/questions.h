#pragma once

#include <string>

#include "tools/runledger/ask_instance.h"

namespace runledger::tools {

// The commands that ask: status, runs, trace. Each against a running instance, or, for history, against a warehouse
// file.
struct QuestionOptions {
  InstanceFlags instance;
  std::string warehouse;  // a SQLite file instead of an instance
  std::string job;
  std::string status;
  std::string date;
  std::string fragment;
  bool stale = false;
  int limit = 20;
};

int Status(const QuestionOptions& options);  // of all jobs, or of one with its runs
int Runs(const QuestionOptions& options);
int Trace(const QuestionOptions& options);  // the runs whose id holds a fragment

}  // namespace runledger::tools
