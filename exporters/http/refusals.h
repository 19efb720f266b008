#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "exporters/http/message.h"

namespace runledger::exporters {

// 400 that names the parameters there are, if the request has another: a misspelt one would be an answer to another
// question.
std::optional<Response> RefuseUnknown(const Request& request, std::initializer_list<std::string_view> known);
// The parameter `date` (2026-01-12) as days since 1970-01-01, nothing if there is none; InvalidArgument if it is no
// date.
absl::StatusOr<std::optional<int32_t>> DateParameter(const Request& request);
// The parameter of that name, a number from 1 to `most`; likewise.
absl::StatusOr<std::optional<size_t>> NumberParameter(const Request& request, std::string_view name, size_t most);
// 503 with Retry-After: not now; `members` as Problem takes them.
Response NotNow(std::string_view detail);
Response NotNow(std::string_view detail, const nlohmann::ordered_json& members);
// 503: a partition did not answer in time.
Response BusyResponse(const absl::Status& status);

}  // namespace runledger::exporters
