#pragma once

#include "tools/runledger/emit_options.h"
#include "tools/runledger/event_sink.h"

namespace runledger::tools {

// Sends events. 0: all were acknowledged, or are kept on this machine to be sent later, which is said. 1: at least one
// was refused, had a value that its column cannot hold, or was neither delivered nor kept; 2: wrong use, nothing was
// sent.
//
// From flags: a run id that is not given is made up and printed, so that later events can name their run.
//
// From standard input: a line is one JSON object, the mapping of codecs::JsonToEvent; empty lines are skipped. An
// event without event_time happens now. A line that is refused is named on standard error with the reason, and the
// others are sent. A bad value of a column is named too, but what folding needs is good, so that event goes. Reading
// waits while the sink is full, and stops with a word if nothing moves for flush_timeout. Memory is bounded: a line,
// and what the sink holds.
int Emit(const EmitOptions& options, EventSink& sink);

}  // namespace runledger::tools
