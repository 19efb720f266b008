#include "tools/runledger/units.h"

#include <charconv>
#include <cstdio>
#include <iterator>

namespace runledger::tools {
namespace {

struct Unit {
  std::string_view name;
  int64_t size;
};

// The greatest first, so that formatting takes the shortest form.
constexpr Unit kTimes[] = {{"d", 86'400'000'000}, {"h", 3'600'000'000}, {"m", 60'000'000},
                           {"s", 1'000'000},      {"ms", 1'000},        {"us", 1}};
constexpr Unit kSizes[] = {{"GiB", int64_t{1} << 30},
                           {"MiB", int64_t{1} << 20},
                           {"KiB", int64_t{1} << 10},
                           {"GB", 1'000'000'000},
                           {"MB", 1'000'000},
                           {"kB", 1'000},
                           {"B", 1}};

template <size_t N>
const Unit* Find(const Unit (&units)[N], std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

// Number and unit, again and again, up to the end.
template <size_t N>
std::optional<int64_t> ParseSum(std::string_view text, const Unit (&units)[N]) {
  int64_t total = 0;
  while (!text.empty()) {
    int64_t number = 0;
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(at - text.data()));
    size_t letters = 0;
    while (letters < text.size() && (text[letters] < '0' || text[letters] > '9')) ++letters;
    const Unit* unit = Find(units, text.substr(0, letters));
    int64_t part = 0;
    if (unit == nullptr || __builtin_mul_overflow(number, unit->size, &part) ||
        __builtin_add_overflow(total, part, &total))
      return std::nullopt;
    text.remove_prefix(letters);
  }
  return total;
}

}  // namespace

std::optional<int64_t> ParseDuration(std::string_view text) {
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  return ParseSum(text, kTimes);
}

std::string FormatDuration(int64_t microseconds) {
  if (microseconds == 0) return "0";
  std::string out;
  for (const Unit& unit : kTimes) {
    if (microseconds < unit.size) continue;
    out += std::to_string(microseconds / unit.size);
    out += unit.name;
    microseconds %= unit.size;
  }
  return out;
}

std::optional<int64_t> ParseSize(std::string_view text) {
  int64_t plain = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), plain);
  if (error == std::errc() && at == text.data() + text.size() && plain >= 0) return plain;
  if (text.empty()) return std::nullopt;
  return ParseSum(text, kSizes);
}

std::string FormatSize(int64_t bytes) {
  for (const Unit& unit : kSizes) {
    if (bytes >= unit.size && bytes % unit.size == 0 && unit.size > 1)
      return std::to_string(bytes / unit.size) + std::string(unit.name);
  }
  return std::to_string(bytes);
}

std::string HumanDuration(int64_t microseconds) {
  const double seconds = static_cast<double>(microseconds) / 1e6;
  char text[64];
  if (seconds < 120) {
    std::snprintf(text, sizeof text, "%.1f seconds", seconds);
  } else if (seconds < 7200) {
    std::snprintf(text, sizeof text, "%.0f minutes", seconds / 60);
  } else if (seconds < 172'800) {
    std::snprintf(text, sizeof text, "%.1f hours", seconds / 3600);
  } else {
    std::snprintf(text, sizeof text, "%.1f days", seconds / 86'400);
  }
  return text;
}

}  // namespace runledger::tools
