#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "exporters/http/json_answer.h"
#include "exporters/queries/history.h"

namespace runledger::exporters {

// The newest run whose id holds `fragment`, as the warehouse has it, and the runs around it: {"run", "attempts",
// "parents", "siblings", "children", "blocked"}, each run an object of the columns of the query `run_graph` that are
// not NULL. "run" is null if no run of the last 30 days matches. Errors are the warehouse's.
absl::StatusOr<Json> RunGraph(History& history, const std::string& fragment, int64_t now_us);

}  // namespace runledger::exporters
