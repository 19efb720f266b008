#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codecs/events_table.h"

namespace runledger::exporters {

// What a warehouse answers to a query, alike for every warehouse.

// One value as text, the same text whatever warehouse said it; nothing: NULL.
//   STRING, JSON  as it is            INT64      digits
//   FLOAT64       shortest exact      BOOL       true, false
//   DATE          2026-01-12          TIMESTAMP  RFC 3339 in UTC, codecs::FormatRfc3339
using AnswerValue = std::optional<std::string>;

struct AnswerColumn {
  std::string name;
  codecs::ColumnType type;
};

struct Answer {
  std::vector<AnswerColumn> columns;
  std::vector<std::vector<AnswerValue>> rows;  // a value for each column
};

// The number as a FLOAT64 of an answer.
std::string FloatText(double number);

// The row as one line of JSON, without a line end: numbers and booleans bare, JSON as the JSON that it is, NULL left
// out where `nulls` is false.
std::string JsonLine(const std::vector<AnswerColumn>& columns, const std::vector<AnswerValue>& row, bool nulls);

}  // namespace runledger::exporters
