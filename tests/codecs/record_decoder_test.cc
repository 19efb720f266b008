#include "codecs/record_decoder.h"

#include <gtest/gtest.h>

#include <iterator>
#include <random>
#include <set>

#include "codecs/wire.h"
#include "codecs/wire_events.h"

namespace runledger::codecs {
namespace {

struct Seen {
  int32_t index;
  bool good;
  std::string text;   // run id of a good event, "category: reason" of a bad one
  std::string bytes;  // of a bad one as handed over; of a good one its source
  bool alone;         // nothing else comes from the record
};

class Collector : public EventVisitor {
 public:
  std::vector<Seen> seen;

 private:
  void OnEvent(int32_t index, const Event& event) override {
    const std::string_view name = event.body == Body::kRun ? event.run.run_id : BodyName(event.body);
    seen.push_back({index, true, std::string(name), std::string(event.source), event.alone});
  }
  void OnRejected(int32_t index, const Rejection& rejection, std::string_view bytes, bool whole) override {
    seen.push_back({index, false, std::string(CategoryName(rejection.category)) + ": " + rejection.text,
                    std::string(bytes), whole});
  }
};

struct Outcome {
  DecodedRecord record;
  std::vector<Seen> seen;
};

Outcome Decode(std::string_view value, const FramingHeaders& headers = {}, Framing topic = Framing::kAuto,
               const Limits& limits = {}) {
  RecordDecoder decoder(limits, topic);
  Collector collector;
  const DecodedRecord record = decoder.Decode({value, false, headers, kTestTimeUs}, &collector);
  EXPECT_EQ(decoder.framing(), record.framing);
  return {record, collector.seen};
}

v1::Event RunOf(const std::string& id) {
  v1::Event event = MakeRun();
  event.mutable_run()->set_run_id(id);
  return event;
}

std::string Batch(const std::vector<v1::Event>& events) {
  v1::EventBatch batch;
  for (const v1::Event& event : events) *batch.add_events() = event;
  return batch.SerializeAsString();
}

std::string JsonRun(const std::string& id) {
  return R"({"event_id":"e","event_time_us":1768217408000000,"run":{"job_name":"j","run_id":")" + id +
         R"(","status":"running"}})";
}

constexpr FramingHeaders kEventHeaders = {"application/x-protobuf; messageType=runledger.v1.Event", ""};
constexpr FramingHeaders kBatchHeaders = {"application/x-protobuf; messageType=runledger.v1.EventBatch", "zstd"};
constexpr FramingHeaders kJsonHeaders = {"application/json", ""};

