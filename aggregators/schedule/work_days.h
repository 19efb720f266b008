#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace runledger::aggregators {

// Dates as days since 1970-01-01.

// A set of dates: sorted, each once.
using DateSet = std::vector<int32_t>;
DateSet MakeDateSet(std::vector<int32_t> dates);
bool Contains(const DateSet& dates, int32_t date);

// Named sets of dates (game days, bank holidays), from configuration.
using Calendars = std::map<std::string, DateSet, std::less<>>;

// Dates from texts, each a date "2026-12-25", a span of dates "2026-12-24..2027-01-02" (both ends in it), or the name
// of a calendar. InvalidArgument names the text that is none of them.
absl::StatusOr<DateSet> ParseDates(const std::vector<std::string>& texts, const Calendars& calendars);

// Which work day a time of a clock belongs to, and which work days count.
struct WorkDays {
  int day_starts_at = 0;        // minute of the day: what the clock shows before it belongs to the day before
  int data_date_offset = 0;     // days added to that
  std::optional<DateSet> only;  // no other work days
  DateSet include;              // work days that count although `only` or the schedule's own days leave them out
  DateSet exclude;              // work days that never count

  int32_t WorkDay(int32_t date, int minute_of_day) const {
    return date + data_date_offset - (minute_of_day < day_starts_at ? 1 : 0);
  }
  // Whether a work day counts, given whether the schedule's own days have it.
  bool Counts(int32_t work_day, bool of_schedule) const;

  friend bool operator==(const WorkDays&, const WorkDays&) = default;
};

}  // namespace runledger::aggregators
