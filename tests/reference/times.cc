#include "reference/decode.h"

namespace runledger::reference {
namespace {

// Days since 1970-01-01 of a civil date, by counting from the first of March of the year 0.
int64_t DaysOf(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
}

bool GoodCivil(int64_t year, int64_t month, int64_t day) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

// Reads a text from the front; once something is not as expected, everything after it is not either.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  int64_t Digits(size_t count) {
    int64_t number = 0;
    for (size_t i = 0; i < count; ++i) {
      if (!Digit()) {
        ok_ = false;
        return 0;
      }
      number = number * 10 + Take() - '0';
    }
    return number;
  }
  bool Letter(char letter) {
    if (!ok_ || text_.empty() || text_[0] != letter) return false;
    Take();
    return true;
  }
  void Must(char letter) { ok_ = Letter(letter) && ok_; }
  // Up to six digits count, further ones are read.
  int64_t Microseconds() {
    int64_t fraction = 0;
    ok_ = ok_ && Digit();
    for (int64_t unit = 100'000; Digit(); unit /= 10) fraction += (Take() - '0') * unit;
    return fraction;
  }
  bool done() const { return ok_ && text_.empty(); }

 private:
  bool Digit() const { return ok_ && !text_.empty() && text_[0] >= '0' && text_[0] <= '9'; }
  char Take() {
    const char letter = text_[0];
    text_.remove_prefix(1);
    return letter;
  }

  std::string_view text_;
  bool ok_ = true;
};

struct Date {
  int64_t year, month, day;
};

Date ScanDate(Scanner* scanner) {
  Date date{};
  date.year = scanner->Digits(4);
  scanner->Must('-');
  date.month = scanner->Digits(2);
  scanner->Must('-');
  date.day = scanner->Digits(2);
  return date;
}

}  // namespace

std::optional<int64_t> DateOfText(const std::string& text) {
  Scanner scanner(text);
  const Date date = ScanDate(&scanner);
  if (!scanner.done() || !GoodCivil(date.year, date.month, date.day)) return std::nullopt;
  return DaysOf(date.year, date.month, date.day);
}

std::optional<int64_t> TimeOfText(const std::string& text) {
  Scanner scanner(text);
  const Date date = ScanDate(&scanner);
  scanner.Must('T');
  const int64_t hour = scanner.Digits(2);
  scanner.Must(':');
  const int64_t minute = scanner.Digits(2);
  scanner.Must(':');
  const int64_t second = scanner.Digits(2);
  int64_t fraction_us = scanner.Letter('.') ? scanner.Microseconds() : 0;
  if (second == 60) fraction_us = 0;  // a leap second is the second after it
  int64_t offset_min = 0;
  if (!scanner.Letter('Z')) {
    const bool plus = scanner.Letter('+');
    if (!plus) scanner.Must('-');
    const int64_t hours = scanner.Digits(2);
    scanner.Must(':');
    const int64_t minutes = scanner.Digits(2);
    if (hours > 23 || minutes > 59) return std::nullopt;
    offset_min = (plus ? 1 : -1) * (hours * 60 + minutes);
  }
  if (!scanner.done() || !GoodCivil(date.year, date.month, date.day)) return std::nullopt;
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const int64_t days = DaysOf(date.year, date.month, date.day);
  return (((days * 24 + hour) * 60 + minute - offset_min) * 60 + second) * 1'000'000 + fraction_us;
}

}  // namespace runledger::reference
