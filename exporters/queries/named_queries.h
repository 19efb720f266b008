#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codecs/events_table.h"

namespace runledger::exporters {

// The queries that operators and analysts know, each with one SQL text a dialect: sql/NAME.sqlite.sql and
// sql/NAME.bigquery.sql, built into the program. In the text @name is a parameter; in BigQuery's {dataset} is
// project.dataset of the table `events`. Both texts give the same answer.

struct QueryParameter {
  // What a parameter is where nobody gives it.
  enum class Default {
    kNone,   // it must be given
    kText,   // `text`
    kNow,    // the time of the query
    kToday,  // the day of @now in the time zone @zone
  };

  std::string_view name;
  codecs::ColumnType type;  // STRING, INT64, FLOAT64, DATE, TIMESTAMP
  Default otherwise;
  std::string_view text;
  std::string_view description;
};

struct QueryColumn {
  std::string_view name;
  codecs::ColumnType type;
};

struct NamedQuery {
  std::string_view name;
  std::string_view description;
  std::string_view source;  // ids of requirements
  std::vector<QueryParameter> parameters;
  std::vector<QueryColumn> columns;
  bool rows_are_bad_news;  // an alert: any row is a finding
  std::string_view sqlite;
  std::string_view bigquery;
};

// In the order of the documentation.
const std::vector<NamedQuery>& NamedQueries();

// nullptr: there is none of that name.
const NamedQuery* FindQuery(std::string_view name);

// The page of all queries (Markdown), for docs/queries.md.
std::string QueryPage();

}  // namespace runledger::exporters
