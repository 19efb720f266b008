#include "codecs/json.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "codecs/plain_json.h"
#include "codecs/utf8.h"

namespace runledger::codecs {
namespace {

using Json = nlohmann::json;

std::string Nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(Json, SaysWhetherATextIsJsonAndWhyNot) {
  for (const char* text :
       {"{}", "[]", "null", "1", "-0.5e3", "\"\\u00e9\"", " [1, {\"a\": [true]}] ", "18446744073709551616"}) {
    EXPECT_TRUE(IsJson(text)) << text;
  }
  for (const char* text :
       {"", " ", "{", "{\"a\":}", "[1,]", "nul", "{} {}", "'a'", "\"\n\"", "NaN", "01", "\xff", "\"\xed\xa0\x80\""}) {
    bool too_deep = true;
    EXPECT_FALSE(IsJson(text)) << text;
    EXPECT_NE(JsonError(text, 10, &too_deep), "") << text;
    EXPECT_FALSE(too_deep) << text;
  }
  EXPECT_NE(JsonError("{\"a\": }", 10, nullptr).find("column"), std::string::npos)
      << JsonError("{\"a\": }", 10, nullptr);
}

TEST(PlainJson, KnowsWhatNearlyAllJsonIs) {
  for (const char* text : {"{}", "[]", "null", " true ", "-12.5", "0", "\"a\\n\"", R"({"rows":199,"source":"gcs"})",
                           R"([{"path":"gs://b/p","ok":false},[1,2,[]]])"}) {
    EXPECT_TRUE(IsPlainJson(text)) << text;
  }
}

// Whatever it takes, the parser takes: texts put together from pieces of JSON, and JSON with a byte changed.
RC_GTEST_PROP(PlainJson, IsJson, ()) {
  static const std::vector<std::string> kPieces = {"{",
                                                   "}",
                                                   "[",
                                                   "]",
                                                   ",",
                                                   ":",
                                                   "\"",
                                                   "\"a\"",
                                                   "\"\\",
                                                   "\\n",
                                                   "\\u0041",
                                                   "1",
                                                   "0",
                                                   "-",
                                                   ".",
                                                   "5",
                                                   "e",
                                                   "E9",
                                                   "+",
                                                   "true",
                                                   "false",
                                                   "null",
                                                   "nul",
                                                   " ",
                                                   "\n",
                                                   "\t",
                                                   "12345678901234567890",
                                                   "0.123456789012345678",
                                                   "\x7f",
                                                   "\xc3\xa9",
                                                   "\x01",
                                                   "{\"a\":",
                                                   "[1,",
                                                   "\"k\":2",
                                                   std::string(1, '\0')};
  std::string text;
  if (*rc::gen::arbitrary<bool>()) {
    for (const std::string& piece : *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(kPieces)))
      text += piece;
  } else {
    text = R"({"rows":199,"source":"gcs","parts":[1.5,-2,{"deep":[null,true,"x\\"]}],"e":{}})";
    const auto at = *rc::gen::inRange<size_t>(0, text.size());
    const std::string piece = *rc::gen::elementOf(kPieces);
    text.replace(at, *rc::gen::inRange<size_t>(0, 3), piece);
  }
  RC_CLASSIFY(IsPlainJson(text), "plain");
  // The parser itself: our own functions look here first.
  if (IsPlainJson(text)) RC_ASSERT(Json::accept(text));
}

// Found by fuzzing: the library takes a NUL for the end of the text.
TEST(Json, NothingHidesBehindANul) {
  const std::string hidden("{}\0garbage", 10);
  EXPECT_FALSE(IsJson(hidden));
  EXPECT_NE(JsonError(hidden, 10, nullptr).find("NUL"), std::string::npos);
  EXPECT_FALSE(IsJson(std::string_view("\"a\0b\"", 5)));
  EXPECT_EQ(WrapErrors(hidden), R"([{"error_message":"{}\u0000garbage"}])");
  EXPECT_EQ(FirstOfErrors(std::string("[{\"error_type\":\"E\"}]\0", 22)).type, "");
}

TEST(Json, NestingIsBounded) {
  EXPECT_TRUE(IsJson(Nested(8), 8));
  bool too_deep = false;
  EXPECT_NE(JsonError(Nested(9), 8, &too_deep), "");
  EXPECT_TRUE(too_deep);
  EXPECT_FALSE(IsJson(Nested(1'000'000)));  // bounded before it could overflow a stack
  EXPECT_TRUE(IsJson(Nested(kMaxJsonColumnDepth)));
  EXPECT_TRUE(IsPlainJson(Nested(kPlainJsonNesting)));
  EXPECT_FALSE(IsPlainJson(Nested(kPlainJsonNesting + 1)));
  for (int limit = kPlainJsonNesting - 2; limit <= kPlainJsonNesting + 2; ++limit) {
    EXPECT_TRUE(IsJson(Nested(limit), limit)) << limit;
    EXPECT_FALSE(IsJson(Nested(limit + 1), limit)) << limit;
    EXPECT_EQ(JsonError(Nested(limit), limit, &too_deep), "") << limit;
    EXPECT_FALSE(too_deep) << limit;
    EXPECT_NE(JsonError(Nested(limit + 1), limit, &too_deep), "") << limit;
    EXPECT_TRUE(too_deep) << limit;
  }
}

TEST(SecretNames, AreComparedWithoutCaseAndSeparators) {
  const SecretNames secrets({"api_key", "Password"});
  for (const char* key : {"api_key", "apiKey", "API-KEY", "APIKEY", "password", "PASS_WORD"})
    EXPECT_TRUE(secrets.Matches(key)) << key;
  for (const char* key : {"", "key", "api_keys", "my_password"}) EXPECT_FALSE(secrets.Matches(key)) << key;
  EXPECT_TRUE(SecretNames().empty());
  EXPECT_FALSE(secrets.empty());
}

TEST(RemoveSecrets, TakesMembersOutAtAnyDepthAndNothingElse) {
  struct Case {
    const char* text;
    const char* expected;
  };
  constexpr Case kCases[] = {
      {R"({"password":"x"})", R"({})"},
      {R"({"a":1,"password":"x","b":2})", R"({"a":1,"b":2})"},
      {R"({"password":"x","b":2})", R"({"b":2})"},
      {R"({"a":1,"password":"x"})", R"({"a":1})"},
      {R"({"password":{"password":[1,{"a":2}]},"b":[]})", R"({"b":[]})"},
      {R"([{"a":{"b":[{"Api-Key":1,"c":"d"}]}}])", R"([{"a":{"b":[{"c":"d"}]}}])"},
      {R"({"a":"password","list":["api_key"]})", R"({"a":"password","list":["api_key"]})"},  // values are not names
      {R"({"apiKey":[],"apiKey":{},"x":null})", R"({"x":null})"},
      {R"("password")", R"("password")"},
      {R"( { "a" : 1.50 , "b" : 12345678901234567890 } )",
       R"({"a":1.50,"b":12345678901234567890})"},  // digits as they came
      {R"({"a":"\u00e9\n\"\\ \u0001"})", "{\"a\":\"é\\n\\\"\\\\ \\u0001\"}"},
  };
  const SecretNames secrets({"password", "api_key"});
  for (const Case& c : kCases) EXPECT_EQ(RemoveSecrets(c.text, secrets), c.expected) << c.text;
}

// A JSON value of random shape whose keys are often secret.
Json AnyJson(int depth) {
  const auto text = rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
  Json value;
  switch (*rc::gen::inRange(0, depth == 0 ? 4 : 6)) {
    case 0:
      value = *rc::gen::arbitrary<int64_t>();
      break;
    case 1:
      value = *rc::gen::arbitrary<bool>();
      break;
    case 2:
      value = *text;
      break;
    case 3:
      break;  // null
    case 4:
      value = Json::array();
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i) value.push_back(AnyJson(depth - 1));
      break;
    default:
      value = Json::object();
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
        value[*rc::gen::element<std::string>("a", "b", "password", "pass_word", "Password", "c")] = AnyJson(depth - 1);
      }
  }
  return value;
}

