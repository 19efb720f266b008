#pragma once

#include "tools/runledger/ask_instance.h"

namespace runledger::tools {

// Prints the investigation of one run: what it was, what it depended on, what triggered it, what ran around it, where
// its logs are. `graph` as /api/v1/trace has it, with a run.
void PrintTracePage(const Json& graph);

}  // namespace runledger::tools
