#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exporters/bigquery_rest/bigquery_place.h"

namespace runledger::exporters {

// The BigQuery form of what codecs/events_table.h and codecs/views.h declare, as SQL.
//
//   events            the table
//   runs_between      function (from_date DATE, to_date DATE): one row per run of any kind, made of the events that
//   were
//                     written on those days (ingest_date, both included), in the columns of `events` that
//                     runs have
//   VIEW_between      the same for each view of runs or events, in the view's columns
//   VIEW              VIEW_between over every partition there is
//
// Columns of a run are looked for with windows over the run's events. A grouping would need
// ARRAY_AGG(... IGNORE NULLS ORDER BY ... LIMIT 1) for each, and BigQuery reads only the columns of windows that
// somebody selects.

struct BigQueryFunction {
  std::string name;
  std::string body;  // the query after AS
  std::string description;
};

struct BigQueryView {
  std::string dataset;
  std::string name;
  std::string query;
  std::string description;  // its last word is a mark of the query: services do not all say what a view's query is
};

std::vector<BigQueryFunction> BigQueryFunctions(const BigQueryPlace& place);
// Those that others read come first.
std::vector<BigQueryView> BigQueryViews(const BigQueryPlace& place);

// `project.dataset.name` in backquotes.
std::string BigQueryName(const BigQueryPlace& place, std::string_view dataset, std::string_view name);

inline constexpr std::string_view kBigQueryTableDescription =
    "Every good event of the log, one row each, in the order of the log. Readers use the views.";

// The whole schema as DDL for an empty project.
std::string BigQuerySchemaText(const BigQueryPlace& place);

}  // namespace runledger::exporters
