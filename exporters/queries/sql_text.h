#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "codecs/events_table.h"

namespace runledger::exporters {

// The SQL with each @name outside of quotes and comments replaced by replace(name).
std::string ReplaceParameters(std::string_view sql, const std::function<std::string(std::string_view)>& replace);

// `sql` with {dataset} replaced by `dataset`.
std::string WithDataset(std::string_view sql, std::string_view dataset);

// A literal of the dialect. `text` is the value as an Answer has it (answer.h); TIMESTAMP in SQLite: microseconds.
std::string SqliteLiteral(codecs::ColumnType type, std::string_view text);
std::string BigQueryLiteral(codecs::ColumnType type, std::string_view text);

}  // namespace runledger::exporters
