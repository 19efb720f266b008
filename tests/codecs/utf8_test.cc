#include "codecs/utf8.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace runledger::codecs {
namespace {

TEST(Utf8, KnowsWellFormedText) {
  for (const char* text : {"", "a", "é", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "exactly8", "nine byte", "seven 7é and more"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  EXPECT_TRUE(IsUtf8(std::string_view("\0", 1)));
}

TEST(Utf8, RefusesEveryMalformation) {
  struct Case {
    const char* name;
    std::string text;
  };
  const Case cases[] = {
      {"continuation alone", "\x80"},
      {"lead alone", "\xC3"},
      {"overlong two", "\xC0\x80"},
      {"overlong two, last", "\xC1\xBF"},
      {"overlong three", "\xE0\x9F\xBF"},
      {"overlong four", "\xF0\x8F\xBF\xBF"},
      {"surrogate, first", "\xED\xA0\x80"},
      {"surrogate, last", "\xED\xBF\xBF"},
      {"past U+10FFFF", "\xF4\x90\x80\x80"},
      {"lead F5", "\xF5\x80\x80\x80"},
      {"byte FF", "\xFF"},
      {"three cut short", "\xE2\x82"},
      {"four cut short", "\xF0\x9F\x98"},
      {"wrong continuation", "\xE2\x28\xA1"},
      {"after eight letters", "abcdefgh\xFF"},
      {"within eight letters",
       "abc\xFF"
       "defgh"},
  };
  for (const Case& c : cases) EXPECT_FALSE(IsUtf8(c.text)) << c.name;
}

TEST(Utf8, APrefixCutsNoCodePoint) {
  const std::string text = "aé€😀";  // 1 + 2 + 3 + 4 bytes
  const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (size_t max = 0; max < std::size(expected); ++max) EXPECT_EQ(Utf8Prefix(text, max).size(), expected[max]) << max;
}

TEST(Utf8, ReplacesMalformedBytesOneByOne) {
  EXPECT_EQ(Utf8OrReplacement("a\xFF\xE2\x82z"), "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz");
  EXPECT_EQ(Utf8OrReplacement("é€"), "é€");
}

RC_GTEST_PROP(Utf8, PrefixesAndReplacementsAreWellFormed, (const std::string& any)) {
  const std::string text = Utf8OrReplacement(any);
  RC_ASSERT(IsUtf8(text));
  RC_ASSERT(IsUtf8(any) == (text == any));
  for (size_t max = 0; max <= text.size(); ++max) {
    const std::string_view prefix = Utf8Prefix(text, max);
    RC_ASSERT(IsUtf8(prefix));
    RC_ASSERT(prefix.size() <= max);
    RC_ASSERT(prefix.size() + 4 > max);
  }
}

}  // namespace
}  // namespace runledger::codecs
