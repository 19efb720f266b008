#include "aggregators/schedule/schedule_words.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "aggregators/schedule/cron_expression.h"
#include "aggregators/schedule/cron_field.h"

namespace runledger::aggregators {
namespace {

constexpr size_t kLongest = 1000;
constexpr uint8_t kEveryDay = 0x7f;
constexpr uint8_t kWeekend = 1u << 0 | 1u << 6;
constexpr char kForms[] =
    "a schedule is cron of five fields, @daily and its like, or one of: hourly [at :MM], daily [at HH:MM], weekdays "
    "[at "
    "HH:MM], weekends [at HH:MM], weekly [on DAYS] [at HH:MM], monthly [on NUMBERS] [at HH:MM], every 15m";

absl::Status Wrong(const std::string& what) { return absl::InvalidArgumentError(what); }

std::vector<std::string> List(const std::string& text) { return absl::StrSplit(text, ','); }

// The number of one or two digits, or -1.
int Number(const std::string& text) {
  int number = 0;
  if (text.empty() || text.size() > 2) return -1;
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return -1;
    number = number * 10 + (c - '0');
  }
  return number;
}

// "mon" or "monday".
absl::StatusOr<int> ParseDay(const std::string& text) {
  static constexpr const char* kDays[] = {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};
  for (int day = 0; day < 7; ++day) {
    if (text == kDays[day] || text == std::string(kDays[day], 3)) return day;
  }
  return Wrong(absl::StrCat(QuotedText(text), " is not a day of the week from sun to sat"));
}

// "mon,thu", "fri-mon": a range may go past the week's end, for words have no first day of the week.
absl::StatusOr<uint8_t> ParseDays(const std::string& text) {
  uint8_t days = 0;
  for (const std::string& term : List(text)) {
    const std::vector<std::string> ends = absl::StrSplit(term, absl::MaxSplits('-', 1));
    const absl::StatusOr<int> first = ParseDay(ends.front());
    if (!first.ok()) return first.status();
    const absl::StatusOr<int> last = ParseDay(ends.back());
    if (!last.ok()) return last.status();
    for (int day = *first;; day = (day + 1) % 7) {
      days |= static_cast<uint8_t>(1u << day);
      if (day == *last) break;
    }
  }
  return days;
}

// Words that are taken one after the other.
class Words {
 public:
  explicit Words(const std::string& text) {
    std::string joined = absl::StrJoin(absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty()), " ");
    joined = absl::StrReplaceAll(joined, {{" ,", ","}});
    words_ = absl::StrSplit(absl::StrReplaceAll(joined, {{", ", ","}}), ' ', absl::SkipEmpty());
  }
  std::string Take() { return next_ < words_.size() ? words_[next_++] : std::string(); }
  // True if the word was next.
  bool TakeWord(const char* word) {
    if (next_ >= words_.size() || words_[next_] != word) return false;
    ++next_;
    return true;
  }
  std::string Rest() const {
    std::string rest;
    for (size_t i = next_; i < words_.size(); ++i) absl::StrAppend(&rest, rest.empty() ? "" : " ", words_[i]);
    return rest;
  }

 private:
  std::vector<std::string> words_;
  size_t next_ = 0;
};

ClockPattern EveryDate() {
  ClockPattern pattern;
  pattern.months = 0b1'1111'1111'1110;
  pattern.days_of_month = ~uint32_t{1};
  pattern.days_of_week = kEveryDay;
  return pattern;
}

absl::Status SetTimes(Words& words, ClockPattern& pattern) {
  if (!words.TakeWord("at")) {
    pattern.SetMinute(0);
    return absl::OkStatus();
  }
  for (const std::string& time : List(words.Take())) {
    const absl::StatusOr<int> minute = ParseTimeOfDay(time);
    if (!minute.ok()) return minute.status();
    pattern.SetMinute(*minute);
  }
  return absl::OkStatus();
}

absl::Status SetMinutesOfHours(Words& words, ClockPattern& pattern) {
  pattern.of_clock = true;
  const std::string list = words.TakeWord("at") ? words.Take() : ":00";
  for (const std::string& text : List(list)) {
    const int minute = text.size() == 3 && text[0] == ':' ? Number(text.substr(1)) : -1;
    if (minute < 0 || minute > 59) {
      return Wrong(absl::StrCat(QuotedText(text), " is not a minute of the hour from :00 to :59"));
    }
    for (int hour = 0; hour < 24; ++hour) pattern.SetMinute(hour * 60 + minute);
  }
  return absl::OkStatus();
}

