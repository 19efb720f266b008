#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "exporters/bigquery_rest/bigquery_place.h"

namespace runledger::exporters {

// The table `events` as a resource of BigQuery's REST API
// (cloud.google.com/bigquery/docs/reference/rest/v2/tables#Table), of what codecs/events_table.h declares. Private to
// this folder. Pure.
nlohmann::json WantedTable(const BigQueryPlace& place);

// What the table that is there lacks.
struct TableComparison {
  std::vector<std::string> refusals;  // what may not be changed: table, column, what is wanted and what is found
  std::vector<std::string> missing;   // columns that will be added
  std::vector<std::string> changes;   // what will be done, for people; those columns too
  nlohmann::json patch = nlohmann::json::object();  // the body of tables.patch that does it
};

//   a nullable column is missing          it is added; older rows have NULL there
//   expiry or a description differs       it is set
//   a nullable column too many            stays: a newer version added it, or a user
//   anything else                         refused
TableComparison CompareTable(const BigQueryPlace& place, const nlohmann::json& found);

}  // namespace runledger::exporters
