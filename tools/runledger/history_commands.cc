#include "tools/runledger/history_commands.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codecs/civil_time.h"
#include "exporters/queries/bound_query.h"
#include "exporters/queries/named_queries.h"
#include "tools/runledger/complaint.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/history_flags.h"
#include "tools/runledger/json_object.h"
#include "tools/runledger/partition_export.h"
#include "tools/runledger/text_table.h"
#include "tools/runledger/wall_clock.h"

namespace runledger::tools {
namespace {

struct QueryFlags {
  HistoryFlags history;
  std::string name;
  std::vector<std::string> parameters;  // what CLI11 does not know: --name value, --name=value
  bool list = false;
  bool sql = false;
  bool json = false;
};

int List(bool json) {
  TextTable table({"query", "needs", "what it answers"});
  for (const exporters::NamedQuery& query : exporters::NamedQueries()) {
    std::string needs;
    for (const exporters::QueryParameter& parameter : query.parameters) {
      if (parameter.otherwise == exporters::QueryParameter::Default::kNone)
        needs += (needs.empty() ? "--" : " --") + std::string(parameter.name);
    }
    const std::string name(query.name), description(query.description);
    table.Add({name, needs, description});
    if (json) std::puts(JsonObject({{"query", name}, {"needs", needs}, {"description", description}}).Text().c_str());
  }
  if (!json) std::fputs(table.ToString().c_str(), stdout);
  return kFine;
}

absl::StatusOr<std::map<std::string, std::string>> ReadParameters(const std::vector<std::string>& words) {
  std::map<std::string, std::string> given;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with("--")) return absl::InvalidArgumentError("'" + word + "' is neither a flag nor its value");
    const size_t equals = word.find('=');
    std::string name = word.substr(2, equals == word.npos ? word.npos : equals - 2);
    // Names of SQL have underscores; flags are written either way.
    for (char& c : name) c = c == '-' ? '_' : c;
    if (equals == word.npos && i + 1 == words.size()) return absl::InvalidArgumentError(word + " needs a value");
    const std::string value = equals == word.npos ? words[++i] : word.substr(equals + 1);
    if (!given.emplace(name, value).second) return absl::InvalidArgumentError("--" + name + " is given twice");
  }
  return given;
}

std::string Shown(const exporters::AnswerColumn& column, const exporters::AnswerValue& value) {
  if (!value) return "-";
  std::string text = *value;
  if (column.type == codecs::ColumnType::kFloat64) {
    // Three decimals do; --json has all of them.
    char rounded[64];
    std::snprintf(rounded, sizeof rounded, "%.3f", std::strtod(text.c_str(), nullptr));
    text = rounded;
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
  }
  if (column.type != codecs::ColumnType::kTimestamp) return text;
  // For people: "2026-01-12 11:30:08".
  if (const size_t dot = text.find('.'); dot != text.npos) text = text.substr(0, dot) + "Z";
  if (text.size() == 20) text[10] = ' ', text.pop_back();
  return text;
}

void Print(const exporters::Answer& answer, bool json) {
  if (json) {
    for (const auto& row : answer.rows) std::puts(exporters::JsonLine(answer.columns, row, /*nulls=*/true).c_str());
    return;
  }
  std::vector<std::string> heading;
  for (const exporters::AnswerColumn& column : answer.columns) heading.push_back(column.name);
  TextTable table(std::move(heading));
  for (const auto& row : answer.rows) {
    std::vector<std::string> cells;
    for (size_t i = 0; i < row.size(); ++i) cells.push_back(Shown(answer.columns[i], row[i]));
    table.Add(std::move(cells));
  }
  if (table.empty()) {
    std::printf("no row\n");
  } else {
    std::fputs(table.ToString().c_str(), stdout);
  }
}

const exporters::NamedQuery* Find(const std::string& name) {
  const exporters::NamedQuery* query = exporters::FindQuery(name);
  if (query == nullptr) {
    std::fprintf(stderr, "runledger: %s; `runledger query --list` says which there are\n",
                 name.empty() ? "which query?" : ("there is no query " + name).c_str());
  }
  return query;
}

int Query(const QueryFlags& flags) {
  if (flags.list) return List(flags.json);
  const exporters::NamedQuery* const query = Find(flags.name);
  if (query == nullptr) return kWrongUse;
  const auto given = ReadParameters(flags.parameters);
  if (!given.ok()) return Complain(given.status());
  const auto bound = exporters::Bind(*query, *given, WallUs());
  if (!bound.ok()) return Complain(bound.status());
  const auto config = flags.history.Load();
  if (!config.ok()) return Complain(config.status());
  if (flags.sql) {
    std::printf("%s;\n", SqlToPaste(*config, *bound).c_str());
    return kFine;
  }
  const auto history = OpenHistory(*config);
  if (!history.ok()) return Complain(history.status());
  const auto answer = (*history)->Ask(*bound);
  if (!answer.ok()) return Complain(answer.status());
  Print(*answer, flags.json);
  return query->rows_are_bad_news && !answer->rows.empty() ? kBadNews : kFine;
}

struct ExportFlags {
  HistoryFlags history;
  std::string date;
  ExportOptions options;
};

int Export(const ExportFlags& flags) {
  const std::optional<int32_t> day = codecs::ParseDate(flags.date);
  if (!day) return Complain(absl::InvalidArgumentError("--date '" + flags.date + "' is no date; write 2026-01-12"));
  const auto config = flags.history.Load();
  if (!config.ok()) return Complain(config.status());
  const auto history = OpenHistory(*config);
  if (!history.ok()) return Complain(history.status());
  const auto rows = ExportPartition(history->get(), *day, flags.options);
  if (!rows.ok()) return Complain(rows.status());
  std::fprintf(stderr, "%lld rows of %s\n", static_cast<long long>(*rows), flags.date.c_str());
  return kFine;
}

}  // namespace

void AddHistoryCommands(CLI::App* app, int* status) {
  auto query = std::make_shared<QueryFlags>();
  CLI::App* command =
      app->add_subcommand("query", "Ask the warehouse one of the named queries. Its parameters are flags: --days 7");
  command->footer(
      "Exit status: 0 answered; 1 the query looks for trouble and found some; 2 wrong use or configuration; 3 the "
      "warehouse cannot be reached or read");
  command->add_option("name", query->name, "The query");
  command->add_flag("--list", query->list, "Say which queries there are");
  command->add_flag("--sql", query->sql, "Print the SQL with its values in place instead of asking");
  command->add_flag("--json", query->json, "One JSON object a row");
  query->history.AddTo(command);
  command->allow_extras();
  command->callback([=] {
    query->parameters = command->remaining();
    *status = Query(*query);
  });

  auto flags = std::make_shared<ExportFlags>();
  CLI::App* one = app->add_subcommand("export", "Write one day's partition of the table `events` as JSON lines");
  one->add_option("--date", flags->date, "The partition: the UTC day on which its rows were written")->required();
  one->add_option("--output", flags->options.path, "File; without it standard output. Appears when it is whole");
  one->add_flag("--zstd", flags->options.zstd, "Compress");
  one->footer(
      "Exit status: 0 written; 2 wrong use or configuration; 3 the warehouse cannot be reached or read, or not "
      "everything was written");
  flags->history.AddTo(one);
  one->callback([=] { *status = Export(*flags); });
}

}  // namespace runledger::tools
