#pragma once

#include <spdlog/logger.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "ingest/own_metrics.h"
#include "ingest/row_sink.h"
#include "tools/runledger/config.h"

namespace runledger::tools {

struct BigQueryRows {
  std::unique_ptr<ingest::RowSink> sink;
  std::function<void()> stop;  // ends its threads
};

// The BigQuery warehouse of a configuration, as rows go there. Looks at the table first: FailedPrecondition says what
// of it is not as it has to be, before an event is read; where that cannot be found out now, rows wait until it can.
// InvalidArgument: a setting is of no use, or this is a build without BigQuery. What else is passed must outlive the
// sink. `on_problem`: see exporters::BigQueryOptions.
absl::StatusOr<BigQueryRows> OpenBigQueryRows(const Config& config, ingest::RowSinkListener* listener,
                                              ingest::OwnMetrics* metrics,
                                              std::function<void(const std::string&)> on_problem,
                                              std::shared_ptr<spdlog::logger> logger);

}  // namespace runledger::tools
