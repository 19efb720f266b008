#pragma once

#include "absl/status/status.h"
#include "google/cloud/bigquery/storage/v1/table.pb.h"

// Private to this folder.

namespace runledger::exporters {

// Whether a table of these columns takes our rows. FailedPrecondition names every column that is missing or of another
// type, and every REQUIRED one that is not ours.
absl::Status CheckColumns(const google::cloud::bigquery::storage::v1::TableSchema& table);

}  // namespace runledger::exporters
