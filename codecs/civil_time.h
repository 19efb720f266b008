#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runledger::codecs {

// Times and dates as text. All UTC; microseconds since the Unix epoch, days since 1970-01-01.

// "2026-01-12T11:30:08.5Z" or with an offset; a time without zone is nothing.
std::optional<int64_t> ParseRfc3339(std::string_view text);
// "2026-01-12T11:30:08Z", with six digits of a fraction only where there is one.
std::string FormatRfc3339(int64_t microseconds);

// "2026-01-12".
std::optional<int32_t> ParseDate(std::string_view text);
std::string FormatDate(int32_t days);

// The UTC day that holds the time.
int32_t DayOf(int64_t microseconds);

}  // namespace runledger::codecs
