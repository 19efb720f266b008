#include "exporters/http/api.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "exporters/http/job_answers.h"
#include "exporters/http/json_answer.h"
#include "exporters/http/run_answers.h"
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

// A misspelt parameter would be an answer to another question.
std::optional<Response> RefuseUnknown(const Request& request, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : request.query) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string names;
    for (const std::string_view one : known) absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(one));
    return Problem(400, absl::StrCat("there is no parameter '", name, "' here; ",
                                     names.empty() ? "it has none" : "use: " + names));
  }
  return std::nullopt;
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
  for (const ingest::Problem& problem : directory.Problems()) {
    if (problem.subject == ingest::kLogProblem) absl::StrAppend(&reason, "; ", problem.text);
  }
  Response response =
      Problem(503, absl::StrCat("not ready: ", reason),
              Json{{"ready", false}, {"restoring", restoring}, {"problems", ProblemsJson(directory)}}.dump());
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

// Where something was looked for and is not there. That there is none can be said only of a log that is known to its
// end.
Response NotFound(const AsOf& as_of, const std::string& detail) {
  if (as_of.caught_up()) return Problem(404, detail);
  Response response =
      Problem(503, absl::StrCat("unknown: this instance has not caught up with its log; so far there is ", detail));
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

Response Jobs(const Request& request, const ingest::PartitionDirectory& directory) {
  if (auto refusal = RefuseUnknown(request, {})) return *std::move(refusal);
  const JobAnswers answers = CollectJobs(directory);
  Json json = AnswerJson(answers.as_of);
  json["jobs"] = Json::array();
  for (const JobAnswer& job : answers.jobs) json["jobs"].push_back(JobJson(job));
  return JsonResponse(json);
}

Response OneJob(const Request& request, const ingest::PartitionDirectory& directory) {
  if (auto refusal = RefuseUnknown(request, {})) return *std::move(refusal);
  const std::string& name = request.Parameter("job");
  const JobAnswers answers = CollectJobs(directory);
  const auto found = std::find_if(answers.jobs.begin(), answers.jobs.end(),
                                  [&](const JobAnswer& job) { return job.names->name == name; });
  if (found == answers.jobs.end()) {
    return NotFound(
        answers.as_of,
        absl::StrCat("no job '", name, "' in the partitions of this instance; /api/v1/jobs names those there are"));
  }
  Json json = AnswerJson(found->as_of);
  json["job"] = JobJson(*found);
  return JsonResponse(json);
}

// The parameters of /api/v1/runs as a query; or what is wrong with them.
absl::StatusOr<aggregators::RunQuery> ParseRunQuery(const Request& request) {
  aggregators::RunQuery query;
  query.limit = kDefaultLimit;
  query.job = request.Query("job").value_or("");
  query.fragment = request.Query("fragment").value_or("");
  if (const auto word = request.Query("status")) {
    query.status = codecs::StatusFromWord(*word);
    if (!query.status) {
      return absl::InvalidArgumentError(
          absl::StrCat("status '", std::string(*word),
                       "' is not known; use running, success, no_data, partial, skipped, failed or aborted"));
    }
  }
  if (const auto date = request.Query("date")) {
    query.data_date = codecs::ParseDate(*date);
    if (!query.data_date)
      return absl::InvalidArgumentError(absl::StrCat("date '", std::string(*date), "' is no date; write 2026-01-12"));
  }
  if (const auto stale = request.Query("stale")) {
    if (*stale != "true" && *stale != "false") return absl::InvalidArgumentError("stale is true or false");
    query.stale_only = *stale == "true";
  }
  if (const auto limit = request.Query("limit")) {
    const auto result = std::from_chars(limit->data(), limit->data() + limit->size(), query.limit);
    if (result.ec != std::errc() || result.ptr != limit->data() + limit->size() || query.limit < 1 ||
        query.limit > kMaxLimit) {
      return absl::InvalidArgumentError(
          absl::StrCat("limit '", std::string(*limit), "' is no number from 1 to ", kMaxLimit));
    }
  }
  return query;
}

// `if_none`: the detail of the answer where no run is an error.
Response AnswerRuns(const ingest::PartitionDirectory& directory, const aggregators::RunQuery& query,
                    const ApiOptions& options, const std::string& if_none = {}) {
  const absl::StatusOr<RunAnswers> answers = AskForRuns(directory, query, options.question_timeout);
  if (!answers.ok()) {
    Response busy = Problem(503, "busy: " + std::string(answers.status().message()));
    busy.headers.emplace_back("Retry-After", "1");
    return busy;
  }
  if (answers->runs.empty() && !if_none.empty()) return NotFound(answers->as_of, if_none);
  Json json = AnswerJson(answers->as_of);
  json["runs"] = Json::array();
  for (const RunAnswer& run : answers->runs) json["runs"].push_back(RunJson(run));
  json["more"] = answers->more;
  return JsonResponse(json);
}

Response Runs(const Request& request, const ingest::PartitionDirectory& directory, const ApiOptions& options) {
  if (auto refusal = RefuseUnknown(request, {"job", "status", "date", "limit", "stale", "fragment"}))
    return *std::move(refusal);
  const absl::StatusOr<aggregators::RunQuery> query = ParseRunQuery(request);
  if (!query.ok()) return Problem(400, std::string(query.status().message()));
  return AnswerRuns(directory, *query, options);
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

Response Trace(const Request& request, const ingest::PartitionDirectory& directory, const ApiOptions& options) {
  if (auto refusal = RefuseUnknown(request, {"id"})) return *std::move(refusal);
  aggregators::RunQuery query;
  query.fragment = request.Query("id").value_or("");
  query.limit = kDefaultLimit;
  if (query.fragment.empty()) return Problem(400, "the parameter id is missing: a run id or a part of one");
  return AnswerRuns(directory, query, options);
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
      get("/api/v1/runs", [&directory, options](const Request& request) { return Runs(request, directory, options); }),
      get("/api/v1/runs/{run_id}",
          [&directory, options](const Request& request) { return OneRun(request, directory, options); }),
      get("/api/v1/trace",
          [&directory, options](const Request& request) { return Trace(request, directory, options); }),
  };
  // Probes of orchestrators rarely have credentials.
  for (Route& route : routes) route.open = route.pattern == "/healthz" || route.pattern == "/readyz";
  return routes;
}

}  // namespace runledger::exporters
