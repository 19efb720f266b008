#include "exporters/queries/answer.h"

#include <gtest/gtest.h>

#include <limits>

namespace runledger::exporters {
namespace {

using enum codecs::ColumnType;

TEST(Answer, FloatTextIsShortAndExact) {
  EXPECT_EQ(FloatText(12.5), "12.5");
  EXPECT_EQ(FloatText(100), "100");
  EXPECT_EQ(std::stod(FloatText(0.1 + 0.2)), 0.1 + 0.2);
  EXPECT_EQ(FloatText(std::numeric_limits<double>::quiet_NaN()), "NaN");
  EXPECT_EQ(FloatText(-std::numeric_limits<double>::infinity()), "-Infinity");
}

TEST(Answer, JsonLineWritesEachTypeAsWhatItIs) {
  const std::vector<AnswerColumn> columns = {{"s", kString}, {"i", kInt64},     {"f", kFloat64}, {"b", kBool},
                                             {"d", kDate},   {"t", kTimestamp}, {"j", kJson},    {"n", kString}};
  const std::vector<AnswerValue> row = {
      "a\"b\n", "-7", "1.5", "true", "2026-01-12", "2026-01-12T11:30:08Z", "{\"k\": [1,\n 2]}", std::nullopt};
  EXPECT_EQ(
      JsonLine(columns, row, /*nulls=*/true),
      R"({"s":"a\"b\n","i":-7,"f":1.5,"b":true,"d":"2026-01-12","t":"2026-01-12T11:30:08Z","j":{"k": [1,  2]},"n":null})");
  EXPECT_EQ(JsonLine(columns, {{}, {}, "NaN", {}, {}, {}, "no json", {}}, /*nulls=*/false),
            R"({"f":"NaN","j":"no json"})");
  EXPECT_EQ(JsonLine(columns, std::vector<AnswerValue>(8), /*nulls=*/false), "{}");
}

}  // namespace
}  // namespace runledger::exporters
