#pragma once

#include <string_view>

namespace runledger::exporters {

// The description of /api/v1 (OpenAPI 3.1, JSON), as openapi.json has it. Static text.
std::string_view OpenApi();

}  // namespace runledger::exporters
