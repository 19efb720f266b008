#include "exporters/bigquery_rest/bigquery_sql.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codecs/bindings.h"
#include "codecs/events_table.h"
#include "codecs/status.h"
#include "codecs/views.h"
#include "exporters/queries/sql_text.h"

namespace runledger::exporters {
namespace {

using codecs::ColumnType;
using codecs::View;
using codecs::ViewColumn;
using codecs::ViewShape;
using codecs::ViewSource;

std::string Text(std::string_view text) { return std::string(text); }
std::string Ticked(std::string_view name) { return absl::StrCat("`", Text(name), "`"); }
std::string Word(std::string_view word) { return BigQueryLiteral(ColumnType::kString, word); }

constexpr char kEveryPartition[] = "DATE '2000-01-01', DATE '9999-12-31'";

bool IsRunKey(std::string_view column) { return column == "job_name" || column == "run_id" || column == "attempt"; }

// A column of `events` for the run whose greatest event the row is.
std::string RunColumn(const codecs::Column& column) {
  const std::string name = Ticked(column.name);
  const bool of_greatest =
      IsRunKey(column.name) || codecs::IsRunState(column.name) || column.role == codecs::Role::kPipeline;
  return of_greatest ? name : absl::StrCat("FIRST_VALUE(", name, " IGNORE NULLS) OVER whole AS ", name);
}

// The windows of a run's events. ROW_NUMBER takes no frame, FIRST_VALUE needs one: hence two with the order.
std::string RunWindows() {
  return absl::StrCat(
      "WINDOW run AS (PARTITION BY `job_name`, `run_id`, `attempt`),\n"
      "  merge_order AS (run ORDER BY CASE WHEN `status` = 'running' THEN 0 WHEN `source_status` = ",
      Word(codecs::kClosedByRunledger),
      " THEN 1 ELSE 2 END DESC, `event_time` DESC, COALESCE(`sequence`, 0) DESC, `event_id` DESC,"
      " `topic`, `partition`, `log_epoch`, `offset`, `batch_index`),\n"
      "  whole AS (merge_order ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)");
}

std::string FromEvents(const BigQueryPlace& place, const std::string& kind) {
  return absl::StrCat("FROM ", BigQueryName(place, place.dataset, codecs::EventsLayout().name),
                      "\nWHERE `ingest_date` BETWEEN from_date AND to_date AND `kind` ", kind);
}

// One row per run: `columns` as each run has them.
std::string RunsQuery(const BigQueryPlace& place, const std::vector<std::string>& columns, const std::string& kind) {
  return absl::StrCat("SELECT\n  ", absl::StrJoin(columns, ",\n  "), "\n", FromEvents(place, kind),
                      "\nQUALIFY ROW_NUMBER() OVER merge_order = 1\n", RunWindows());
}

std::string AttributeOf(const ViewColumn& column) {
  const std::string member = absl::StrCat("JSON_VALUE(`attributes`, '$.", Text(column.source), "')");
  if (column.type == ColumnType::kString) return member;
  return absl::StrCat("SAFE_CAST(", member, " AS ", Text(codecs::ColumnTypeName(column.type)), ")");
}

// A view's column where the columns of `events` stand under their own names.
std::string ExpressionOf(const View& view, const ViewColumn& column) {
  const auto own = [](std::string_view name) {
    codecs::EventColumnIndex(name);  // aborts on a name that is none
    return Ticked(name);
  };
  switch (column.from) {
    case ViewSource::kColumn:
      if (!column.sql.bigquery.empty()) return codecs::ExpandColumns(column.sql.bigquery, own);
      return own(column.source);
    case ViewSource::kAttribute:
      return AttributeOf(column);
    case ViewSource::kExpression:
      if (view.shape == ViewShape::kQuery) return Text(column.sql.bigquery);
      return codecs::ExpandColumns(column.sql.bigquery, own);
    case ViewSource::kAllEvents:
      return Ticked(column.name);  // the inner query has it
  }
  std::abort();
}

std::string ColumnsOf(const View& view) {
  std::vector<std::string> columns;
  for (const ViewColumn& column : view.columns) {
    const std::string expression = ExpressionOf(view, column);
    const std::string name = Ticked(column.name);
    columns.push_back(expression == name ? name : absl::StrCat(expression, " AS ", name));
  }
  return absl::StrCat("SELECT\n  ", absl::StrJoin(columns, ",\n  "));
}

// What the expressions of a view of runs name.
std::set<std::string_view> NamedColumns(const View& view) {
  std::set<std::string_view> names;
  for (const ViewColumn& column : view.columns) {
    if (column.from == ViewSource::kColumn) names.insert(column.source);
    if (column.from == ViewSource::kAttribute) names.insert("attributes");
    if (column.from != ViewSource::kExpression) continue;
    codecs::ExpandColumns(column.sql.bigquery, [&](std::string_view name) {
      names.insert(name);
      return std::string();
    });
  }
  return names;
}

std::string BodyOfRuns(const BigQueryPlace& place, const View& view) {
  const std::set<std::string_view> named = NamedColumns(view);
  std::vector<std::string> inner;
  for (const codecs::Column& column : codecs::EventColumns()) {
    if (named.contains(column.name)) inner.push_back(RunColumn(column));
  }
  for (const ViewColumn& column : view.columns) {
    if (column.from == ViewSource::kAllEvents)
      inner.push_back(absl::StrCat(Text(column.sql.bigquery), " OVER run AS ", Ticked(column.name)));
  }
  return absl::StrCat(ColumnsOf(view), "\nFROM (\n", RunsQuery(place, inner, absl::StrCat("= ", Word(view.kind))),
                      "\n)");
}

std::string BodyOfEvents(const BigQueryPlace& place, const View& view) {
  return absl::StrCat(ColumnsOf(view), "\n", FromEvents(place, absl::StrCat("= ", Word(view.kind))),
                      "\nQUALIFY ROW_NUMBER() OVER (PARTITION BY `event_id`"
                      " ORDER BY `topic`, `partition`, `log_epoch`, `offset`, `batch_index`) = 1");
}

std::string QueryOf(const BigQueryPlace& place, const View& view) {
  std::string query = absl::StrCat(ColumnsOf(view), "\nFROM ",
                                   BigQueryName(place, place.dataset, absl::StrCat(Text(view.over), "_between")), "(");
  if (view.over_days > 0) {
    absl::StrAppend(&query, "DATE_SUB(CURRENT_DATE(), INTERVAL ", view.over_days - 1, " DAY), DATE '9999-12-31')");
  } else {
    absl::StrAppend(&query, kEveryPartition, ")");
  }
  if (!view.where.bigquery.empty()) absl::StrAppend(&query, "\nWHERE ", Text(view.where.bigquery));
  if (!view.group_by.bigquery.empty()) absl::StrAppend(&query, "\nGROUP BY ", Text(view.group_by.bigquery));
  return query;
}

// The columns are named one by one: a view keeps the columns that `*` had when it was made.
std::string WholeOf(const BigQueryPlace& place, const View& view) {
  std::vector<std::string> columns;
  for (const ViewColumn& column : view.columns) columns.push_back(Ticked(column.name));
  return absl::StrCat("SELECT\n  ", absl::StrJoin(columns, ",\n  "), "\nFROM ",
                      BigQueryName(place, place.dataset, absl::StrCat(Text(view.name), "_between")), "(",
                      kEveryPartition, ")");
}

// Tells one text from another.
std::string MarkOf(const std::string& text) {
  char mark[17];
  std::snprintf(mark, sizeof mark, "%016llx", static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return mark;
}

// A column that events of other kinds fill and no run.
bool IsOfOtherKinds(size_t column) {
  const auto fills = [column](codecs::Body body) {
    const auto& fields = codecs::BindingsOf(body).fields();
    return std::any_of(fields.begin(), fields.end(), [column](const auto& field) { return field.column == column; });
  };
  return !fills(codecs::Body::kRun) && (fills(codecs::Body::kDecision) || fills(codecs::Body::kExpected) ||
                                        fills(codecs::Body::kCleanup) || fills(codecs::Body::kVerdict));
}

BigQueryFunction RunsBetween(const BigQueryPlace& place) {
  std::vector<std::string> columns;
  for (size_t i = 0; i < codecs::EventColumns().size(); ++i) {
    if (!IsOfOtherKinds(i)) columns.push_back(RunColumn(codecs::EventColumns()[i]));
  }
  columns.emplace_back("MIN(`event_time`) OVER run AS `first_event_at`");
  columns.emplace_back("MAX(`event_time`) OVER run AS `last_seen_at`");
  columns.emplace_back("COUNT(DISTINCT `event_id`) OVER run AS `events`");
  return {.name = "runs_between",
          .body = RunsQuery(place, columns, "IN ('processor', 'scraper', 'prediction')"),
          .description = "Runs of every kind, of the events that were written on these days"};
}

}  // namespace

std::string BigQueryName(const BigQueryPlace& place, std::string_view dataset, std::string_view name) {
  return absl::StrCat("`", place.project, ".", Text(dataset), ".", Text(name), "`");
}

std::vector<BigQueryFunction> BigQueryFunctions(const BigQueryPlace& place) {
  std::vector<BigQueryFunction> functions = {RunsBetween(place)};
  for (const View& view : codecs::Views()) {
    if (view.shape == ViewShape::kQuery) continue;
    functions.push_back(
        {.name = absl::StrCat(Text(view.name), "_between"),
         .body = view.shape == ViewShape::kRuns ? BodyOfRuns(place, view) : BodyOfEvents(place, view),
         .description = absl::StrCat(Text(view.description), ", of the events that were written on these days")});
  }
  return functions;
}

std::vector<BigQueryView> BigQueryViews(const BigQueryPlace& place) {
  std::vector<BigQueryView> views;
  for (const View& view : codecs::Views()) {
    const std::string name(view.name);
    const std::string query = view.shape == ViewShape::kQuery ? QueryOf(place, view) : WholeOf(place, view);
    views.push_back(
        {.dataset = place.DatasetOf(name),
         .name = name,
         .query = query,
         .description = absl::StrCat(Text(view.description), ". Made by runledger, query ", MarkOf(query))});
  }
  return views;
}

std::string BigQuerySchemaText(const BigQueryPlace& place) {
  const codecs::TableLayout& layout = codecs::EventsLayout();
  std::set<std::string> datasets = {place.dataset};
  for (const BigQueryView& view : BigQueryViews(place)) datasets.insert(view.dataset);
  std::string ddl;
  for (const std::string& dataset : datasets)
    absl::StrAppend(&ddl, "CREATE SCHEMA IF NOT EXISTS `", place.project, ".", dataset, "`;\n");
  std::vector<std::string> columns;
  for (const codecs::Column& column : codecs::EventColumns()) {
    columns.push_back(absl::StrCat("  ", Ticked(column.name), " ", Text(codecs::ColumnTypeName(column.type)),
                                   column.required ? " NOT NULL" : "",
                                   " OPTIONS(description=", Word(column.description), ")"));
  }
  absl::StrAppend(&ddl, "CREATE TABLE IF NOT EXISTS ", BigQueryName(place, place.dataset, layout.name), " (\n",
                  absl::StrJoin(columns, ",\n"), "\n)\nPARTITION BY ", Ticked(layout.partition_column), "\nCLUSTER BY ",
                  absl::StrJoin(layout.clustering, ", ",
                                [](std::string* out, std::string_view name) { out->append(Ticked(name)); }),
                  "\nOPTIONS(",
                  place.expiry_days > 0 ? absl::StrCat("partition_expiration_days=", place.expiry_days, ", ") : "",
                  "description=", Word(kBigQueryTableDescription), ");\n");
  for (const BigQueryFunction& function : BigQueryFunctions(place)) {
    absl::StrAppend(&ddl, "-- ", function.description, ".\nCREATE OR REPLACE TABLE FUNCTION ",
                    BigQueryName(place, place.dataset, function.name), "(from_date DATE, to_date DATE) AS\n",
                    function.body, ";\n");
  }
  for (const BigQueryView& view : BigQueryViews(place)) {
    absl::StrAppend(&ddl, "CREATE OR REPLACE VIEW ", BigQueryName(place, view.dataset, view.name),
                    "\nOPTIONS(description=", Word(view.description), ") AS\n", view.query, ";\n");
  }
  return ddl;
}

}  // namespace runledger::exporters