TEST(RecordDecoder, HeadersChooseTheFraming) {
  struct Case {
    const char* name;
    std::string value;
    FramingHeaders headers;
    Framing topic;
    Framing expected;
  };
  const std::string event = Wire(RunOf("r")), batch = Batch({RunOf("r")});
  const Case cases[] = {
      {"event by header", event, kEventHeaders, Framing::kJson, Framing::kProtobuf},
      {"batch by header", Deflate(batch), kBatchHeaders, Framing::kJson, Framing::kBatch},
      {"batch that is not compressed", batch, {kBatchHeaders.content_type, ""}, Framing::kAuto, Framing::kBatch},
      {"compressed batch whose header does not say so",
       Deflate(batch),
       {kBatchHeaders.content_type, ""},
       Framing::kAuto,
       Framing::kBatch},
      {"JSON by header", JsonRun("r"), kJsonHeaders, Framing::kProtobuf, Framing::kJson},
      {"compressed JSON", Deflate(JsonRun("r")), {"application/json", "zstd"}, Framing::kAuto, Framing::kJson},
      {"compressed event", Deflate(event), {kEventHeaders.content_type, "zstd"}, Framing::kAuto, Framing::kProtobuf},
      {"header in other letters",
       JsonRun("r"),
       {"Application/JSON; charset=utf-8", ""},
       Framing::kProtobuf,
       Framing::kJson},
      {"topic: event", event, {}, Framing::kProtobuf, Framing::kProtobuf},
      {"topic: batch", Deflate(batch), {}, Framing::kBatch, Framing::kBatch},
      {"topic: batch, not compressed", batch, {}, Framing::kBatch, Framing::kBatch},
      {"topic: JSON", JsonRun("r"), {}, Framing::kJson, Framing::kJson},
      {"a header that says nothing", event, {"application/octet-stream", ""}, Framing::kProtobuf, Framing::kProtobuf},
      {"sniffed event", event, {}, Framing::kAuto, Framing::kProtobuf},
      {"sniffed batch", Deflate(batch), {}, Framing::kAuto, Framing::kBatch},
      {"sniffed JSON", JsonRun("r"), {}, Framing::kAuto, Framing::kJson},
      {"sniffed JSON array", "[" + JsonRun("r") + "]", {}, Framing::kAuto, Framing::kJson},
      {"sniffed compressed JSON", Deflate(JsonRun("r")), {}, Framing::kAuto, Framing::kJson},
  };
  for (const Case& c : cases) {
    const Outcome outcome = Decode(c.value, c.headers, c.topic);
    EXPECT_EQ(FramingName(outcome.record.framing), FramingName(c.expected)) << c.name;
    EXPECT_EQ(outcome.record.events, 1) << c.name;
    EXPECT_EQ(outcome.record.rejected, 0) << c.name;
    ASSERT_EQ(outcome.seen.size(), 1u) << c.name;
    EXPECT_EQ(outcome.seen[0].text, "r") << c.name;
  }
}

TEST(RecordDecoder, EveryEventOfManyIsSeenInOrder) {
  for (const std::string& value :
       {Deflate(Batch({RunOf("0"), RunOf("1"), MakeDecision(), RunOf("3")})),
        "[" + JsonRun("0") + " , " + JsonRun("1") +
            R"(,{"event_time_us":1,"decision":{"workflow":"w","action":"RUN"}},)" + JsonRun("3") + "]"}) {
    const Outcome outcome = Decode(value);
    ASSERT_EQ(outcome.seen.size(), 4u);
    const char* expected[] = {"0", "1", "decision", "3"};
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(outcome.seen[i].index, i);
      EXPECT_TRUE(outcome.seen[i].good) << outcome.seen[i].text;
      EXPECT_EQ(outcome.seen[i].text, expected[i]);
      EXPECT_FALSE(outcome.seen[i].alone);
    }
    EXPECT_EQ(outcome.record.events, 4);
  }
}

TEST(RecordDecoder, ABadEventOfManyGoesAloneAndItsNeighboursStay) {
  v1::Event bad = RunOf("bad");
  bad.mutable_run()->clear_job_name();
  const Outcome batch = Decode(Deflate(Batch({RunOf("0"), bad, RunOf("2")})));
  ASSERT_EQ(batch.seen.size(), 3u);
  EXPECT_TRUE(batch.seen[0].good);
  EXPECT_FALSE(batch.seen[1].good);
  EXPECT_EQ(batch.seen[1].index, 1);
  EXPECT_EQ(batch.seen[1].bytes, Wire(bad)) << "the event alone, to be replayed as it is";
  EXPECT_FALSE(batch.seen[1].alone);
  EXPECT_TRUE(batch.seen[2].good);
  EXPECT_EQ(batch.record.events, 2);
  EXPECT_EQ(batch.record.rejected, 1);

  const std::string bad_json = R"({"event_time_us":1, "run":{}})";
  const Outcome json = Decode("[" + JsonRun("0") + "," + bad_json + "," + JsonRun("2") + ",7]");
  ASSERT_EQ(json.seen.size(), 4u);
  EXPECT_TRUE(json.seen[0].good);
  EXPECT_EQ(json.seen[1].bytes, bad_json);
  EXPECT_TRUE(json.seen[2].good);
  EXPECT_EQ(json.seen[3].bytes, "7");
  EXPECT_EQ(json.record.events, 2);
  EXPECT_EQ(json.record.rejected, 2);
}

