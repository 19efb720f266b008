#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "exporters/queries/bound_query.h"
#include "exporters/queries/history.h"
#include "tools/runledger/config.h"

namespace runledger::tools {

// The warehouse of a configuration with `warehouse.kind: bigquery`. In a build without BigQuery
// (RUNLEDGER_BIGQUERY=OFF) each says so with InvalidArgument. Errors of credentials name their file, never what is in
// it.

absl::StatusOr<std::unique_ptr<exporters::History>> OpenBigQuery(const Config& config);
absl::StatusOr<std::string> BigQueryText(const Config& config);                  // schema print
absl::StatusOr<std::vector<std::string>> BigQueryDiff(const Config& config);     // schema diff
absl::StatusOr<std::vector<std::string>> ApplyToBigQuery(const Config& config);  // schema apply: what was done
absl::Status CheckBigQuery(const Config& config);                                // before the first row
// Files that the settings name, without asking anybody: InvalidArgument, a line for each that is of no use.
absl::Status CheckBigQueryFiles(const Config& config);

}  // namespace runledger::tools
