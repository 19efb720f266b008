#include "codecs/civil_time.h"

#include <string>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "codecs/limits.h"

namespace runledger::codecs {
namespace {

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;
constexpr absl::CivilDay kEpoch(1970, 1, 1);

// True if the text begins as the layout says, in which '0' stands for any digit. The parsers below take shorter numbers
// too, and would read a year that lost a digit as one of antiquity.
bool HasLayout(std::string_view text, std::string_view layout) {
  if (text.size() < layout.size()) return false;
  for (size_t i = 0; i < layout.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (layout[i] == '0' ? !digit : text[i] != layout[i]) return false;
  }
  return true;
}

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

std::optional<int64_t> ParseRfc3339(std::string_view text) {
  if (!HasLayout(text, "0000-00-00T00:00:00")) return std::nullopt;
  const bool zone = text.ends_with('Z') || (text.size() >= 25 && HasLayout(text.substr(text.size() - 5), "00:00"));
  if (!zone) return std::nullopt;
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, ToAbsl(text), &time, &error)) return std::nullopt;
  if (time == absl::InfiniteFuture() || time == absl::InfinitePast()) return std::nullopt;
  return absl::ToUnixMicros(time);
}

std::string FormatRfc3339(int64_t microseconds) {
  const bool whole = microseconds % 1'000'000 == 0;
  return absl::FormatTime(whole ? "%E4Y-%m-%dT%H:%M:%SZ" : "%E4Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(microseconds),
                          absl::UTCTimeZone());
}

std::optional<int32_t> ParseDate(std::string_view text) {
  absl::CivilDay day;
  // abseil is content with "2026-1-2" and with white space around it.
  if (text.size() != 10 || !HasLayout(text, "0000-00-00") || !absl::ParseCivilTime(ToAbsl(text), &day))
    return std::nullopt;
  const int64_t days = day - kEpoch;
  if (days < kMinDate || days > kMaxDate) return std::nullopt;
  return static_cast<int32_t>(days);
}

std::string FormatDate(int32_t days) {
  // Not FormatCivilTime, which writes the year 1 with one digit.
  return absl::FormatTime("%E4Y-%m-%d", absl::FromCivil(kEpoch + days, absl::UTCTimeZone()), absl::UTCTimeZone());
}

int32_t DayOf(int64_t microseconds) {
  int64_t day = microseconds / kDayUs;
  if (microseconds % kDayUs < 0) --day;
  return static_cast<int32_t>(day);
}

}  // namespace runledger::codecs
