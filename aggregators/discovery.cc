#include "aggregators/discovery.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"

namespace runledger::aggregators {
namespace {

constexpr int64_t kMinuteUs = 60 * kSecondUs;
using Action = Discovery::Action;

Discovery Decided(Discovery so_far, Action action, std::string reason, std::optional<int64_t> next_check_us = {}) {
  so_far.action = action;
  so_far.reason = std::move(reason);
  so_far.next_check_us = next_check_us;
  return so_far;
}

// The last attempt brought nothing, and was no failure.
Discovery AfterNothing(const JobPolicy& policy, const JobFacts& facts, const DayState& day, int64_t now_us,
                       const TimeSpan& window, std::optional<int64_t> next_window_us, Discovery answer) {
  const int64_t attempt_us = facts.last_attempt_start_us.value_or(day.last_time_us);
  const int64_t due_us = BucketOf(attempt_us, kMinuteUs) * kMinuteUs + policy.retry_after_no_data_us;
  const std::string word(codecs::StatusName(day.last_status));
  if (now_us >= due_us) return Decided(answer, Action::kRun, word + " at the last attempt: try again");
  return Decided(answer, Action::kSkip, word + " at the last attempt: not again before retry_after_no_data has passed",
                 due_us < window.end_us ? std::optional(due_us) : next_window_us);
}

}  // namespace

std::string_view ActionName(Action action) {
  return action == Action::kRun ? "RUN" : action == Action::kSkip ? "SKIP" : "UNKNOWN";
}

TimeSpan WindowOfDate(const JobPolicy& policy, int32_t date) {
  if (!policy.publication_window) return SpanOfDate(policy, date);
  const PublicationWindow& window = *policy.publication_window;
  const bool overnight = window.to_minute <= window.from_minute;
  // The date's name may be moved against its time; the window is of the time.
  const int32_t local = LocalDay(SpanOfDate(policy, date).start_us, policy.time_zone);
  return {policy.time_zone.TimeOf(local, window.from_minute),
          policy.time_zone.TimeOf(overnight ? local + 1 : local, window.to_minute)};
}

int32_t DiscoveryDate(const JobPolicy& policy, int64_t time_us) {
  const int32_t date = DateOf(policy, time_us);
  if (!policy.publication_window) return date;
  return WindowOfDate(policy, date - 1).end_us > time_us ? date - 1 : date;
}

Discovery Discover(const JobPolicy& policy, const JobFacts* facts, int32_t date, const Knowledge& known) {
  static const JobFacts kNone;
  const JobFacts& job = facts == nullptr ? kNone : *facts;
  const DayVerdict verdict = JudgeDay(policy, job, date, known);
  const DayState* const day = job.Find(date);
  Discovery answer;
  answer.date = date;
  answer.status = verdict.status;
  answer.attempts = verdict.attempts;
  answer.failed_attempts = day == nullptr ? 0 : day->FailedAttempts();
  if (verdict.status == DayStatus::kUnknown) return Decided(answer, Action::kUnknown, verdict.reason);

  const int64_t now_us = known.watermark_us;
  const TimeSpan window = WindowOfDate(policy, date);
  // Of a date that is over, the next window has begun too: what is decided stays so.
  std::optional<int64_t> next_window_us = WindowOfDate(policy, date + 1).start_us;
  if (*next_window_us <= now_us) next_window_us.reset();
  if (policy.success_counts.Has(verdict.status))
    return Decided(answer, Action::kSkip, "already " + std::string(DayStatusName(verdict.status)) + " for this date",
                   next_window_us);
  if (verdict.status == DayStatus::kNotExpected)
    return Decided(answer, Action::kSkip, "the schedule has nothing on this date", next_window_us);
  if (verdict.status == DayStatus::kRunning)
    return Decided(answer, Action::kSkip, "a run of it is under way: " + verdict.run_id);
  if (now_us < window.start_us) return Decided(answer, Action::kSkip, "its window has not opened yet", window.start_us);
  if (policy.publication_window && now_us >= window.end_us)
    return Decided(answer, Action::kSkip, "its window has closed", next_window_us);
  if (day == nullptr) return Decided(answer, Action::kRun, "no attempt yet");
  if (verdict.status == DayStatus::kStaleRunning)
    return Decided(answer, Action::kRun, "the last attempt is dead: " + verdict.run_id + " never ended");
  if (!IsFailure(day->last_status)) return AfterNothing(policy, job, *day, now_us, window, next_window_us, answer);
  if (answer.failed_attempts > policy.max_retries) {
    return Decided(answer, Action::kSkip,
                   absl::StrCat("failed ", answer.failed_attempts,
                                " times: no retry is left (max_retries: ", policy.max_retries, ")"),
                   next_window_us);
  }
  return Decided(
      answer, Action::kRun,
      absl::StrCat("failed at the last attempt: retry ", answer.failed_attempts, " of ", policy.max_retries));
}

}  // namespace runledger::aggregators
