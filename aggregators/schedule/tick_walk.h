#pragma once

#include <cstdint>
#include <functional>

#include "aggregators/schedule/clock_pattern.h"
#include "aggregators/schedule/time_zone.h"
#include "aggregators/schedule/work_days.h"

namespace runledger::aggregators {

// Minutes of one date that tick. A date holds parts of two work days at most, and a calendar may leave one of them out.
class DatePlan {
 public:
  // `work_days` may be null: every work day counts. What is given must outlive the plan.
  DatePlan(const ClockPattern& pattern, const WorkDays* work_days, int32_t date);
  // The first minute in [from, to) that ticks, or `to`.
  int FirstMinute(int from, int to) const;
  // Whether a minute before (from) the work day's start ticks.
  bool TicksBefore() const { return before_ && pattern_.FirstMinute(0, split_) < split_; }
  bool TicksFrom() const { return from_ && pattern_.FirstMinute(split_, kMinutesOfDay) < kMinutesOfDay; }

 private:
  const ClockPattern& pattern_;
  int split_ = 0;  // the minute at which the work day begins
  bool before_ = false;
  bool from_ = false;
};

// The time of a tick, and the date and minute of the clock that it was meant for: what the clock showed then, except
// where a tick makes up for a skipped one.
struct ClockTick {
  int64_t time_us;
  int32_t date;
  int minute;
};

// Visits the ticks in [from_us, to_us), rising, each time once, until `visit` returns false. The rules for changes of
// the clock are told in cron_expression.h.
void WalkTicks(const ClockPattern& pattern, const WorkDays* work_days, const TimeZone& zone, int64_t from_us,
               int64_t to_us, const std::function<bool(const ClockTick&)>& visit);

}  // namespace runledger::aggregators
