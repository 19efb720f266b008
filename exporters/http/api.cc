#include "exporters/http/api.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "codecs/status.h"
#include "exporters/http/elsewhere.h"
#include "exporters/http/job_answers.h"
#include "exporters/http/json_answer.h"
#include "exporters/http/monitor_routes.h"
#include "exporters/http/openapi.h"
#include "exporters/http/orchestration_routes.h"
#include "exporters/http/refusals.h"
#include "exporters/http/run_answers.h"
#include "exporters/http/run_graph.h"
#include "exporters/http/status_page.h"
#include "exporters/prometheus/gzip.h"
#include "exporters/prometheus/negotiation.h"

namespace runledger::exporters {
namespace {

constexpr size_t kDefaultLimit = 100;
constexpr size_t kMaxLimit = 10'000;

// What is wrong with the instance, as JSON.
Json ProblemsJson(const ingest::PartitionDirectory& directory) {
  Json problems = Json::array();
  for (const ingest::Problem& problem : directory.Problems()) {
    problems.push_back({{"subject", problem.subject}, {"text", problem.text}});
  }
  return problems;
}

Response Metrics(const Request& request, Exposition& exposition) {
  const Format format = ChooseFormat(request.Header("Accept"));
  Response response{.content_type = std::string(ContentTypeOf(format)),
                    .headers = {{"Vary", "Accept, Accept-Encoding"}}};
  response.body = exposition.Scrape(format);
  if (AcceptsGzip(request.Header("Accept-Encoding"))) {
    if (std::optional<std::string> compressed = Gzip(response.body)) {
      response.body = *std::move(compressed);
      response.headers.emplace_back("Content-Encoding", "gzip");
    }
  }
  return response;
}

Response Ready(const ingest::PartitionDirectory& directory) {
  if (directory.Ready()) return JsonResponse({{"ready", true}, {"problems", ProblemsJson(directory)}});
  Json restoring = Json::array();
  for (const ingest::PartitionView& view : directory.List()) {
    const auto block = view.shard->Read();
    if (block->positions.shown) continue;
    Json partition = PartitionJson(view.partition);
    partition["remaining_records"] = block->positions.restore_remaining;
    restoring.push_back(std::move(partition));
  }
  std::string reason = restoring.empty() ? "the consumer group has not told this instance yet which partitions it owns"
                                         : absl::StrCat(restoring.size(), " of its partitions are being restored");
  if (directory.assigned() && !directory.InContact())
    reason =
        "the consumer group may have given this instance's partitions to another one: it was not heard of for "
        "session.timeout.ms";
  for (const ingest::Problem& problem : directory.Problems()) {
    if (problem.subject == ingest::kLogProblem) absl::StrAppend(&reason, "; ", problem.text);
  }
  Response response = Problem(503, absl::StrCat("not ready: ", reason),
                              Json{{"ready", false}, {"restoring", restoring}, {"problems", ProblemsJson(directory)}});
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Response Unknown(const std::string& why, const std::string& detail) {
  return NotNow(absl::StrCat("unknown: ", why, "; so far there is ", detail));
}

// Where something was looked for and is not there. That there is none can be said only of a log that is known to its
// end, and known here. `at_home`: if there were one, it would be here.
Response NotFound(const ingest::PartitionDirectory& directory, const AsOf& as_of, const std::string& detail,
                  bool at_home = false) {
  if (!as_of.caught_up()) return Unknown("this instance has not caught up with its log", detail);
  if (!at_home && !OwnsAll(directory))
    return Unknown("other instances have other partitions, see /api/v1/partitions", detail);
  return Problem(404, detail);
}

Response Jobs(const Request& request, const ingest::PartitionDirectory& directory) {
  if (auto refusal = RefuseUnknown(request, {})) return *std::move(refusal);
  const JobAnswers answers = CollectJobs(directory);
  Json json = AnswerJson(answers.as_of);
  json["complete"] = OwnsAll(directory);
  json["jobs"] = Json::array();
  for (const JobAnswer& job : answers.jobs) json["jobs"].push_back(JobJson(job));
  if (Json problems = ProblemsJson(directory); !problems.empty()) json["problems"] = std::move(problems);
  return JsonResponse(json);
}

Response OneJob(const Request& request, const ingest::PartitionDirectory& directory) {
  if (auto refusal = RefuseUnknown(request, {})) return *std::move(refusal);
  const std::string& name = request.Parameter("job");
  const JobAnswers answers = CollectJobs(directory, name);
  const auto found = std::find_if(answers.jobs.begin(), answers.jobs.end(),
                                  [&](const JobAnswer& job) { return job.names->name == name; });
  if (found == answers.jobs.end()) {
    if (auto elsewhere = Elsewhere(directory, name)) return *std::move(elsewhere);
    return NotFound(
        directory, answers.as_of,
        absl::StrCat("no job '", name, "' in the partitions of this instance; /api/v1/jobs names those there are"),
        /*at_home=*/true);
  }
  Json json = AnswerJson(found->as_of);
  json["job"] = JobJson(*found);
  return JsonResponse(json);
}

// The parameters of /api/v1/runs as a query; or what is wrong with them.
absl::StatusOr<aggregators::RunQuery> ParseRunQuery(const Request& request) {
  aggregators::RunQuery query;
  query.job = request.Query("job").value_or("");
  query.fragment = request.Query("fragment").value_or("");
  if (const auto word = request.Query("status")) {
    query.status = codecs::StatusFromWord(*word);
    if (!query.status) {
      return absl::InvalidArgumentError(
          absl::StrCat("status '", std::string(*word), "' is not known; use ", std::string(codecs::kStatusWords)));
    }
  }
  const auto date = DateParameter(request);
  if (!date.ok()) return date.status();
  query.data_date = *date;
  if (const auto stale = request.Query("stale")) {
    if (*stale != "true" && *stale != "false") return absl::InvalidArgumentError("stale is true or false");
    query.stale_only = *stale == "true";
  }
  const auto limit = NumberParameter(request, "limit", kMaxLimit);
  if (!limit.ok()) return limit.status();
  query.limit = limit->value_or(kDefaultLimit);
  return query;
}

Json RunsJson(const ingest::PartitionDirectory& directory, const RunAnswers& answers) {
  Json json = AnswerJson(answers.as_of);
  json["complete"] = OwnsAll(directory);
  json["runs"] = Json::array();
  for (const RunAnswer& run : answers.runs) json["runs"].push_back(RunJson(run));
  json["more"] = answers.more;
  return json;
}

// `if_none`: the detail of the answer where no run is an error.
Response AnswerRuns(const ingest::PartitionDirectory& directory, const aggregators::RunQuery& query,
                    const ApiOptions& options, const std::string& if_none = {}) {
  const absl::StatusOr<RunAnswers> answers = AskForRuns(directory, query, options.question_timeout);
  if (!answers.ok()) return BusyResponse(answers.status());
  if (answers->runs.empty() && !if_none.empty()) return NotFound(directory, answers->as_of, if_none);
  return JsonResponse(RunsJson(directory, *answers));
}

Response Runs(const Request& request, const ingest::PartitionDirectory& directory, const ApiOptions& options) {
  if (auto refusal = RefuseUnknown(request, {"job", "status", "date", "limit", "stale", "fragment"}))
    return *std::move(refusal);
  const absl::StatusOr<aggregators::RunQuery> query = ParseRunQuery(request);
  if (!query.ok()) return Problem(400, std::string(query.status().message()));
  return AnswerRuns(directory, *query, options);
}

Response Partitions(const Request& request, const ingest::PartitionDirectory& directory) {
  if (auto refusal = RefuseUnknown(request, {})) return *std::move(refusal);
  AsOf as_of;
  for (const ingest::PartitionView& view : directory.List()) as_of.Add(view.shard->Read()->positions);
  absl::StatusOr<Json> owners = OwnersJson(directory);
  if (!owners.ok()) return NotNow("the group cannot be asked: " + std::string(owners.status().message()));
  Json json = AnswerJson(as_of);
  json["partitions"] = *std::move(owners);
  return JsonResponse(json);
}

Response OneRun(const Request& request, const ingest::PartitionDirectory& directory, const ApiOptions& options) {
  if (auto refusal = RefuseUnknown(request, {})) return *std::move(refusal);
  aggregators::RunQuery query;
  query.run_id = request.Parameter("run_id");
  query.limit = kMaxLimit;
  return AnswerRuns(directory, query, options,
                    absl::StrCat("no run '", query.run_id,
                                 "' in the partitions of this instance, which hold open runs and those "
                                 "closed within state.horizon; part of an id is looked for by /api/v1/trace?id="));
}

// The run that a fragment means, with those around it; null with the reason where the warehouse does not answer.
void AddGraph(const ApiOptions& options, const std::string& fragment, Json* json) {
  const absl::StatusOr<std::unique_ptr<History>> history = options.history();
  const absl::StatusOr<Json> graph =
      history.ok() ? RunGraph(**history, fragment, options.now_us()) : absl::StatusOr<Json>(history.status());
  (*json)["graph"] = graph.ok() ? *graph : Json();
  if (!graph.ok()) (*json)["graph_problem"] = std::string(graph.status().message());
}

Response Trace(const Request& request, const ingest::PartitionDirectory& directory, const ApiOptions& options) {
  if (auto refusal = RefuseUnknown(request, {"id", "graph"})) return *std::move(refusal);
  aggregators::RunQuery query;
  query.fragment = request.Query("id").value_or("");
  query.limit = kDefaultLimit;
  if (query.fragment.empty()) return Problem(400, "the parameter id is missing: a run id or a part of one");
  const std::string_view graph = request.Query("graph").value_or("true");
  if (graph != "true" && graph != "false") return Problem(400, "graph is true or false");
  const absl::StatusOr<RunAnswers> answers = AskForRuns(directory, query, options.question_timeout);
  if (!answers.ok()) return BusyResponse(answers.status());
  Json json = RunsJson(directory, *answers);
  if (graph == "true" && options.history) AddGraph(options, query.fragment, &json);
  return JsonResponse(json);
}

}  // namespace

std::vector<Route> ApiRoutes(const ingest::PartitionDirectory& directory, Exposition& exposition,
                             const ApiOptions& options) {
  const auto get = [](std::string pattern, Handler handler) {
    return Route{"GET", std::move(pattern), std::move(handler)};
  };
  std::vector<Route> routes = {
      get("/", [&directory, options](const Request&) { return StatusPage(directory, options.version); }),
      get("/metrics", [&exposition](const Request& request) { return Metrics(request, exposition); }),
      get("/healthz", [](const Request&) { return Response{.body = "ok\n"}; }),
      get("/readyz", [&directory](const Request&) { return Ready(directory); }),
      get("/api/v1/jobs", [&directory](const Request& request) { return Jobs(request, directory); }),
      get("/api/v1/jobs/{job}", [&directory](const Request& request) { return OneJob(request, directory); }),
      get("/api/v1/openapi.json",
          [](const Request&) { return Response{.content_type = "application/json", .body = std::string(OpenApi())}; }),
      get("/api/v1/partitions", [&directory](const Request& request) { return Partitions(request, directory); }),
      get("/api/v1/runs", [&directory, options](const Request& request) { return Runs(request, directory, options); }),
      get("/api/v1/runs/{run_id}",
          [&directory, options](const Request& request) { return OneRun(request, directory, options); }),
      get("/api/v1/trace",
          [&directory, options](const Request& request) { return Trace(request, directory, options); }),
  };
  const auto sources = [&directory, options] {
    auto policies = options.policies ? options.policies() : std::make_shared<aggregators::JobPolicies>();
    return MonitorSources{&directory, std::move(policies), options.question_timeout};
  };
  for (Route& route : MonitorRoutes(sources)) routes.push_back(std::move(route));
  for (Route& route : OrchestrationRoutes({&directory, options.time_zone, options.question_timeout}))
    routes.push_back(std::move(route));
  // Probes of orchestrators rarely have credentials.
  for (Route& route : routes) route.open = route.pattern == "/healthz" || route.pattern == "/readyz";
  return routes;
}

}  // namespace runledger::exporters
