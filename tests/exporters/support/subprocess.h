#pragma once

#include <string>
#include <vector>

namespace runledger::exporters {

struct ProcessResult {
  bool started = false;  // false: there is no such program
  int exit_status = -1;
  std::string output;  // standard output and standard error
};

// Runs a program found on PATH with `input` on its standard input, to its end.
ProcessResult RunProcess(const std::vector<std::string>& command, const std::string& input);

// For programs that a test needs and the machine lacks: where CI=true in the environment that is a failure, elsewhere
// the test may say loudly that it was skipped.
bool MayBeSkipped();

}  // namespace runledger::exporters
