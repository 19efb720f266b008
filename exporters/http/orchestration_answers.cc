#include "exporters/http/orchestration_answers.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/time/time.h"
#include "codecs/civil_time.h"
#include "exporters/http/log_begins.h"

namespace runledger::exporters {
namespace {

using aggregators::ExpectedInfo;
using aggregators::kNever;
using aggregators::RunVerdict;
using aggregators::Shard;
using aggregators::Urgency;
using aggregators::WorkflowInfo;

Json TextJson(const std::string& text) { return text.empty() ? Json() : Json(text); }
Json CountJson(int64_t count) { return count < 0 ? Json() : Json(count); }

std::string_view WhyUnknown(aggregators::Unknown why) {
  switch (why) {
    case aggregators::Unknown::kNo:
      return "";
    case aggregators::Unknown::kNotHome:
      return "what belongs to it may be in other partitions";
    case aggregators::Unknown::kIncomplete:
      return "the state does not reach back to the beginning of its window";
    case aggregators::Unknown::kNoWatermark:
      return "the partition has no watermark";
  }
  return "";
}

// Of the row whose actual time is nearest to the tick.
const std::string& NearestSeedsStatus(const ExpectedInfo& info) {
  const auto distance = [&](const ExpectedInfo::SeedsRow& row) {
    const int64_t difference_us = row.actual_us.value_or(info.due_us) - info.due_us;
    return difference_us < 0 ? -difference_us : difference_us;
  };
  return std::min_element(info.seeds.begin(), info.seeds.end(),
                          [&](const auto& a, const auto& b) { return distance(a) < distance(b); })
      ->status;
}

}  // namespace

std::string LocalTime(int64_t time_us, const std::string& zone) {
  absl::TimeZone clock = absl::UTCTimeZone();
  if (!zone.empty()) absl::LoadTimeZone(zone, &clock);
  return absl::FormatTime("%E4Y-%m-%dT%H:%M:%E*S%Ez", absl::FromUnixMicros(time_us), clock);
}

absl::StatusOr<ScheduleAnswer> AskForSchedule(const ingest::PartitionDirectory& directory,
                                              const aggregators::ScheduleQuery& query,
                                              std::chrono::milliseconds timeout) {
  struct FromShard {
    std::vector<ExpectedInfo> expected;
    std::vector<aggregators::DayToCome> to_come;
    aggregators::KnownSince since;
  };
  auto asked = AskShards<FromShard>(
      directory,
      [query](const Shard& shard) {
        return FromShard{shard.FindExpected(query), shard.FindDaysToCome(query), shard.KnownSinceOf(query.subject)};
      },
      timeout);
  if (!asked.ok()) return asked.status();
  ScheduleAnswer answer;
  LogBegins begins;
  for (const auto& one : *asked) begins.Add(one.partition.topic, one.answer.since.began_us);
  bool any = false;
  for (auto& one : *asked) {
    const aggregators::KnownSince& since = one.answer.since;
    answer.as_of.Add(one.watermark_us, one.caught_up);
    const int64_t began_us = begins.Of(one.partition.topic, since.began_us, since.whole_log);
    const int64_t from_us = began_us == kNever ? kNever : std::max(began_us, since.kept_from_us);
    answer.known_from_us = any ? LaterBegin(answer.known_from_us, from_us) : from_us;
    any = true;
    for (ExpectedInfo& info : one.answer.expected)
      answer.runs.push_back({one.partition, std::move(info), one.caught_up});
    for (aggregators::DayToCome& day : one.answer.to_come) answer.to_be_made.push_back(std::move(day));
  }
  std::sort(answer.to_be_made.begin(), answer.to_be_made.end(),
            [](const aggregators::DayToCome& a, const aggregators::DayToCome& b) {
              return std::tie(a.made_at_us, a.workflow) < std::tie(b.made_at_us, b.workflow);
            });
  std::sort(answer.runs.begin(), answer.runs.end(), [](const ExpectedAnswer& a, const ExpectedAnswer& b) {
    return std::tie(a.info.due_us, a.info.subject, a.partition) < std::tie(b.info.due_us, b.info.subject, b.partition);
  });
  return answer;
}

absl::StatusOr<WorkflowsAnswer> AskForWorkflows(const ingest::PartitionDirectory& directory,
                                                const aggregators::WorkflowQuery& query,
                                                std::chrono::milliseconds timeout) {
  auto asked = AskShards<std::vector<WorkflowInfo>>(
      directory, [query](const Shard& shard) { return shard.FindWorkflows(query); }, timeout);
  if (!asked.ok()) return asked.status();
  WorkflowsAnswer answer;
  for (auto& one : *asked) {
    answer.as_of.Add(one.watermark_us, one.caught_up);
    for (WorkflowInfo& info : one.answer) answer.workflows.push_back({one.partition, std::move(info), one.caught_up});
  }
  std::sort(answer.workflows.begin(), answer.workflows.end(), [](const WorkflowAnswer& a, const WorkflowAnswer& b) {
    return std::tie(a.info.name, a.partition) < std::tie(b.info.name, b.partition);
  });
  return answer;
}

absl::StatusOr<CleanupAnswer> AskForCleanup(const ingest::PartitionDirectory& directory,
                                            std::chrono::milliseconds timeout) {
  using Newest = std::optional<aggregators::CleanupInfo>;
  auto asked = AskShards<Newest>(
      directory, [](const Shard& shard) { return Newest(shard.newest_cleanup()); }, timeout);
  if (!asked.ok()) return asked.status();
  CleanupAnswer answer;
  for (auto& one : *asked) {
    answer.as_of.Add(one.watermark_us, one.caught_up);
    if (one.answer && (!answer.cleanup || one.answer->time_us > answer.cleanup->time_us))
      answer.cleanup = std::move(one.answer);
  }
  return answer;
}

Json ToBeMadeJson(const aggregators::DayToCome& day) {
  return {{"workflow", day.workflow},
          {"date", codecs::FormatDate(day.day)},
          {"made_at", TimeJson(day.made_at_us)},
          {"first_expected_at", TimeJson(day.first_due_us)},
          {"runs", day.runs}};
}

Json ExpectedJson(const ExpectedAnswer& answer) {
  const ExpectedInfo& info = answer.info;
  // Behind its log a partition has not heard of all that started; what the log itself says holds all the same.
  const bool known = answer.caught_up || info.final;
  Json json = {{"workflow", info.of_job ? TextJson(info.workflow) : Json(info.subject)},
               {"job", info.of_job ? Json(info.subject) : Json()},
               {"verdict", aggregators::VerdictName(known ? info.verdict : RunVerdict::kUnknown)}};
  if (!known && info.verdict != RunVerdict::kUnknown) json["at_watermark"] = aggregators::VerdictName(info.verdict);
  if (known && info.verdict == RunVerdict::kUnknown) json["why_unknown"] = WhyUnknown(info.unknown);
  json["counted"] = info.final;
  json["expected_at"] = TimeJson(info.due_us);
  json["expected_local"] = LocalTime(info.due_us, info.time_zone);
  json["actual_at"] = info.start_us ? TimeJson(*info.start_us) : Json();
  json["actual_local"] = info.start_us ? Json(LocalTime(*info.start_us, info.time_zone)) : Json();
  json["difference_seconds"] = info.start_us ? Json(static_cast<double>(*info.start_us - info.due_us) / 1e6) : Json();
  json[info.of_job ? "run_id" : "decision_id"] = TextJson(info.start_id);
  json["explained_by"] = Json();
  if (info.explained_by) {
    json["explained_by"] = {
        {"decision_id", info.explained_by->decision_id},
        {"action", TextJson(info.explained_by->action)},
        {"reason", TextJson(info.explained_by->reason)},
        {"decided_at", info.explained_by->time_us == 0 ? Json() : TimeJson(info.explained_by->time_us)}};
  }
  json["seeds_status"] = NearestSeedsStatus(info);
  json["seeds_rows"] = Json::array();
  for (const ExpectedInfo::SeedsRow& row : info.seeds) {
    json["seeds_rows"].push_back(
        {{"actual_at", row.actual_us ? TimeJson(*row.actual_us) : Json()}, {"status", row.status}});
  }
  json["date"] = codecs::FormatDate(info.date);
  json["time_zone"] = info.time_zone;
  json["reason"] = TextJson(info.reason);
  json["priority"] = TextJson(info.priority);
  json.update(PartitionJson(answer.partition));
  return json;
}

Json WorkflowJson(const WorkflowAnswer& answer) {
  const WorkflowInfo& info = answer.info;
  const aggregators::WorkflowBlock& block = info.block;
  const bool known = answer.caught_up && block.at_home;
  Json json = {{"name", info.name}, {"priority", TextJson(info.priority)}, {"configured", info.configured}};
  json["last_evaluation"] = TimeJson(block.last_evaluation_us);
  // null: no limit, or not known.
  json["not_evaluated"] = known && block.has_evaluation_limit ? Json(block.not_evaluated) : Json();
  json["evaluation_overdue_after_seconds"] =
      info.evaluation_limit_us > 0 ? Json(static_cast<double>(info.evaluation_limit_us) / 1e6) : Json();
  const Json now = {{"pending", block.pending},
                    {"overdue", block.overdue},
                    {"missing", block.missing},
                    {"missing_explained", block.missing_explained}};
  for (const auto& [name, value] : now.items()) json[name] = known ? value : Json();
  if (!known && block.at_home) json["at_watermark"] = now;
  for (const RunVerdict verdict : aggregators::kFinalVerdicts)
    json["counted"][std::string(aggregators::VerdictName(verdict))] = block.verdicts[static_cast<size_t>(verdict)];
  json["decisions"] = Json::array();
  for (const aggregators::DecisionInfo& decision : info.decisions) {
    json["decisions"].push_back({{"decision_id", decision.decision_id},
                                 {"decided_at", TimeJson(decision.time_us)},
                                 {"action", aggregators::ActionName(decision.action)},
                                 {"reason", TextJson(decision.reason)},
                                 {"priority", TextJson(decision.priority)},
                                 {"alert_level", TextJson(decision.alert_level)},
                                 {"next_check_at", TimeJson(decision.next_check_us.value_or(kNever))}});
  }
  json.update(PartitionJson(answer.partition));
  return json;
}

Json CleanupJson(const aggregators::CleanupInfo& cleanup) {
  Json json = {{"cleanup_id", cleanup.cleanup_id},
               {"cleaned_at", TimeJson(cleanup.time_us)},
               {"files_checked", CountJson(cleanup.files_checked)},
               {"missing_files_found", CountJson(cleanup.missing_files_found)},
               {"republished_count", CountJson(cleanup.republished_count)}};
  json["urgencies"] = Json();
  json["files"] = Json();
  if (!cleanup.files_known) return json;
  std::array<uint64_t, aggregators::kAllUrgencies.size()> counts{};
  std::vector<const codecs::MissingFile*> files;
  for (const codecs::MissingFile& file : cleanup.files) files.push_back(&file);
  std::stable_sort(files.begin(), files.end(), [](const auto* a, const auto* b) {
    return a->age_minutes.value_or(-1) > b->age_minutes.value_or(-1);  // the oldest first
  });
  json["files"] = Json::array();
  for (const codecs::MissingFile* file : files) {
    const Urgency urgency = aggregators::UrgencyOf(file->age_minutes.value_or(0));
    ++counts[static_cast<size_t>(urgency)];
    json["files"].push_back({{"scraper_name", TextJson(file->scraper_name)},
                             {"gcs_path", TextJson(file->gcs_path)},
                             {"age_minutes", file->age_minutes ? Json(*file->age_minutes) : Json()},
                             {"republished", file->republished ? Json(*file->republished) : Json()},
                             {"urgency", aggregators::UrgencyName(urgency)}});
  }
  json["urgencies"] = Json::object();
  for (const Urgency urgency : aggregators::kAllUrgencies)
    json["urgencies"][std::string(aggregators::UrgencyName(urgency))] = counts[static_cast<size_t>(urgency)];
  return json;
}

}  // namespace runledger::exporters
