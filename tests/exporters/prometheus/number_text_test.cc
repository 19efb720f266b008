#include "exporters/prometheus/number_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace runledger::exporters {
namespace {

template <typename Value>
std::string Text(char* (*print)(Value, char*), Value value) {
  char text[kNumberBytes];
  char* end = print(value, text);
  EXPECT_LE(end - text, static_cast<std::ptrdiff_t>(kNumberBytes));
  return {text, end};
}

TEST(NumberText, SecondsAreExactToTheMicrosecond) {
  const struct {
    int64_t us;
    const char* text;
  } kCases[] = {
      {0, "0"},
      {1, "0.000001"},
      {-1, "-0.000001"},
      {10, "0.00001"},
      {100'000, "0.1"},
      {1'000'000, "1"},
      {1'768'217'408'000'000, "1768217408"},
      {1'768'217'408'500'000, "1768217408.5"},
      {1'768'217'408'123'456, "1768217408.123456"},
      {1'768'217'408'000'001, "1768217408.000001"},
      {1'768'217'408'000'010, "1768217408.00001"},
      {-62'135'596'800'000'000, "-62135596800"},
      {-1'500'000, "-1.5"},
      {INT64_MAX, "9223372036854.775807"},
      {INT64_MIN, "-9223372036854.775808"},
  };
  for (const auto& c : kCases) EXPECT_EQ(Text(PrintSeconds, c.us), c.text) << c.us;
}

TEST(NumberText, DoublesHavePointOrExponent) {
  const struct {
    double value;
    const char* text;
  } kCases[] = {
      {0, "0.0"},
      {1, "1.0"},
      {-2, "-2.0"},
      {0.25, "0.25"},
      {1e300, "1e+300"},
      {12.345678, "12.345678"},
      {11.0 / 12, "0.9166666666666666"},
      {std::numeric_limits<double>::infinity(), "+Inf"},
      {-std::numeric_limits<double>::infinity(), "-Inf"},
      {std::nan(""), "NaN"},
      {-2.2250738585072014e-308, "-2.2250738585072014e-308"},
      {123456789, "123456789.0"},
  };
  for (const auto& c : kCases) EXPECT_EQ(Text(PrintDouble, c.value), c.text);
}

TEST(NumberText, WholeNumbersAreIntegers) {
  EXPECT_EQ(Text(PrintNumber, 12345.0), "12345");
  EXPECT_EQ(Text(PrintNumber, -0.0), "0");
  EXPECT_EQ(Text(PrintNumber, 0.5), "0.5");
  EXPECT_EQ(Text(PrintNumber, 9007199254740992.0), "9007199254740992");
  EXPECT_EQ(Text(PrintNumber, 1e17), "1e+17");
  EXPECT_EQ(Text(PrintNumber, std::numeric_limits<double>::infinity()), "+Inf");
  EXPECT_EQ(Text(PrintUnsigned, UINT64_MAX), "18446744073709551615");
  EXPECT_EQ(Text(PrintSigned, INT64_MIN), "-9223372036854775808");
}

TEST(NumberText, LabelValues) {
  using namespace std::string_literals;
  const struct {
    std::string value;
    std::string text;
  } kCases[] = {
      {"", ""},
      {"plain", "plain"},
      {"a\\b", "a\\\\b"},
      {"say \"hi\"", "say \\\"hi\\\""},
      {"two\nlines", "two\\nlines"},
      {"\\n", "\\\\n"},
      {"tab\tand\rreturn", "tab\tand\rreturn"},
      {"größe 日本 🏀", "größe 日本 🏀"},
      {"nul\0here"s, "nul\xEF\xBF\xBDhere"},
      {"broken \xFF\xC3", "broken \xEF\xBF\xBD\xEF\xBF\xBD"},
  };
  for (const auto& c : kCases) {
    std::string text = ">";
    AppendLabelValue(c.value, &text);
    EXPECT_EQ(text, ">" + c.text);
  }
}

}  // namespace
}  // namespace runledger::exporters
