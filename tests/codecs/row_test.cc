#include "codecs/row.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "codecs/bindings.h"
#include "codecs/event_decoder.h"
#include "codecs/wire.h"
#include "codecs/wire_events.h"

namespace runledger::codecs {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr RowPlace kPlace = {.topic = "runledger.events",
                             .partition = 3,
                             .offset = 42,
                             .batch_index = 7,
                             .log_epoch = 1,
                             .log_time_us = kTestTimeUs + 1,
                             .ingested_at_us = kTestTimeUs + 2};

// An event decoded, checked and encoded; everything stays alive as long as it does.
struct Encoded {
  std::string wire;
  Event event;
  Rejection rejection;
  ColumnRefusal refusal;
  Row row;

  Encoded(std::string bytes, const SecretNames& secrets, bool force_core) : wire(std::move(bytes)) {
    EXPECT_TRUE(EventDecoder(Limits{}).Decode(wire, -1, &event, &rejection)) << rejection.text;
    const RowEncoder encoder(secrets);
    refusal = encoder.Check(event);
    Event looked_at;  // columns checked while it was decoded: the same
    EXPECT_TRUE(EventDecoder(Limits{}, /*check_columns=*/true).Decode(wire, -1, &looked_at, &rejection));
    EXPECT_EQ(RefusalText(encoder.Check(looked_at)), RefusalText(refusal));
    std::string refused = refusal ? RefusalText(refusal) : "";
    if (force_core && refused.empty()) refused = "opts: said the warehouse";
    refused_text = refused;
    encoder.Encode(kPlace, event, refused_text, &row);
  }
  explicit Encoded(const v1::Event& message, bool force_core = false)
      : Encoded(Wire(message), SecretNames({"password"}), force_core) {}

  const Value& operator[](std::string_view column) const { return row[EventColumnIndex(column)]; }
  std::set<std::string_view> filled() const {
    std::set<std::string_view> names;
    for (size_t i = 0; i < EventColumns().size(); ++i) {
      if (!row[i].null) names.insert(EventColumns()[i].name);
    }
    return names;
  }

 private:
  std::string refused_text;
};

// Sets every field of the message to a value that its column takes; the value depends on the field's number.
void FillEverything(Message* message) {
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message->GetDescriptor()->field(i);
    const auto* reflection = message->GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string name = field->name();
        const bool json = EventColumns()[*FindEventColumn(name)].type == ColumnType::kJson;
        const std::string number = std::to_string(field->number());
        reflection->SetString(message, field, json ? "[{\"n\":" + number + "}]" : "text " + number);
        break;
      }
      case FieldDescriptor::CPPTYPE_INT32:
        reflection->SetInt32(message, field, 1'000 + field->number());
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection->SetInt64(message, field, 1'000 + field->number());
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection->SetDouble(message, field, field->number() + 0.5);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection->SetBool(message, field, true);
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection->SetEnumValue(message, field, 2);
        break;
      default:
        FAIL() << field->full_name();
    }
  }
}

std::vector<v1::Event> OneOfEachBodyWithEverything() {
  std::vector<v1::Event> events(5);
  FillEverything(events[0].mutable_run());
  FillEverything(events[1].mutable_decision());
  events[1].mutable_decision()->set_action("RUN");
  FillEverything(events[2].mutable_expected());
  FillEverything(events[3].mutable_cleanup());
  FillEverything(events[4].mutable_verdict());
  for (v1::Event& event : events) {
    event.set_event_id("id");
    event.set_event_time_us(kTestTimeUs);
    event.set_sequence(5);
  }
  v1::Verdict& verdict = *events[4].mutable_verdict();
  events[4].set_event_id(OwnEventId("verdict", verdict.verdict_subject(), verdict.verdict_due_us()));
  return events;
}

const Message& BodyOf(const v1::Event& event) {
  const FieldDescriptor* field =
      event.GetReflection()->GetOneofFieldDescriptor(event, v1::Event::descriptor()->oneof_decl(0));
  return event.GetReflection()->GetMessage(event, field);
}

