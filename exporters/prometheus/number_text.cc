#include "exporters/prometheus/number_text.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "codecs/utf8.h"

namespace runledger::exporters {
namespace {

char* Copy(std::string_view text, char* out) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

}  // namespace

char* PrintUnsigned(uint64_t value, char* out) { return std::to_chars(out, out + kNumberBytes, value).ptr; }

char* PrintSigned(int64_t value, char* out) { return std::to_chars(out, out + kNumberBytes, value).ptr; }

char* PrintSeconds(int64_t microseconds, char* out) {
  auto magnitude = static_cast<uint64_t>(microseconds);
  if (microseconds < 0) {
    *out++ = '-';
    magnitude = 0 - magnitude;
  }
  out = PrintUnsigned(magnitude / 1'000'000, out);
  auto fraction = static_cast<uint32_t>(magnitude % 1'000'000);
  if (fraction == 0) return out;
  *out++ = '.';
  for (uint32_t place = 100'000; fraction > 0; place /= 10) {
    *out++ = static_cast<char>('0' + fraction / place);
    fraction %= place;
  }
  return out;
}

char* PrintDouble(double value, char* out) {
  if (std::isnan(value)) return Copy("NaN", out);
  if (std::isinf(value)) return Copy(value > 0 ? "+Inf" : "-Inf", out);
  char* end = std::to_chars(out, out + kNumberBytes, value).ptr;
  const std::string_view text(out, static_cast<size_t>(end - out));
  return text.find_first_of(".e") == std::string_view::npos ? Copy(".0", end) : end;
}

char* PrintNumber(double value, char* out) {
  constexpr double kExact = 9007199254740992;  // 2^53: whole numbers up to here are exact in a double
  if (std::abs(value) <= kExact && value == std::trunc(value)) return PrintSigned(static_cast<int64_t>(value), out);
  return PrintDouble(value, out);
}

void AppendLabelValue(std::string_view value, std::string* out) {
  if (!codecs::IsUtf8(value)) return AppendLabelValue(codecs::Utf8OrReplacement(value), out);
  for (const char c : value) {
    switch (c) {
      case '\\':
        *out += "\\\\";
        break;
      case '"':
        *out += "\\\"";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\0':
        *out += "\xEF\xBF\xBD";
        break;
      default:
        *out += c;
    }
  }
}

}  // namespace runledger::exporters
