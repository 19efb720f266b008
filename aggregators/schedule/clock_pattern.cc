#include "aggregators/schedule/clock_pattern.h"

#include <algorithm>
#include <bit>
#include <chrono>

namespace runledger::aggregators {
namespace {

constexpr uint16_t kAllMonths = 0b1'1111'1111'1110;
constexpr uint16_t kMonthsWithDay30 = kAllMonths & ~(1u << 2);
constexpr uint16_t kMonthsWithDay31 = kMonthsWithDay30 & ~(1u << 4 | 1u << 6 | 1u << 9 | 1u << 11);

}  // namespace

int ClockPattern::FirstMinute(int from, int to) const {
  for (int minute = from; minute < to; minute = (minute / 64 + 1) * 64) {
    const uint64_t rest = minutes[minute / 64] >> (minute % 64);
    if (rest != 0) return std::min(minute + std::countr_zero(rest), to);
  }
  return to;
}

bool ClockPattern::MatchesDate(int32_t date) const {
  const std::chrono::sys_days day{std::chrono::days{date}};
  const std::chrono::year_month_day calendar{day};
  if ((months >> static_cast<unsigned>(calendar.month()) & 1) == 0) return false;
  const bool day_of_month = (days_of_month >> static_cast<unsigned>(calendar.day()) & 1) != 0;
  const bool day_of_week = (days_of_week >> std::chrono::weekday{day}.c_encoding() & 1) != 0;
  return both_days ? day_of_month && day_of_week : day_of_month || day_of_week;
}

bool ClockPattern::MatchesAnyDate() const {
  // Every day of a month that exists falls on each day of the week in some year, 29 February too.
  uint16_t with_day = 0;
  if ((days_of_month & ~(1u << 30 | 1u << 31)) != 0) with_day |= kAllMonths;
  if ((days_of_month >> 30 & 1) != 0) with_day |= kMonthsWithDay30;
  if ((days_of_month >> 31 & 1) != 0) with_day |= kMonthsWithDay31;
  const bool by_month_day = (months & with_day) != 0;
  const bool by_week_day = (months & kAllMonths) != 0 && days_of_week != 0;
  return both_days ? by_month_day && by_week_day : by_month_day || by_week_day;
}

}  // namespace runledger::aggregators
