#include "aggregators/schedule/work_days.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"

namespace runledger::aggregators {
namespace {

constexpr int32_t kLongestSpan = 36'600;  // a hundred years; a longer one is a slip of the pen

std::string Quoted(const std::string& text) { return absl::StrCat("\"", absl::CEscape(text.substr(0, 100)), "\""); }

// Dates of one text. NotFound if it does not look like a date or a span of dates.
absl::StatusOr<DateSet> ParseSpan(const std::string& text) {
  const size_t dots = text.find("..");
  const std::string first_text = text.substr(0, dots);
  const std::string last_text = dots == std::string::npos ? first_text : text.substr(dots + 2);
  const std::optional<int32_t> first = codecs::ParseDate(first_text);
  const std::optional<int32_t> last = codecs::ParseDate(last_text);
  if (!first.has_value() || !last.has_value()) {
    if (dots == std::string::npos) return absl::NotFoundError("no date");
    return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " is no span of dates as 2026-12-24..2027-01-02"));
  }
  if (*last < *first) return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " ends before it begins"));
  if (*last - *first > kLongestSpan) {
    return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " has more than ", kLongestSpan, " days"));
  }
  DateSet dates;
  for (int32_t date = *first; date <= *last; ++date) dates.push_back(date);
  return dates;
}

}  // namespace

DateSet MakeDateSet(std::vector<int32_t> dates) {
  std::sort(dates.begin(), dates.end());
  dates.erase(std::unique(dates.begin(), dates.end()), dates.end());
  return dates;
}

bool Contains(const DateSet& dates, int32_t date) { return std::binary_search(dates.begin(), dates.end(), date); }

absl::StatusOr<DateSet> ParseDates(const std::vector<std::string>& texts, const Calendars& calendars) {
  std::vector<int32_t> dates;
  for (const std::string& text : texts) {
    absl::StatusOr<DateSet> some = ParseSpan(text);
    if (absl::IsNotFound(some.status())) {
      const auto calendar = calendars.find(text);
      if (calendar == calendars.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat(Quoted(text), " is neither a date as 2026-12-25 nor the name of a calendar"));
      }
      some = calendar->second;
    }
    if (!some.ok()) return some.status();
    dates.insert(dates.end(), some->begin(), some->end());
  }
  return MakeDateSet(std::move(dates));
}

bool WorkDays::Counts(int32_t work_day, bool of_schedule) const {
  if (Contains(exclude, work_day)) return false;
  if (Contains(include, work_day)) return true;
  return of_schedule && (!only.has_value() || Contains(*only, work_day));
}

}  // namespace runledger::aggregators
