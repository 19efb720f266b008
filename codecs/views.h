#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codecs/events_table.h"

namespace runledger::codecs {

// The views over the table `events`, under the names and columns that readers know. Declared here and nowhere else:
// each warehouse's DDL and the documentation page come from it.

// SQL text, one member a dialect: JSON, dates and times are not written alike. A warehouse reads its own member and no
// other, so a dialect that joins later is a member here and a text beside each of the others.
struct Sql {
  std::string_view sqlite;
  std::string_view bigquery;
};

// What one row of a view stands for.
enum class ViewShape : uint8_t {
  kRuns,    // a run (job_name, run_id, attempt) of the view's kind, also while it is running
  kEvents,  // an event id of the view's kind; of its repetitions the first in the order of the log
  kQuery,   // a row of a query over another view
};

// Where the value of a view's column comes from.
enum class ViewSource : uint8_t {
  kColumn,      // the column `source` of `events`
  kAttribute,   // the member `source` of the JSON column `attributes`
  kExpression,  // `sql`, in which {name} is a column of `events` as this view sees it. kQuery: over the view's columns
  kAllEvents,   // kRuns: `sql` is one call of an aggregate function on columns of `events`, over all events of the run
};

struct ViewColumn {
  std::string_view name;
  ColumnType type;
  ViewSource from;
  std::string_view source;
  Sql sql;
  std::string_view description;
  std::string_view bigquery_type = {};  // where BigQuery has a type that `type` cannot say: ARRAY<STRING>
};

struct View {
  std::string_view name;
  ViewShape shape;
  std::string_view kind;  // kRuns, kEvents: the word in the column `kind`
  std::string_view over;  // kQuery: the view that it reads
  int over_days = 0;      // kQuery: no row older than so many days matters to it; 0: any may
  Sql where;              // kQuery; empty: every row
  Sql group_by;           // kQuery; empty: none
  std::vector<ViewColumn> columns;
  std::string_view description;
  std::string_view source;  // ids of requirements
};

// Every view, those that others read first.
const std::vector<View>& Views();

// The view of that name; aborts if there is none: a misspelt name in our own code.
const View& ViewNamed(std::string_view name);

// In views of runs: a column of the run's state comes from its greatest event (MergeKey) alone, so that what an
// earlier status left behind (its errors, its duration) goes with it. Every other column comes from the greatest event
// that has it.
bool IsRunState(std::string_view column);

// When a run began, as far as its row tells; never NULL. An expression as in ViewSource::kExpression.
extern const Sql kRunBegan;

// `expression` with each {name} replaced by expand(name). Braces have no other use in these expressions.
template <typename Expand>
std::string ExpandColumns(std::string_view expression, const Expand& expand) {
  std::string text;
  for (size_t open; (open = expression.find('{')) != std::string_view::npos;) {
    const size_t close = expression.find('}', open);
    text += expression.substr(0, open);
    text += expand(expression.substr(open + 1, close - open - 1));
    expression.remove_prefix(close + 1);
  }
  text += expression;
  return text;
}

}  // namespace runledger::codecs
