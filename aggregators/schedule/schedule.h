#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregators/schedule/clock_pattern.h"
#include "aggregators/schedule/time_zone.h"
#include "aggregators/schedule/work_days.h"

namespace runledger::aggregators {

// A schedule as configuration has it; all texts.
struct ScheduleSettings {
  // Cron (see CronExpression), or words, letters of either case:
  //   hourly [at :MM]                             of the clock, as `MM * * * *`
  //   daily [at TIMES]   weekdays [at TIMES]   weekends [at TIMES]
  //   weekly [on DAYS] [at TIMES]                 DAYS: mon or monday, lists and ranges: mon,thu  tue-sat; without:
  //   Sunday monthly [on NUMBERS] [at TIMES]             days of the month; without: the first every DURATION 15m, 90m,
  //   6h: from local midnight on, of the clock; 1m to 24h
  // TIMES: HH:MM, or a list of them with commas; without: 00:00.
  std::string text;
  std::string time_zone = "UTC";
  // Each a date, a span of dates FIRST..LAST, or a calendar's name. They speak of work days.
  std::vector<std::string> only;
  std::vector<std::string> include;
  std::vector<std::string> exclude;  // wins over include
  // Overnight windows: "06:00" makes a run at 01:30 one of the day before.
  std::string day_starts_at = "00:00";
  int data_date_offset = 0;  // days, -366 .. 366: -1 is a job that works on yesterday's data
};

// When a job or workflow is expected to run, and for which work day. Times are microseconds since the Unix epoch, dates
// days since 1970-01-01.
//
// A value: unchanging, any number of threads. About 300 bytes and its dates.
class Schedule {
 public:
  // InvalidArgument says which setting is wrong, its value, and what is permitted; NotFound: no such time zone or
  // calendar.
  static absl::StatusOr<Schedule> Parse(const ScheduleSettings& settings, const Calendars& calendars = {});

  struct Tick {
    int64_t time_us;
    // The local date that the tick belongs to: that of the time that it was meant for, where a change of the clock
    // moved it.
    int32_t work_day;
    friend bool operator==(const Tick&, const Tick&) = default;
  };
  // Ticks in [from_us, to_us), rising, each once. Visiting ends when `visit` returns false.
  void ForEachTick(int64_t from_us, int64_t to_us, const std::function<bool(const Tick&)>& visit) const;
  std::vector<Tick> TicksBetween(int64_t from_us, int64_t to_us) const;
  // The first tick after the time. Nothing: none in the next 50 years (a calendar that has ended).
  std::optional<Tick> Next(int64_t after_us) const;

  // The work days in [first, last], both in it, to which at least one tick belongs; rising. Costs a look at each date,
  // not one at each tick.
  std::vector<int32_t> ExpectedDates(int32_t first, int32_t last) const;

  // The work day that a time belongs to by what the clock shows, be there a tick or not: that of a run which started
  // then.
  int32_t WorkDay(int64_t time_us) const;
  // The time of a work day, [start, end): from day_starts_at until day_starts_at of the next one.
  struct Window {
    int64_t start_us;
    int64_t end_us;
  };
  Window WorkDayWindow(int32_t work_day) const;

  const std::string& text() const { return text_; }
  const TimeZone& zone() const { return zone_; }
  const ClockPattern& pattern() const { return pattern_; }
  const WorkDays& work_days() const { return work_days_; }
  friend bool operator==(const Schedule&, const Schedule&) = default;

 private:
  std::string text_;
  TimeZone zone_;
  ClockPattern pattern_;
  WorkDays work_days_;
};

}  // namespace runledger::aggregators
