#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codecs/event.h"
#include "tools/runledger/cli_flags.h"

namespace runledger::tools {

// What is known of a run beforehand. Empty text: not told.
struct RunDescription {
  std::string job;     // never empty
  std::string run_id;  // empty: made up, see MakeRunId
  std::optional<int32_t> attempt;
  std::optional<codecs::Kind> kind;
  std::string phase;
  std::string workflow;
  std::optional<int32_t> data_date;  // days since 1970-01-01
  std::string trigger_source;
  std::string trigger_message_id;
  std::string triggered_by;  // empty: the user
  std::string source;
  std::string environment;
  std::string version;
  std::string parent_job;     // empty: RUNLEDGER_JOB, as an outer `exec` sets it
  std::string parent_run_id;  // empty: RUNLEDGER_RUN_ID
  TextPairs opts;
  TextPairs attributes;
  bool backfill = false;
  // Key names whose members are left out of opts. The command line does not set it: it is the configuration's
  // `secrets`.
  std::vector<std::string> secrets;
};

// `runledger exec`.
struct ExecOptions {
  std::vector<std::string> command;  // and its arguments, see SplitCommandLine
  RunDescription run;
  std::chrono::microseconds heartbeat = std::chrono::minutes(1);  // 0: none
  bool capture_stderr = true;
  size_t stderr_tail_bytes = size_t{8} << 10;  // at most kMaxStderrTail
  std::chrono::microseconds flush_timeout = std::chrono::seconds(5);
  // The status of a command that ends well comes from its result: see discover_status.h.
  bool discover_status = false;
  std::string result_file;  // that the command writes; empty: the last line of its standard output
};

// A result on standard output must fit into so much.
inline constexpr size_t kMaxResultLine = size_t{4} << 20;

// An error message of a tail of this size fits its column even where every byte of it has to be replaced.
inline constexpr size_t kMaxStderrTail = size_t{16} << 10;

// Adds the flags of `exec` to its subcommand. `options` must outlive `app`. What CLI11 finds wrong it throws at
// parsing.
void AddExecOptions(CLI::App* app, ExecOptions* options);

// A command line in two: up to the first "--" for CLI11, which would take "[a,b]" among a command's arguments for a
// list and a command named like a subcommand for that; the rest is the command.
struct CommandLine {
  std::vector<std::string> ours;     // without the program's name
  std::vector<std::string> command;  // behind "--"
};
CommandLine SplitCommandLine(int argc, const char* const* argv);

// "<Job>_<YYYYMMDD>_<HHMMSS>_<8 hex digits>", in UTC, with random digits.
std::string MakeRunId(const std::string& job, int64_t now_us);

}  // namespace runledger::tools
