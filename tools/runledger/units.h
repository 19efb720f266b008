#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runledger::tools {

// "4h", "90s", "2d", "500ms", "1h30m": microseconds. A bare number is not a duration, except 0.
std::optional<int64_t> ParseDuration(std::string_view text);
// The shortest of the above that is exact.
std::string FormatDuration(int64_t microseconds);

// "8MiB", "64KiB", "1GB", "4096": bytes.
std::optional<int64_t> ParseSize(std::string_view text);
std::string FormatSize(int64_t bytes);

// For tables: "6.4 hours", "12 minutes", "3.1 seconds".
std::string HumanDuration(int64_t microseconds);

}  // namespace runledger::tools
