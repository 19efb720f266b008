#include "exporters/bigquery/storage_schema.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codecs/events_table.h"

namespace runledger::exporters {
namespace {

using codecs::ColumnType;
using google::cloud::bigquery::storage::v1::TableFieldSchema;
using google::cloud::bigquery::storage::v1::TableSchema;

TableFieldSchema::Type TypeOf(ColumnType type) {
  switch (type) {
    case ColumnType::kString:
      return TableFieldSchema::STRING;
    case ColumnType::kInt64:
      return TableFieldSchema::INT64;
    case ColumnType::kFloat64:
      return TableFieldSchema::DOUBLE;
    case ColumnType::kBool:
      return TableFieldSchema::BOOL;
    case ColumnType::kTimestamp:
      return TableFieldSchema::TIMESTAMP;
    case ColumnType::kDate:
      return TableFieldSchema::DATE;
    case ColumnType::kJson:
      return TableFieldSchema::JSON;
  }
  return TableFieldSchema::TYPE_UNSPECIFIED;
}

}  // namespace

absl::Status CheckColumns(const TableSchema& table) {
  std::map<std::string, const TableFieldSchema*> found;  // names are the same in any case
  for (const TableFieldSchema& field : table.fields()) found.emplace(absl::AsciiStrToLower(field.name()), &field);
  std::vector<std::string> missing;
  std::vector<std::string> other;
  for (const codecs::Column& column : codecs::EventColumns()) {
    const auto at = found.find(std::string(column.name));
    if (at == found.end()) {
      missing.emplace_back(column.name);
      continue;
    }
    const TableFieldSchema& field = *at->second;
    if (field.type() != TypeOf(column.type) || field.mode() == TableFieldSchema::REPEATED)
      other.push_back(absl::StrCat(std::string(column.name), " is ", TableFieldSchema::Type_Name(field.type()),
                                   " and has to be ", std::string(codecs::ColumnTypeName(column.type))));
    if (field.mode() == TableFieldSchema::REQUIRED && !column.required)
      other.push_back(absl::StrCat(std::string(column.name), " is REQUIRED and has to be NULLABLE"));
    found.erase(at);
  }
  for (const auto& [name, field] : found) {
    if (field->mode() == TableFieldSchema::REQUIRED)
      other.push_back(absl::StrCat(name, " is REQUIRED and not known here"));
  }
  if (missing.empty() && other.empty()) return absl::OkStatus();
  std::string text = "the table `events` does not take these rows:";
  if (!missing.empty()) absl::StrAppend(&text, " columns are missing: ", absl::StrJoin(missing, ", "), ";");
  if (!other.empty()) absl::StrAppend(&text, " ", absl::StrJoin(other, ", "), ";");
  absl::StrAppend(&text, " `runledger schema diff` shows it, `runledger schema apply` adds what may be added");
  return absl::FailedPreconditionError(text);
}

}  // namespace runledger::exporters
