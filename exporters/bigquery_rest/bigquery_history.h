#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "exporters/bigquery/credentials.h"
#include "exporters/bigquery_rest/bigquery_place.h"
#include "exporters/queries/history.h"

namespace runledger::exporters {

// A BigQuery warehouse that is asked. `tokens` may be null: no credentials are sent. Nothing is asked of the service
// before the first question.
std::unique_ptr<History> OpenBigQueryHistory(BigQueryPlace place, std::unique_ptr<TokenSource> tokens);

}  // namespace runledger::exporters