TEST(Row, EveryFieldOfEveryBodyReachesItsColumn) {
  for (const v1::Event& message : OneOfEachBodyWithEverything()) {
    const Encoded encoded(message);
    ASSERT_FALSE(encoded.refusal) << RefusalText(encoded.refusal);
    const Message& body = BodyOf(message);
    for (int i = 0; i < body.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor* field = body.GetDescriptor()->field(i);
      const FieldBinding& binding = *BindingsOf(encoded.event.body).Find(static_cast<uint32_t>(field->number()));
      const Value& value = encoded.row[binding.column];
      ASSERT_FALSE(value.null) << field->full_name();
      switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_STRING:
          EXPECT_EQ(value.text, body.GetReflection()->GetString(body, field)) << field->full_name();
          break;
        case FieldDescriptor::CPPTYPE_INT32:
          EXPECT_EQ(value.integer, body.GetReflection()->GetInt32(body, field)) << field->full_name();
          break;
        case FieldDescriptor::CPPTYPE_INT64:
          EXPECT_EQ(value.integer, body.GetReflection()->GetInt64(body, field)) << field->full_name();
          break;
        case FieldDescriptor::CPPTYPE_DOUBLE:
          EXPECT_EQ(value.number, body.GetReflection()->GetDouble(body, field)) << field->full_name();
          break;
        case FieldDescriptor::CPPTYPE_BOOL:
          EXPECT_EQ(value.integer, 1) << field->full_name();
          break;
        default:
          EXPECT_TRUE(value.text == "success" || value.text == "scraper") << field->full_name();
      }
    }
    EXPECT_TRUE(encoded["refused"].null);
  }
}

