#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "exporters/queries/named_queries.h"

namespace runledger::exporters {
namespace {

std::string Text(std::string_view text) { return std::string(text); }

std::string OtherwiseText(const QueryParameter& parameter) {
  switch (parameter.otherwise) {
    case QueryParameter::Default::kNone:
      return "must be given";
    case QueryParameter::Default::kText:
      return parameter.text.empty() ? "empty" : absl::StrCat("`", Text(parameter.text), "`");
    case QueryParameter::Default::kNow:
      return "now";
    case QueryParameter::Default::kToday:
      return "today in that zone";
  }
  return {};
}

void AppendQuery(const NamedQuery& query, std::string* page) {
  absl::StrAppend(page, "\n### `", Text(query.name), "`\n\n", Text(query.description),
                  query.description.ends_with('?') ? "" : ".",
                  query.rows_are_bad_news ? " Exit status 1 if there is a row." : "",
                  "\n\n| parameter | type | default | meaning |\n|---|---|---|---|\n");
  for (const QueryParameter& parameter : query.parameters) {
    absl::StrAppend(page, "| `--", Text(parameter.name), "` | ", Text(codecs::ColumnTypeName(parameter.type)), " | ",
                    OtherwiseText(parameter), " | ", Text(parameter.description), " |\n");
  }
  absl::StrAppend(page, "\nColumns: ");
  bool first = true;
  for (const QueryColumn& column : query.columns) {
    absl::StrAppend(page, first ? "" : ", ", "`", Text(column.name), "` ", Text(codecs::ColumnTypeName(column.type)));
    first = false;
  }
  absl::StrAppend(page, ".\n");
}

}  // namespace

std::string QueryPage() {
  std::string page =
      "# Queries\n\n"
      "This page is generated from the declarations in `exporters/queries/named_queries.cc`.\n\n"
      "    runledger query --list\n"
      "    runledger query failed_runs --date 2026-01-12\n"
      "    runledger query success_rates --days 7 --json\n"
      "    runledger query stale_by_processor --sql      # the SQL with its values in place, to paste elsewhere\n\n"
      "They ask the warehouse of the configuration; `--warehouse FILE` asks a SQLite file. Their SQL stands in "
      "`exporters/queries/sql`, one file a dialect, and gives the same answer on SQLite and on BigQuery. `--json` "
      "prints one object a line, NULL as null.\n\n"
      "Each reads only rows of the days that its parameters name: in BigQuery through the functions "
      "`VIEW_between(from_date, to_date)`, which read the partitions `ingest_date` of these days and no others. A "
      "plain "
      "view reads every partition that has not expired; dashboards that repeat themselves should use the functions.\n\n"
      "Whole hours and minutes are whole units: \"more than 30 minutes\" begins at 31 min 0 s.\n\n"
      "## The queries\n";
  for (const NamedQuery& query : NamedQueries()) AppendQuery(query, &page);
  return page;
}

}  // namespace runledger::exporters
