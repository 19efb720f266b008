#include "tools/runledger/units.h"

#include <gtest/gtest.h>

namespace runledger::tools {
namespace {

TEST(Units, Durations) {
  EXPECT_EQ(ParseDuration("4h"), 14'400'000'000);
  EXPECT_EQ(ParseDuration("90s"), 90'000'000);
  EXPECT_EQ(ParseDuration("2d"), 172'800'000'000);
  EXPECT_EQ(ParseDuration("1h30m"), 5'400'000'000);
  EXPECT_EQ(ParseDuration("500ms"), 500'000);
  EXPECT_EQ(ParseDuration("0"), 0);
  for (const char* bad : {"", "4", "h", "4x", "-4h", "4h 3m", "99999999999999d", "4.5h"})
    EXPECT_FALSE(ParseDuration(bad)) << bad;
}

TEST(Units, DurationsComeBack) {
  for (const char* text : {"4h", "90d", "1h30m", "500ms", "1m30s", "1us"})
    EXPECT_EQ(FormatDuration(*ParseDuration(text)), text);
  EXPECT_EQ(FormatDuration(0), "0");
}

TEST(Units, Sizes) {
  EXPECT_EQ(ParseSize("8MiB"), 8 << 20);
  EXPECT_EQ(ParseSize("64KiB"), 64 << 10);
  EXPECT_EQ(ParseSize("1GB"), 1'000'000'000);
  EXPECT_EQ(ParseSize("4096"), 4096);
  for (const char* bad : {"", "MiB", "8mib", "-1", "8 MiB"}) EXPECT_FALSE(ParseSize(bad)) << bad;
  EXPECT_EQ(FormatSize(8 << 20), "8MiB");
  EXPECT_EQ(FormatSize(4097), "4097");
}

TEST(Units, ForPeople) {
  EXPECT_EQ(HumanDuration(int64_t{3'000'000}), "3.0 seconds");
  EXPECT_EQ(HumanDuration(int64_t{6} * 3'600'000'000 + 1'440'000'000), "6.4 hours");
  EXPECT_EQ(HumanDuration(int64_t{3} * 86'400'000'000), "3.0 days");
}

}  // namespace
}  // namespace runledger::tools
