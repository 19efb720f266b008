#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "codecs/events_table.h"
#include "exporters/queries/named_queries.h"

namespace runledger::exporters {

// A parameter with its value, as an Answer would have it (answer.h).
struct BoundParameter {
  std::string name;
  codecs::ColumnType type;
  std::string text;
  bool given = false;  // by whoever asks; else it is what nobody gave
};

// A query that can be asked.
struct BoundQuery {
  const NamedQuery* query;
  std::vector<BoundParameter> parameters;
  // What SQLite's text needs because it has no time zones: @day_start, @day_end, @clock_offset, ... All INT64.
  std::vector<BoundParameter> sqlite_only;

  const BoundParameter* Find(std::string_view name) const;
};

// `given` by name. InvalidArgument: a name that the query does not have, one that it needs and that is missing, or a
// text that is no value of its type; the text says which and what would be right.
absl::StatusOr<BoundQuery> Bind(const NamedQuery& query, const std::map<std::string, std::string>& given,
                                int64_t now_us);

// The SQL with its values in place, to be pasted elsewhere. In BigQuery's what nobody gave stays an expression
// (CURRENT_TIMESTAMP()), so that a dashboard can keep it; SQLite's is for now.
std::string SqliteToPaste(const BoundQuery& bound);
std::string BigQueryToPaste(const BoundQuery& bound, std::string_view dataset);

}  // namespace runledger::exporters
