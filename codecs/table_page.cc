#include "codecs/table_page.h"

#include "absl/strings/str_cat.h"
#include "codecs/events_table.h"
#include "codecs/views.h"

namespace runledger::codecs {
namespace {

std::string Code(std::string_view text) { return absl::StrCat("`", std::string(text), "`"); }

// As the text of a cell.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string Size(uint32_t bytes) {
  if (bytes == 0) return {};
  if (bytes % (1 << 20) == 0) return absl::StrCat(bytes >> 20, " MiB");
  if (bytes % (1 << 10) == 0) return absl::StrCat(bytes >> 10, " KiB");
  return absl::StrCat(bytes, " B");
}

void AppendTable(std::string* page) {
  const TableLayout& layout = EventsLayout();
  absl::StrAppend(page, "## ", Code(layout.name), "\n\nPartitioned by ", Code(layout.partition_column),
                  ", one partition a day; clustered by ");
  for (size_t i = 0; i < layout.clustering.size(); ++i)
    absl::StrAppend(page, i == 0 ? "" : ", ", Code(layout.clustering[i]));
  absl::StrAppend(page, ". Rows expire ", layout.default_expiry_days,
                  " days after their day (a setting).\n\n"
                  "A column marked * stays when a bad value refuses the rest of its row; `refused` then says which "
                  "value and why.\n\n"
                  "| column | type | mode | at most | meaning |\n|---|---|---|---|---|\n");
  for (const Column& column : EventColumns()) {
    absl::StrAppend(page, "| ", Code(column.name), column.role == Role::kPlain ? "" : " *", " | ",
                    std::string(ColumnTypeName(column.type)), " | ", column.required ? "REQUIRED" : "NULLABLE", " | ",
                    Size(column.max_bytes), " | ", Cell(column.description), " |\n");
  }
}

std::string Origin(const View& view, const ViewColumn& column) {
  switch (column.from) {
    case ViewSource::kColumn:
      return column.name == column.source ? "" : Code(column.source);
    case ViewSource::kAttribute:
      return Code(absl::StrCat("attributes.", std::string(column.source)));
    case ViewSource::kExpression:
      return view.shape == ViewShape::kQuery && column.name == column.sql.sqlite ? "" : "derived";
    case ViewSource::kAllEvents:
      return "all events of the run";
  }
  return {};
}

std::string RowOf(const View& view) {
  switch (view.shape) {
    case ViewShape::kRuns:
      return absl::StrCat("One row per (`job_name`, `run_id`, `attempt`) with `kind` = ", Code(view.kind),
                          ", also while it is running.");
    case ViewShape::kEvents:
      return absl::StrCat("One row per event id with `kind` = ", Code(view.kind),
                          ": of repetitions the first in the order of the log.");
    case ViewShape::kQuery:
      return absl::StrCat("A query over ", Code(view.over), ".");
  }
  return {};
}

void AppendView(const View& view, std::string* page) {
  absl::StrAppend(page, "\n### ", Code(view.name), "\n\n", std::string(view.description), ". ", RowOf(view),
                  "\n\n| column | type | from | meaning |\n|---|---|---|---|\n");
  for (const ViewColumn& column : view.columns) {
    std::string type(ColumnTypeName(column.type));
    if (!column.bigquery_type.empty()) absl::StrAppend(&type, "; in BigQuery ", std::string(column.bigquery_type));
    absl::StrAppend(page, "| ", Code(column.name), " | ", type, " | ", Origin(view, column), " | ",
                    Cell(column.description), " |\n");
  }
}

}  // namespace

std::string TablePage() {
  std::string page =
      "# The table `events` and the views over it\n\n"
      "This page is generated from the declarations in `codecs/events_table.cc` and `codecs/views.cc`.\n\n"
      "Every good event of the log is one row of `events`, in the order of the log: repetitions and heartbeats too. "
      "Readers use the views.\n\n"
      "| type | in SQLite |\n|---|---|\n"
      "| STRING, JSON | TEXT |\n| INT64 | INTEGER |\n| FLOAT64 | REAL |\n| BOOL | INTEGER, 0 or 1 |\n"
      "| TIMESTAMP | INTEGER, microseconds since 1970-01-01 00:00 UTC |\n| DATE | TEXT, `2026-01-12` |\n\n"
      "`partition` and `offset` are words of SQL: write them in double quotes in SQLite, in backquotes in "
      "BigQuery.\n\n";
  AppendTable(&page);
  absl::StrAppend(&page, "\n## Views\n\nIn views of runs these columns come from the greatest event of the run: ");
  bool first = true;
  for (const Column& column : EventColumns()) {
    if (!IsRunState(column.name)) continue;
    absl::StrAppend(&page, first ? "" : ", ", Code(column.name));
    first = false;
  }
  absl::StrAppend(
      &page,
      ". Every other column comes from the greatest event that has it. Events compare by rank (running, then closed by "
      "runledger,"
      " then the producer's own end), event time, sequence and event id, so the order of arrival does not matter.\n");
  absl::StrAppend(
      &page,
      "\nIn BigQuery each view of runs or events is also a function `VIEW_between(from_date, to_date)` in the dataset "
      "of "
      "the table. It reads the events that were written on these days (`ingest_date`) and no other partition; the view "
      "itself reads every partition that has not expired. `runs_between(from_date, to_date)` has the runs of every "
      "kind "
      "in the columns of `events`.\n");
  for (const View& view : Views()) AppendView(view, &page);
  return page;
}

}  // namespace runledger::codecs