Json WithoutSecrets(const Json& value, const SecretNames& secrets) {
  Json out = value;
  if (value.is_array()) {
    for (Json& element : out) element = WithoutSecrets(element, secrets);
  } else if (value.is_object()) {
    out = Json::object();
    for (const auto& [key, member] : value.items()) {
      if (!secrets.Matches(key)) out[key] = WithoutSecrets(member, secrets);
    }
  }
  return out;
}

RC_GTEST_PROP(RemoveSecrets, AgreesWithATreeWalk, ()) {
  const SecretNames secrets({"password"});
  const Json value = AnyJson(4);
  const std::string text = value.dump(*rc::gen::element(-1, 2));
  const std::string removed = RemoveSecrets(text, secrets);
  RC_ASSERT(Json::parse(removed) == WithoutSecrets(value, secrets));
  RC_ASSERT(RemoveSecrets(removed, secrets) == removed);
}

RC_GTEST_PROP(AppendJsonString, IsReadBackAsItWas, (const std::string& any)) {
  const std::string text = Utf8OrReplacement(any);
  std::string out;
  AppendJsonString(text, &out);
  RC_ASSERT(Json::parse(out).get<std::string>() == text);
}

TEST(WrapErrors, GivesOneShape) {
  struct Case {
    const char* text;
    const char* expected;
  };
  constexpr Case kCases[] = {
      {"plain text", R"([{"error_message":"plain text"}])"},
      {R"(with "quotes")", R"([{"error_message":"with \"quotes\""}])"},
      {R"("a JSON string")", R"([{"error_message":"a JSON string"}])"},
      {R"({"error_type":"E","error_message":"m"})", R"([{"error_type":"E","error_message":"m"}])"},
      {R"(["a", {"error_type":"E"}, "b"])", R"([{"error_message":"a"},{"error_type":"E"},{"error_message":"b"}])"},
      {R"([{"error_type":"E"}])", R"([{"error_type":"E"}])"},
      {R"([])", R"([])"},
      {R"(null)", R"(null)"},
      {R"(42)", R"(42)"},
      {R"([1, 2])", R"([1, 2])"},
      {"", ""},
      {" \n", ""},
      {R"("")", ""},
      {R"([""])", "[]"},
      {R"(["", "a", " ", {"error_type":"E"}, ""])", R"([{"error_message":"a"},{"error_type":"E"}])"},
      {R"({"unfinished": )", R"([{"error_message":"{\"unfinished\": "}])"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(WrapErrors(c.text), c.expected) << c.text;
    EXPECT_EQ(WrapErrors(c.expected), c.expected) << "wrapping twice: " << c.text;
  }
}

