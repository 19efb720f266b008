#include "exporters/queries/sql_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "codecs/civil_time.h"

namespace runledger::exporters {
namespace {

using codecs::ColumnType;

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Where what begins at `at` ends, if it is quoted or a comment; else `at`. Our texts escape no quote within quotes.
size_t EndOfQuoted(std::string_view sql, size_t at) {
  const char c = sql[at];
  size_t end = at;
  if (c == '\'' || c == '"' || c == '`') {
    end = sql.find(c, at + 1);
  } else if (sql.substr(at, 2) == "--") {
    end = sql.find('\n', at);
  } else {
    return at;
  }
  return end == sql.npos ? sql.size() : end + 1;
}

}  // namespace

std::string ReplaceParameters(std::string_view sql, const std::function<std::string(std::string_view)>& replace) {
  std::string text;
  for (size_t at = 0; at < sql.size();) {
    if (const size_t end = EndOfQuoted(sql, at); end != at) {
      text += sql.substr(at, end - at);
      at = end;
      continue;
    }
    size_t end = at + 1;
    if (sql[at] != '@' || end == sql.size() || !IsNameChar(sql[end])) {
      text += sql[at++];
      continue;
    }
    while (end < sql.size() && IsNameChar(sql[end])) ++end;
    text += replace(sql.substr(at + 1, end - at - 1));
    at = end;
  }
  return text;
}

std::string WithDataset(std::string_view sql, std::string_view dataset) {
  return absl::StrReplaceAll(std::string(sql), {{"{dataset}", std::string(dataset)}});
}

std::string SqliteLiteral(ColumnType type, std::string_view text) {
  switch (type) {
    case ColumnType::kInt64:
    case ColumnType::kFloat64:
      return std::string(text);
    case ColumnType::kBool:
      return text == "true" ? "1" : "0";
    case ColumnType::kTimestamp:
      return absl::StrCat(codecs::ParseRfc3339(text).value_or(0));
    default:
      return absl::StrCat("'", absl::StrReplaceAll(std::string(text), {{"'", "''"}}), "'");
  }
}

std::string BigQueryLiteral(ColumnType type, std::string_view text) {
  const auto quoted = [&] {
    return absl::StrCat(
        "'", absl::StrReplaceAll(std::string(text), {{"\\", "\\\\"}, {"'", "\\'"}, {"\n", "\\n"}, {"\r", "\\r"}}), "'");
  };
  switch (type) {
    case ColumnType::kInt64:
    case ColumnType::kFloat64:
    case ColumnType::kBool:
      return std::string(text);
    case ColumnType::kDate:
      return absl::StrCat("DATE ", quoted());
    case ColumnType::kTimestamp:
      return absl::StrCat("TIMESTAMP ", quoted());
    case ColumnType::kJson:
      return absl::StrCat("JSON ", quoted());
    case ColumnType::kString:
      return quoted();
  }
  return quoted();
}

}  // namespace runledger::exporters
