#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "exporters/queries/history.h"

namespace runledger::tools {

struct ExportOptions {
  std::string path;   // empty: standard output
  bool zstd = false;  // a zstd frame with a checksum
};

// Writes a partition of `events` (the UTC day `ingest_date`) as newline-delimited JSON, which BigQuery loads again: one
// object a row in the order of the log, columns that are NULL left out. The file appears under its name when it is
// whole and on disk; one that is there is replaced and keeps its permissions, the one that a link names too. What is
// there and no file (a pipe, a device) is written into. Returns the rows. InvalidArgument: nothing can be written
// there.
absl::StatusOr<int64_t> ExportPartition(exporters::History* history, int32_t day, const ExportOptions& options);

}  // namespace runledger::tools
