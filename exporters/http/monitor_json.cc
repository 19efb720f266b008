#include "exporters/http/monitor_json.h"

#include <algorithm>
#include <optional>
#include <string>

#include "codecs/civil_time.h"

namespace runledger::exporters {
namespace {

using aggregators::DayState;
using aggregators::DayStatus;
using aggregators::DayStatusName;
using aggregators::JobPolicy;

Json OptionalTime(const std::optional<int64_t>& time_us) { return time_us ? TimeJson(*time_us) : Json(); }

Json ScheduleJson(const JobPolicy& policy) { return !policy.schedule ? Json() : Json(policy.schedule->text()); }

// Who the job is, for people.
Json NamesJson(const KnownJob& job) {
  Json json = {{"job", job.name}};
  if (!job.policy->display_name.empty()) json["display_name"] = job.policy->display_name;
  if (!job.policy->priority.empty()) json["priority"] = job.policy->priority;
  if (job.policy->revenue_impact) json["revenue_impact"] = true;
  return json;
}

}  // namespace

Json DatesJson(const std::vector<int32_t>& dates) {
  Json json = Json::array();
  for (const int32_t date : dates) json.push_back(codecs::FormatDate(date));
  return json;
}

Json UpstreamJson(const KnownJob& job, const aggregators::DayVerdict& verdict) {
  Json json = {{"job", job.name},
               {"date", codecs::FormatDate(verdict.date)},
               {"status", DayStatusName(verdict.status)},
               {"safe_to_process", verdict.safe_to_process},
               {"reason", verdict.reason},
               {"date_is_over", verdict.over},
               {"attempts", verdict.attempts},
               {"last_event", OptionalTime(verdict.last_attempt_us)}};
  if (!verdict.run_id.empty() && verdict.status != DayStatus::kUnknown) json["run_id"] = verdict.run_id;
  if (verdict.stale_age_hours >= 0) {
    json["stale_age_hours"] = verdict.stale_age_hours;
    json["stale_threshold_hours"] =
        static_cast<double>(job.policy->stale_after_us) / static_cast<double>(aggregators::kHourUs);
  }
  if (!verdict.warning.empty()) json["warning"] = verdict.warning;
  if (verdict.at_watermark) json["at_watermark"] = DayStatusName(*verdict.at_watermark);
  json.update(AnswerJson(job.as_of));
  return json;
}

Json GapsJson(const KnownJob& job, const aggregators::Gaps& gaps, int32_t from, int32_t to) {
  Json json = NamesJson(job);
  json["schedule"] = ScheduleJson(*job.policy);
  json["from"] = codecs::FormatDate(from);
  json["to"] = codecs::FormatDate(to);
  json["expected"] = gaps.expected.size();
  json["gaps"] = Json::array();
  for (const int32_t date : gaps.missing) {
    const DayState* const day = job.facts ? job.facts->Find(date) : nullptr;
    json["gaps"].push_back(
        {{"date", codecs::FormatDate(date)},
         {"status", DayStatusName(day == nullptr ? DayStatus::kMissing : aggregators::DayStatusOf(day->best))},
         {"attempts", day == nullptr ? 0 : static_cast<int>(day->attempts)},
         {"last_event", day == nullptr ? Json() : TimeJson(day->last_time_us)}});
  }
  json["failed"] = DatesJson(gaps.failed);
  json["pending"] = DatesJson(gaps.pending);
  json["unknown"] = DatesJson(gaps.unknown);
  json.update(AnswerJson(job.as_of));
  return json;
}

Json CheckJson(const KnownJob& job, const aggregators::JobCheck& check) {
  Json json = NamesJson(job);
  json["level"] = check.known ? Json(aggregators::LevelName(check.level)) : Json();
  json["status"] = !check.known            ? "unknown"
                   : !check.issues.empty() ? "issues"
                   : check.healthy()       ? "healthy"
                                           : "unknown";
  if (!check.known) {
    json["reason"] = check.why_unknown;
    json.update(AnswerJson(job.as_of));
    return json;
  }
  json["seen"] = check.seen;
  json["schedule"] = ScheduleJson(*job.policy);
  json["from"] = codecs::FormatDate(check.first);
  json["to"] = codecs::FormatDate(check.last);
  json["expected"] = check.gaps.expected.size();
  json["missing"] = DatesJson(check.gaps.missing);
  json["failed"] = DatesJson(check.gaps.failed);
  for (const int32_t date : check.gaps.unexpected_failures) json["failed"].push_back(codecs::FormatDate(date));
  json["pending"] = DatesJson(check.gaps.pending);
  json["unknown"] = DatesJson(check.gaps.unknown);
  json["stale"] = check.stale;
  json["hours_since_last_success"] = check.hours_since_last_success ? Json(*check.hours_since_last_success) : Json();
  json["overdue_since"] = OptionalTime(check.overdue_since_us);
  json["issues"] = Json::array();
  for (const aggregators::Issue& issue : check.issues) {
    json["issues"].push_back(
        {{"level", aggregators::LevelName(issue.level)}, {"kind", issue.kind}, {"text", issue.text}});
  }
  json.update(AnswerJson(job.as_of));
  return json;
}

void SumUpCheck(bool known, Json* answer) {
  using aggregators::Level;
  constexpr size_t kNamed = 10;
  Json alerts = Json::array();
  std::string with_issues;
  size_t healthy = 0, issues = 0;
  Level level = Level::kInfo;
  for (const Json& job : (*answer)["jobs"]) {
    healthy += job["status"] == "healthy" ? 1 : 0;
    if (job["status"] != "issues") continue;
    for (const Json& issue : job["issues"])
      alerts.push_back({{"level", issue["level"]}, {"job", job["job"]}, {"text", issue["text"]}});
    for (const Level one : aggregators::kAllLevels) {
      if (job["level"] == aggregators::LevelName(one)) level = std::max(level, one);
    }
    if (++issues <= kNamed) with_issues += (issues > 1 ? ", " : "") + job["job"].get<std::string>();
  }
  if (issues > 1) {
    alerts.push_back(
        {{"level", aggregators::LevelName(Level::kWarning)},
         {"job", Json()},
         {"text", std::to_string(issues) + " jobs with issues: " + with_issues + (issues > kNamed ? ", ..." : "")}});
  }
  const size_t checked = (*answer)["jobs"].size();
  const size_t unknown = checked - healthy - issues;
  (*answer)["status"] = issues > 0 ? "issues" : !known || unknown > 0 ? "unknown" : "healthy";
  (*answer)["level"] = issues > 0 || (known && unknown == 0) ? Json(aggregators::LevelName(level)) : Json();
  (*answer)["summary"] = {{"checked", checked}, {"healthy", healthy}, {"with_issues", issues}, {"unknown", unknown}};
  (*answer)["alerts"] = std::move(alerts);
}

Json DiscoveryJson(const KnownJob& job, const aggregators::Discovery& discovery) {
  Json json = {{"job", job.name},
               {"date", codecs::FormatDate(discovery.date)},
               {"action", aggregators::ActionName(discovery.action)},
               {"reason", discovery.reason},
               {"next_check", OptionalTime(discovery.next_check_us)},
               {"status", DayStatusName(discovery.status)},
               {"attempts", discovery.attempts},
               {"failed_attempts", discovery.failed_attempts},
               {"time_zone", job.policy->time_zone.name()}};
  json.update(AnswerJson(job.as_of));
  return json;
}

}  // namespace runledger::exporters
