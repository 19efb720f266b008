#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "exporters/http/message.h"

namespace runledger::exporters {

// 400 that names the parameters there are, if the request has another: a misspelt one would be an answer to another
// question.
std::optional<Response> RefuseUnknown(const Request& request, std::initializer_list<std::string_view> known);
// 503 with Retry-After: not now; `members` as Problem takes them.
Response NotNow(std::string_view detail, const std::string& members = {});
// 503: a partition did not answer in time.
Response BusyResponse(const absl::Status& status);

}  // namespace runledger::exporters
