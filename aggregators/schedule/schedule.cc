#include "aggregators/schedule/schedule.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregators/schedule/schedule_words.h"
#include "aggregators/schedule/tick_walk.h"
#include "codecs/civil_time.h"
#include "codecs/limits.h"

namespace runledger::aggregators {
namespace {

constexpr int64_t kMinuteUs = int64_t{60} * 1'000'000;
constexpr int64_t kDayUs = kMinutesOfDay * kMinuteUs;
constexpr int64_t kHorizonUs = 50 * 366 * kDayUs;
constexpr int kMostOffset = 366;  // days

absl::Status About(std::string_view setting, const absl::Status& status) {
  return {status.code(), absl::StrCat(std::string(setting), ": ", status.message())};
}

absl::StatusOr<WorkDays> ParseWorkDays(const ScheduleSettings& settings, const Calendars& calendars) {
  WorkDays days;
  const absl::StatusOr<int> starts = ParseTimeOfDay(settings.day_starts_at);
  if (!starts.ok()) return About("day_starts_at", starts.status());
  days.day_starts_at = *starts;
  days.data_date_offset = settings.data_date_offset;
  if (std::abs(settings.data_date_offset) > kMostOffset) {
    return absl::InvalidArgumentError(absl::StrCat("data_date_offset: ", settings.data_date_offset,
                                                   " is not a number of days from -", kMostOffset, " to ",
                                                   kMostOffset));
  }
  absl::StatusOr<DateSet> only = ParseDates(settings.only, calendars);
  if (!only.ok()) return About("only", only.status());
  if (!settings.only.empty()) days.only = *std::move(only);
  absl::StatusOr<DateSet> include = ParseDates(settings.include, calendars);
  if (!include.ok()) return About("include", include.status());
  days.include = *std::move(include);
  absl::StatusOr<DateSet> exclude = ParseDates(settings.exclude, calendars);
  if (!exclude.ok()) return About("exclude", exclude.status());
  days.exclude = *std::move(exclude);
  return days;
}

// Whether the clock shows the whole date, each minute once, and shows it in this span alone. Then its plan says all.
bool IsOrdinary(int32_t date, const TimeZone::Span& span) {
  const int64_t midnight = date * kDayUs;
  const bool begun = span.start_us < codecs::kMinTimestampUs ||
                     span.start_us + std::max(span.offset_us, span.previous_offset_us) <= midnight;
  return begun && (span.end_us > codecs::kMaxTimestampUs || midnight + kDayUs <= span.end_us + span.offset_us);
}

}  // namespace

absl::StatusOr<Schedule> Schedule::Parse(const ScheduleSettings& settings, const Calendars& calendars) {
  Schedule schedule;
  const absl::StatusOr<ClockPattern> pattern = ParseScheduleText(settings.text);
  if (!pattern.ok()) return pattern.status();
  absl::StatusOr<TimeZone> zone = TimeZone::Load(settings.time_zone);
  if (!zone.ok()) return About("time_zone", zone.status());
  absl::StatusOr<WorkDays> work_days = ParseWorkDays(settings, calendars);
  if (!work_days.ok()) return work_days.status();
  schedule.text_ = settings.text;
  schedule.pattern_ = *pattern;
  schedule.zone_ = *std::move(zone);
  schedule.work_days_ = *std::move(work_days);
  return schedule;
}

void Schedule::ForEachTick(int64_t from_us, int64_t to_us, const std::function<bool(const Tick&)>& visit) const {
  WalkTicks(pattern_, &work_days_, zone_, from_us, to_us, [&](const ClockTick& tick) {
    return visit({tick.time_us, work_days_.WorkDay(tick.date, tick.minute)});
  });
}

std::vector<Schedule::Tick> Schedule::TicksBetween(int64_t from_us, int64_t to_us) const {
  std::vector<Tick> ticks;
  ForEachTick(from_us, to_us, [&](const Tick& tick) {
    ticks.push_back(tick);
    return true;
  });
  return ticks;
}

std::optional<Schedule::Tick> Schedule::Next(int64_t after_us) const {
  if (after_us >= codecs::kMaxTimestampUs - kHorizonUs) return std::nullopt;
  const int64_t from = std::max(after_us, codecs::kMinTimestampUs - 1) + 1;
  std::optional<Tick> next;
  ForEachTick(from, from + kHorizonUs, [&](const Tick& tick) {
    next = tick;
    return false;
  });
  return next;
}

std::vector<int32_t> Schedule::ExpectedDates(int32_t first, int32_t last) const {
  first = std::clamp(first, codecs::kMinDate + 2 * kMostOffset, codecs::kMaxDate - 2 * kMostOffset);
  last = std::clamp(last, codecs::kMinDate + 2 * kMostOffset, codecs::kMaxDate - 2 * kMostOffset);
  std::vector<int32_t> dates;
  TimeZone::Span span = zone_.SpanAt(DayStart(first - work_days_.data_date_offset, zone_));
  // A work day lies on a date of the clock and, where it begins later than midnight, on the next one.
  for (int32_t date = first - work_days_.data_date_offset; date <= last - work_days_.data_date_offset + 1; ++date) {
    const int64_t start = DayStart(date, zone_);
    if (start >= span.end_us) span = zone_.SpanAt(start);
    if (IsOrdinary(date, span)) {
      const DatePlan plan(pattern_, &work_days_, date);
      if (plan.TicksBefore()) dates.push_back(work_days_.WorkDay(date, 0));
      if (plan.TicksFrom()) dates.push_back(work_days_.WorkDay(date, work_days_.day_starts_at));
      continue;
    }
    // With the minute after it: a tick that makes up for the date's last minutes may come then.
    ForEachTick(start, DayEnd(date, zone_) + kMinuteUs, [&](const Tick& tick) {
      dates.push_back(tick.work_day);
      return true;
    });
  }
  dates = MakeDateSet(std::move(dates));
  dates.erase(dates.begin(), std::lower_bound(dates.begin(), dates.end(), first));
  dates.erase(std::upper_bound(dates.begin(), dates.end(), last), dates.end());
  return dates;
}

int32_t Schedule::WorkDay(int64_t time_us) const {
  const int64_t time = std::clamp(time_us, codecs::kMinTimestampUs, codecs::kMaxTimestampUs);
  const int64_t clock = time + zone_.SpanAt(time).offset_us;
  const int32_t date = codecs::DayOf(clock);
  return work_days_.WorkDay(date, static_cast<int>((clock - date * kDayUs) / kMinuteUs));
}

Schedule::Window Schedule::WorkDayWindow(int32_t work_day) const {
  const int32_t date = std::clamp(work_day, codecs::kMinDate + kMostOffset, codecs::kMaxDate - kMostOffset) -
                       work_days_.data_date_offset;
  return {zone_.TimeOf(date, work_days_.day_starts_at), zone_.TimeOf(date + 1, work_days_.day_starts_at)};
}

}  // namespace runledger::aggregators