TEST(RecordDecoder, AnEventOfItsOwnRecordGoesWhole) {
  const Outcome good = Decode(Wire(RunOf("r")));
  EXPECT_TRUE(good.seen[0].alone);
  EXPECT_EQ(good.seen[0].bytes, Wire(RunOf("r")));
  const Outcome json = Decode(JsonRun("r"));
  EXPECT_TRUE(json.seen[0].alone);
  EXPECT_EQ(json.seen[0].bytes, JsonRun("r"));
  for (const std::string& value : {std::string("{\"run\":{}}"), std::string("no event")}) {
    const Outcome bad = Decode(value);
    ASSERT_EQ(bad.seen.size(), 1u);
    EXPECT_FALSE(bad.seen[0].good);
    EXPECT_TRUE(bad.seen[0].alone);
    EXPECT_EQ(bad.seen[0].bytes, value);
  }
}

TEST(RecordDecoder, ARecordWhosePackingIsBrokenGoesWhole) {
  Limits small;
  small.message_bytes = 1'000;
  small.inflated_bytes = 2'000;
  small.batch_events = 3;
  small.json_depth = 6;
  const std::string frame = Deflate(Batch({RunOf("r")}));
  std::string odd_field;
  WireWriter(&odd_field).Number(1, 5);
  std::string only_unknown;
  WireWriter(&only_unknown).Bytes(9, "x");
  struct Case {
    const char* name;
    std::string value;
    FramingHeaders headers;
    const char* says;
  };
  const Case cases[] = {
      {"empty", "", {}, "decode: the record is empty"},
      {"an empty frame", Deflate(""), {}, "decode: the record is empty"},
      {"larger than allowed",
       std::string(1'001, 'x'),
       {},
       "oversize: the message has 1001 bytes; limits.message_bytes"},
      {"larger inflated", Deflate(std::string(2'001, '\0')), {}, "oversize: it inflates"},
      {"damaged frame", frame.substr(0, frame.size() - 1), {}, "inflate: "},
      {"no frame", "abc", kBatchHeaders, "inflate: "},
      {"batch of nothing", Deflate(only_unknown), {}, "schema: the batch holds no event"},
      {"batch with too many",
       Deflate(Batch({RunOf("0"), RunOf("1"), RunOf("2"), RunOf("3")})),
       {},
       "oversize: the batch holds 4 events"},
      {"batch that is none",
       Deflate("\x0a\x7f"
               "abc"),
       {},
       "decode: the bytes are no EventBatch"},
      {"batch of another wire type", Deflate(odd_field), {}, "decode: field events"},
      {"JSON that is none", "{\"a\":}", {}, "decode: it is no JSON"},
      {"two JSON texts", JsonRun("0") + JsonRun("1"), {}, "decode: it is no JSON"},
      {"JSON too deep", "[[[[[[[]]]]]]]", {}, "oversize: the JSON is nested deeper than limits.json_depth, 6"},
      {"array of nothing", "[ ]", {}, "schema: the array holds no event"},
      {"array with too many", "[1,2,3,4]", {}, "oversize: the array holds 4 events"},
      {"JSON that is not UTF-8", "{\"a\":\"\xff\"}", {}, "decode: it is no JSON"},
  };
  for (const Case& c : cases) {
    const Outcome outcome = Decode(c.value, c.headers, Framing::kAuto, small);
    ASSERT_EQ(outcome.seen.size(), 1u) << c.name;
    EXPECT_FALSE(outcome.seen[0].good) << c.name;
    EXPECT_EQ(outcome.seen[0].text.substr(0, std::string(c.says).size()), c.says) << c.name;
    EXPECT_EQ(outcome.seen[0].bytes, c.value) << c.name << ": as it came";
    EXPECT_TRUE(outcome.seen[0].alone) << c.name;
    EXPECT_EQ(outcome.record.rejected, 1) << c.name;
    EXPECT_EQ(outcome.record.events, 0) << c.name;
  }
}

TEST(RecordDecoder, ATombstoneIsNoEvent) {
  RecordDecoder decoder({}, Framing::kAuto);
  Collector collector;
  const DecodedRecord record = decoder.Decode({.value_is_null = true, .time_us = kTestTimeUs}, &collector);
  EXPECT_EQ(record.rejected, 1);
  EXPECT_EQ(collector.seen[0].text.substr(0, 7), "schema:");
}

// Every category that dead letters and metrics can name is met by some record.
TEST(RecordDecoder, EveryCategoryIsReached) {
  v1::Event no_status = RunOf("r");
  no_status.mutable_run()->clear_status();
  std::set<std::string> categories;
  for (const std::string& value : {std::string("garbage"), Deflate("x").substr(0, 6), std::string("{}"),
                                   std::string(11 << 20, 'x'), Wire(no_status)}) {
    const Outcome outcome = Decode(value);
    categories.insert(outcome.seen[0].text.substr(0, outcome.seen[0].text.find(':')));
  }
  std::set<std::string> all;
  for (Category category : kAllCategories) all.emplace(CategoryName(category));
  EXPECT_EQ(categories, all);
}

TEST(RecordDecoder, LimitsAreInclusive) {
  Limits small;
  small.batch_events = 3;
  small.json_depth = 3;
  EXPECT_EQ(Decode(Batch({RunOf("0"), RunOf("1"), RunOf("2")}), {kBatchHeaders.content_type, ""}, Framing::kAuto, small)
                .record.events,
            3);
  EXPECT_EQ(Decode("[" + JsonRun("0") + "," + JsonRun("1") + "," + JsonRun("2") + "]", {}, Framing::kAuto, small)
                .record.events,
            3);
  small.message_bytes = JsonRun("0").size();
  EXPECT_EQ(Decode(JsonRun("0"), {}, Framing::kAuto, small).record.events, 1);
  small.message_bytes -= 1;
  EXPECT_EQ(Decode(JsonRun("0"), {}, Framing::kAuto, small).record.events, 0);
}

TEST(RecordDecoder, ARecordLeavesNothingBehindForTheNext) {
  RecordDecoder decoder({}, Framing::kAuto);
  Collector collector;
  const auto decode = [&](const std::string& value, const FramingHeaders& headers) {
    decoder.Decode({value, false, headers, kTestTimeUs}, &collector);
  };
  decode(Deflate(Batch({RunOf("batch")})), kBatchHeaders);
  decode("rubbish", kBatchHeaders);
  decode(JsonRun("json"), kJsonHeaders);
  decode(Wire(RunOf("event")), {});
  decode(Deflate(Batch({RunOf("again")})), {});
  ASSERT_EQ(collector.seen.size(), 5u);
  const char* expected[] = {"batch", "inflate", "json", "event", "again"};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(collector.seen[i].text.substr(0, std::string(expected[i]).size()), expected[i]);
}

// Records of every kind, a third of them bad, in any order; some are never decoded, as delivery leaves out what it has.
TEST(RecordDecoder, LookingAheadChangesNothing) {
  std::vector<v1::Event> many;
  for (int i = 0; i < 40; ++i) many.push_back(RunOf("of many " + std::to_string(i)));
  const std::string batch = Deflate(Batch(many));
  const std::string values[] = {Wire(RunOf("event")),
                                Wire(RunOf("")),
                                batch,
                                Deflate("rubbish"),
                                JsonRun("json"),
                                "{",
                                Deflate(Wire(RunOf("deflated"))),
                                "",
                                std::string(2 << 20, 'x')};
  const FramingHeaders headers[] = {{}, {}, {}, kEventHeaders, kBatchHeaders, kJsonHeaders};
  std::mt19937_64 random(5);
  RecordDecoder ahead({}, Framing::kAuto);
  RecordDecoder plain({}, Framing::kAuto);
  size_t decoded_ahead = 0;
  class Ahead : public Collector {
   public:
    explicit Ahead(size_t* count) : count_(count) {}
    void OnAhead(std::span<const Event* const> events) override { *count_ += events.size(); }

   private:
    size_t* count_;
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < RecordDecoder::kAhead; ++i) {
      texts.push_back(random() % 2 == 0 ? Wire(RunOf(std::to_string(random()))) : values[random() % std::size(values)]);
    }
    std::vector<EncodedRecord> records;
    for (const std::string& text : texts) {
      const int64_t time_us = random() % 4 == 0 ? kTestTimeUs - 7 * int64_t{86'400'000'000} : kTestTimeUs;  // too early
      records.push_back({text, random() % 20 == 0, headers[random() % std::size(headers)], time_us});
    }
    Ahead with(&decoded_ahead);
    Collector without;
    ahead.LookAhead(records, &with);
    for (const EncodedRecord& record : records) {
      if (random() % 5 == 0) continue;
      const DecodedRecord a = ahead.Decode(record, &with);
      const DecodedRecord b = plain.Decode(record, &without);
      ASSERT_EQ(a.framing, b.framing);
      ASSERT_EQ(a.events, b.events);
      ASSERT_EQ(a.rejected, b.rejected);
    }
    ahead.DropAhead();
    ASSERT_EQ(with.seen.size(), without.seen.size());
    for (size_t i = 0; i < with.seen.size(); ++i) {
      ASSERT_EQ(with.seen[i].index, without.seen[i].index);
      ASSERT_EQ(with.seen[i].text, without.seen[i].text);
      ASSERT_EQ(with.seen[i].bytes, without.seen[i].bytes);
      ASSERT_EQ(with.seen[i].alone, without.seen[i].alone);
    }
  }
  EXPECT_GT(decoded_ahead, 1'000);
}

TEST(RecordDecoder, AJsonValueThatItsColumnCannotTakeRefusesTheRowOnly) {
  class Checker : public EventVisitor {
    void OnEvent(int32_t, const Event& event) override {
      EXPECT_EQ(event.refused.column, "records_processed");
      EXPECT_EQ(event.run.status, Status::kSuccess);
    }
    void OnRejected(int32_t, const Rejection& rejection, std::string_view, bool) override {
      ADD_FAILURE() << rejection.text;
    }
  };
  Checker checker;
  RecordDecoder decoder({}, Framing::kJson);
  const std::string text =
      R"({"event_time_us":1,"run":{"job_name":"j","run_id":"r","status":"success","records_processed":"many"}})";
  EXPECT_EQ(decoder.Decode({.value = text}, &checker).events, 1);
}

TEST(Framing, NamesAreReadBack) {
  for (Framing framing : {Framing::kAuto, Framing::kProtobuf, Framing::kBatch, Framing::kJson}) {
    EXPECT_EQ(FramingFromName(FramingName(framing)), framing);
  }
  EXPECT_EQ(FramingFromName("avro"), std::nullopt);
}

TEST(RulesNumber, ChangesWithWhateverChangesAJudgement) {
  std::set<uint32_t> numbers;
  const Limits usual;
  numbers.insert(RulesNumber(usual, Framing::kAuto));
  EXPECT_EQ(numbers.count(RulesNumber(usual, Framing::kAuto)), 1u);
  numbers.insert(RulesNumber(usual, Framing::kJson));
  Limits other = usual;
  other.message_bytes += 1;
  numbers.insert(RulesNumber(other, Framing::kAuto));
  other = usual;
  other.inflated_bytes += 1;
  numbers.insert(RulesNumber(other, Framing::kAuto));
  other = usual;
  other.batch_events += 1;
  numbers.insert(RulesNumber(other, Framing::kAuto));
  other = usual;
  other.json_depth += 1;
  numbers.insert(RulesNumber(other, Framing::kAuto));
  other = usual;
  other.future_us += 1;
  numbers.insert(RulesNumber(other, Framing::kAuto));
  EXPECT_EQ(numbers.size(), 7u);
}

}  // namespace
}  // namespace runledger::codecs
