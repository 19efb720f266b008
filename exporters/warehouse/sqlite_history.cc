#include "exporters/warehouse/sqlite_history.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codecs/civil_time.h"
#include "codecs/events_table.h"
#include "exporters/warehouse/sqlite_database.h"
#include "exporters/warehouse/sqlite_open.h"

namespace runledger::exporters {
namespace {

using codecs::ColumnType;

AnswerValue ValueOf(ColumnType type, const Statement& row, int at) {
  if (row.IsNull(at)) return std::nullopt;
  switch (type) {
    case ColumnType::kTimestamp:
      return codecs::FormatRfc3339(row.Integer(at));
    case ColumnType::kBool:
      return row.Integer(at) != 0 ? "true" : "false";
    case ColumnType::kFloat64:
      return FloatText(row.Real(at));
    default:
      return std::string(row.Text(at));
  }
}

class SqliteHistory : public History {
 public:
  explicit SqliteHistory(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  absl::StatusOr<Answer> Ask(const BoundQuery& query) override {
    absl::StatusOr<Statement> statement = Prepare(std::string(query.query->sqlite));
    if (!statement.ok()) return statement.status();
    for (const auto* list : {&query.parameters, &query.sqlite_only}) {
      for (const BoundParameter& parameter : *list) BindTo(&*statement, parameter);
    }
    Answer answer;
    for (const QueryColumn& column : query.query->columns) {
      answer.columns.push_back({std::string(column.name), column.type});
    }
    if (absl::Status status = CheckColumns(*statement, answer.columns); !status.ok()) return status;
    while (true) {
      const absl::StatusOr<bool> row = statement->Step();
      if (!row.ok()) return row.status();
      if (!*row) return answer;
      answer.rows.push_back(ReadRow(answer.columns, *statement));
    }
  }

  absl::Status ReadPartition(int32_t day, const TakeRow& take) override {
    const std::vector<AnswerColumn> columns = ExportColumns();
    std::vector<std::string> names;
    for (const AnswerColumn& column : columns) names.push_back(Quoted(column.name));
    absl::StatusOr<Statement> statement =
        Prepare(absl::StrCat("SELECT ", absl::StrJoin(names, ", "),
                             " FROM events WHERE ingest_date = ?1"
                             " ORDER BY topic, \"partition\", log_epoch, \"offset\", batch_index"));
    if (!statement.ok()) return statement.status();
    const std::string date = codecs::FormatDate(day);
    statement->BindText(1, date);
    while (true) {
      const absl::StatusOr<bool> row = statement->Step();
      if (!row.ok()) return row.status();
      if (!*row) return absl::OkStatus();
      if (absl::Status status = take(ReadRow(columns, *statement)); !status.ok()) return status;
    }
  }

 private:
  absl::StatusOr<Statement> Prepare(const std::string& sql) {
    absl::StatusOr<Statement> statement = database_->Prepare(sql);
    if (statement.ok() || !(absl::StrContains(statement.status().message(), "no such table") ||
                            absl::StrContains(statement.status().message(), "no such column")))
      return statement;
    return absl::NotFoundError(absl::StrCat(kSchemaHint, statement.status().message()));
  }

  // The parameter's text must stay until the statement goes.
  static void BindTo(Statement* statement, const BoundParameter& parameter) {
    const int at = statement->ParameterIndex("@" + parameter.name);
    if (at == 0) return;  // the text has no use for it
    switch (parameter.type) {
      case ColumnType::kInt64:
        statement->BindInteger(at, std::stoll(parameter.text));
        break;
      case ColumnType::kFloat64:
        statement->BindReal(at, std::strtod(parameter.text.c_str(), nullptr));
        break;
      case ColumnType::kTimestamp:
        statement->BindInteger(at, codecs::ParseRfc3339(parameter.text).value_or(0));
        break;
      default:
        statement->BindText(at, parameter.text);
    }
  }

  absl::Status CheckColumns(const Statement& statement, const std::vector<AnswerColumn>& columns) const {
    std::vector<std::string> names;
    for (const AnswerColumn& column : columns) names.push_back(column.name);
    if (statement.ColumnNames() == names) return absl::OkStatus();
    return absl::InternalError(absl::StrCat(database_->path(), ": the query gives the columns ",
                                            absl::StrJoin(statement.ColumnNames(), ", "), ", declared are ",
                                            absl::StrJoin(names, ", ")));
  }

  static std::vector<AnswerValue> ReadRow(const std::vector<AnswerColumn>& columns, const Statement& statement) {
    std::vector<AnswerValue> row;
    row.reserve(columns.size());
    for (size_t i = 0; i < columns.size(); ++i) row.push_back(ValueOf(columns[i].type, statement, static_cast<int>(i)));
    return row;
  }

  std::unique_ptr<Database> database_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<History>> OpenSqliteHistory(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Database>> database = OpenForReading(path);
  if (!database.ok()) return database.status();
  return std::make_unique<SqliteHistory>(std::move(*database));
}

}  // namespace runledger::exporters
