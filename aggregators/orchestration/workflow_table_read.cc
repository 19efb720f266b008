#include <algorithm>
#include <tuple>

#include "aggregators/job_policy.h"
#include "aggregators/orchestration/workflow_table.h"
#include "aggregators/schedule/time_zone.h"

// Answers about single expected runs and decisions, verdicts to be written, and snapshots.

namespace runledger::aggregators {
namespace {

constexpr int64_t kNoTime = WorkflowBlock::kNoTime;

// The subject's own zone, else the general one; empty: UTC. Nothing: there is no such zone.
std::optional<TimeZone> ZoneOf(const WorkflowTrack& track, const std::string& general) {
  const std::string& name = track.policy().time_zone.empty() ? general : track.policy().time_zone;
  if (name.empty()) return TimeZone();
  const absl::StatusOr<TimeZone> zone = TimeZone::Load(name);
  return zone.ok() ? std::optional(*zone) : std::nullopt;
}

// One row for every actual time of the same day that is less than 60 whole minutes after the tick.
std::vector<ExpectedInfo::SeedsRow> SeedsRows(int64_t due_us, int32_t date, const std::vector<int64_t>& actual,
                                              const TimeZone& zone) {
  std::vector<ExpectedInfo::SeedsRow> rows;
  constexpr int64_t kTwoDaysUs = 2 * WorkflowTrack::kRecentUs;  // no day of any zone is longer
  for (auto at = std::lower_bound(actual.begin(), actual.end(), due_us - kTwoDaysUs); at != actual.end(); ++at) {
    const std::optional<std::string_view> status = SeedsStatus(due_us, *at);
    if (!status) break;
    if (LocalDay(*at, zone) == date) rows.push_back({*at, std::string(*status)});
  }
  if (rows.empty()) rows.push_back({std::nullopt, std::string(kSeedsMissing)});
  return rows;
}

DecisionInfo InfoOf(const Decision& decision) {
  return {decision.decision_id, decision.time_us,     decision.action,       decision.reason,
          decision.priority,    decision.alert_level, decision.next_check_us};
}

std::optional<ExpectedInfo::Explanation> ExplanationOf(const WorkflowTrack& track, const Expectation& expected,
                                                       const WorkflowTrack::Others& others) {
  const Decision* decision = track.ExplanationOf(expected, others);
  const std::string& told = expected.explained_by;
  // What the log says goes before what the decisions say now.
  if (!told.empty() && (decision == nullptr || decision->decision_id != told)) {
    const codecs::Hash128 id = codecs::HashBytes(told);
    decision = track.FindDecision(id);
    if (decision == nullptr && !expected.text->workflow.empty()) {
      if (const WorkflowTrack* other = others(expected.text->workflow)) decision = other->FindDecision(id);
    }
    if (decision == nullptr) return ExpectedInfo::Explanation{told, "", "", 0};
  }
  if (decision == nullptr || (expected.final && told.empty())) return std::nullopt;
  return ExpectedInfo::Explanation{decision->decision_id, std::string(ActionName(decision->action)), decision->reason,
                                   decision->time_us};
}

}  // namespace

int64_t WorkflowTable::KeptFrom(std::string_view subject) const {
  if (log_day_ == INT32_MIN) return INT64_MIN;
  int64_t from_us = int64_t{std::max(first_day_, log_day_ - days_)} * kDayUs;
  for (const auto& track : tracks_) {
    if (track != nullptr && (subject.empty() || track->name() == subject))
      from_us = std::max(from_us, track->ExpectedKeptFrom());
  }
  return from_us;
}

std::vector<ExpectedInfo> WorkflowTable::Schedule(const ScheduleQuery& query, int64_t watermark_us) const {
  std::vector<ExpectedInfo> answer;
  const auto others = [this](std::string_view name) { return FindTrack(name); };
  for (const auto& owned : tracks_) {
    if (owned == nullptr || (!query.subject.empty() && owned->name() != query.subject)) continue;
    WorkflowTrack& track = *owned;
    if (track.expected().empty()) continue;
    const std::optional<TimeZone> zone = ZoneOf(track, query.time_zone);
    if (!zone || (!query.date && watermark_us == kNoTime)) continue;
    const int32_t date = query.date ? *query.date : LocalDay(watermark_us, *zone);
    track.Rematch();
    const std::vector<int64_t> starts = track.ActualTimes(/*of_job=*/true);
    const std::vector<int64_t> decisions = track.ActualTimes(/*of_job=*/false);
    for (const Expectation& expected : track.expected()) {
      // The day that the row says, else the one on which its tick falls.
      const int32_t day = expected.date != Expectation::kNoDate ? expected.date : LocalDay(expected.due_us, *zone);
      if (day != date) continue;
      ExpectedInfo& info = answer.emplace_back();
      info.subject = track.name();
      info.of_job = expected.of_job;
      info.workflow = expected.text->workflow;
      info.due_us = expected.due_us;
      info.date = day;
      info.time_zone = zone->name();
      info.reason = expected.text->reason;
      info.priority = track.policy().priority.empty() ? expected.text->priority : track.policy().priority;
      info.verdict = track.VerdictOf(expected, watermark_us);
      info.final = expected.final;
      if (info.verdict == RunVerdict::kUnknown) {
        info.unknown = !track.at_home()          ? Unknown::kNotHome
                       : watermark_us == kNoTime ? Unknown::kNoWatermark
                                                 : Unknown::kIncomplete;
      }
      if (expected.start_us != kNoTime) {
        info.start_us = expected.start_us;
        info.start = expected.start;
        const Decision* decision = expected.of_job ? nullptr : track.FindDecision(expected.start);
        if (decision != nullptr) info.start_id = decision->decision_id;
      }
      if (info.verdict == RunVerdict::kMissing || info.verdict == RunVerdict::kOverdue)
        info.explained_by = ExplanationOf(track, expected, others);
      info.seeds = SeedsRows(expected.due_us, day, expected.of_job ? starts : decisions, *zone);
    }
  }
  std::sort(answer.begin(), answer.end(), [](const ExpectedInfo& a, const ExpectedInfo& b) {
    return std::tie(a.due_us, a.subject) < std::tie(b.due_us, b.subject);
  });
  return answer;
}

std::vector<DayToCome> WorkflowTable::DaysToCome(const ScheduleQuery& query, int64_t watermark_us) const {
  std::vector<DayToCome> answer;
  if (watermark_us == kNoTime) return answer;
  for (const auto& track : tracks_) {
    if (track == nullptr || !track->configured || !track->at_home() || !track->policy().plan) continue;
    if (!query.subject.empty() && track->name() != query.subject) continue;
    const int32_t today = LocalDay(watermark_us, track->policy().plan->schedule().zone());
    if (std::optional<DayToCome> day = track->ToCome(query.date.value_or(today), watermark_us))
      answer.push_back(*std::move(day));
  }
  return answer;
}

std::vector<WorkflowInfo> WorkflowTable::Workflows(const WorkflowQuery& query, int64_t watermark_us) const {
  std::vector<WorkflowInfo> answer;
  const auto others = [this](std::string_view name) { return FindTrack(name); };
  for (const auto& owned : tracks_) {
    if (owned == nullptr || (!query.name.empty() && owned->name() != query.name)) continue;
    WorkflowInfo& info = answer.emplace_back();
    info.name = owned->name();
    info.priority = owned->priority();
    info.configured = owned->configured;
    info.block = owned->BlockAt(watermark_us, others);
    info.evaluation_limit_us = info.block.has_evaluation_limit ? owned->policy().EvaluationLimit(owned->priority()) : 0;
    const std::optional<TimeZone> zone = ZoneOf(*owned, query.time_zone);
    const std::vector<Decision>& decisions = owned->decisions();
    for (auto at = decisions.rbegin(); at != decisions.rend() && info.decisions.size() < query.decisions; ++at) {
      if (!query.date || (zone && LocalDay(at->time_us, *zone) == *query.date)) info.decisions.push_back(InfoOf(*at));
    }
  }
  std::sort(answer.begin(), answer.end(), [](const WorkflowInfo& a, const WorkflowInfo& b) { return a.name < b.name; });
  return answer;
}

std::vector<DueVerdict> WorkflowTable::DueVerdicts(int64_t watermark_us, size_t limit) {
  std::vector<DueVerdict> due;
  if (watermark_us == kNoTime || watermark_us <= verdicts_due_us_) return due;
  verdicts_due_us_ = INT64_MAX;
  const auto others = [this](std::string_view name) { return FindTrack(name); };
  for (const auto& track : tracks_) {
    if (due.size() >= limit) break;  // one that is due keeps verdicts_due_us_ in the past
    if (track == nullptr || !track->at_home() || track->first_open_us() == INT64_MAX) continue;
    const int64_t settles_after_us = track->policy().settles_after_us();
    verdicts_due_us_ = std::min(verdicts_due_us_, track->first_open_us() + settles_after_us);
    if (watermark_us <= track->first_open_us() + settles_after_us) continue;
    track->Rematch();
    const auto& all = track->expected();
    for (auto at = std::lower_bound(all.begin(), all.end(), track->first_open_us(),
                                    [](const Expectation&e, int64_t time_us) { return e.due_us < time_us; });
         at != all.end() && watermark_us > at->due_us + settles_after_us && due.size() < limit; ++at) {
      const RunVerdict word = track->VerdictOf(*at, watermark_us);
      if (at->final || !IsFinal(word)) continue;
      DueVerdict& one = due.emplace_back();
      FinalVerdict& verdict = one.verdict;
      verdict.subject = track->name();
      verdict.due_us = at->due_us;
      verdict.verdict = word;
      verdict.stands_at_us = at->due_us + settles_after_us;
      verdict.workflow = at->of_job ? at->text->workflow : track->name();
      if (at->of_job) verdict.job_name = track->name();
      if (at->start_us != kNoTime) {
        verdict.difference_us = at->start_us - at->due_us;
        one.start = at->start;
        const Decision* decision = at->of_job ? nullptr : track->FindDecision(at->start);
        if (decision != nullptr) verdict.matched_run_id = decision->decision_id;
      } else if (const auto explanation = ExplanationOf(*track, *at, others)) {
        verdict.explained_by = explanation->decision_id;
        verdict.action = explanation->action;
        verdict.reason = explanation->reason;
      }
    }
  }
  return due;
}

std::vector<ExpectedDay> WorkflowTable::DaysToMake(int64_t watermark_us, size_t limit) {
  std::vector<ExpectedDay> due;
  if (watermark_us == kNoTime || watermark_us < days_due_us_) return due;
  days_due_us_ = INT64_MAX;
  for (const auto& track : tracks_) {
    if (track == nullptr || !track->configured || !track->at_home() || !track->policy().plan) continue;
    if (due.size() == limit) {
      days_due_us_ = INT64_MIN;
      break;
    }
    if (std::optional<ExpectedDay> day = track->DayToMake(watermark_us)) {
      due.push_back(*std::move(day));
      days_due_us_ = INT64_MIN;
    } else {
      days_due_us_ = std::min(days_due_us_, track->day_due_us());
    }
  }
  return due;
}

void WorkflowTable::Mark(uint8_t mark, NumberCallback before_change) {
  mark_ = mark;
  before_change_ = std::move(before_change);
}

bool WorkflowTable::TakeForSnapshot(uint32_t number) {
  if (!exists(number) || tracks_[number]->mark == mark_) return false;
  tracks_[number]->mark = mark_;
  return true;
}

void WorkflowTable::WriteCommon(ByteWriter* to) const {
  to->Put(known_since_us_);
  to->Put(log_day_);
  to->Put(first_day_);
  to->Put(dropped_);
  to->Put(cleanup_.has_value());
  if (!cleanup_) return;
  to->Put(cleanup_->time_us);
  to->Put(cleanup_->event_hash);
  to->PutText(cleanup_->cleanup_id);
  to->Put(cleanup_->files_checked);
  to->Put(cleanup_->missing_files_found);
  to->Put(cleanup_->republished_count);
  to->Put(cleanup_->files_known);
  to->Put(static_cast<uint32_t>(cleanup_->files.size()));
  for (const codecs::MissingFile& file : cleanup_->files) {
    to->PutText(file.scraper_name);
    to->PutText(file.gcs_path);
    to->Put(file.age_minutes.has_value());
    to->Put(file.age_minutes.value_or(0));
    to->Put(static_cast<uint8_t>(file.republished ? (*file.republished ? 2 : 1) : 0));
  }
}

bool WorkflowTable::RestoreCommon(ByteReader* from) {
  known_since_us_ = from->Take<int64_t>();
  log_day_ = from->Take<int32_t>();
  first_day_ = from->Take<int32_t>();
  dropped_ = from->Take<uint64_t>();
  if (!from->Take<bool>()) return from->ok();
  CleanupInfo& cleanup = cleanup_.emplace();
  cleanup.time_us = from->Take<int64_t>();
  cleanup.event_hash = from->Take<uint64_t>();
  cleanup.cleanup_id = from->TakeText();
  cleanup.files_checked = from->Take<int64_t>();
  cleanup.missing_files_found = from->Take<int64_t>();
  cleanup.republished_count = from->Take<int64_t>();
  cleanup.files_known = from->Take<bool>();
  for (auto count = from->Take<uint32_t>(); count > 0 && from->ok(); --count) {
    codecs::MissingFile& file = cleanup.files.emplace_back();
    file.scraper_name = from->TakeText();
    file.gcs_path = from->TakeText();
    const bool age_known = from->Take<bool>();
    const auto age = from->Take<double>();
    if (age_known) file.age_minutes = age;
    if (const auto sent = from->Take<uint8_t>(); sent > 0) file.republished = sent == 2;
  }
  return from->ok();
}

void WorkflowTable::WriteSubject(uint32_t number, ByteWriter* to) const {
  to->PutText(tracks_[number]->name());
  tracks_[number]->Write(to);
}

bool WorkflowTable::RestoreSubject(ByteReader* from) {
  const std::string_view name = from->TakeText();
  if (!from->ok() || name.empty()) return false;
  const WorkflowPolicy& policy = policies_->Find(name);
  if (!policy.enabled) return true;  // since
  uint32_t number = Find(name);
  if (number != kNone && !tracks_[number]->empty()) return false;
  if (number == kNone) number = Add(name, policy);  // else the configuration names it
  if (!tracks_[number]->Restore(from) || !from->done()) return false;
  Changed(number, 0);
  return true;
}

void WorkflowTable::FinishRestoring() {
  if (known_since_us_ != INT64_MIN) SetKnownSince(known_since_us_);
  FindNextSettling();
}

}  // namespace runledger::aggregators
