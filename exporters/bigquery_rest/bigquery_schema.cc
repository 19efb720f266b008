#include "exporters/bigquery_rest/bigquery_schema.h"

#include <functional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codecs/events_table.h"
#include "exporters/bigquery_rest/bigquery_compare.h"
#include "exporters/bigquery_rest/bigquery_sql.h"
#include "exporters/bigquery_rest/rest_client.h"
#include "exporters/http_fetch/http_fetch.h"

namespace runledger::exporters {
namespace {

std::string DatasetPath(const std::string& dataset) { return "/datasets/" + UrlEncoded(dataset); }
std::string TablePath(const std::string& dataset, const std::string& table) {
  return absl::StrCat(DatasetPath(dataset), "/tables/", UrlEncoded(table));
}
std::string RoutinePath(const std::string& dataset, const std::string& routine) {
  return absl::StrCat(DatasetPath(dataset), "/routines/", UrlEncoded(routine));
}

std::string EventsTable() { return std::string(codecs::EventsLayout().name); }

// One thing to do.
struct Step {
  std::vector<std::string> words;
  std::function<absl::Status(RestClient*)> run;
};

absl::Status Done(const absl::StatusOr<Json>& answer) { return answer.status(); }
// Somebody else made it at the same time.
absl::Status DoneByAnybody(const absl::StatusOr<Json>& answer) {
  return absl::IsAlreadyExists(answer.status()) ? absl::OkStatus() : answer.status();
}

// Finds what is to be done.
class Planner {
 public:
  Planner(const BigQueryPlace& place, RestClient* client) : place_(place), client_(client) {}

  absl::StatusOr<std::vector<Step>> Plan() {
    std::set<std::string> datasets = {place_.dataset};
    const std::vector<BigQueryView> views = BigQueryViews(place_);
    for (const BigQueryView& view : views) datasets.insert(view.dataset);
    for (const std::string& dataset : datasets) {
      if (absl::Status status = PlanDataset(dataset); !status.ok()) return status;
    }
    if (absl::Status status = PlanTable(); !status.ok()) return status;
    for (const BigQueryFunction& function : BigQueryFunctions(place_)) {
      if (absl::Status status = PlanFunction(function); !status.ok()) return status;
    }
    for (const BigQueryView& view : views) {
      if (absl::Status status = PlanView(view); !status.ok()) return status;
    }
    if (!refusals_.empty()) return absl::FailedPreconditionError(absl::StrJoin(refusals_, "\n"));
    return std::move(steps_);
  }

 private:
  absl::Status PlanDataset(const std::string& dataset) {
    const auto found = client_->Find(DatasetPath(dataset));
    if (!found.ok()) return found.status();
    if (found->has_value()) return absl::OkStatus();
    missing_.insert(dataset);
    Json body = {{"datasetReference", {{"projectId", place_.project}, {"datasetId", dataset}}}};
    if (!place_.location.empty()) body["location"] = place_.location;
    steps_.push_back({{absl::StrCat("make dataset `", place_.project, ".", dataset, "`")},
                      [body](RestClient* client) { return DoneByAnybody(client->Post("/datasets", body)); }});
    return absl::OkStatus();
  }

  // Nothing is in a dataset that is not there.
  absl::StatusOr<std::optional<Json>> FindIn(const std::string& dataset, const std::string& path) {
    if (missing_.contains(dataset)) return std::optional<Json>();
    return client_->Find(path);
  }

  absl::Status PlanTable() {
    const std::string path = TablePath(place_.dataset, EventsTable());
    const auto found = FindIn(place_.dataset, path);
    if (!found.ok()) return found.status();
    const std::string name = BigQueryName(place_, place_.dataset, EventsTable());
    if (!found->has_value()) {
      const std::string tables = DatasetPath(place_.dataset) + "/tables";
      steps_.push_back({{"make table " + name}, [tables, body = WantedTable(place_)](RestClient* client) {
                          return DoneByAnybody(client->Post(tables, body));
                        }});
      return absl::OkStatus();
    }
    TableComparison comparison = CompareTable(place_, **found);
    for (std::string& refusal : comparison.refusals) refusals_.push_back(std::move(refusal));
    if (!comparison.changes.empty()) {
      steps_.push_back({std::move(comparison.changes), [path, body = comparison.patch](RestClient* client) {
                          return Done(client->Patch(path, body));
                        }});
    }
    return absl::OkStatus();
  }

