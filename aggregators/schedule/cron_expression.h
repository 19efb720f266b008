#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregators/schedule/clock_pattern.h"
#include "aggregators/schedule/time_zone.h"

namespace runledger::aggregators {

// Five fields as in crontab(5) of Debian's cron:
//
//   minute 0-59, hour 0-23, day-of-month 1-31, month 1-12 or jan-dec, day-of-week 0-7 or sun-sat (0 and 7 are Sunday)
//
// each `*`, a number, a name, a range `a-b`, a step `*/n`, `a-b/n` or `a/n` (from a to the field's end), or a list of
// these; or @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually. Letters of either case.
//
// Days. If day-of-month or day-of-week begins with a star, both must match; else one is enough. `*/2` begins with a
// star.
//
// Changes of the clock, as Debian's cron has them. An expression is of the clock if minute or hour begins with a star,
// else of fixed times.
//   - of the clock: a tick whenever the clock shows a matching minute. What is skipped is not made up, what is shown
//   twice
//     ticks twice.
//   - of fixed times, the clock changed by less than three hours: ticks in the skipped span are made up by one tick at
//   the
//     first whole minute after the change; what is shown for the second time does not tick again.
//   - of fixed times, changed by three hours or more (Apia skipped a day; back: more than three): nothing is made up
//   and
//     nothing is left out.
//
// A value: unchanging, any number of threads.
class CronExpression {
 public:
  // InvalidArgument names the field, the value and the permitted range. An expression that matches no date of any year
  // (`0 0 30 2 *`) is refused here.
  static absl::StatusOr<CronExpression> Parse(std::string_view text);

  // The first tick after the time. Nothing: none in the next 50 years.
  std::optional<int64_t> Next(int64_t after_us, const TimeZone& zone) const;

  // Ticks in [from_us, to_us), rising, each once. Visiting ends when `visit` returns false.
  void ForEachTick(int64_t from_us, int64_t to_us, const TimeZone& zone,
                   const std::function<bool(int64_t tick_us)>& visit) const;
  std::vector<int64_t> TicksBetween(int64_t from_us, int64_t to_us, const TimeZone& zone) const;

  const std::string& text() const { return text_; }
  const ClockPattern& pattern() const { return pattern_; }
  friend bool operator==(const CronExpression&, const CronExpression&) = default;

 private:
  std::string text_;
  ClockPattern pattern_;
};

}  // namespace runledger::aggregators
