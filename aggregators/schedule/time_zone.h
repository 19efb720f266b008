#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace runledger::aggregators {

// A time zone of the IANA database, and days in it. Times are microseconds since the Unix epoch, dates days since
// 1970-01-01. The rules are those of the installed database, known up to the year 2400.
//
// A value: cheap to copy, unchanging, any number of threads.
class TimeZone {
 public:
  TimeZone();  // UTC
  // "America/New_York", "UTC". NotFound: the database has no such zone. Fixed offsets and local names of the host are
  // none.
  static absl::StatusOr<TimeZone> Load(std::string_view name);

  const std::string& name() const;
  friend bool operator==(const TimeZone& a, const TimeZone& b) { return a.name() == b.name(); }

  // A span of time in which the clock is not changed: [start_us, end_us), open at the ends of time (INT64_MIN,
  // INT64_MAX). The clock shows UTC plus offset_us.
  struct Span {
    int64_t start_us;
    int64_t end_us;
    int64_t offset_us;
    int64_t previous_offset_us;  // before start_us; offset_us if there was nothing before
  };
  Span SpanAt(int64_t time_us) const;
  // Span::offset_us alone, for which no change need be looked for.
  int64_t OffsetAt(int64_t time_us) const;

  // The first moment at which the clock shows this minute of the date, or later: the moment of the change where it was
  // skipped, the first of two where it was shown twice. Dates outside 0001-01-01 .. 9999-12-31 count as the nearest.
  int64_t TimeOf(int32_t date, int minute_of_day) const;

 private:
  struct Rules;
  std::shared_ptr<const Rules> rules_;
};

// The date that the clock shows. Where a clock was turned back across midnight (St. John's until 2006, at 00:01), it
// shows a date twice: this is what it showed.
int32_t LocalDay(int64_t time_us, const TimeZone& zone);

// TimeOf(date, 0): the first moment of the date. Where midnight was skipped it is the moment of the change (Sao Paulo
// began 2018-11-04 at 01:00), and where the whole date was (Apia, 2011-12-30) too, so that such a day is empty.
int64_t DayStart(int32_t date, const TimeZone& zone);

// The end of [DayStart, DayEnd), which is the next day's start: 23, 24, 25 hours later, or what the zone had.
int64_t DayEnd(int32_t date, const TimeZone& zone);

}  // namespace runledger::aggregators
