#include "codecs/json_event.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "codecs/hash.h"
#include "codecs/utf8.h"
#include "codecs/wire_events.h"

namespace runledger::codecs {
namespace {

struct Converted {
  bool ok = false;
  std::string wire;
  v1::Event message;
  ColumnRefusal refused;
  Rejection rejection;
  std::string unknown_member;
};

Converted Convert(std::string_view text, int max_depth = 64) {
  Converted result;
  result.ok = JsonToEvent(text, max_depth, &result.wire, &result.refused, &result.rejection, &result.unknown_member);
  if (result.ok) {
    EXPECT_TRUE(result.message.ParseFromString(result.wire)) << text;
  }
  return result;
}

// A run event with these members more.
Converted ConvertRun(const std::string& members) {
  return Convert(R"({"event_id":"e","event_time_us":1,"run":{"job_name":"j","run_id":"r",)" + members + "}}");
}

TEST(JsonEvent, ReadsBothNameStyles) {
  const Converted snake =
      Convert(R"({"event_id": "e", "event_time_us": 1768217408000000, "sequence": 3, "backfill": true,
      "run": {"job_name": "j", "run_id": "r", "status": "running", "data_date": 20465, "records_processed": 5,
              "duration_seconds": 1.5, "dry_run": false, "started_at_us": 7}})");
  ASSERT_TRUE(snake.ok) << snake.rejection.text;
  EXPECT_FALSE(snake.refused);
  EXPECT_EQ(snake.message.event_id(), "e");
  EXPECT_EQ(snake.message.event_time_us(), kTestTimeUs);
  EXPECT_EQ(snake.message.sequence(), 3);
  EXPECT_TRUE(snake.message.backfill());
  const v1::RunEvent& run = snake.message.run();
  EXPECT_EQ(run.job_name(), "j");
  EXPECT_EQ(run.status(), v1::RUNNING);
  EXPECT_EQ(run.data_date(), 20'465);
  EXPECT_EQ(run.records_processed(), 5);
  EXPECT_EQ(run.duration_seconds(), 1.5);
  EXPECT_TRUE(run.has_dry_run());
  EXPECT_FALSE(run.dry_run());
  EXPECT_EQ(run.started_at_us(), 7);
  EXPECT_FALSE(run.has_attributes());

  const Converted camel =
      Convert(R"({"eventId": "e", "eventTimeUs": "1768217408000000", "sequence": "3", "backfill": true,
      "run": {"jobName": "j", "runId": "r", "status": "RUNNING", "dataDate": "20465", "recordsProcessed": "5",
              "durationSeconds": "1.5", "dryRun": false, "startedAtUs": "7"}})");
  ASSERT_TRUE(camel.ok) << camel.rejection.text;
  EXPECT_EQ(camel.wire, snake.wire);
}

TEST(JsonEvent, ReadsTimesAndDatesAsPeopleWriteThem) {
  const Converted result = Convert(R"({"event_time": "2026-01-12T06:30:08-05:00",
      "run": {"job_name": "j", "run_id": "r", "status": "success", "started_at": "2026-01-12T11:30:08.5Z", "completed_at": 9,
              "data_date": "2026-01-12"}})");
  ASSERT_TRUE(result.ok) << result.rejection.text;
  EXPECT_EQ(result.message.event_time_us(), kTestTimeUs);
  EXPECT_EQ(result.message.run().started_at_us(), kTestTimeUs + 500'000);
  EXPECT_EQ(result.message.run().completed_at_us(), 9);
  EXPECT_EQ(result.message.run().data_date(), 20'465);
  EXPECT_FALSE(result.refused);
}

TEST(JsonEvent, ReadsEveryBody) {
  EXPECT_EQ(Convert(R"({"event_time_us":1,"decision":{"workflow":"w","action":"RUN","context":{"a":1}}})")
                .message.decision()
                .context(),
            R"({"a":1})");
  EXPECT_EQ(Convert(R"({"event_time_us":1,"expected":{"workflow":"w","expected_run_time":"1970-01-01T00:00:01Z"}})")
                .message.expected()
                .expected_run_time_us(),
            1'000'000);
  EXPECT_EQ(Convert(R"({"event_time_us":1,"cleanup":{"missing_files":[{"a":1}],"filesChecked":2}})")
                .message.cleanup()
                .missing_files(),
            R"([{"a":1}])");
  EXPECT_EQ(Convert(R"({"event_time_us":1,"verdict":{"verdict_subject":"s","verdictDueUs":5}})")
                .message.verdict()
                .verdict_due_us(),
            5);
}

TEST(JsonEvent, AStatusIsAWordOfAnyVocabularyOrANumber) {
  struct Case {
    const char* json;
    int status;          // 0: none
    const char* source;  // ""; none
  };
  constexpr Case kCases[] = {
      {R"("success")", v1::SUCCESS, ""},
      {R"("SUCCESS")", v1::SUCCESS, ""},
      {R"("Completed")", v1::SUCCESS, "Completed"},
      {R"("crashed")", v1::FAILED, "crashed"},
      {R"("no-data")", v1::NO_DATA, "no-data"},
      {R"("dunno")", 0, "dunno"},
      {"6", v1::FAILED, ""},
      {R"("")", 0, ""},
  };
  for (const Case& c : kCases) {
    const Converted result = ConvertRun(std::string("\"status\":") + c.json);
    ASSERT_TRUE(result.ok) << c.json << ": " << result.rejection.text;
    EXPECT_EQ(result.message.run().status(), c.status) << c.json;
    EXPECT_EQ(result.message.run().source_status(), c.source) << c.json;
  }
  const Converted kind = ConvertRun(R"("status":"running","kind":"SCRAPER")");
  EXPECT_EQ(kind.message.run().kind(), v1::SCRAPER);
}

TEST(JsonEvent, JsonColumnsTakeJsonAsItStandsOrAsText) {
  struct Case {
    const char* json;
    const char* expected;
  };
  constexpr Case kCases[] = {
      {R"({"a": [1, 2.50, null]})", R"({"a":[1,2.50,null]})"},
      {R"("{\"a\": 1}")", R"({"a": 1})"},  // JSON within a string, as the proto3 mapping has it
      {R"("not JSON")", R"("not JSON")"},  // a string that is no JSON is a JSON string
      {R"(7)", "7"},
      {R"(true)", "true"},
      {R"([])", "[]"},
  };
  for (const Case& c : kCases) {
    const Converted result = ConvertRun(std::string(R"("status":"running","summary":)") + c.json);
    ASSERT_TRUE(result.ok) << c.json;
    EXPECT_FALSE(result.refused) << c.json;
    EXPECT_EQ(result.message.run().summary(), c.expected) << c.json;
  }
  const Converted null = ConvertRun(R"("status":"running","summary":null,"phase":null)");
  EXPECT_FALSE(null.message.run().has_summary());
  EXPECT_FALSE(null.message.run().has_phase());
}

TEST(JsonEvent, UnknownMembersOfABodyGoIntoAttributes) {
  const auto attributes = [](const std::string& members) {
    const Converted result = ConvertRun(R"("status":"running",)" + members);
    EXPECT_TRUE(result.ok) << result.rejection.text;
    return nlohmann::json::parse(result.message.run().attributes());
  };
  EXPECT_EQ(attributes(R"("season_year":2026,"team":{"a":["b"]})"),
            nlohmann::json::parse(R"({"season_year":2026,"team":{"a":["b"]}})"));
  EXPECT_EQ(attributes(R"("attributes":{"x":1},"y":"z")"), nlohmann::json::parse(R"({"x":1,"y":"z"})"));
  EXPECT_EQ(attributes(R"("y":"z","attributes":{ })"), nlohmann::json::parse(R"({"y":"z"})"));
  EXPECT_EQ(attributes(R"("y":"z","attributes":"{\"x\":1}")"), nlohmann::json::parse(R"({"x":1,"y":"z"})"));
  EXPECT_EQ(attributes(R"("a\"b":"c\nd")"), nlohmann::json::parse(R"({"a\"b":"c\nd"})"));
  const Converted clash = ConvertRun(R"("status":"running","attributes":[1],"y":2)");
  ASSERT_TRUE(clash.ok);
  EXPECT_EQ(clash.refused.column, "attributes");
  EXPECT_EQ(clash.message.run().attributes(), "[1]");
}

TEST(JsonEvent, UnknownMembersOfTheEventAreLeftOut) {
  const Converted result = Convert(R"({"event_id":"e","event_time_us":1,"extra":{"run":{"a":[1]}},"more":[[]],"x":1,
      "run":{"job_name":"j","run_id":"r","status":"running"}})");
  ASSERT_TRUE(result.ok) << result.rejection.text;
  EXPECT_FALSE(result.message.run().has_attributes());
  EXPECT_EQ(result.message.run().job_name(), "j");
  EXPECT_EQ(result.unknown_member, "extra");
}

TEST(JsonEvent, AValueThatItsColumnCannotTakeIsLeftOutAndNamed) {
  struct Case {
    const char* member;
    const char* column;
  };
  constexpr Case kCases[] = {
      {R"("data_date":"2026-13-01")", "data_date"},
      {R"("data_date":"yesterday")", "data_date"},
      {R"("data_date":99999999999)", "data_date"},
      {R"("started_at":"2026-01-12 11:30")", "started_at"},
      {R"("duration_seconds":"long")", "duration_seconds"},
      {R"("records_processed":1.5)", "records_processed"},
      {R"("records_processed":1e30)", "records_processed"},
      {R"("records_processed":99999999999999999999)", "records_processed"},
      {R"("records_processed":[1])", "records_processed"},
      {R"("dry_run":"yes")", "dry_run"},
      {R"("dry_run":1)", "dry_run"},
      {R"("kind":"robot")", "kind"},
      {R"("phase":{"a":1})", "phase"},
      {R"("phase":true)", "phase"},
  };
  for (const Case& c : kCases) {
    const Converted result =
        ConvertRun(std::string(R"("status":"success","workflow":"w",)") + c.member + R"(,"subject":"s")");
    ASSERT_TRUE(result.ok) << c.member << ": " << result.rejection.text;
    EXPECT_EQ(result.refused.column, c.column) << c.member;
    EXPECT_NE(result.refused.reason, "") << c.member;
    EXPECT_EQ(result.message.run().status(), v1::SUCCESS) << c.member;
    EXPECT_EQ(result.message.run().workflow(), "w") << c.member;
    EXPECT_EQ(result.message.run().subject(), "s") << c.member << ": what comes after it stays";
    const auto* field =
        v1::RunEvent::descriptor()->FindFieldByName(c.column == std::string("started_at") ? "started_at_us" : c.column);
    EXPECT_FALSE(result.message.run().GetReflection()->HasField(result.message.run(), field)) << c.member;
  }
}

TEST(JsonEvent, NumbersAreTakenAsTextOrNumber) {
  const Converted result = ConvertRun(
      R"("status":"success","records_processed":"12","records_created":3.0,"duration_seconds":"NaN","phase":7)");
  ASSERT_TRUE(result.ok);
  EXPECT_EQ(result.message.run().records_processed(), 12);
  EXPECT_EQ(result.message.run().records_created(), 3);
  EXPECT_TRUE(std::isnan(result.message.run().duration_seconds())) << "the decoder refuses the column, not the mapping";
  EXPECT_EQ(result.message.run().phase(), "7");
}

TEST(JsonEvent, RefusesWhatIsNoEvent) {
  struct Case {
    const char* text;
    Category category;
    const char* says;
  };
  constexpr Case kCases[] = {
      {"[]", Category::kSchema, "object"},
      {"1", Category::kSchema, "object"},
      {"{}", Category::kSchema, "no body"},
      {R"({"job_name":"j"})", Category::kSchema, "no body"},
      {R"({"run":{},"decision":{}})", Category::kSchema, "two"},
      {R"({"run":1})", Category::kSchema, "run"},
      {R"({"run":[]})", Category::kSchema, "object or array"},
      {R"({"event_id":{},"run":{}})", Category::kSchema, "object or array"},
      {R"({"event_id":true,"run":{}})", Category::kSchema, "event_id"},
      {R"({"event_time":"12 Jan","run":{}})", Category::kSemantic, "RFC 3339"},
      {R"({"event_time":"2026-01-12T11:30:08","run":{}})", Category::kSemantic, "zone"},
      {R"({"sequence":"x","run":{}})", Category::kSchema, "sequence"},
      {R"({"backfill":"true","run":{}})", Category::kSchema, "backfill"},
      {R"({"run":{"status":true}})", Category::kSchema, "status"},
      {R"({"run":{)", Category::kDecode, ""},
      {"{\"run\":{\"job_name\":\"\xff\"}}", Category::kDecode, ""},
  };
  for (const Case& c : kCases) {
    const Converted result = Convert(c.text);
    ASSERT_FALSE(result.ok) << c.text;
    EXPECT_EQ(CategoryName(result.rejection.category), CategoryName(c.category))
        << c.text << ": " << result.rejection.text;
    EXPECT_NE(result.rejection.text.find(c.says), std::string::npos) << c.text << ": " << result.rejection.text;
    EXPECT_NE(result.rejection.text, "") << c.text;
  }
}

TEST(JsonEvent, ARefusalIsUtf8WhateverItQuotes) {
  const Converted cut = Convert(R"({"event_time":")" + std::string(63, 'x') + R"(é","run":{}})");
  EXPECT_FALSE(cut.ok);
  EXPECT_TRUE(IsUtf8(cut.rejection.text)) << cut.rejection.text;
  const Converted malformed = Convert("{\"event_time\":\"\xff\xe9\"}");
  EXPECT_FALSE(malformed.ok);
  EXPECT_TRUE(IsUtf8(malformed.rejection.text)) << malformed.rejection.text;
}

TEST(JsonEvent, NestingIsBounded) {
  const auto nested = [](int depth) {
    return R"({"event_time_us":1,"run":{"job_name":"j","run_id":"r","status":"running","summary":)" +
           std::string(depth, '[') + std::string(depth, ']') + "}}";
  };
  EXPECT_TRUE(Convert(nested(8), 10).ok);
  const Converted deep = Convert(nested(9), 10);
  EXPECT_FALSE(deep.ok);
  EXPECT_EQ(deep.rejection.category, Category::kOversize);
}

TEST(JsonEvent, WithoutAnIdTheTextGivesOne) {
  const std::string text = R"({"event_time_us":1,"run":{"job_name":"j"}})";
  EXPECT_EQ(Convert(text).message.event_id(), Hex(HashBytes(text)));
  EXPECT_EQ(Convert(R"({"event_id":"","event_time_us":1,"run":{"job_name":"j"}})").message.event_id().size(), 32u);
}

TEST(JsonEvent, UnicodeIsUnescaped) {
  const Converted result = ConvertRun(R"("status":"running","phase":"\u00e9\ud83d\ude00")");
  ASSERT_TRUE(result.ok);
  EXPECT_EQ(result.message.run().phase(), "é😀");
}

}  // namespace
}  // namespace runledger::codecs
