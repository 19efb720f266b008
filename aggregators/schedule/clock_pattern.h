#pragma once

#include <array>
#include <cstdint>

namespace runledger::aggregators {

inline constexpr int kMinutesOfDay = 24 * 60;

// What date and time a clock must show. 200 bytes; ordinary value.
struct ClockPattern {
  // Bit n stands for the number n of crontab(5): months 1-12, days of the month 1-31, days of the week 0-6 (Sunday is
  // 0).
  uint16_t months = 0;
  uint32_t days_of_month = 0;
  uint8_t days_of_week = 0;
  bool both_days = true;  // day of the month and day of the week must match, not just one of them
  // Ticks follow the clock through its changes; else they are of fixed times: see CronExpression.
  bool of_clock = false;
  // Bit m of word w: minute 64 * w + m of the day.
  std::array<uint64_t, (kMinutesOfDay + 63) / 64> minutes = {};

  void SetMinute(int minute) { minutes[minute / 64] |= uint64_t{1} << (minute % 64); }
  // The first set minute in [from, to), or `to`. REQUIRES 0 <= from, to <= kMinutesOfDay.
  int FirstMinute(int from, int to) const;
  // Days since 1970-01-01.
  bool MatchesDate(int32_t date) const;
  // Whether any date of any year matches.
  bool MatchesAnyDate() const;

  friend bool operator==(const ClockPattern&, const ClockPattern&) = default;
};

}  // namespace runledger::aggregators
