#include "aggregators/job_check.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"

namespace runledger::aggregators {
namespace {

std::string Days(double hours) {
  char text[48];
  std::snprintf(text, sizeof text, hours < 48 ? "%.1f hours" : "%.1f days", hours < 48 ? hours : hours / 24);
  return text;
}

double HoursBetween(int64_t from_us, int64_t to_us) {
  return static_cast<double>(to_us - from_us) / static_cast<double>(kHourUs);
}

// Since when the job could have succeeded; kNever: that is not known.
int64_t WithoutSuccessSince(const JobFacts* facts, const Knowledge& known) {
  if (facts != nullptr && facts->block.last_success_us != kNever) return facts->block.last_success_us;
  if (facts != nullptr && facts->block.live) return facts->first_event_us;
  return known.began_us;
}

void CheckStaleness(const JobPolicy& policy, const JobFacts* facts, const Knowledge& known, JobCheck* check) {
  const bool succeeded = facts != nullptr && facts->block.last_success_us != kNever;
  // A job's clock may be ahead of the log's.
  if (succeeded)
    check->hours_since_last_success = std::max(0.0, HoursBetween(facts->block.last_success_us, known.watermark_us));
  const int64_t since_us = WithoutSuccessSince(facts, known);
  if (since_us == kNever || known.watermark_us <= since_us + policy.staleness_threshold_us) return;
  check->stale = true;
  const std::string for_so_long = Days(HoursBetween(since_us, known.watermark_us));
  check->issues.push_back(
      {Level::kCritical, "stale",
       absl::StrCat(succeeded ? "no success for " : "no success is known, and it is awaited for ", for_so_long,
                    " (threshold: ", Days(HoursBetween(0, policy.staleness_threshold_us)), ")")});
}

void CheckDates(const JobPolicy& policy, const JobFacts* facts, const Knowledge& known, JobCheck* check) {
  const Gaps& gaps = check->gaps;
  if (!gaps.missing.empty()) {
    check->issues.push_back({Level::kError, "missing",
                             absl::StrCat(gaps.missing.size(), " of ", gaps.expected.size(),
                                          " dates without success: ", DatesText(gaps.missing))});
  }
  std::vector<int32_t> failed = gaps.failed;
  failed.insert(failed.end(), gaps.unexpected_failures.begin(), gaps.unexpected_failures.end());
  std::sort(failed.begin(), failed.end());
  if (!failed.empty()) check->issues.push_back({Level::kError, "failed", absl::StrCat("failed: ", DatesText(failed))});
  // Runs that name no date show on none, and their failure shall not go unseen.
  if (facts != nullptr && facts->days.empty()) {
    const int64_t failure_us = facts->block.last_failure_us;
    const bool looked_at =
        failure_us >= SpanOfDate(policy, check->first).start_us && failure_us < SpanOfDate(policy, check->last).end_us;
    if (looked_at && failure_us > facts->block.last_success_us) {
      check->issues.push_back(
          {Level::kError, "failed",
           absl::StrCat("the last run failed, at ", codecs::FormatRfc3339(failure_us), ", without a data date")});
    }
  }
  // The scheduler itself, most likely: dates were expected and have passed, and nobody said a word.
  const bool silent =
      facts == nullptr || (facts->days.empty() && facts->last_log_us < SpanOfDate(policy, check->first).start_us);
  if (silent && !gaps.missing.empty() && gaps.missing.size() + gaps.pending.size() == gaps.expected.size()) {
    check->issues.push_back(
        {Level::kCritical, "no_records",
         absl::StrCat("no records at all of ", check->last - check->first + 1, " days: look at its scheduler")});
  }
  check->overdue_since_us = OverdueSince(policy, facts == nullptr ? kNever : facts->block.last_start_us, known);
  if (check->overdue_since_us) {
    check->issues.push_back(
        {Level::kError, "overdue",
         absl::StrCat("no start for the tick of ", codecs::FormatRfc3339(*check->overdue_since_us))});
  }
}

void CheckRuns(const JobPolicy& policy, const JobFacts& facts, JobCheck* check) {
  const JobBlock& block = facts.block;
  const auto warn = [&](bool is, std::string_view kind, std::string text) {
    if (is) check->issues.push_back({Level::kWarning, kind, std::move(text)});
  };
  warn(block.stale > 0, "stale_running", absl::StrCat(block.stale, " stale: running, and no sign of life"));
  warn(block.timed_out > 0, "timed_out", absl::StrCat(block.timed_out, " running for longer than max_runtime"));
  warn(block.silent > 0, "silent", absl::StrCat(block.silent, " running without the heartbeats they used to send"));
  warn(block.long_running > 0, "long_running", "running for longer than it usually does");
  warn(block.concurrent > 0, "concurrent",
       absl::StrCat(block.running, " running at once (max_concurrent: ", policy.max_concurrent, ")"));
  warn(block.flapping > 0, "flapping", "changes between success and failure again and again");
}

// Of dates that are over before what is known begins, or are not kept; empty: they are not. Where dates are expected,
// each is unknown by itself; without them nothing else would say so.
std::string WhyNothingIsKnown(const JobPolicy& policy, const JobFacts& facts, int32_t last, const Knowledge& known) {
  const Absence absence = JudgeAbsence(policy, last, known);
  const bool before_log = absence == Absence::kBeforeLog && SpanOfDate(policy, last).end_us <= known.began_us;
  if (!before_log && absence != Absence::kNotKept) return {};
  const DayVerdict day = JudgeDay(policy, facts, last, known);
  return day.status == DayStatus::kUnknown ? day.reason : std::string();
}

}  // namespace

std::string_view LevelName(Level level) {
  switch (level) {
    case Level::kInfo:
      return "INFO";
    case Level::kWarning:
      return "WARNING";
    case Level::kError:
      return "ERROR";
    case Level::kCritical:
      return "CRITICAL";
  }
  return "INFO";
}

std::string DatesText(const std::vector<int32_t>& dates) {
  constexpr size_t kShown = 10;
  std::string text;
  for (size_t i = 0; i < dates.size() && i < kShown; ++i)
    absl::StrAppend(&text, i == 0 ? "" : ", ", codecs::FormatDate(dates[i]));
  if (dates.size() > kShown) absl::StrAppend(&text, " and ", dates.size() - kShown, " more");
  return text;
}

std::optional<int64_t> OverdueSince(const JobPolicy& policy, int64_t last_start_us, const Knowledge& known) {
  if (!policy.schedule || policy.start_grace_us == 0 || known.watermark_us == kNever) return std::nullopt;
  // Ticks are walked from further and further back until there is one.
  const int64_t end_us = known.watermark_us - policy.start_grace_us;  // strictly longer: the tick lies before
  for (const int64_t back_us : {kHourUs, kDayUs, 8 * kDayUs, 32 * kDayUs, 366 * kDayUs}) {
    std::optional<int64_t> last;
    policy.schedule->ForEachTick(end_us - back_us, end_us, [&](const Schedule::Tick& tick) {
      last = tick.time_us;
      return true;
    });
    if (!last) continue;
    const bool watched = known.began_us != kNever && *last - policy.start_grace_us >= known.began_us;
    return watched && last_start_us < *last - policy.start_grace_us ? last : std::nullopt;
  }
  return std::nullopt;
}

JobCheck CheckJob(const JobPolicy& policy, std::string_view name, const JobFacts* facts, int32_t first, int32_t last,
                  const Knowledge& known) {
  JobCheck check;
  check.name = name;
  check.first = first;
  check.last = last;
  check.seen = facts != nullptr;
  if (!known.caught_up || known.watermark_us == kNever || !known.whole) {
    check.known = false;
    check.why_unknown = !known.whole ? known.elsewhere : "the instance has not caught up with the log";
    return check;
  }
  static const JobFacts kNone;
  const JobFacts& what_is_known = facts == nullptr ? kNone : *facts;
  // More than a day, as a caller's date may be of a zone further east.
  if (SpanOfDate(policy, last).start_us > known.watermark_us + kDayUs) {
    check.known = false;
    check.why_unknown = absl::StrCat("the log has come to ", codecs::FormatRfc3339(known.watermark_us), ", and not to ",
                                     codecs::FormatDate(last));
    return check;
  }
  check.gaps = FindGaps(policy, what_is_known, first, last, known);
  if (check.gaps.expected.empty()) {
    if (std::string why = WhyNothingIsKnown(policy, what_is_known, last, known); !why.empty()) {
      check.known = false;
      check.why_unknown = std::move(why);
      return check;
    }
  }
  CheckStaleness(policy, facts, known, &check);
  CheckDates(policy, facts, known, &check);
  if (facts != nullptr) CheckRuns(policy, *facts, &check);
  std::stable_sort(check.issues.begin(), check.issues.end(),
                   [](const Issue& a, const Issue& b) { return a.level > b.level; });
  if (!check.issues.empty()) check.level = check.issues.front().level;
  return check;
}

}  // namespace runledger::aggregators
