#include "codecs/hash.h"

#include <gtest/gtest.h>

namespace runledger::codecs {
namespace {

// As the reference tool xxhsum prints them: these values stand in logs and tables and may never change.
TEST(Hash, ValuesAreThoseOfXxh3) {
  EXPECT_EQ(Hex(HashBytes("")), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(Hex(HashBytes("abc")), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(Hex(HashBytes("player_game_summary")), "2cee111e6dd90b9c5219d78194fdff19");
  EXPECT_EQ(Hex(HashBytes("abc", 42)), "4bc24859f045e0b4d8438def21bbdcc3");
  EXPECT_EQ(Hash64(""), 0x2d06800538d394c2u);
  EXPECT_EQ(Hash64("abc"), 0x78af5f94892f3950u);
}

TEST(Hash, ARunIsItsJobItsIdAndItsAttempt) {
  const uint64_t job = Hash64("job");
  const Hash128 run = HashRun(job, "run-1", 1);
  EXPECT_EQ(run, HashRun(Hash64("job"), "run-1", 1));
  EXPECT_NE(run, HashRun(Hash64("job2"), "run-1", 1));
  EXPECT_NE(run, HashRun(job, "run-2", 1));
  EXPECT_NE(run, HashRun(job, "run-1", 2));
  EXPECT_EQ(HashRun(job, "run-1", 0), HashBytes("run-1", job));
}

TEST(Hash, HexHasAllThirtyTwoDigits) {
  EXPECT_EQ(Hex({0, 0}), "00000000000000000000000000000000");
  EXPECT_EQ(Hex({0x0123456789abcdef, 1}), "0123456789abcdef0000000000000001");
  const std::array<char, 32> digits = HexDigits({~0ull, 0});
  EXPECT_EQ(std::string(digits.data(), digits.size()), "ffffffffffffffff0000000000000000");
}

}  // namespace
}  // namespace runledger::codecs
