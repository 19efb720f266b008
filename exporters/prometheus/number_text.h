#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace runledger::exporters {

// Numbers and label values as both text formats write them. Print* writes at `out`, which has room for kNumberBytes,
// and returns the end.
inline constexpr size_t kNumberBytes = 32;

char* PrintUnsigned(uint64_t value, char* out);
char* PrintSigned(int64_t value, char* out);
// Microseconds as seconds with up to six decimals, exactly: "1768217408.5", "-0.000001", "12".
char* PrintSeconds(int64_t microseconds, char* out);
// The shortest text that reads back as the same number, always with a point or an exponent (OpenMetrics would take it
// for an integer without): "1.0", "0.25", "1e+300", "NaN", "+Inf", "-Inf".
char* PrintDouble(double value, char* out);
// A number that was counted in a double: whole ones as integers, others as PrintDouble.
char* PrintNumber(double value, char* out);

// Appends a label's value with backslash, quote and newline escaped. What is not UTF-8 and NUL, on which a whole scrape
// would fail, becomes U+FFFD.
void AppendLabelValue(std::string_view value, std::string* out);

}  // namespace runledger::exporters
