#include "aggregators/day_verdicts.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"

namespace runledger::aggregators {
namespace {

double Hours(int64_t us) { return static_cast<double>(us) / static_cast<double>(kHourUs); }

// The run that decides of those under way on a date: one that is alive, else the stale one that has been running
// longest.
const OpenRunFact* Deciding(const JobFacts& facts, int32_t date) {
  const OpenRunFact* found = nullptr;
  for (const OpenRunFact& run : facts.open) {
    if (run.data_date != date) continue;
    if (found == nullptr || (found->stale && !run.stale) ||
        (found->stale == run.stale && run.since_us < found->since_us)) {
      found = &run;
    }
  }
  return found;
}

void FillAbsence(const JobPolicy& policy, const Knowledge& known, DayVerdict* verdict) {
  const std::vector<int32_t> expected = ExpectedDates(policy, verdict->date, verdict->date);
  switch (JudgeAbsence(policy, verdict->date, known)) {
    case Absence::kMissing:
      verdict->status = DayStatus::kMissing;
      verdict->reason = "no run of it is known";
      break;
    case Absence::kNotYet:
      verdict->status = DayStatus::kMissing;
      verdict->reason = "no run of it yet; the date is not over";
      break;
    case Absence::kNotKept:
      verdict->reason = absl::StrCat("the date is not among those that are kept (state.days: ", known.days_kept, ")");
      return;
    case Absence::kBeforeLog:
      verdict->reason = known.began_us == kNever
                            ? "nothing of the log has been read yet"
                            : absl::StrCat("the log that was read begins at ", codecs::FormatRfc3339(known.began_us),
                                           ", after the date had begun");
      return;
    case Absence::kElsewhere:
      verdict->reason = known.elsewhere;
      return;
    case Absence::kNoWatermark:
      verdict->reason = "the time up to which the log is known is not known";
      return;
  }
  if (policy.schedule && expected.empty()) {
    verdict->status = DayStatus::kNotExpected;
    verdict->reason = "the schedule has nothing on that date, and no run of it is known";
  }
}

void FillOpen(const JobPolicy& policy, const JobFacts& facts, const OpenRunFact& run, const Knowledge& known,
              DayVerdict* verdict) {
  verdict->run_id = run.run_id;
  if (!run.stale) {
    verdict->status = DayStatus::kRunning;
    verdict->reason = "a run is under way";
    return;
  }
  const int64_t age_us = known.watermark_us - run.since_us;
  verdict->status = DayStatus::kStaleRunning;
  verdict->stale_age_hours = Hours(age_us);
  verdict->reason = "a run never ended, and has given no sign of life for longer than stale_after";
  verdict->warning = StaleWarning(facts.name, verdict->date, age_us, policy.stale_after_us, run.run_id);
}

void FillEnded(const DayState& day, const JobPolicy& policy, DayVerdict* verdict) {
  verdict->status = DayStatusOf(day.best);
  if (day.best == codecs::Status::kRunning) {  // it is among no open runs: forgotten, or history
    verdict->status = DayStatus::kUnknown;
    verdict->reason = "a run of it began, and what became of it is not known";
  } else if (IsFailure(day.best)) {
    verdict->reason = absl::StrCat(day.FailedAttempts(), day.FailedAttempts() == 1 ? " attempt" : " attempts",
                                   " failed, and none succeeded");
  } else if (!policy.safe_statuses.Has(verdict->status)) {
    verdict->reason = absl::StrCat(std::string(DayStatusName(verdict->status)), " is not among its safe_statuses");
  } else {
    verdict->reason = absl::StrCat("it ended as ", std::string(DayStatusName(verdict->status)));
  }
}

}  // namespace

int32_t DateOf(const JobPolicy& policy, int64_t time_us) {
  return policy.schedule ? policy.schedule->WorkDay(time_us) : LocalDay(time_us, policy.time_zone);
}

TimeSpan SpanOfDate(const JobPolicy& policy, int32_t date) {
  if (!policy.schedule) return {DayStart(date, policy.time_zone), DayEnd(date, policy.time_zone)};
  const Schedule::Window window = policy.schedule->WorkDayWindow(date);
  return {window.start_us, window.end_us};
}

std::vector<int32_t> ExpectedDates(const JobPolicy& policy, int32_t first, int32_t last) {
  return !policy.schedule ? std::vector<int32_t>() : policy.schedule->ExpectedDates(first, last);
}

std::string StaleWarning(std::string_view job, std::optional<int32_t> date, int64_t age_us, int64_t threshold_us,
                         std::string_view run_id) {
  char age[32], threshold[32];
  std::snprintf(age, sizeof age, "%.1f", Hours(age_us));
  std::snprintf(threshold, sizeof threshold, "%.4g", Hours(threshold_us));
  return absl::StrCat("STALE RUNNING DETECTED: ", std::string(job), date ? " on " + codecs::FormatDate(*date) : "",
                      " has been 'running' for ", age, " hours (threshold: ", threshold,
                      "h). Run ID: ", std::string(run_id));
}

Absence JudgeAbsence(const JobPolicy& policy, int32_t date, const Knowledge& known) {
  if (!known.whole) return Absence::kElsewhere;
  if (known.began_us == kNever) return Absence::kBeforeLog;
  if (known.watermark_us == kNever) return Absence::kNoWatermark;
  // The log of a quiet partition stands still, or has never begun: then nothing was let go either.
  const int64_t log_day = known.log_day;
  const int64_t newest = std::max(log_day, int64_t{codecs::DayOf(known.watermark_us)});
  if (date < log_day - known.days_kept || date > newest + known.days_kept) return Absence::kNotKept;
  const TimeSpan span = SpanOfDate(policy, date);
  // A run may have ended before anybody listened.
  if (span.start_us < known.began_us) return Absence::kBeforeLog;
  return span.end_us > known.watermark_us ? Absence::kNotYet : Absence::kMissing;
}

DayVerdict JudgeDay(const JobPolicy& policy, const JobFacts& facts, int32_t date, const Knowledge& known) {
  DayVerdict verdict;
  verdict.date = date;
  verdict.over = known.watermark_us != kNever && SpanOfDate(policy, date).end_us <= known.watermark_us;
  const DayState* const day = facts.Find(date);
  const OpenRunFact* const open = Deciding(facts, date);
  if (day != nullptr) {
    verdict.attempts = day->attempts;
    verdict.last_attempt_us = day->last_time_us;
  }
  if (day != nullptr && day->best == codecs::Status::kSuccess) {
    FillEnded(*day, policy, &verdict);
  } else if (open != nullptr && (!open->stale || day == nullptr || day->last_status == codecs::Status::kRunning)) {
    FillOpen(policy, facts, *open, known, &verdict);
  } else if (day != nullptr) {
    FillEnded(*day, policy, &verdict);
  } else {
    FillAbsence(policy, known, &verdict);
  }
  if (!known.caught_up && verdict.status != DayStatus::kUnknown) {
    verdict.at_watermark = verdict.status;
    verdict.status = DayStatus::kUnknown;
    verdict.reason = "the instance has not caught up with the log";
    verdict.warning.clear();
    verdict.stale_age_hours = -1;
  }
  verdict.safe_to_process = verdict.status != DayStatus::kUnknown && policy.safe_statuses.Has(verdict.status);
  return verdict;
}

Gaps FindGaps(const JobPolicy& policy, const JobFacts& facts, int32_t first, int32_t last, const Knowledge& known) {
  Gaps gaps;
  gaps.expected = ExpectedDates(policy, first, last);
  for (const int32_t date : gaps.expected) {
    const DayState* const day = facts.Find(date);
    if (day != nullptr && policy.success_counts.Has(DayStatusOf(day->best))) continue;
    const bool failed = day != nullptr && IsFailure(day->best);
    if (failed) gaps.failed.push_back(date);
    switch (JudgeAbsence(policy, date, known)) {
      case Absence::kMissing:
        gaps.missing.push_back(date);
        break;
      case Absence::kNotYet:
        gaps.pending.push_back(date);
        break;
      default:
        gaps.unknown.push_back(date);  // of a failed one, too: it may have succeeded before anybody listened
    }
  }
  for (const DayFact& day : facts.days) {
    if (day.date < first || day.date > last || !IsFailure(day.state.best)) continue;
    if (!std::binary_search(gaps.expected.begin(), gaps.expected.end(), day.date))
      gaps.unexpected_failures.push_back(day.date);
  }
  return gaps;
}

}  // namespace runledger::aggregators
