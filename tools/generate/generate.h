#pragma once

#include "absl/status/status.h"
#include "tools/generate/ledger.h"
#include "tools/generate/options.h"
#include "tools/generate/sink.h"

namespace runledger::tools {

// Generates realistic run events and sends them: jobs of uneven popularity whose runs overlap, are tried again, beat,
// crash, are corrected; late, repeated and disordered events, history, and input of every bad kind. Every event of a
// job goes to one partition.
//
// Blocks until all has been sent, or the sink fails. Memory is bounded by the runs that are going on at one time, not
// by the number of events. InvalidArgument: an option is out of range, and the text names it. On success `*ledger` says
// what must come out.
absl::Status Generate(const GenerateOptions& options, Sink& sink, Ledger* ledger);

}  // namespace runledger::tools
