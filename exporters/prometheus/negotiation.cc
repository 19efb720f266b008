#include "exporters/prometheus/negotiation.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace runledger::exporters {
namespace {

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool SameWord(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// Takes the text before the separator, which is taken too. Separators within quotes are not looked for: no media type
// that we know has any.
std::string_view TakeUntil(char separator, std::string_view* rest) {
  const size_t at = rest->find(separator);
  const std::string_view part = Trim(rest->substr(0, at));
  *rest = at == std::string_view::npos ? std::string_view() : rest->substr(at + 1);
  return part;
}

// One element of such a header: "application/openmetrics-text; version=1.0.0; q=0.8".
struct Wish {
  std::string_view name;
  std::string_view version;
  double weight = 1;
};

Wish ParseWish(std::string_view text) {
  Wish wish;
  wish.name = TakeUntil(';', &text);
  while (!text.empty()) {
    std::string_view value = TakeUntil(';', &text);
    const std::string_view key = TakeUntil('=', &value);
    value = Trim(value);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (SameWord(key, "version")) wish.version = value;
    if (SameWord(key, "q")) {
      double weight = 0;
      const auto result = std::from_chars(value.data(), value.data() + value.size(), weight);
      wish.weight = result.ec == std::errc() && weight >= 0 && weight <= 1 ? weight : 0;
    }
  }
  return wish;
}

// The best that we have for a media range; nothing if we have nothing.
std::optional<Format> FormatFor(const Wish& wish) {
  if (SameWord(wish.name, "application/openmetrics-text")) {
    if (wish.version.empty() || wish.version == "1.0.0") return Format::kOpenMetrics100;
    if (wish.version == "0.0.1") return Format::kOpenMetrics001;
    return std::nullopt;
  }
  if (SameWord(wish.name, "text/plain")) {
    return wish.version.empty() || wish.version == "0.0.4" ? std::optional(Format::kText004) : std::nullopt;
  }
  if (wish.name == "*/*" || SameWord(wish.name, "text/*")) return Format::kText004;
  return SameWord(wish.name, "application/*") ? std::optional(Format::kOpenMetrics100) : std::nullopt;
}

}  // namespace

Format ChooseFormat(std::string_view accept) {
  Format best = Format::kText004;
  double best_weight = 0;
  while (!accept.empty()) {
    const Wish wish = ParseWish(TakeUntil(',', &accept));
    const std::optional<Format> format = FormatFor(wish);
    if (!format || wish.weight <= best_weight) continue;
    best = *format;
    best_weight = wish.weight;
  }
  return best;
}

std::string_view ContentTypeOf(Format format) {
  switch (format) {
    case Format::kText004:
      return "text/plain; version=0.0.4; charset=utf-8";
    case Format::kOpenMetrics001:
      return "application/openmetrics-text; version=0.0.1; charset=utf-8";
    case Format::kOpenMetrics100:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
  }
  return "";
}

bool AcceptsGzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const Wish wish = ParseWish(TakeUntil(',', &accept_encoding));
    if (SameWord(wish.name, "gzip") || SameWord(wish.name, "x-gzip")) return wish.weight > 0;
    if (wish.name == "*") any = wish.weight > 0;
  }
  return any;
}

}  // namespace runledger::exporters
