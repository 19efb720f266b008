#include "exporters/http/refusals.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"

namespace runledger::exporters {

std::optional<Response> RefuseUnknown(const Request& request, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : request.query) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string names;
    for (const std::string_view one : known) absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(one));
    return Problem(400, absl::StrCat("there is no parameter '", name, "' here; ",
                                     names.empty() ? "it has none" : "use: " + names));
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<int32_t>> DateParameter(const Request& request) {
  const auto text = request.Query("date");
  if (!text) return std::nullopt;
  const std::optional<int32_t> date = codecs::ParseDate(*text);
  if (!date)
    return absl::InvalidArgumentError(absl::StrCat("date '", std::string(*text), "' is no date; write 2026-01-12"));
  return date;
}

absl::StatusOr<std::optional<size_t>> NumberParameter(const Request& request, std::string_view name, size_t most) {
  const auto text = request.Query(name);
  if (!text) return std::nullopt;
  const char* const end = text->data() + text->size();
  size_t number = 0;
  const auto result = std::from_chars(text->data(), end, number);
  if (result.ec == std::errc() && result.ptr == end && number >= 1 && number <= most) return number;
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(name), " '", std::string(*text), "' is no number from 1 to ", most));
}

Response NotNow(std::string_view detail) { return NotNow(detail, nullptr); }

Response NotNow(std::string_view detail, const nlohmann::ordered_json& members) {
  Response response = Problem(503, detail, members);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

Response BusyResponse(const absl::Status& status) { return NotNow("busy: " + std::string(status.message())); }

}  // namespace runledger::exporters
