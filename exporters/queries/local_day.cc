#include "exporters/queries/local_day.h"

#include "aggregators/schedule/time_zone.h"

namespace runledger::exporters {
namespace {

using aggregators::TimeZone;

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;

}  // namespace

std::optional<int32_t> LocalDayOf(int64_t time_us, const std::string& zone) {
  const absl::StatusOr<TimeZone> clock = TimeZone::Load(zone);
  if (!clock.ok()) return std::nullopt;
  return aggregators::LocalDay(time_us, *clock);
}

std::optional<DayBounds> BoundsOfDay(int32_t day, const std::string& zone) {
  const absl::StatusOr<TimeZone> clock = TimeZone::Load(zone);
  if (!clock.ok()) return std::nullopt;
  return DayBounds{aggregators::DayStart(day, *clock), aggregators::DayEnd(day, *clock)};
}

std::optional<ClockOffsets> OffsetsAround(const DayBounds& day, const std::string& zone) {
  const absl::StatusOr<TimeZone> clock = TimeZone::Load(zone);
  if (!clock.ok()) return std::nullopt;
  // Clocks are not changed twice within three days.
  const TimeZone::Span before = clock->SpanAt(day.start_us - kDayUs);
  const TimeZone::Span after = clock->SpanAt(day.end_us + kDayUs);
  const bool changed = before.offset_us != after.offset_us;
  return ClockOffsets{before.offset_us, after.offset_us, changed ? before.end_us : 0};
}

}  // namespace runledger::exporters