  absl::Status PlanFunction(const BigQueryFunction& function) {
    const std::string path = RoutinePath(place_.dataset, function.name);
    const auto found = FindIn(place_.dataset, path);
    if (!found.ok()) return found.status();
    const Json date = {{"typeKind", "DATE"}};
    const Json body = {
        {"routineReference",
         {{"projectId", place_.project}, {"datasetId", place_.dataset}, {"routineId", function.name}}},
        {"routineType", "TABLE_VALUED_FUNCTION"},
        {"language", "SQL"},
        {"arguments", {{{"name", "from_date"}, {"dataType", date}}, {{"name", "to_date"}, {"dataType", date}}}},
        {"definitionBody", function.body},
        {"description", function.description}};
    const std::string name = BigQueryName(place_, place_.dataset, function.name);
    if (!found->has_value()) {
      const std::string routines = DatasetPath(place_.dataset) + "/routines";
      steps_.push_back({{"make function " + name},
                        [routines, body](RestClient* client) { return DoneByAnybody(client->Post(routines, body)); }});
    } else if ((*found)->value("definitionBody", "") != function.body) {
      steps_.push_back({{absl::StrCat("make function ", name, " anew")},
                        [path, body](RestClient* client) { return Done(client->Put(path, body)); }});
    }
    return absl::OkStatus();
  }

  absl::Status PlanView(const BigQueryView& view) {
    const std::string path = TablePath(view.dataset, view.name);
    const auto found = FindIn(view.dataset, path);
    if (!found.ok()) return found.status();
    const std::string name = BigQueryName(place_, view.dataset, view.name);
    Json body = {{"view", {{"query", view.query}, {"useLegacySql", false}}}, {"description", view.description}};
    if (!found->has_value()) {
      body["tableReference"] = {{"projectId", place_.project}, {"datasetId", view.dataset}, {"tableId", view.name}};
      const std::string tables = DatasetPath(view.dataset) + "/tables";
      steps_.push_back({{"make view " + name},
                        [tables, body](RestClient* client) { return DoneByAnybody(client->Post(tables, body)); }});
      return absl::OkStatus();
    }
    if (const std::string type = (*found)->value("type", "?"); type != "VIEW") {
      refusals_.push_back(absl::StrCat("table ", name, ": wanted VIEW, found ", type,
                                       "; place the view in another dataset (warehouse.views), or rename the table"));
      return absl::OkStatus();
    }
    if (IsAsWanted(**found, view)) return absl::OkStatus();
    steps_.push_back({{absl::StrCat("make view ", name, " anew")},
                      [path, body](RestClient* client) { return Done(client->Patch(path, body)); }});
    return absl::OkStatus();
  }

  static bool IsAsWanted(const Json& found, const BigQueryView& view) {
    if (found.value("description", "") != view.description) return false;
    const std::string query = found.contains("view") ? found["view"].value("query", "") : "";
    return query.empty() || query == view.query;
  }

  const BigQueryPlace& place_;
  RestClient* const client_;
  std::set<std::string> missing_;  // datasets
  std::vector<Step> steps_;
  std::vector<std::string> refusals_;
};

std::vector<std::string> WordsOf(const std::vector<Step>& steps) {
  std::vector<std::string> words;
  for (const Step& step : steps) words.insert(words.end(), step.words.begin(), step.words.end());
  return words;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> BigQuerySchemaDiff(const BigQueryPlace& place, TokenSource* tokens) {
  RestClient client(place, tokens);
  const absl::StatusOr<std::vector<Step>> steps = Planner(place, &client).Plan();
  if (!steps.ok()) return steps.status();
  return WordsOf(*steps);
}

absl::StatusOr<std::vector<std::string>> BigQuerySchemaApply(const BigQueryPlace& place, TokenSource* tokens) {
  RestClient client(place, tokens);
  const absl::StatusOr<std::vector<Step>> steps = Planner(place, &client).Plan();
  if (!steps.ok()) return steps.status();
  for (const Step& step : *steps) {
    if (absl::Status status = step.run(&client); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat(step.words.front(), ": ", status.message()));
    }
  }
  return WordsOf(*steps);
}

absl::Status CheckBigQueryTable(const BigQueryPlace& place, TokenSource* tokens) {
  RestClient client(place, tokens);
  const auto found = client.Find(TablePath(place.dataset, EventsTable()));
  if (!found.ok()) return found.status();
  const std::string name = BigQueryName(place, place.dataset, EventsTable());
  if (!found->has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("table ", name, ": wanted a table, found none; `runledger schema apply` makes it"));
  }
  const TableComparison comparison = CompareTable(place, **found);
  if (!comparison.refusals.empty()) return absl::FailedPreconditionError(absl::StrJoin(comparison.refusals, "\n"));
  if (!comparison.missing.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("table ", name, ": no column ",
                                                      absl::StrJoin(comparison.missing, ", "),
                                                      "; `runledger schema apply` adds what is missing"));
  }
  return absl::OkStatus();
}

}  // namespace runledger::exporters
