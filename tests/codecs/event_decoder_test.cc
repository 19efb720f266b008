#include "codecs/event_decoder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "codecs/hash.h"
#include "codecs/wire.h"
#include "codecs/wire_events.h"

namespace runledger::codecs {
namespace {

struct Decoded {
  Event event;
  Rejection rejection;
  bool ok;
  std::string wire;

  explicit Decoded(std::string bytes, int64_t record_time_us = kTestTimeUs) : wire(std::move(bytes)) {
    ok = EventDecoder(Limits{}).Decode(wire, record_time_us, &event, &rejection);
  }
  explicit Decoded(const v1::Event& message) : Decoded(Wire(message)) {}
};

TEST(EventDecoder, ReadsWhatFoldingNeeds) {
  v1::Event message = MakeRun(v1::FAILED);
  message.set_sequence(17);
  message.set_backfill(true);
  v1::RunEvent& run = *message.mutable_run();
  run.set_kind(v1::SCRAPER);
  run.set_source_status("crashed");
  run.set_phase("phase_2_raw");
  run.set_workflow("betting_lines");
  run.set_data_date(20'465);
  run.set_started_at_us(kTestTimeUs - 5);
  run.set_duration_seconds(1.5);
  run.set_heartbeat(true);
  run.set_attempt(3);
  run.set_errors("[]");
  const Decoded decoded(message);
  ASSERT_TRUE(decoded.ok) << decoded.rejection.text;
  const Event& event = decoded.event;
  EXPECT_EQ(event.id, "e-1");
  EXPECT_EQ(event.time_us, kTestTimeUs);
  EXPECT_EQ(event.sequence, 17);
  EXPECT_TRUE(event.backfill);
  EXPECT_EQ(event.body, Body::kRun);
  EXPECT_EQ(event.run.job_name, "player_daily_cache");
  EXPECT_EQ(event.run.run_id, "run-1");
  EXPECT_EQ(event.run.kind, Kind::kScraper);
  EXPECT_EQ(event.run.status, Status::kFailed);
  EXPECT_EQ(event.run.source_status, "crashed");
  EXPECT_EQ(event.run.phase, "phase_2_raw");
  EXPECT_EQ(event.run.workflow, "betting_lines");
  EXPECT_EQ(event.run.data_date, 20'465);
  EXPECT_EQ(event.run.started_at_us, kTestTimeUs - 5);
  EXPECT_EQ(event.run.duration_seconds, 1.5);
  EXPECT_TRUE(event.run.heartbeat);
  EXPECT_EQ(event.run.attempt, 3);
  EXPECT_FALSE(event.run.closed_by_runledger);
  EXPECT_FALSE(event.refused);
  EXPECT_EQ(event.wire, decoded.wire);
  EXPECT_EQ(event.body_wire, message.run().SerializeAsString());
}

TEST(EventDecoder, WhatIsAbsentIsAbsent) {
  v1::Event message = MakeRun();
  message.clear_event_id();
  const Decoded decoded(message);
  ASSERT_TRUE(decoded.ok) << decoded.rejection.text;
  EXPECT_EQ(decoded.event.id, Hex(HashBytes(decoded.wire))) << "without an id the bytes give one";
  EXPECT_EQ(decoded.event.sequence, 0);
  EXPECT_FALSE(decoded.event.backfill);
  EXPECT_EQ(decoded.event.run.kind, Kind::kProcessor);
  EXPECT_EQ(decoded.event.run.attempt, 0);
  EXPECT_EQ(decoded.event.run.data_date, std::nullopt);
  EXPECT_EQ(decoded.event.run.started_at_us, std::nullopt);
  EXPECT_EQ(decoded.event.run.duration_seconds, std::nullopt);
  EXPECT_EQ(decoded.event.run.phase, "");
}

TEST(EventDecoder, NothingOfTheEventBeforeStays) {
  const EventDecoder decoder{Limits{}};
  Event event;
  Rejection rejection;
  v1::Event full = MakeRun(v1::FAILED);
  full.set_sequence(9);
  full.set_backfill(true);
  full.mutable_run()->set_phase("p");
  full.mutable_run()->set_data_date(1);
  full.mutable_run()->set_duration_seconds(std::nan(""));
  const std::string first = Wire(full), second = Wire(MakeDecision()), third = Wire(MakeRun());
  ASSERT_TRUE(decoder.Decode(first, -1, &event, &rejection));
  ASSERT_TRUE(event.refused);
  ASSERT_TRUE(decoder.Decode(second, -1, &event, &rejection));
  EXPECT_EQ(event.body, Body::kDecision);
  EXPECT_EQ(event.other.action, "SKIP");
  ASSERT_TRUE(decoder.Decode(third, -1, &event, &rejection));
  EXPECT_EQ(event.sequence, 0);
  EXPECT_FALSE(event.backfill);
  EXPECT_EQ(event.run.phase, "");
  EXPECT_EQ(event.run.data_date, std::nullopt);
  EXPECT_FALSE(event.refused);
}

TEST(EventDecoder, StatusComesFromNumberWordOrHeartbeat) {
  struct Case {
    const char* name;
    int number;  // -1: absent
    const char* word;
    bool heartbeat;
    Status expected;
  };
  constexpr Case kCases[] = {
      {"number", v1::SUCCESS, "", false, Status::kSuccess},
      {"number over word", v1::SUCCESS, "failed", false, Status::kSuccess},
      {"word", -1, "crashed", false, Status::kFailed},
      {"word where the number is 0", 0, "Completed", false, Status::kSuccess},
      {"word where the number is of a later version", 99, "aborted", false, Status::kAborted},
      {"heartbeat", -1, "", true, Status::kRunning},
      {"heartbeat of a finished run", v1::SUCCESS, "", true, Status::kSuccess},
  };
  for (const Case& c : kCases) {
    v1::Event message = MakeRun();
    v1::RunEvent& run = *message.mutable_run();
    run.clear_status();
    if (c.number >= 0) run.set_status(static_cast<v1::Status>(c.number));
    if (*c.word != 0) run.set_source_status(c.word);
    if (c.heartbeat) run.set_heartbeat(true);
    const Decoded decoded(message);
    ASSERT_TRUE(decoded.ok) << c.name << ": " << decoded.rejection.text;
    EXPECT_EQ(decoded.event.run.status, c.expected) << c.name;
  }
}

TEST(EventDecoder, RefusesWhatPreventsFolding) {
  struct Case {
    const char* name;
    std::function<void(v1::Event*)> spoil;
    Category category;
    const char* says;
  };
  const Case cases[] = {
      {"no time", [](auto* e) { e->clear_event_time_us(); }, Category::kSemantic, "event_time_us is missing"},
      {"time before year 1", [](auto* e) { e->set_event_time_us(INT64_MIN); }, Category::kSemantic,
       "outside the years"},
      {"time after year 9999", [](auto* e) { e->set_event_time_us(INT64_MAX); }, Category::kSemantic,
       "outside the years"},
      {"from the future", [](auto* e) { e->set_event_time_us(kTestTimeUs + 3'601'000'000); }, Category::kSemantic,
       "log.future_limit"},
      {"no body", [](auto* e) { e->clear_body(); }, Category::kSchema, "no body"},
      {"no job", [](auto* e) { e->mutable_run()->clear_job_name(); }, Category::kSemantic, "job_name is missing"},
      {"empty job", [](auto* e) { e->mutable_run()->set_job_name(""); }, Category::kSemantic, "job_name is missing"},
      {"no run id", [](auto* e) { e->mutable_run()->clear_run_id(); }, Category::kSemantic, "run_id is missing"},
      {"job too long", [](auto* e) { e->mutable_run()->set_job_name(std::string(513, 'j')); }, Category::kOversize,
       "513"},
      {"run id too long", [](auto* e) { e->mutable_run()->set_run_id(std::string(513, 'r')); }, Category::kOversize,
       "run_id"},
      {"event id too long", [](auto* e) { e->set_event_id(std::string(513, 'e')); }, Category::kOversize, "event_id"},
      {"NUL in an id", [](auto* e) { e->mutable_run()->set_run_id(std::string("a\0b", 3)); }, Category::kSemantic,
       "NUL"},
      {"no status", [](auto* e) { e->mutable_run()->clear_status(); }, Category::kSemantic, "status is missing"},
      {"unknown word",
       [](auto* e) {
         e->mutable_run()->clear_status();
         e->mutable_run()->set_source_status("dunno");
       },
       Category::kSemantic, "dunno"},
      {"unknown number", [](auto* e) { e->mutable_run()->set_status(static_cast<v1::Status>(42)); }, Category::kSchema,
       "42"},
      {"attempt below 0", [](auto* e) { e->mutable_run()->set_attempt(-1); }, Category::kSemantic, "attempt"},
      {"our own word from elsewhere",
       [](auto* e) { e->mutable_run()->set_source_status(std::string(kClosedByRunledger)); }, Category::kSemantic,
       "runledger's own"},
      {"decision without workflow",
       [](auto* e) {
         *e = MakeDecision();
         e->mutable_decision()->clear_workflow();
       },
       Category::kSemantic, "workflow"},
      {"decision without action",
       [](auto* e) {
         *e = MakeDecision();
         e->mutable_decision()->clear_action();
       },
       Category::kSemantic, "action"},
      {"decision of another word",
       [](auto* e) {
         *e = MakeDecision();
         e->mutable_decision()->set_action("run");
       },
       Category::kSemantic, "'run'"},
      {"expectation of nothing",
       [](auto* e) {
         *e = MakeExpected();
         e->mutable_expected()->clear_workflow();
       },
       Category::kSemantic, "without workflow"},
      {"expectation without time",
       [](auto* e) {
         *e = MakeExpected();
         e->mutable_expected()->clear_expected_run_time_us();
       },
       Category::kSemantic, "expected_run_time_us"},
      {"expectation beyond time",
       [](auto* e) {
         *e = MakeExpected();
         e->mutable_expected()->set_expected_run_time_us(INT64_MAX);
       },
       Category::kSemantic, "due time"},
      {"verdict from elsewhere",
       [](auto* e) {
         e->mutable_verdict()->set_verdict_subject("x");
         e->mutable_verdict()->set_verdict_due_us(1);
       },
       Category::kSemantic, "came from elsewhere"},
      {"verdict without due time", [](auto* e) { e->mutable_verdict()->set_verdict_subject("x"); }, Category::kSemantic,
       "verdict_due_us"},
      {"verdict without subject", [](auto* e) { e->mutable_verdict()->set_verdict_due_us(1); }, Category::kSemantic,
       "verdict_subject is missing"},
  };
  for (const Case& c : cases) {
    v1::Event message = MakeRun();
    c.spoil(&message);
    const Decoded decoded(message);
    ASSERT_FALSE(decoded.ok) << c.name;
    EXPECT_EQ(CategoryName(decoded.rejection.category), CategoryName(c.category))
        << c.name << ": " << decoded.rejection.text;
    EXPECT_NE(decoded.rejection.text.find(c.says), std::string::npos) << c.name << ": " << decoded.rejection.text;
  }
}

TEST(EventDecoder, RefusesBytesThatAreNoEvent) {
  const std::string good = Wire(MakeRun());
  const auto with = [&](const std::function<void(WireWriter*)>& add) {
    std::string wire = good;
    WireWriter writer(&wire);
    add(&writer);
    return wire;
  };
  std::string bad_utf8 = good;
  bad_utf8[bad_utf8.find("run-1")] = '\xFF';
  std::string run;
  WireWriter(&run).Number(2, 5);
  struct Case {
    const char* name;
    std::string wire;
    Category category;
  };
  const Case cases[] = {
      {"empty", "", Category::kSchema},
      {"text", "hello, world", Category::kDecode},
      {"cut short", good.substr(0, good.size() - 1), Category::kDecode},
      {"field number 0", good + std::string("\x00\x00", 2), Category::kDecode},
      {"a group", good + "\x7b\x7c", Category::kDecode},
      {"a length past the end",
       good + "\x7a\x05"
              "abc",
       Category::kDecode},
      {"a number without end", good + std::string(11, '\xff'), Category::kDecode},
      {"a tag of six bytes", good + std::string("\x8a\x80\x80\x80\x80\x00\x00", 7), Category::kDecode},
      {"a length of six bytes", good + std::string("\x7a\x80\x80\x80\x80\x80\x00", 7), Category::kDecode},
      {"two bodies", with([](auto* w) { w->Bytes(11, ""); }), Category::kSchema},
      {"the same body twice", with([](auto* w) { w->Bytes(10, ""); }), Category::kSchema},
      {"id of another wire type", with([](auto* w) { w->Number(1, 1); }), Category::kDecode},
      {"time of another wire type", with([](auto* w) { w->Bytes(2, "x"); }), Category::kDecode},
      {"body of another wire type", with([](auto* w) { w->Number(10, 1); }), Category::kDecode},
      {"job of another wire type",
       [&] {
         std::string w;
         WireWriter writer(&w);
         writer.Int64(2, kTestTimeUs);
         writer.Bytes(10, run);
         return w;
       }(),
       Category::kDecode},
      {"id that is not UTF-8", bad_utf8, Category::kDecode},
      {"body that is no message",
       [&] {
         std::string w;
         WireWriter writer(&w);
         writer.Int64(2, kTestTimeUs);
         writer.Bytes(10, "\xff");
         return w;
       }(),
       Category::kDecode},
  };
  for (const Case& c : cases) {
    const Decoded decoded(c.wire);
    ASSERT_FALSE(decoded.ok) << c.name;
    EXPECT_EQ(CategoryName(decoded.rejection.category), CategoryName(c.category))
        << c.name << ": " << decoded.rejection.text;
    EXPECT_NE(decoded.rejection.text, "") << c.name;
  }
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(Decoded(good.substr(0, size)).ok) << "cut to " << size;
}

TEST(EventDecoder, ABadColumnIsLeftOutAndNamedAndTheEventStays) {
  struct Case {
    const char* name;
    std::function<void(v1::RunEvent*)> spoil;
    const char* column;
  };
  const Case cases[] = {
      {"date out of range", [](auto* r) { r->set_data_date(INT32_MAX); }, "data_date"},
      {"start out of range", [](auto* r) { r->set_started_at_us(INT64_MAX); }, "started_at"},
      {"duration without number", [](auto* r) { r->set_duration_seconds(std::nan("")); }, "duration_seconds"},
      {"endless duration", [](auto* r) { r->set_duration_seconds(INFINITY); }, "duration_seconds"},
      {"phase too long", [](auto* r) { r->set_phase(std::string(513, 'p')); }, "phase"},
      {"workflow too long", [](auto* r) { r->set_workflow(std::string(513, 'w')); }, "workflow"},
      {"word too long", [](auto* r) { r->set_source_status(std::string(129, 's')); }, "source_status"},
      {"kind of a later version", [](auto* r) { r->set_kind(static_cast<v1::Kind>(9)); }, "kind"},
  };
  for (const Case& c : cases) {
    v1::Event message = MakeRun(v1::SUCCESS);
    c.spoil(message.mutable_run());
    const Decoded decoded(message);
    ASSERT_TRUE(decoded.ok) << c.name << ": " << decoded.rejection.text;
    EXPECT_EQ(decoded.event.refused.column, c.column) << c.name;
    EXPECT_NE(decoded.event.refused.reason, "") << c.name;
    EXPECT_EQ(decoded.event.run.status, Status::kSuccess) << c.name;
    EXPECT_EQ(decoded.event.run.data_date, std::nullopt) << c.name;
    EXPECT_EQ(decoded.event.run.started_at_us, std::nullopt) << c.name;
    EXPECT_EQ(decoded.event.run.duration_seconds, std::nullopt) << c.name;
    EXPECT_EQ(decoded.event.run.phase, "") << c.name;
  }
}

// data_date is an int32 of event.proto; on the wire it can be any varint.
TEST(EventDecoder, ADateThatDoesNotFitIsNotCutToOneThatDoes) {
  std::string run, wire;
  WireWriter body(&run), event(&wire);
  body.Bytes(1, "run-1");
  body.Bytes(2, "job");
  body.Number(4, v1::SUCCESS);
  body.Number(8, (uint64_t{1} << 32) + 20'465);
  event.Int64(2, kTestTimeUs);
  event.Bytes(10, run);
  const Decoded decoded(wire);
  ASSERT_TRUE(decoded.ok) << decoded.rejection.text;
  EXPECT_EQ(decoded.event.refused.column, "data_date");
  EXPECT_EQ(decoded.event.run.data_date, std::nullopt);
}

TEST(EventDecoder, UnknownFieldsAreWalkedOver) {
  std::string wire = Wire(MakeRun());
  WireWriter writer(&wire);
  writer.Number(100, 1);
  writer.Bytes(101, "x");
  writer.Float64(102, 1);
  wire +=
      "\xbd\x06"
      "abcd";  // field 103, four bytes
  EXPECT_TRUE(Decoded(wire).ok);
}

TEST(EventDecoder, TheFutureIsJudgedAgainstTheRecord) {
  v1::Event message = MakeRun();
  message.set_event_time_us(kTestTimeUs);
  const std::string wire = Wire(message);
  constexpr int64_t kHour = 3'600'000'000;
  EXPECT_TRUE(Decoded(wire, kTestTimeUs - kHour).ok);
  EXPECT_FALSE(Decoded(wire, kTestTimeUs - kHour - 1).ok);
  EXPECT_TRUE(Decoded(wire, -1).ok) << "a record without a time";
  EXPECT_TRUE(Decoded(wire, kTestTimeUs + 1'000 * kHour).ok) << "the past is no reason";
  message.set_event_time_us(kMinTimestampUs);
  EXPECT_TRUE(Decoded(Wire(message), kTestTimeUs).ok);
}

TEST(EventDecoder, RunledgersOwnEventsAreKnownByTheirIds) {
  v1::Event closed = MakeRun(v1::FAILED);
  closed.mutable_run()->set_source_status(std::string(kClosedByRunledger));
  closed.set_event_id(OwnEventId(kClosedByRunledger, RunSubject("player_daily_cache", "run-1", 0), kTestTimeUs));
  const Decoded run(closed);
  ASSERT_TRUE(run.ok) << run.rejection.text;
  EXPECT_TRUE(run.event.run.closed_by_runledger);
  EXPECT_EQ(MergeKeyOf(run.event).rank, 1);
  closed.mutable_run()->set_attempt(1);
  EXPECT_FALSE(Decoded(closed).ok) << "of another run";

  v1::Event verdict;
  verdict.set_event_time_us(kTestTimeUs);
  verdict.mutable_verdict()->set_verdict_subject("betting_lines");
  verdict.mutable_verdict()->set_verdict_due_us(kTestTimeUs - 1);
  verdict.mutable_verdict()->set_verdict("missing");
  verdict.set_event_id(OwnEventId("verdict", "betting_lines", kTestTimeUs - 1));
  const Decoded decoded(verdict);
  ASSERT_TRUE(decoded.ok) << decoded.rejection.text;
  EXPECT_EQ(decoded.event.other.verdict_subject, "betting_lines");
  EXPECT_EQ(decoded.event.other.due_us, kTestTimeUs - 1);
  EXPECT_EQ(decoded.event.other.verdict, "missing");
}

TEST(MergeKey, ATerminalWinsOverRunledgersOwnAndThatOverRunning) {
  Event event;
  event.id = "a";
  event.time_us = 1;
  event.run.status = Status::kRunning;
  const MergeKey running = MergeKeyOf(event);
  event.run.status = Status::kFailed;
  event.run.closed_by_runledger = true;
  const MergeKey closed = MergeKeyOf(event);
  event.run.closed_by_runledger = false;
  const MergeKey terminal = MergeKeyOf(event);
  EXPECT_LT(running, closed);
  EXPECT_LT(closed, terminal);
  MergeKey later = terminal;
  later.time_us = 2;
  EXPECT_LT(terminal, later);
  MergeKey sequence = terminal;
  sequence.sequence = 1;
  EXPECT_LT(terminal, sequence);
  EXPECT_LT(sequence, later) << "time before sequence";
  MergeKey id = terminal;
  id.id = "b";
  EXPECT_LT(terminal, id);
  EXPECT_LT(id, sequence) << "sequence before id";
}

RC_GTEST_PROP(EventDecoder, ReadsBackWhatWasWritten, ()) {
  using namespace rc;
  const auto name = gen::nonEmpty(gen::container<std::string>(gen::inRange<char>(' ', '~')));
  v1::Event message;
  message.set_event_id(*name);
  message.set_event_time_us(*gen::inRange<int64_t>(1, kMaxTimestampUs));
  message.set_sequence(*gen::arbitrary<int64_t>());
  message.set_backfill(*gen::arbitrary<bool>());
  v1::RunEvent& run = *message.mutable_run();
  run.set_job_name(*name);
  run.set_run_id(*name);
  run.set_status(static_cast<v1::Status>(*gen::inRange(1, 8)));
  run.set_attempt(*gen::inRange(0, std::numeric_limits<int32_t>::max()));
  if (*gen::arbitrary<bool>()) run.set_data_date(*gen::inRange(kMinDate, kMaxDate + 1));
  if (*gen::arbitrary<bool>()) run.set_started_at_us(*gen::inRange<int64_t>(kMinTimestampUs, kMaxTimestampUs + 1));
  if (*gen::arbitrary<bool>())
    run.set_duration_seconds(
        *gen::map(gen::arbitrary<int64_t>(), [](int64_t v) { return static_cast<double>(v) / 7; }));
  if (*gen::arbitrary<bool>()) run.set_summary(*name);
  const Decoded decoded(Wire(message), /*record_time_us=*/-1);
  RC_ASSERT(decoded.ok);
  RC_ASSERT(decoded.event.id == message.event_id());
  RC_ASSERT(decoded.event.time_us == message.event_time_us());
  RC_ASSERT(decoded.event.sequence == message.sequence());
  RC_ASSERT(decoded.event.backfill == message.backfill());
  RC_ASSERT(decoded.event.run.job_name == run.job_name());
  RC_ASSERT(decoded.event.run.run_id == run.run_id());
  RC_ASSERT(static_cast<int>(decoded.event.run.status) == run.status());
  RC_ASSERT(decoded.event.run.attempt == run.attempt());
  RC_ASSERT(decoded.event.run.data_date.has_value() == run.has_data_date());
  RC_ASSERT(decoded.event.run.data_date.value_or(0) == run.data_date());
  RC_ASSERT(decoded.event.run.started_at_us.value_or(0) == run.started_at_us());
  RC_ASSERT(decoded.event.run.duration_seconds.value_or(0) == run.duration_seconds());
}

}  // namespace
}  // namespace runledger::codecs
