#include "codecs/inflate.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace runledger::codecs {
namespace {

constexpr size_t kMax = 1 << 20;

struct Inflated {
  bool ok = false;
  std::string bytes;
  Rejection rejection;
};

Inflated Inflate(Inflater* inflater, std::string_view compressed, size_t max = kMax) {
  Inflated result;
  std::string_view out;
  result.ok = inflater->Inflate(compressed, max, &out, &result.rejection);
  if (result.ok) result.bytes = out;
  return result;
}
Inflated Inflate(std::string_view compressed, size_t max = kMax) {
  Inflater inflater;
  return Inflate(&inflater, compressed, max);
}

TEST(Inflate, KnowsAFrameByItsFirstBytes) {
  EXPECT_TRUE(IsZstd(Deflate("x")));
  for (const char* text : {"", "(", "\x28\xB5\x2F", "{\"a\":1}", "\x28\xB5\x2F\xFC"})
    EXPECT_FALSE(IsZstd(text)) << text;
}

TEST(Inflate, TakesFramesOneAfterTheOther) {
  EXPECT_EQ(Inflate(Deflate("hello")).bytes, "hello");
  EXPECT_EQ(Inflate(Deflate("one ") + Deflate("") + Deflate("two")).bytes, "one two");
  const Inflated empty = Inflate(Deflate(""));
  EXPECT_TRUE(empty.ok);
  EXPECT_EQ(empty.bytes, "");
}

TEST(Inflate, RefusesWhatIsDamaged) {
  const std::string frame = Deflate(std::string(5'000, 'a') + "bcd");
  for (size_t size = 0; size < frame.size(); ++size) {
    const Inflated cut = Inflate(frame.substr(0, size));
    ASSERT_FALSE(cut.ok) << "cut to " << size;
    ASSERT_EQ(cut.rejection.category, Category::kInflate) << "cut to " << size;
    ASSERT_NE(cut.rejection.text, "");
  }
  for (const std::string& bytes : {std::string("plain text"), frame + "garbage",
                                   std::string("\x28\xB5\x2F\xFD\xFF\xFF\xFF\xFF", 8), std::string(64, '\0')}) {
    const Inflated bad = Inflate(bytes);
    EXPECT_FALSE(bad.ok);
    EXPECT_EQ(bad.rejection.category, Category::kInflate);
  }
}

TEST(Inflate, FindsABombBeforeItGoesOff) {
  std::string bomb = Deflate(std::string(32 << 20, '\0'));
  ASSERT_LT(bomb.size(), 8u << 10);
  for (const std::string& bytes :
       {bomb, Deflate(std::string(kMax + 1, 'x')), Deflate(std::string(kMax, 'x')) + Deflate("x")}) {
    const Inflated result = Inflate(bytes);
    EXPECT_FALSE(result.ok);
    EXPECT_EQ(result.rejection.category, Category::kOversize);
    EXPECT_NE(result.rejection.text.find("limits.inflated_bytes"), std::string::npos) << result.rejection.text;
  }
  EXPECT_TRUE(Inflate(Deflate(std::string(kMax, 'x'))).ok) << "as much as is allowed";
  EXPECT_TRUE(Inflate(Deflate("x"), 1).ok);
  EXPECT_FALSE(Inflate(Deflate("xy"), 1).ok);
}

// What a frame says of its size does not decide, what is in it does.
TEST(Inflate, ReadsAFrameThatSaysItIsTooLarge) {
  const std::string bomb = Deflate(std::string(32 << 20, 'b'));
  for (size_t size = 5; size < 40; ++size) {
    const Inflated cut = Inflate(bomb.substr(0, size));
    EXPECT_FALSE(cut.ok) << size;
    EXPECT_EQ(cut.rejection.category, Category::kInflate) << size;
  }
  // Magic number, a descriptor with four bytes of size, 16 MiB told, and a last block of one raw byte.
  const std::string lie("\x28\xB5\x2F\xFD\xA0\x00\x00\x00\x01\x09\x00\x00x", 13);
  EXPECT_EQ(Inflate(lie).rejection.category, Category::kInflate);
  EXPECT_EQ(Inflate(bomb + "garbage").rejection.category, Category::kOversize);
  EXPECT_EQ(Inflate(bomb, 64 << 20).bytes.size(), 32u << 20);
}

TEST(Inflate, GoesOnAfterABadFrame) {
  Inflater inflater;
  const std::string frame = Deflate(std::string(100'000, 'a'));
  EXPECT_FALSE(Inflate(&inflater, frame.substr(0, frame.size() / 2)).ok);
  EXPECT_FALSE(Inflate(&inflater, Deflate(std::string(32 << 20, 'b'))).ok);
  EXPECT_EQ(Inflate(&inflater, frame).bytes, std::string(100'000, 'a'));
  EXPECT_EQ(Inflate(&inflater, Deflate("small")).bytes, "small");
  Inflater moved = std::move(inflater);
  EXPECT_EQ(Inflate(&moved, Deflate("moved")).bytes, "moved");
}

RC_GTEST_PROP(Inflate, WhatWasDeflatedComesBack, ()) {
  static Inflater inflater;
  const std::string bytes = *rc::gen::scale(20, rc::gen::arbitrary<std::string>());
  const int level = *rc::gen::element(1, 3, 19);
  const Inflated result = Inflate(&inflater, Deflate(bytes, level));
  RC_ASSERT(result.ok);
  RC_ASSERT(result.bytes == bytes);
}

}  // namespace
}  // namespace runledger::codecs