absl::Status SetPeriod(Words& words, ClockPattern& pattern) {
  pattern.of_clock = true;
  const std::string text = words.Take();
  int number = 0;
  int minutes = 0;
  if (text.size() >= 2 && text.size() <= 6 && absl::ascii_isdigit(static_cast<unsigned char>(text[0])) &&
      absl::SimpleAtoi(text.substr(0, text.size() - 1), &number)) {
    const char unit = text.back();
    if (unit == 'm') minutes = number;
    if (unit == 'h') minutes = number * 60;
    if (unit == 'd') minutes = number * kMinutesOfDay;
    if (unit == 's' && number % 60 == 0) minutes = number / 60;
  }
  if (minutes < 1 || minutes > kMinutesOfDay) {
    return Wrong(absl::StrCat(QuotedText(text), " is not a duration of whole minutes from 1m to 24h"));
  }
  for (int minute = 0; minute < kMinutesOfDay; minute += minutes) pattern.SetMinute(minute);
  return absl::OkStatus();
}

absl::Status SetWeekly(Words& words, ClockPattern& pattern) {
  pattern.days_of_week = 1;
  if (words.TakeWord("on")) {
    const absl::StatusOr<uint8_t> days = ParseDays(words.Take());
    if (!days.ok()) return days.status();
    pattern.days_of_week = *days;
  }
  return SetTimes(words, pattern);
}

absl::Status SetMonthly(Words& words, ClockPattern& pattern) {
  pattern.days_of_month = 1u << 1;
  if (words.TakeWord("on")) {
    const std::string list = words.Take();
    const absl::StatusOr<uint64_t> days = ParseCronField(list, kDayOfMonthField);
    if (!days.ok()) return days.status();
    pattern.days_of_month = static_cast<uint32_t>(*days);
  }
  return SetTimes(words, pattern);
}

absl::StatusOr<ClockPattern> ParseWords(const std::string& text) {
  Words words(text);
  ClockPattern pattern = EveryDate();
  absl::Status done;
  if (words.TakeWord("hourly")) {
    done = SetMinutesOfHours(words, pattern);
  } else if (words.TakeWord("daily")) {
    done = SetTimes(words, pattern);
  } else if (words.TakeWord("weekdays")) {
    pattern.days_of_week = kEveryDay & ~kWeekend;
    done = SetTimes(words, pattern);
  } else if (words.TakeWord("weekends")) {
    pattern.days_of_week = kWeekend;
    done = SetTimes(words, pattern);
  } else if (words.TakeWord("weekly")) {
    done = SetWeekly(words, pattern);
  } else if (words.TakeWord("monthly")) {
    done = SetMonthly(words, pattern);
  } else if (words.TakeWord("every")) {
    done = SetPeriod(words, pattern);
  } else {
    return Wrong(kForms);
  }
  if (!done.ok()) return done;
  const std::string rest = words.Rest();
  if (!rest.empty()) return Wrong(absl::StrCat(QuotedText(rest), " is not understood; ", kForms));
  return pattern;
}

}  // namespace

absl::StatusOr<int> ParseTimeOfDay(std::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(std::string(text), ':');
  if (parts.size() == 2 && parts[1].size() == 2) {
    const int hour = Number(parts[0]);
    const int minute = Number(parts[1]);
    if (hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59) return hour * 60 + minute;
  }
  return Wrong(absl::StrCat(QuotedText(text), " is not a time of day from 00:00 to 23:59"));
}

absl::StatusOr<ClockPattern> ParseScheduleText(std::string_view text) {
  if (text.size() > kLongest) return Wrong(absl::StrCat(QuotedText(text), " is longer than ", kLongest, " characters"));
  const size_t begin = text.find_first_not_of(" \t");
  const char first = begin == std::string_view::npos ? '\0' : text[begin];
  if (first == '*' || first == '@' || absl::ascii_isdigit(static_cast<unsigned char>(first))) {
    const absl::StatusOr<CronExpression> cron = CronExpression::Parse(text);
    if (!cron.ok()) return cron.status();
    return cron->pattern();
  }
  const absl::StatusOr<ClockPattern> pattern = ParseWords(LowerCase(text));
  if (!pattern.ok()) {
    return Wrong(absl::StrCat("schedule ", QuotedText(text), ": ", pattern.status().message()));
  }
  return pattern;
}

}  // namespace runledger::aggregators
