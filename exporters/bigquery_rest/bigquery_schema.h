#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "exporters/bigquery/credentials.h"
#include "exporters/bigquery_rest/bigquery_place.h"

namespace runledger::exporters {

// The schema of a BigQuery warehouse against what the code declares: `schema diff|apply` and the check at start.
// `tokens` may be null: no credentials are sent. Each blocks while the service is asked.
//
//   a dataset, the table or a view is missing   it is made
//   a nullable column is missing                it is added
//   expiry or a description differs             it is set
//   a function or a view of ours differs        it is made anew
//   anything else                               FailedPrecondition, a line each, with table, column, what is wanted and
//                                               what is found; nothing at all is changed then

// What BigQuerySchemaApply would do, in words; none: nothing is to be done. Changes nothing.
absl::StatusOr<std::vector<std::string>> BigQuerySchemaDiff(const BigQueryPlace& place, TokenSource* tokens);

// What was done. May be repeated after an error.
absl::StatusOr<std::vector<std::string>> BigQuerySchemaApply(const BigQueryPlace& place, TokenSource* tokens);

// Can rows be written? FailedPrecondition: no, and why not, and what to do. Views that are missing do not matter here.
// PermissionDenied, Unavailable: it could not be found out.
absl::Status CheckBigQueryTable(const BigQueryPlace& place, TokenSource* tokens);

}  // namespace runledger::exporters