TEST(FirstOfErrors, TakesWhatIsThere) {
  EXPECT_EQ(FirstOfErrors(R"([{"error_type":"E","error_message":"m"},{"error_type":"F"}])").type, "E");
  EXPECT_EQ(FirstOfErrors(R"([{"error_type":"E","error_message":"m"}])").message, "m");
  for (const char* text : {"", "[]", "null", "[1]", R"([{"error_type":1}])", R"({"error_type":"E"})"}) {
    EXPECT_EQ(FirstOfErrors(text).type, "") << text;
    EXPECT_EQ(FirstOfErrors(text).message, "") << text;
  }
}

TEST(SplitJsonArray, GivesTheElementsAsTheyStand) {
  const auto split = [](std::string_view text) {
    std::vector<std::string> out;
    for (std::string_view element : SplitJsonArray(text)) out.emplace_back(element);
    return out;
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(split("[]"), Texts{});
  EXPECT_EQ(split(" [ ] "), Texts{});
  EXPECT_EQ(split("[1]"), Texts{"1"});
  EXPECT_EQ(split("\n[ {\"a\": [1, 2]} ,\t\"x,]\\\"\" , null ]\n"), (Texts{"{\"a\": [1, 2]}", "\"x,]\\\"\"", "null"}));
  EXPECT_EQ(split("[[],[[]],{}]"), (Texts{"[]", "[[]]", "{}"}));
  EXPECT_EQ(split(R"(["\\","a"])"), (Texts{R"("\\")", R"("a")"}));
}

RC_GTEST_PROP(SplitJsonArray, JoinedAgainIsTheArray, ()) {
  Json array = Json::array();
  for (int i = *rc::gen::inRange(0, 5); i > 0; --i) array.push_back(AnyJson(3));
  const std::string text = array.dump(*rc::gen::element(-1, 1));
  const std::vector<std::string_view> elements = SplitJsonArray(text);
  RC_ASSERT(elements.size() == array.size());
  for (size_t i = 0; i < elements.size(); ++i) RC_ASSERT(Json::parse(elements[i]) == array[i]);
}

}  // namespace
}  // namespace runledger::codecs
