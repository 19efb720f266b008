#include "aggregators/schedule/tick_walk.h"

#include <algorithm>
#include <optional>

#include "codecs/civil_time.h"
#include "codecs/limits.h"

namespace runledger::aggregators {
namespace {

constexpr int64_t kMinuteUs = int64_t{60} * 1'000'000;
constexpr int64_t kDayUs = kMinutesOfDay * kMinuteUs;
// Debian's cron compares the minutes of its clock: it takes a step of 180 forward for a correction, and one of 181
// back.
constexpr int64_t kCorrectionUs = 180 * kMinuteUs;

// What a clock shows, as microseconds since its own 1970-01-01 00:00.
using ClockUs = int64_t;

ClockUs WholeMinute(ClockUs clock) {  // at it or after it
  const int64_t rest = clock % kMinuteUs;
  return rest == 0 ? clock : clock - rest + (rest > 0 ? kMinuteUs : 0);
}

class Walk {
 public:
  Walk(const ClockPattern& pattern, const WorkDays* work_days, const std::function<bool(const ClockTick&)>& visit)
      : pattern_(pattern), work_days_(work_days), visit_(visit) {}

  // Ticks in [from_us, to_us) of a span. False: the visitor wants no more.
  bool Visit(const TimeZone::Span& span, int64_t from_us, int64_t to_us) const {
    ClockUs begin = std::max(from_us, span.start_us) + span.offset_us;
    const ClockUs end = std::min(to_us, span.end_us) + span.offset_us;
    const int64_t change = span.offset_us - span.previous_offset_us;
    if (!pattern_.of_clock && change > 0 && change < kCorrectionUs) {
      const std::optional<ClockTick> made_up = MadeUp(span);
      if (made_up && made_up->time_us >= from_us && made_up->time_us < to_us && !visit_(*made_up)) return false;
    }
    if (!pattern_.of_clock && change < 0 && change >= -kCorrectionUs) {
      begin = std::max(begin, span.start_us + span.previous_offset_us);  // until then it is shown for the second time
    }
    return VisitMinutes(begin, end, [&](ClockUs clock, int32_t date, int minute) {
      return visit_({clock - span.offset_us, date, minute});
    });
  }

 private:
  // visit(clock, date, minute) for each matching minute that the clock shows in [begin, end).
  template <typename F>
  bool VisitMinutes(ClockUs begin, ClockUs end, F visit) const {
    begin = WholeMinute(begin);
    end = WholeMinute(end);
    if (begin >= end) return true;
    const int32_t last = codecs::DayOf(end - 1);
    for (int32_t date = codecs::DayOf(begin); date <= last; ++date) {
      const DatePlan plan(pattern_, work_days_, date);
      const ClockUs midnight = date * kDayUs;
      const int to = static_cast<int>(std::min(end - midnight, kDayUs) / kMinuteUs);
      int minute = static_cast<int>(std::max<ClockUs>(begin - midnight, 0) / kMinuteUs);
      while ((minute = plan.FirstMinute(minute, to)) < to) {
        if (!visit(midnight + minute * kMinuteUs, date, minute)) return false;
        ++minute;
      }
    }
    return true;
  }

  // The one tick for all that were skipped when the span began; nothing if there were none, or if its minute ticks
  // anyway.
  std::optional<ClockTick> MadeUp(const TimeZone::Span& span) const {
    const ClockUs resumed = WholeMinute(span.start_us + span.offset_us);
    std::optional<ClockTick> tick;
    VisitMinutes(span.start_us + span.previous_offset_us, resumed, [&](ClockUs, int32_t date, int minute) {
      tick = ClockTick{resumed - span.offset_us, date, minute};
      return false;
    });
    VisitMinutes(resumed, resumed + kMinuteUs, [&](ClockUs, int32_t, int) {
      tick.reset();
      return false;
    });
    return tick;
  }

  const ClockPattern& pattern_;
  const WorkDays* work_days_;
  const std::function<bool(const ClockTick&)>& visit_;
};

}  // namespace

DatePlan::DatePlan(const ClockPattern& pattern, const WorkDays* work_days, int32_t date) : pattern_(pattern) {
  const bool matches = pattern.MatchesDate(date);
  before_ = from_ = matches;
  if (work_days == nullptr) return;
  split_ = work_days->day_starts_at;
  from_ = work_days->Counts(work_days->WorkDay(date, split_), matches);
  if (split_ > 0) before_ = work_days->Counts(work_days->WorkDay(date, 0), matches);
}

int DatePlan::FirstMinute(int from, int to) const {
  if (before_ && from < split_) {
    const int end = std::min(split_, to);
    const int minute = pattern_.FirstMinute(from, end);
    if (minute < end) return minute;
  }
  return from_ && to > split_ ? pattern_.FirstMinute(std::max(from, split_), to) : to;
}

void WalkTicks(const ClockPattern& pattern, const WorkDays* work_days, const TimeZone& zone, int64_t from_us,
               int64_t to_us, const std::function<bool(const ClockTick&)>& visit) {
  from_us = std::max(from_us, codecs::kMinTimestampUs);
  to_us = std::min(to_us, codecs::kMaxTimestampUs);
  const Walk walk(pattern, work_days, visit);
  while (from_us < to_us) {
    const TimeZone::Span span = zone.SpanAt(from_us);
    if (!walk.Visit(span, from_us, to_us)) return;
    from_us = span.end_us;
  }
}

}  // namespace runledger::aggregators
