#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "exporters/bigquery/bigquery_options.h"
#include "exporters/bigquery/stream_api.h"
#include "ingest/position.h"

namespace runledger::exporters {

// Asks the table, through REST (jobs.query), where the last row of a partition stands; nothing: it has none there.
// Blocks. Unavailable: no answer, or one that tells to come again; anything else: the answer's own code.
absl::StatusOr<std::optional<ingest::Position>> ReadTableTail(const BigQueryOptions& options,
                                                              const StreamApi::TailQuery& query);

}  // namespace runledger::exporters
