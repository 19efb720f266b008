#include "tools/runledger/text_table.h"

#include <gtest/gtest.h>

namespace runledger::tools {
namespace {

TEST(TextTable, AlignsByCodePointsAndPutsNumbersToTheRight) {
  TextTable table({"job", "running", "last"});
  table.Add(
      {"gr\xC3\xBC\xC3\x9F"
       "e",
       "7", "-"});
  table.Add({"x", "1200", "12:00"});
  EXPECT_EQ(table.ToString(),
            "job    running  last\n"
            "gr\xC3\xBC\xC3\x9F"
            "e        7  -\n"
            "x         1200  12:00\n");
}

}  // namespace
}  // namespace runledger::tools
