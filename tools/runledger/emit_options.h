#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "codecs/limits.h"
#include "tools/runledger/cli_flags.h"

namespace runledger::tools {

// `runledger emit`: one event of a run from flags if there is any such flag, else many from standard input.
struct EmitOptions {
  // The event, as texts by the names of its JSON; a flag is one of these.
  TextPairs event;   // event_id, event_time, sequence
  TextPairs fields;  // of the run: any column that a run has, e.g. {"status", "success"}
  TextPairs opts;
  TextPairs attributes;

  bool backfill = false;  // of the event, or of every line
  int input = 0;          // descriptor of standard input
  codecs::Limits limits;  // message_bytes: of a line; json_depth; future_us
  bool json = false;      // say at the end on standard output what became of the events
  // How long to wait for acknowledgements at the end, and for room while reading.
  std::chrono::microseconds flush_timeout = std::chrono::seconds(10);

  bool from_flags() const { return !event.empty() || !fields.empty() || !opts.empty() || !attributes.empty(); }
};

// Adds the flags of `emit` to its subcommand. `options` must outlive `app`. What CLI11 finds wrong it throws at
// parsing.
void AddEmitOptions(CLI::App* app, EmitOptions* options);

// The one event of the flags.
struct FlagEvent {
  std::string json;  // as codecs::JsonToEvent reads it
  std::string run_id;
  bool made_run_id = false;  // none was given
};
// InvalidArgument says which flag is wrong. The parent run comes from the environment unless it is given.
absl::StatusOr<FlagEvent> EventOfFlags(const EmitOptions& options, int64_t now_us);

}  // namespace runledger::tools
