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

TEST(TextTable, AnEmptyCellIsSeen) {
  TextTable table({"job", "phase", "running"});
  table.Add({"x", "", "2"});
  EXPECT_EQ(table.ToString(), "job  phase  running\nx        -        2\n");
}

TEST(TextTable, ControlCharactersOfOthersDoNotReachTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[31mred\x1b]0;title\x07\n\tb\x7f"), "a\\x1b[31mred\\x1b]0;title\\x07\\n\\tb\\x7f");
  EXPECT_EQ(Printable("\xC2\x9B"
                      "2J"),
            "\\x9b2J");
  EXPECT_EQ(Printable("gr\xC3\xBC\xC3\x9F"
                      "e \xF0\x9F\x9A\x80"),
            "gr\xC3\xBC\xC3\x9F"
            "e \xF0\x9F\x9A\x80");
  TextTable table({"job"});
  table.Add({"two\nlines"});
  EXPECT_EQ(table.ToString(), "job\ntwo\\nlines\n");
}

}  // namespace
}  // namespace runledger::tools
