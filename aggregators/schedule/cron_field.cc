#include "aggregators/schedule/cron_field.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace runledger::aggregators {
namespace {

absl::Status Wrong(const CronField& field, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(field.name, ": ", what));
}

std::string Permitted(const CronField& field) {
  const std::string numbers = absl::StrCat("a number from ", field.low, " to ", field.high);
  const std::string names = field.names;
  if (names.empty()) return numbers;
  return absl::StrCat(numbers, " or a name from ", names.substr(0, 3), " to ", names.substr(names.size() - 3));
}

// The number of digits, -1 for anything else, 1000 for what is longer than any that is permitted.
int Digits(std::string_view text) {
  if (text.empty()) return -1;
  int number = 0;
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return -1;
    number = number >= 100 ? 1000 : number * 10 + (c - '0');
  }
  return number;
}

struct Range {
  int first;
  int last;
};

// What stands before a slash.
absl::StatusOr<Range> ParseRange(std::string_view text, const CronField& field, bool stepped) {
  if (text == "*") return Range{field.low, field.high};
  const size_t dash = text.find('-');
  const absl::StatusOr<int> first = ParseCronValue(text.substr(0, dash), field);
  if (!first.ok()) return first.status();
  if (dash == std::string_view::npos) return Range{*first, stepped ? field.high : *first};
  const absl::StatusOr<int> last = ParseCronValue(text.substr(dash + 1), field);
  if (!last.ok()) return last.status();
  if (*last < *first) {
    const bool sunday = std::strcmp(field.name, kDayOfWeekField.name) == 0 && *last == 0;
    return Wrong(field, absl::StrCat("the range ", QuotedText(text), " runs backwards",
                                     sunday ? "; Sunday as its end is 7" : ""));
  }
  return Range{*first, *last};
}

}  // namespace

absl::StatusOr<int> ParseCronValue(std::string_view text, const CronField& field) {
  const int number = Digits(text);
  if (number >= field.low && number <= field.high) return number;
  if (number < 0) {
    const std::string_view names = field.names;
    const size_t at = text.size() == 3 ? names.find(text) : std::string_view::npos;
    if (at != std::string_view::npos && at % 3 == 0) return field.first_name + static_cast<int>(at / 3);
  }
  return Wrong(field, absl::StrCat(QuotedText(text), " is not ", Permitted(field)));
}

absl::StatusOr<uint64_t> ParseCronField(std::string_view text, const CronField& field) {
  uint64_t bits = 0;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view term = text.substr(begin, comma - begin);
    begin = comma + 1;
    const size_t slash = term.find('/');
    const bool stepped = slash != std::string_view::npos;
    const absl::StatusOr<Range> range = ParseRange(term.substr(0, slash), field, stepped);
    if (!range.ok()) return range.status();
    const int step = stepped ? Digits(term.substr(slash + 1)) : 1;
    if (step < 1 || step > field.high) {
      return Wrong(field, absl::StrCat("the step ", QuotedText(term.substr(slash + 1)), " of ", QuotedText(term),
                                       " is not a number from 1 to ", field.high));
    }
    for (int value = range->first; value <= range->last; value += step) bits |= uint64_t{1} << value;
  }
  return bits;
}

std::string QuotedText(std::string_view text) {
  const std::string shown = absl::CEscape(std::string(text.substr(0, 100)));
  return absl::StrCat("\"", shown, text.size() > 100 ? "..." : "", "\"");
}

std::string LowerCase(std::string_view text) { return absl::AsciiStrToLower(std::string(text)); }

}  // namespace runledger::aggregators
