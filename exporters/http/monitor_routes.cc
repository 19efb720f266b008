#include "exporters/http/monitor_routes.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "exporters/http/elsewhere.h"
#include "exporters/http/json_answer.h"
#include "exporters/http/monitor_json.h"
#include "exporters/http/refusals.h"

namespace runledger::exporters {
namespace {

using aggregators::DayVerdict;
using aggregators::FactsQuery;
using aggregators::Gaps;
using aggregators::JobFacts;
using aggregators::kNever;

constexpr int kMostDays = 366;
constexpr size_t kMostJobs = 1000;  // named in one request

// "a, b," as a and b.
std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts = absl::StrSplit(std::string(text), ',');
  for (std::string& part : parts) absl::StripAsciiWhitespace(&part);
  std::erase(parts, "");
  return parts;
}

// The parameters date, lookback_days (`days_name`), and jobs (`jobs_name`) of a request.
absl::StatusOr<FactsQuery> ParseQuery(const Request& request, const MonitorSources& sources,
                                      std::string_view jobs_name) {
  FactsQuery query;
  const auto date = DateParameter(request);
  if (!date.ok()) return date.status();
  query.last_date = *date;
  const auto days = NumberParameter(request, "lookback_days", kMostDays);
  if (!days.ok()) return days.status();
  if (*days) query.days_before = static_cast<int>(**days) - 1;
  if (const auto jobs = request.Query(jobs_name)) {
    for (const std::string& part : SplitList(*jobs)) {
      std::string name = sources.policies->NameOf(part);
      const bool twice = std::find(query.jobs.begin(), query.jobs.end(), name) != query.jobs.end();
      if (!twice) query.jobs.push_back(std::move(name));
    }
    if (query.jobs.empty())
      return absl::InvalidArgumentError(absl::StrCat(std::string(jobs_name), " names no job; write a,b"));
    if (query.jobs.size() > kMostJobs)
      return absl::InvalidArgumentError(absl::StrCat("at most ", kMostJobs, " jobs can be asked for at once"));
  }
  return query;
}

Response Refuse(const absl::Status& status) {
  return absl::IsUnavailable(status) ? BusyResponse(status) : Problem(400, std::string(status.message()));
}

// The date that the query means for this job; nothing: no date can be told, for want of a watermark.
std::optional<int32_t> LastDate(const KnownJob& job, const FactsQuery& query) {
  if (query.last_date) return query.last_date;
  if (job.known.watermark_us == kNever) return std::nullopt;
  return aggregators::DateOf(*job.policy, job.known.watermark_us);
}

// First of the dates that end with `last`.
int32_t FirstDate(const KnownJob& job, const FactsQuery& query, int32_t last) {
  return last - query.days_before.value_or(job.policy->lookback_days - 1);
}

const JobFacts* FactsOf(const KnownJob& job) { return job.facts ? &*job.facts : nullptr; }

// Of a job whose events are not in this instance's partitions.
std::optional<Response> ElsewhereIfUnknown(const MonitorSources& sources, const KnownJob& job) {
  return job.known.whole ? std::nullopt : Elsewhere(*sources.directory, job.name);
}

// It was asked for by a name that is in no configuration and no event. Where its partition is not here, or not known to
// the end, that cannot be said.
bool IsNobody(const KnownJob& job, const FactsQuery& query, const MonitorSources& sources) {
  return !query.jobs.empty() && job.policy->enabled && !job.facts.has_value() && !sources.policies->IsNamed(job.name) &&
         job.known.whole && job.known.caught_up;
}

// `parameter`: what named the job.
Response RefuseDisabled(std::string_view parameter, const std::string& job) {
  return Problem(
      400, absl::StrCat(std::string(parameter), ": the configuration disables '", job, "': nothing is kept of it"));
}

// Where an answer holds for such a name, too: a job that has yet to be seen is missing, and may be tried. True: it is
// such a name, and `json` says so.
bool WarnOfNobody(const KnownJob& job, const FactsQuery& query, const MonitorSources& sources, Json* json) {
  if (!IsNobody(job, query, sources)) return false;
  (*json)["warning"] = absl::StrCat("no configuration names a job '", job.name,
                                    "', and no event of it has been seen: is the name right?");
  return true;
}

// -- upstream

// Defence 2: gaps in the dates before.
Json GapsBefore(const KnownJob& job, const FactsQuery& query, int32_t date, bool* complete) {
  const Gaps gaps = aggregators::FindGaps(*job.policy, job.facts ? *job.facts : JobFacts(), date - *query.days_before,
                                          date - 1, job.known);
  *complete = gaps.missing.empty() && gaps.unknown.empty() && job.known.caught_up;
  return {{"lookback_days", *query.days_before},
          {"complete", job.known.caught_up && gaps.unknown.empty() ? Json(gaps.missing.empty()) : Json()},
          {"missing", DatesJson(gaps.missing)},
          {"unknown", DatesJson(gaps.unknown)}};
}

// `json` gets a member of "upstream"; true: the job is safe.
bool JudgeUpstream(const KnownJob& job, const FactsQuery& query, const MonitorSources& sources, Json* json) {
  const std::optional<int32_t> date = LastDate(job, query);
  DayVerdict verdict;
  if (!job.policy->enabled) {
    verdict.date = date.value_or(0);
    verdict.reason = "the configuration disables this job: nothing is kept of it";
  } else if (!date) {
    verdict.reason = "the time up to which the log is known is not known";
  } else {
    verdict = aggregators::JudgeDay(*job.policy, job.facts ? *job.facts : JobFacts(), *date, job.known);
  }
  Json one = UpstreamJson(job, verdict);
  if (!date) one["date"] = Json();
  bool safe = verdict.safe_to_process;
  if (query.days_before && date && job.policy->enabled) {
    bool complete = false;
    one["look_back"] = GapsBefore(job, query, *date, &complete);
    safe = safe && complete;
    one["safe_to_process"] = safe;
    if (verdict.safe_to_process && !complete) one["reason"] = "dates before it are not complete";
  }
  if (WarnOfNobody(job, query, sources, &one)) {  // whatever day it is, and whatever is safe for others
    safe = false;
    one["safe_to_process"] = false;
  }
  *json = std::move(one);
  return safe;
}

// Dates before the one that is asked for are looked at only where the request says how many.
absl::StatusOr<MonitorAnswers> AskUpstream(const MonitorSources& sources, FactsQuery* query) {
  if (query->days_before) ++*query->days_before;  // lookback_days dates before it, not with it
  FactsQuery facts = *query;
  facts.days_before = query->days_before.value_or(0);
  facts.runs = true;
  return AskForFacts(sources, facts);
}

Response UpstreamOfOne(const Request& request, const MonitorSources& sources) {
  if (auto refusal = RefuseUnknown(request, {"date", "lookback_days"})) return *std::move(refusal);
  auto query = ParseQuery(request, sources, "");
  if (!query.ok()) return Refuse(query.status());
  query->jobs = {sources.policies->NameOf(request.Parameter("job"))};
  const auto answers = AskUpstream(sources, &*query);
  if (!answers.ok()) return Refuse(answers.status());
  const KnownJob& job = answers->jobs.front();
  if (auto elsewhere = ElsewhereIfUnknown(sources, job)) return *std::move(elsewhere);
  Json json = AnswerJson(job.as_of);
  JudgeUpstream(job, *query, sources, &json["upstream"]);
  return JsonResponse(json);
}

Response UpstreamOfSeveral(const Request& request, const MonitorSources& sources) {
  if (auto refusal = RefuseUnknown(request, {"jobs", "of", "date", "lookback_days"})) return *std::move(refusal);
  auto query = ParseQuery(request, sources, "jobs");
  if (!query.ok()) return Refuse(query.status());
  if (const auto of = request.Query("of")) {
    const aggregators::JobPolicy& policy = sources.policies->Find(sources.policies->NameOf(*of));
    if (policy.upstream.empty())
      return Problem(400, absl::StrCat("the configuration names no upstream of '", std::string(*of),
                                       "'; set jobs.NAME.upstream, or ask for jobs=a,b"));
    for (const std::string& name : policy.upstream) query->jobs.push_back(sources.policies->NameOf(name));
  }
  if (query->jobs.empty()) return Problem(400, "the parameter jobs is missing: names of jobs, a,b; or of=JOB");
  const auto answers = AskUpstream(sources, &*query);
  if (!answers.ok()) return Refuse(answers.status());
  AsOf as_of;
  bool safe = true;
  Json upstream = Json::array();
  for (const KnownJob& job : answers->jobs) {
    as_of.Add(job.as_of.watermark_us(), job.as_of.caught_up());
    Json one;
    safe = JudgeUpstream(job, *query, sources, &one) && safe;
    upstream.push_back(std::move(one));
  }
  Json json = AnswerJson(as_of);
  json["complete"] = OwnsAll(*sources.directory);
  json["safe_to_process"] = safe;
  json["upstream"] = std::move(upstream);
  return JsonResponse(json);
}

// -- gaps

Response GapsOfJobs(const Request& request, const MonitorSources& sources) {
  if (auto refusal = RefuseUnknown(request, {"job", "date", "lookback_days"})) return *std::move(refusal);
  const auto query = ParseQuery(request, sources, "job");
  if (!query.ok()) return Refuse(query.status());
  const auto answers = AskForFacts(sources, *query);
  if (!answers.ok()) return Refuse(answers.status());
  Json json = AnswerJson(answers->as_of);
  json["complete"] = OwnsAll(*sources.directory);
  json["jobs"] = Json::array();
  for (const KnownJob& job : answers->jobs) {
    if (query->jobs.empty() && (!job.policy->enabled || !job.policy->schedule)) continue;
    if (!job.policy->enabled) return RefuseDisabled("job", job.name);
    if (IsNobody(job, *query, sources))
      return Problem(404, absl::StrCat("no job '", job.name, "' is configured, or has been seen by this instance"));
    const std::optional<int32_t> last = LastDate(job, *query);
    if (!last) continue;  // caught_up says it
    const int32_t first = FirstDate(job, *query, *last);
    const Gaps gaps = aggregators::FindGaps(*job.policy, job.facts ? *job.facts : JobFacts(), first, *last, job.known);
    json["jobs"].push_back(GapsJson(job, gaps, first, *last));
  }
  return JsonResponse(json);
}

// -- check

Response Check(const Request& request, const MonitorSources& sources) {
  if (auto refusal = RefuseUnknown(request, {"date", "lookback_days", "processors"})) return *std::move(refusal);
  const auto query = ParseQuery(request, sources, "processors");
  if (!query.ok()) return Refuse(query.status());
  const auto answers = AskForFacts(sources, *query);
  if (!answers.ok()) return Refuse(answers.status());
  Json json = AnswerJson(answers->as_of);
  json["complete"] = OwnsAll(*sources.directory);
  for (const char* name : {"status", "level", "summary", "alerts"}) json[name] = Json();  // before the jobs they sum up
  json["jobs"] = Json::array();
  for (const KnownJob& job : answers->jobs) {
    if (!job.policy->enabled && query->jobs.empty()) continue;
    if (!job.policy->enabled) return RefuseDisabled("processors", job.name);
    if (IsNobody(job, *query, sources))
      return Problem(400, absl::StrCat("processors: no job '", job.name, "' is configured, or has been seen"));
    const int32_t last = LastDate(job, *query).value_or(0);
    json["jobs"].push_back(CheckJson(job, aggregators::CheckJob(*job.policy, job.name, FactsOf(job),
                                                                FirstDate(job, *query, last), last, job.known)));
  }
  SumUpCheck(answers->as_of.caught_up(), &json);
  json["problems"] = Json::array();
  for (const ingest::Problem& problem : sources.directory->Problems())
    json["problems"].push_back({{"subject", problem.subject}, {"text", problem.text}});
  return JsonResponse(json);
}

// -- discovery

Response DiscoveryOfJob(const Request& request, const MonitorSources& sources) {
  if (auto refusal = RefuseUnknown(request, {"date"})) return *std::move(refusal);
  auto query = ParseQuery(request, sources, "");
  if (!query.ok()) return Refuse(query.status());
  query->jobs = {sources.policies->NameOf(request.Parameter("job"))};
  const aggregators::JobPolicy& policy = sources.policies->Find(query->jobs.front());
  if (!policy.enabled)
    return Problem(400, absl::StrCat("the configuration disables '", query->jobs.front(), "': nothing is kept of it"));
  // Which date it is for depends on the watermark, which is known only with the answer.
  std::optional<int32_t> date = query->last_date;
  if (!date) {
    aggregators::FactsQuery probe = *query;
    probe.days_before = 0;
    const auto first = AskForFacts(sources, probe);
    if (!first.ok()) return Refuse(first.status());
    const int64_t watermark_us = first->jobs.front().known.watermark_us;
    if (watermark_us != kNever) date = aggregators::DiscoveryDate(policy, watermark_us);
  }
  query->last_date = date;
  query->days_before = 0;
  query->runs = true;
  const auto answers = AskForFacts(sources, *query);
  if (!answers.ok()) return Refuse(answers.status());
  const KnownJob& job = answers->jobs.front();
  if (auto elsewhere = ElsewhereIfUnknown(sources, job)) return *std::move(elsewhere);
  aggregators::Discovery discovery;
  if (date) {
    discovery = aggregators::Discover(policy, FactsOf(job), *date, job.known);
  } else {
    discovery.reason = "the time up to which the log is known is not known";
  }
  Json json = AnswerJson(job.as_of);
  json["discovery"] = DiscoveryJson(job, discovery);
  if (!date) json["discovery"]["date"] = Json();
  WarnOfNobody(job, *query, sources, &json["discovery"]);
  return JsonResponse(json);
}

}  // namespace

std::vector<Route> MonitorRoutes(const std::function<MonitorSources()>& sources) {
  const auto get = [&](std::string pattern, Response (*answer)(const Request&, const MonitorSources&)) {
    return Route{"GET", std::move(pattern),
                 [sources, answer](const Request& request) { return answer(request, sources()); }};
  };
  return {get("/api/v1/check", &Check), get("/api/v1/gaps", &GapsOfJobs), get("/api/v1/upstream", &UpstreamOfSeveral),
          get("/api/v1/jobs/{job}/upstream", &UpstreamOfOne), get("/api/v1/jobs/{job}/discovery", &DiscoveryOfJob)};
}

}  // namespace runledger::exporters
