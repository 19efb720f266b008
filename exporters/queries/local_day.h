#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace runledger::exporters {

// Days and clocks of time zones of the IANA database, for a warehouse that knows none. Times in microseconds since the
// Unix epoch, days since 1970-01-01. Nothing: there is no such time zone.

// The day that it is there.
std::optional<int32_t> LocalDayOf(int64_t time_us, const std::string& zone);

// The day's first moment and the next day's.
struct DayBounds {
  int64_t start_us;
  int64_t end_us;
};
std::optional<DayBounds> BoundsOfDay(int32_t day, const std::string& zone);

// How far the zone's clock is ahead of UTC around a day (from the day before to the day after): before and after the
// one moment at which it is changed, if it is.
struct ClockOffsets {
  int64_t before_us;
  int64_t after_us;
  int64_t changes_at_us;
};
std::optional<ClockOffsets> OffsetsAround(const DayBounds& day, const std::string& zone);

}  // namespace runledger::exporters
