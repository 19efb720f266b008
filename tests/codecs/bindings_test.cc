#include "codecs/bindings.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "runledger/v1/event.pb.h"

namespace runledger::codecs {
namespace {

using google::protobuf::FieldDescriptor;

TEST(Bindings, EveryFieldOfEveryBodyIsBoundToTheColumnOfItsName) {
  for (Body body : kAllBodies) {
    const auto* message = v1::Event::descriptor()->FindFieldByNumber(static_cast<int>(body))->message_type();
    const BodyBindings& bindings = BindingsOf(body);
    for (int i = 0; i < message->field_count(); ++i) {
      const FieldDescriptor& field = *message->field(i);
      const FieldBinding* binding = bindings.Find(static_cast<uint32_t>(field.number()));
      ASSERT_NE(binding, nullptr) << field.full_name();
      EXPECT_EQ(binding->name, field.name());
      EXPECT_EQ(binding->json_name, field.json_name());
      const std::string column(EventColumns()[binding->column].name);
      EXPECT_TRUE(field.name() == column || field.name() == column + "_us") << field.full_name();
      EXPECT_EQ(bindings.Find(field.name()), binding);
      EXPECT_EQ(bindings.Find(field.json_name()), binding);
      EXPECT_EQ(bindings.Find(column), binding);
      EXPECT_TRUE(field.has_presence()) << field.full_name() << " must be optional: a zero would be no value";
    }
  }
}

TEST(Bindings, WhatIsNotThereIsNotFound) {
  for (Body body : kAllBodies) {
    EXPECT_EQ(BindingsOf(body).Find(0u), nullptr);
    EXPECT_EQ(BindingsOf(body).Find(999u), nullptr);
    EXPECT_EQ(BindingsOf(body).Find("no_such_field"), nullptr);
    EXPECT_EQ(BindingsOf(body).Find(""), nullptr);
  }
  EXPECT_EQ(BindingsOf(Body::kDecision).Find("run_id"), nullptr);
}

// The decoder reads these by number; event.proto must not move them.
TEST(Bindings, TheHotFieldsStandWhereTheDecoderLooks) {
  const std::map<uint32_t, std::string> run = {
      {1, "run_id"},     {2, "job_name"}, {3, "kind"},      {4, "status"},        {5, "source_status"},
      {6, "phase"},      {7, "workflow"}, {8, "data_date"}, {9, "started_at_us"}, {10, "duration_seconds"},
      {11, "heartbeat"}, {12, "attempt"}};
  for (const auto& [number, name] : run) EXPECT_EQ(BindingsOf(Body::kRun).Find(number)->name, name);
  EXPECT_EQ(BindingsOf(Body::kDecision).Find(2u)->name, "workflow");
  EXPECT_EQ(BindingsOf(Body::kDecision).Find(3u)->name, "action");
  EXPECT_EQ(BindingsOf(Body::kExpected).Find(1u)->name, "workflow");
  EXPECT_EQ(BindingsOf(Body::kExpected).Find(2u)->name, "job_name");
  EXPECT_EQ(BindingsOf(Body::kExpected).Find(4u)->name, "expected_run_time_us");
  EXPECT_EQ(BindingsOf(Body::kVerdict).Find(1u)->name, "verdict_subject");
  EXPECT_EQ(BindingsOf(Body::kVerdict).Find(2u)->name, "verdict_due_us");
  EXPECT_EQ(BindingsOf(Body::kVerdict).Find(3u)->name, "verdict");
  EXPECT_EQ(BindingsOf(Body::kVerdict).Find(4u)->name, "workflow");
  EXPECT_EQ(BindingsOf(Body::kVerdict).Find(5u)->name, "job_name");
  for (Body body : kAllBodies) EXPECT_NE(v1::Event::descriptor()->FindFieldByNumber(static_cast<int>(body)), nullptr);
}

TEST(Bindings, WireTypesAreThoseOfTheGeneratedMessages) {
  for (Body body : kAllBodies) {
    const auto* message = v1::Event::descriptor()->FindFieldByNumber(static_cast<int>(body))->message_type();
    for (int i = 0; i < message->field_count(); ++i) {
      const FieldDescriptor& field = *message->field(i);
      const WireType expected = field.type() == FieldDescriptor::TYPE_STRING   ? WireType::kBytes
                                : field.type() == FieldDescriptor::TYPE_DOUBLE ? WireType::kFixed64
                                                                               : WireType::kVarint;
      EXPECT_EQ(BindingsOf(body).Find(static_cast<uint32_t>(field.number()))->wire_type(), expected)
          << field.full_name();
    }
  }
}

}  // namespace
}  // namespace runledger::codecs
