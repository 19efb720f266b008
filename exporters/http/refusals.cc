#include "exporters/http/refusals.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

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

Response NotNow(std::string_view detail, const std::string& members) {
  Response response = Problem(503, detail, members);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

Response BusyResponse(const absl::Status& status) { return NotNow("busy: " + std::string(status.message())); }

}  // namespace runledger::exporters
