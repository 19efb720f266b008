#include "exporters/http/orchestration_routes.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "exporters/http/elsewhere.h"
#include "exporters/http/orchestration_answers.h"
#include "exporters/http/refusals.h"

namespace runledger::exporters {
namespace {

constexpr size_t kDefaultDecisions = 20;  // of one workflow
constexpr size_t kMostDecisions = 10'000;

Response Schedule(const Request& request, const OrchestrationSources& sources) {
  if (auto refusal = RefuseUnknown(request, {"date", "workflow"})) return *std::move(refusal);
  aggregators::ScheduleQuery query;
  if (sources.time_zone) query.time_zone = sources.time_zone();
  query.subject = request.Query("workflow").value_or("");
  const auto date = DateParameter(request);
  if (!date.ok()) return Problem(400, std::string(date.status().message()));
  query.date = *date;
  const auto answer = AskForSchedule(*sources.directory, query, sources.question_timeout);
  if (!answer.ok()) return BusyResponse(answer.status());
  Json json = AnswerJson(answer->as_of);
  json["complete"] = OwnsAll(*sources.directory);
  json["date"] = query.date ? Json(codecs::FormatDate(*query.date)) : Json();  // null: today in each one's own zone
  // Of days before it, that nothing stands here says nothing.
  json["known_from"] = answer->known_from_us == aggregators::kNever ? Json() : TimeJson(answer->known_from_us);
  json["to_be_made"] = Json::array();
  for (const aggregators::DayToCome& day : answer->to_be_made) json["to_be_made"].push_back(ToBeMadeJson(day));
  json["expected_runs"] = Json::array();
  for (const ExpectedAnswer& run : answer->runs) json["expected_runs"].push_back(ExpectedJson(run));
  return JsonResponse(json);
}

Response Workflows(const Request& request, const OrchestrationSources& sources) {
  if (auto refusal = RefuseUnknown(request, {"workflow", "date", "limit"})) return *std::move(refusal);
  aggregators::WorkflowQuery query;
  if (sources.time_zone) query.time_zone = sources.time_zone();
  query.name = request.Query("workflow").value_or("");
  const auto date = DateParameter(request);
  if (!date.ok()) return Problem(400, std::string(date.status().message()));
  query.date = *date;
  const auto limit = NumberParameter(request, "limit", kMostDecisions);
  if (!limit.ok()) return Problem(400, std::string(limit.status().message()));
  query.decisions = limit->value_or(query.name.empty() ? 1 : kDefaultDecisions);
  const auto answer = AskForWorkflows(*sources.directory, query, sources.question_timeout);
  if (!answer.ok()) return BusyResponse(answer.status());
  if (answer->workflows.empty() && !query.name.empty()) {
    if (auto elsewhere = Elsewhere(*sources.directory, query.name)) return *std::move(elsewhere);
    if (answer->as_of.caught_up())
      return Problem(404,
                     absl::StrCat("no workflow '", query.name,
                                  "' in the partitions of this instance; /api/v1/workflows names those there are"));
    return NotNow(absl::StrCat("unknown: this instance has not caught up with its log; so far there is no workflow '",
                               query.name, "'"));
  }
  Json json = AnswerJson(answer->as_of);
  json["complete"] = OwnsAll(*sources.directory);
  json["workflows"] = Json::array();
  for (const WorkflowAnswer& workflow : answer->workflows) json["workflows"].push_back(WorkflowJson(workflow));
  return JsonResponse(json);
}

Response MissingFiles(const Request& request, const OrchestrationSources& sources) {
  if (auto refusal = RefuseUnknown(request, {})) return *std::move(refusal);
  const auto answer = AskForCleanup(*sources.directory, sources.question_timeout);
  if (!answer.ok()) return BusyResponse(answer.status());
  Json json = AnswerJson(answer->as_of);
  json["complete"] = OwnsAll(*sources.directory);
  json["cleanup"] = answer->cleanup ? CleanupJson(*answer->cleanup) : Json();
  return JsonResponse(json);
}

}  // namespace

std::vector<Route> OrchestrationRoutes(OrchestrationSources sources) {
  const auto get = [&](std::string pattern, Response (*answer)(const Request&, const OrchestrationSources&)) {
    return Route{"GET", std::move(pattern),
                 [answer, sources](const Request& request) { return answer(request, sources); }};
  };
  return {get("/api/v1/schedule", &Schedule), get("/api/v1/workflows", &Workflows),
          get("/api/v1/missing-files", &MissingFiles)};
}

}  // namespace runledger::exporters
