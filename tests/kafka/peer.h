#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// What the fixtures of real peers (Kafka, Prometheus) have in common. Tests only.
namespace runledger::test {

// Runs a program to its end and returns what it printed on standard output. Unavailable: exit status 3, which
// tests/kafka/broker uses for "cannot be had here"; Internal: any other failure. The text is its standard error.
absl::StatusOr<std::string> RunProgram(const std::vector<std::string>& command);

// A new directory under TMPDIR or /tmp.
std::string MakeTempDir(std::string_view prefix);
void RemoveTree(const std::string& path);

// A free port of 127.0.0.1. Somebody else may take it before it is used.
int FreePort();

// Under CI=true a peer that cannot be had is a failure, elsewhere the suite is skipped.
bool PeersRequired();

// Prints the one line by which tools/test counts a skipped suite.
void ReportSkipped(std::string_view suite, std::string_view reason);

}  // namespace runledger::test