TEST(Row, SaysWhereAndWhenItCameFrom) {
  v1::Event message = MakeRun();
  message.set_sequence(9);
  const Encoded encoded(message);
  EXPECT_EQ(encoded["topic"].text, "runledger.events");
  EXPECT_EQ(encoded["partition"].integer, 3);
  EXPECT_EQ(encoded["offset"].integer, 42);
  EXPECT_EQ(encoded["batch_index"].integer, 7);
  EXPECT_EQ(encoded["log_epoch"].integer, 1);
  EXPECT_EQ(encoded["log_time"].integer, kTestTimeUs + 1);
  EXPECT_EQ(encoded["ingested_at"].integer, kTestTimeUs + 2);
  EXPECT_EQ(encoded["ingest_date"].integer, 20'465);
  EXPECT_EQ(encoded["event_id"].text, "e-1");
  EXPECT_EQ(encoded["event_time"].integer, kTestTimeUs);
  EXPECT_EQ(encoded["sequence"].integer, 9);
  EXPECT_EQ(encoded["backfill"].integer, 0);
  EXPECT_EQ(encoded["kind"].text, "processor");
  EXPECT_EQ(encoded["status"].text, "running");
  EXPECT_EQ(encoded["attempt"].integer, 0) << "0 = not told, always written";
  EXPECT_FALSE(encoded["attempt"].null);
}

TEST(Row, WhatIsAbsentIsNullAndZeroIsAValue) {
  EXPECT_EQ(Encoded(MakeRun()).filled(),
            (std::set<std::string_view>{"ingest_date", "log_time", "topic", "partition", "offset", "batch_index",
                                        "log_epoch", "ingested_at", "event_id", "event_time", "backfill", "kind",
                                        "job_name", "run_id", "attempt", "status"}));
  v1::Event zeros = MakeRun();
  zeros.mutable_run()->set_records_processed(0);
  zeros.mutable_run()->set_dry_run(false);
  zeros.mutable_run()->set_duration_seconds(0);
  zeros.mutable_run()->set_phase("");
  const Encoded encoded(zeros);
  for (std::string_view column : {"records_processed", "dry_run", "duration_seconds", "phase"})
    EXPECT_FALSE(encoded[column].null) << column;
  EXPECT_EQ(encoded["dry_run"].integer, 0);
}

TEST(Row, KindsOfTheOtherBodies) {
  EXPECT_EQ(Encoded(MakeDecision())["kind"].text, "decision");
  EXPECT_EQ(Encoded(MakeExpected())["kind"].text, "expected");
  EXPECT_EQ(Encoded(MakeCleanup())["kind"].text, "cleanup");
  EXPECT_TRUE(Encoded(MakeCleanup())["status"].null);
  EXPECT_TRUE(Encoded(MakeCleanup())["attempt"].null);
}

TEST(Row, ATerminalHasAnEnd) {
  EXPECT_TRUE(Encoded(MakeRun(v1::RUNNING))["completed_at"].null);
  EXPECT_EQ(Encoded(MakeRun(v1::SUCCESS))["completed_at"].integer, kTestTimeUs);
  v1::Event given = MakeRun(v1::FAILED);
  given.mutable_run()->set_completed_at_us(5);
  EXPECT_EQ(Encoded(given)["completed_at"].integer, 5);
}

TEST(Row, ErrorsHaveOneShapeAndTheFirstIsToldInBrief) {
  v1::Event message = MakeRun(v1::FAILED);
  message.mutable_run()->set_errors("disk full");
  const Encoded plain(message);
  EXPECT_FALSE(plain.refusal);
  EXPECT_EQ(plain["errors"].text, R"([{"error_message":"disk full"}])");
  EXPECT_EQ(plain["error_message"].text, "disk full");
  EXPECT_TRUE(plain["error_type"].null);
  message.mutable_run()->set_errors(R"([{"error_type":"IOError","error_message":"disk full"},{"error_type":"Other"}])");
  const Encoded shaped(message);
  EXPECT_EQ(shaped["error_type"].text, "IOError");
  EXPECT_EQ(shaped["error_message"].text, "disk full");
  message.mutable_run()->set_error_message("told by the producer");
  EXPECT_EQ(Encoded(message)["error_message"].text, "told by the producer");
}

TEST(Row, ABlankErrorIsNone) {
  for (const char* blank : {"", "  ", R"("")"}) {
    v1::Event message = MakeRun(v1::FAILED);
    message.mutable_run()->set_errors(blank);
    const Encoded encoded(message);
    EXPECT_FALSE(encoded.refusal);
    EXPECT_TRUE(encoded["errors"].null) << blank;
    EXPECT_TRUE(encoded["error_message"].null) << blank;
  }
}

TEST(Row, SecretsLeaveOptsAndOnlyOpts) {
  v1::Event message = MakeRun();
  message.mutable_run()->set_opts(R"({"a":{"PassWord":"x"},"b":1})");
  message.mutable_run()->set_summary(R"({"password":"told on purpose"})");
  const Encoded encoded(message);
  EXPECT_EQ(encoded["opts"].text, R"({"a":{},"b":1})");
  EXPECT_EQ(encoded["summary"].text, R"({"password":"told on purpose"})");
  const Encoded without(Wire(message), SecretNames(), false);
  EXPECT_EQ(without["opts"].text, R"({"a":{"PassWord":"x"},"b":1})");
}

// Every column that can hold a bad value, with each of the values that are bad for its type.
TEST(Row, EveryBadValueIsFoundAndLeavesTheCore) {
  int tried = 0;
  for (const v1::Event& good : OneOfEachBodyWithEverything()) {
    const Body body = Encoded(good).event.body;
    // Folding needs these, so a bad one refuses the event or belongs to the decoder's own tests.
    const std::set<std::string> decided_by_the_decoder = {
        "job_name",        "run_id",        "attempt", "status", "kind", "action", "expected_run_time_us",
        "verdict_subject", "verdict_due_us"};
    for (const FieldBinding& field : BindingsOf(body).fields()) {
      if (field.number == 0 || decided_by_the_decoder.contains(field.name)) continue;
      if (body != Body::kRun && field.name == "workflow") continue;
      const Column& column = EventColumns()[field.column];
      std::vector<std::string> bad_values;
      const auto add = [&](const auto& write) {
        std::string extra;
        WireWriter writer(&extra);
        write(&writer);
        bad_values.push_back(extra);
      };
      switch (column.type) {
        case ColumnType::kJson:
          if (column.name != "errors") add([&](WireWriter* w) { w->Bytes(field.number, "{no json"); });
          [[fallthrough]];
        case ColumnType::kString:
          add([&](WireWriter* w) { w->Bytes(field.number, std::string(column.max_bytes + 1, ' ')); });
          add([&](WireWriter* w) { w->Bytes(field.number, "\xC3\x28"); });
          break;
        case ColumnType::kFloat64:
          for (double value : {std::nan(""), static_cast<double>(INFINITY), -static_cast<double>(INFINITY)}) {
            add([&](WireWriter* w) { w->Float64(field.number, value); });
          }
          break;
        case ColumnType::kTimestamp:
          for (int64_t value : {kMinTimestampUs - 1, kMaxTimestampUs + 1})
            add([&](WireWriter* w) { w->Int64(field.number, value); });
          break;
        case ColumnType::kDate:
          for (int64_t value : {int64_t{kMinDate} - 1, int64_t{kMaxDate} + 1})
            add([&](WireWriter* w) { w->Int64(field.number, value); });
          break;
        case ColumnType::kInt64:
        case ColumnType::kBool:
          break;  // every value fits
      }
      for (const std::string& bad : bad_values) {
        // The event's wire with the bad field behind the good ones: the last one counts.
        std::string wire;
        v1::Event head = good;
        const std::string body_wire = BodyOf(good).SerializeAsString() + bad;
        head.clear_body();
        wire = Wire(head);
        WireWriter(&wire).Bytes(static_cast<uint32_t>(body), body_wire);
        const Encoded encoded(wire, SecretNames(), false);
        ASSERT_TRUE(encoded.refusal) << column.name;
        EXPECT_EQ(encoded.refusal.column, column.name);
        EXPECT_EQ(encoded["refused"].text, std::string(column.name) + ": " + std::string(encoded.refusal.reason));
        for (size_t i = 0; i < EventColumns().size(); ++i) {
          const Column& other = EventColumns()[i];
          if (other.role == Role::kPlain || other.required) {
            EXPECT_EQ(encoded.row[i].null, !other.required) << other.name << " beside bad " << column.name;
          }
        }
        ++tried;
      }
    }
  }
  EXPECT_GT(tried, 150);
}

TEST(Row, TheCoreOfARefusedRowIsAllThatIdentifiesIt) {
  v1::Event message = OneOfEachBodyWithEverything()[0];
  message.mutable_run()->set_status(v1::SUCCESS);
  const Encoded encoded(message, /*force_core=*/true);
  EXPECT_EQ(encoded.filled(), (std::set<std::string_view>{
                                  "ingest_date",   "log_time",    "topic",    "partition",  "offset",    "batch_index",
                                  "log_epoch",     "ingested_at", "event_id", "event_time", "sequence",  "backfill",
                                  "refused",       "kind",        "job_name", "run_id",     "attempt",   "status",
                                  "source_status", "heartbeat",   "workflow", "data_date",  "started_at"}));
  EXPECT_EQ(encoded["refused"].text, "opts: said the warehouse");
  EXPECT_EQ(encoded["status"].text, "success");
}

TEST(Row, ABadCoreColumnIsLeftOutOfTheCore) {
  v1::Event message = MakeRun(v1::SUCCESS);
  message.mutable_run()->set_data_date(INT32_MAX);
  message.mutable_run()->set_started_at_us(5);
  const Encoded encoded(message);
  EXPECT_EQ(encoded.refusal.column, "data_date");
  EXPECT_TRUE(encoded["data_date"].null);
  EXPECT_EQ(encoded["started_at"].integer, 5);
  EXPECT_EQ(encoded["status"].text, "success");
}

TEST(Row, AFieldOfAnotherWireTypeRefusesItsColumn) {
  std::string body = MakeRun().run().SerializeAsString();
  WireWriter(&body).Number(21, 5);  // summary
  std::string wire;
  WireWriter writer(&wire);
  writer.Int64(2, kTestTimeUs);
  writer.Bytes(10, body);
  const Encoded encoded(wire, SecretNames(), false);
  EXPECT_EQ(encoded.refusal.column, "summary");
}

// The decoder reads the last of two, the row refuses a bad one wherever it stands.
TEST(Row, ABadValueBeforeAGoodOneRefusesTheColumn) {
  v1::RunEvent bad;
  bad.set_source_status("\xC3\x28");
  bad.set_data_date(INT32_MAX);
  std::string wire;
  WireWriter writer(&wire);
  writer.Int64(2, kTestTimeUs);
  std::string bytes = bad.SerializePartialAsString();
  v1::Event good = OneOfEachBodyWithEverything()[0];
  good.mutable_run()->set_status(v1::SUCCESS);
  bytes += good.run().SerializeAsString();
  writer.Bytes(10, bytes);
  EXPECT_EQ(Encoded(wire, SecretNames(), false).refusal.column, "source_status");
}

TEST(Row, ARunThatFitsIsKnownToFitOnceDecoded) {
  const std::string wire = Wire(OneOfEachBodyWithEverything()[0]);
  Event event;
  Rejection rejection;
  ASSERT_TRUE(EventDecoder(Limits{}, /*check_columns=*/true).Decode(wire, -1, &event, &rejection)) << rejection.text;
  EXPECT_TRUE(event.columns_fit);
  ASSERT_TRUE(EventDecoder(Limits{}).Decode(wire, -1, &event, &rejection)) << rejection.text;
  EXPECT_FALSE(event.columns_fit);
}

TEST(Row, IsReusedWithoutATrace) {
  const RowEncoder encoder{SecretNames()};
  Row row;
  Event event;
  Rejection rejection;
  const std::string full = Wire(OneOfEachBodyWithEverything()[0]), empty = Wire(MakeCleanup());
  ASSERT_TRUE(EventDecoder(Limits{}).Decode(full, -1, &event, &rejection));
  encoder.Encode(kPlace, event, "", &row);
  ASSERT_TRUE(EventDecoder(Limits{}).Decode(empty, -1, &event, &rejection));
  encoder.Encode(kPlace, event, "", &row);
  const Encoded fresh(MakeCleanup());
  for (size_t i = 0; i < EventColumns().size(); ++i)
    EXPECT_EQ(row[i].null, fresh.row[i].null) << EventColumns()[i].name;
}

TEST(Row, ATimeBeforeTheEpochHasTheRightDay) {
  Row row;
  Event event;
  Rejection rejection;
  const std::string wire = Wire(MakeRun());
  ASSERT_TRUE(EventDecoder(Limits{}).Decode(wire, -1, &event, &rejection));
  RowPlace place = kPlace;
  place.ingested_at_us = -1;
  RowEncoder{SecretNames()}.Encode(place, event, "", &row);
  EXPECT_EQ(row[EventColumnIndex("ingest_date")].integer, -1);
}

}  // namespace
}  // namespace runledger::codecs
