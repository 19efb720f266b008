#include "exporters/http/run_graph.h"

#include <map>
#include <string_view>

#include "exporters/queries/bound_query.h"

namespace runledger::exporters {

absl::StatusOr<Json> RunGraph(History& history, const std::string& fragment, int64_t now_us) {
  const absl::StatusOr<BoundQuery> query = Bind(*FindQuery("run_graph"), {{"run_id", fragment}}, now_us);
  if (!query.ok()) return query.status();
  const absl::StatusOr<Answer> answer = history.Ask(*query);
  if (!answer.ok()) return answer.status();

  static const std::map<std::string_view, const char*> kPlaces = {{"attempt", "attempts"},
                                                                  {"parent", "parents"},
                                                                  {"sibling", "siblings"},
                                                                  {"child", "children"},
                                                                  {"blocked", "blocked"}};
  Json graph = {{"run", nullptr}};
  for (const auto& [relation, place] : kPlaces) graph[place] = Json::array();
  for (const auto& row : answer->rows) {
    Json run = Json::parse(JsonLine(answer->columns, row, /*nulls=*/false));
    const std::string relation = run["relation"];
    run.erase("relation");
    if (relation == "run") {
      graph["run"] = std::move(run);
    } else {
      graph[kPlaces.at(relation)].push_back(std::move(run));
    }
  }
  return graph;
}

}  // namespace runledger::exporters
