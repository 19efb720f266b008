#include "aggregators/schedule/cron_expression.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "aggregators/schedule/cron_field.h"
#include "aggregators/schedule/tick_walk.h"
#include "codecs/limits.h"

namespace runledger::aggregators {
namespace {

constexpr size_t kLongest = 1000;  // characters: every list of every field fits
constexpr int64_t kHorizonUs = int64_t{50 * 366} * 86'400 * 1'000'000;

struct Macro {
  std::string_view name;
  const char* fields;
};
constexpr Macro kMacros[] = {
    {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
};

absl::Status Wrong(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("cron ", QuotedText(text), ": ", std::string(what)));
}

absl::StatusOr<std::string> WithoutMacro(const std::string& raw) {
  const std::string text(absl::StripAsciiWhitespace(raw));
  if (text.empty() || text[0] != '@') return text;
  std::string known;
  for (const Macro& macro : kMacros) {
    if (macro.name == text) return std::string(macro.fields);
    absl::StrAppend(&known, known.empty() ? "" : " ", std::string(macro.name));
  }
  return absl::InvalidArgumentError(absl::StrCat("not one of ", known));
}

absl::StatusOr<ClockPattern> ParsePattern(const std::string& text) {
  const absl::StatusOr<std::string> fields = WithoutMacro(text);
  if (!fields.ok()) return fields.status();
  const std::vector<std::string> parts = absl::StrSplit(*fields, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (parts.size() != 5) {
    return absl::InvalidArgumentError(absl::StrCat("it has ", parts.size(), parts.size() == 1 ? " field" : " fields",
                                                   ", not 5: minute hour day-of-month month day-of-week",
                                                   parts.size() > 5 ? "; there are none for seconds and years" : ""));
  }
  static constexpr CronField kFields[] = {kMinuteField, kHourField, kDayOfMonthField, kMonthField, kDayOfWeekField};
  std::array<uint64_t, 5> bits;
  for (size_t i = 0; i < bits.size(); ++i) {
    const absl::StatusOr<uint64_t> parsed = ParseCronField(parts[i], kFields[i]);
    if (!parsed.ok()) return parsed.status();
    bits[i] = *parsed;
  }
  ClockPattern pattern;
  for (int minute = 0; minute < kMinutesOfDay; ++minute) {
    if ((bits[0] >> (minute % 60) & 1) != 0 && (bits[1] >> (minute / 60) & 1) != 0) pattern.SetMinute(minute);
  }
  pattern.days_of_month = static_cast<uint32_t>(bits[2]);
  pattern.months = static_cast<uint16_t>(bits[3]);
  pattern.days_of_week = WeekDays(bits[4]);
  pattern.both_days = parts[2][0] == '*' || parts[4][0] == '*';
  pattern.of_clock = parts[0][0] == '*' || parts[1][0] == '*';
  if (!pattern.MatchesAnyDate()) {
    return absl::InvalidArgumentError(
        absl::StrCat("it would never tick: no month of \"", parts[3], "\" has a day of month \"", parts[2], "\""));
  }
  return pattern;
}

}  // namespace

absl::StatusOr<CronExpression> CronExpression::Parse(std::string_view text) {
  if (text.size() > kLongest) return Wrong(text, absl::StrCat("it is longer than ", kLongest, " characters"));
  const absl::StatusOr<ClockPattern> pattern = ParsePattern(LowerCase(text));
  if (!pattern.ok()) return Wrong(text, std::string(pattern.status().message()));
  CronExpression expression;
  expression.text_ = std::string(text);
  expression.pattern_ = *pattern;
  return expression;
}

void CronExpression::ForEachTick(int64_t from_us, int64_t to_us, const TimeZone& zone,
                                 const std::function<bool(int64_t tick_us)>& visit) const {
  WalkTicks(pattern_, nullptr, zone, from_us, to_us, [&](const ClockTick& tick) { return visit(tick.time_us); });
}

std::vector<int64_t> CronExpression::TicksBetween(int64_t from_us, int64_t to_us, const TimeZone& zone) const {
  std::vector<int64_t> ticks;
  ForEachTick(from_us, to_us, zone, [&](int64_t tick) {
    ticks.push_back(tick);
    return true;
  });
  return ticks;
}

std::optional<int64_t> CronExpression::Next(int64_t after_us, const TimeZone& zone) const {
  if (after_us >= codecs::kMaxTimestampUs - kHorizonUs) return std::nullopt;
  const int64_t from = std::max(after_us, codecs::kMinTimestampUs - 1) + 1;
  std::optional<int64_t> next;
  ForEachTick(from, from + kHorizonUs, zone, [&](int64_t tick) {
    next = tick;
    return false;
  });
  return next;
}

}  // namespace runledger::aggregators
