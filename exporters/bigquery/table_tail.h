#pragma once

#include <atomic>
#include <optional>

#include "absl/status/statusor.h"
#include "exporters/bigquery/bigquery_options.h"
#include "exporters/bigquery/stream_api.h"
#include "ingest/position.h"

namespace runledger::exporters {

// Asks the table, through REST (jobs.query), where the last row of a partition stands; nothing: it has none there.
// Blocks: up to minutes; once `stop` is set for one request (15 s) and its token at most. Unavailable: no answer, or
// one that tells to come again; Cancelled: stopped; anything else: the answer's own code.
absl::StatusOr<std::optional<ingest::Position>> ReadTableTail(const BigQueryOptions& options,
                                                              const StreamApi::TailQuery& query,
                                                              const std::atomic<bool>& stop);

}  // namespace runledger::exporters
