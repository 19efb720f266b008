#include "exporters/queries/answer.h"

#include <charconv>
#include <cmath>

#include "codecs/json.h"
#include "exporters/queries/history.h"

namespace runledger::exporters {

using codecs::ColumnType;

std::string FloatText(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number);
  return {text, end.ptr};
}

std::string JsonLine(const std::vector<AnswerColumn>& columns, const std::vector<AnswerValue>& row, bool nulls) {
  std::string line = "{";
  for (size_t i = 0; i < columns.size(); ++i) {
    const AnswerValue& value = row[i];
    if (!value && !nulls) continue;
    if (line.size() > 1) line += ',';
    codecs::AppendJsonString(columns[i].name, &line);
    line += ':';
    if (!value) {
      line += "null";
      continue;
    }
    bool bare = false;
    switch (columns[i].type) {
      case ColumnType::kInt64:
      case ColumnType::kBool:
        bare = true;
        break;
      case ColumnType::kFloat64:
        bare = value->find_first_of("Ny") == value->npos;  // JSON has no NaN and no Infinity: those are texts
        break;
      case ColumnType::kJson:
        bare = codecs::IsJson(*value);
        break;
      default:
        break;
    }
    if (bare) {
      // A line is a line: the line ends of formatted JSON are blanks, which JSON may have wherever it has line ends.
      for (const char c : *value) line += c == '\n' || c == '\r' ? ' ' : c;
    } else {
      codecs::AppendJsonString(*value, &line);
    }
  }
  return line + "}";
}

std::vector<AnswerColumn> ExportColumns() {
  std::vector<AnswerColumn> columns;
  for (const codecs::Column& column : codecs::EventColumns()) {
    columns.push_back({std::string(column.name), column.type});
  }
  return columns;
}

}  // namespace runledger::exporters
