#include "exporters/bigquery_rest/bigquery_history.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codecs/civil_time.h"
#include "codecs/events_table.h"
#include "exporters/bigquery_rest/bigquery_sql.h"
#include "exporters/bigquery_rest/rest_client.h"
#include "exporters/queries/sql_text.h"

namespace runledger::exporters {
namespace {

using codecs::ColumnType;

AnswerValue ValueOf(ColumnType type, const Json& cell) {
  const auto value = cell.find("v");
  if (value == cell.end() || value->is_null()) return std::nullopt;
  if (!value->is_string()) return value->dump();
  const std::string& text = value->get_ref<const std::string&>();
  switch (type) {
    case ColumnType::kTimestamp:
      // Asked for in microseconds.
      return codecs::FormatRfc3339(std::strtoll(text.c_str(), nullptr, 10));
    case ColumnType::kFloat64:
      return FloatText(std::strtod(text.c_str(), nullptr));
    default:
      return text;
  }
}

// A function that is not there is an error of the query, with status 400: only its words tell.
bool SaysAbsent(const std::string& message) {
  const std::string text = absl::AsciiStrToLower(message);
  return absl::StrContains(text, "not found") || absl::StrContains(text, "does not exist") ||
         absl::StrContains(text, "unrecognized name");
}

class BigQueryHistory : public History {
 public:
  BigQueryHistory(BigQueryPlace place, std::unique_ptr<TokenSource> tokens)
      : place_(std::move(place)), tokens_(std::move(tokens)), client_(place_, tokens_.get()) {}

  absl::StatusOr<Answer> Ask(const BoundQuery& query) override {
    const std::string sql = WithDataset(query.query->bigquery, absl::StrCat(place_.project, ".", place_.dataset));
    Answer answer;
    for (const QueryColumn& column : query.query->columns) {
      answer.columns.push_back({std::string(column.name), column.type});
    }
    const absl::Status status =
        Select(sql, ParametersOf(query), answer.columns, [&](const std::vector<AnswerValue>& row) {
          answer.rows.push_back(row);
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    return answer;
  }

  absl::Status ReadPartition(int32_t day, const TakeRow& take) override {
    const std::vector<AnswerColumn> columns = ExportColumns();
    std::vector<std::string> names;
    for (const AnswerColumn& column : columns) names.push_back(absl::StrCat("`", column.name, "`"));
    const std::string sql = absl::StrCat(
        "SELECT ", absl::StrJoin(names, ", "), "\nFROM ",
        BigQueryName(place_, place_.dataset, codecs::EventsLayout().name),
        "\nWHERE `ingest_date` = @day\nORDER BY `topic`, `partition`, `log_epoch`, `offset`, `batch_index`");
    return Select(sql, {{"day", "DATE", codecs::FormatDate(day)}}, columns, take);
  }

 private:
  // Those that the text names: the service refuses none that it does not, but need not be told of them.
  static std::vector<RestClient::Parameter> ParametersOf(const BoundQuery& query) {
    std::vector<RestClient::Parameter> parameters;
    std::vector<std::string> seen;
    ReplaceParameters(query.query->bigquery, [&](std::string_view name) {
      const BoundParameter* const bound = query.Find(name);
      if (bound != nullptr && std::find(seen.begin(), seen.end(), bound->name) == seen.end()) {
        seen.push_back(bound->name);
        parameters.push_back({bound->name, std::string(codecs::ColumnTypeName(bound->type)), bound->text});
      }
      return std::string();
    });
    return parameters;
  }

  absl::Status CheckFields(const Json& fields, const std::vector<AnswerColumn>& columns) const {
    std::vector<std::string> found;
    for (const Json& field : fields) found.push_back(field.value("name", ""));
    std::vector<std::string> wanted;
    for (const AnswerColumn& column : columns) wanted.push_back(column.name);
    if (found == wanted) return absl::OkStatus();
    return absl::InternalError(absl::StrCat(place_.endpoint, ": the query gives the columns ",
                                            absl::StrJoin(found, ", "), ", declared are ",
                                            absl::StrJoin(wanted, ", ")));
  }

  absl::Status Select(const std::string& sql, const std::vector<RestClient::Parameter>& parameters,
                      const std::vector<AnswerColumn>& columns, const TakeRow& take) {
    const absl::Status status = client_.Query(
        sql, parameters, [&](const Json& fields) { return CheckFields(fields, columns); },
        [&](const Json& cells) {
          if (cells.size() != columns.size()) return absl::InternalError("a row without all of its columns");
          std::vector<AnswerValue> row;
          row.reserve(columns.size());
          for (size_t i = 0; i < columns.size(); ++i) row.push_back(ValueOf(columns[i].type, cells[i]));
          return take(row);
        });
    if (absl::IsNotFound(status) || (absl::IsInvalidArgument(status) && SaysAbsent(std::string(status.message()))))
      return absl::NotFoundError(absl::StrCat(kSchemaHint, status.message()));
    // The SQL is ours: what the service does not understand of it is not wrong use.
    if (absl::IsInvalidArgument(status)) return absl::InternalError(status.message());
    return status;
  }

  const BigQueryPlace place_;
  const std::unique_ptr<TokenSource> tokens_;
  RestClient client_;
};

}  // namespace

std::unique_ptr<History> OpenBigQueryHistory(BigQueryPlace place, std::unique_ptr<TokenSource> tokens) {
  return std::make_unique<BigQueryHistory>(std::move(place), std::move(tokens));
}

}  // namespace runledger::exporters
