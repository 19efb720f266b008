#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace runledger::aggregators {

// A field of crontab(5).
struct CronField {
  const char* name;
  int low;
  int high;
  const char* names;  // of three letters each, side by side; the first stands for `first_name`
  int first_name;
};

inline constexpr CronField kMinuteField{"minute", 0, 59, "", 0};
inline constexpr CronField kHourField{"hour", 0, 23, "", 0};
inline constexpr CronField kDayOfMonthField{"day-of-month", 1, 31, "", 0};
inline constexpr CronField kMonthField{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec", 1};
inline constexpr CronField kDayOfWeekField{"day-of-week", 0, 7, "sunmontuewedthufrisat", 0};

// Bit n for each number n of a list, as it is written: Sunday may be bit 0 or 7. InvalidArgument names field, value and
// range. REQUIRES lower case.
absl::StatusOr<uint64_t> ParseCronField(std::string_view text, const CronField& field);

// A number of digits or, where the field has names, a name. REQUIRES lower case.
absl::StatusOr<int> ParseCronValue(std::string_view text, const CronField& field);

// Bits 0-6, Sunday is 0.
inline uint8_t WeekDays(uint64_t bits) { return static_cast<uint8_t>((bits | bits >> 7) & 0x7f); }

// Of what configuration gave, for an error: in quotes, not too long, nothing unprintable.
std::string QuotedText(std::string_view text);

std::string LowerCase(std::string_view text);

}  // namespace runledger::aggregators
