// Topics and producers on a real broker.
#include "ingest/kafka/admin.h"

#include <gtest/gtest.h>

#include "ingest/kafka/producer.h"
#include "kafka/broker_fixture.h"

namespace runledger::test {
namespace {

constexpr int kTimeoutMs = 60'000;

class KafkaAdmin : public BrokerTest {};

TEST_F(KafkaAdmin, MakesTopicsAndReadsTheirSettings) {
  const std::string topic = FreshName("admin"), plain = FreshName("admin");
  const kafka::NewTopic ours{.name = topic,
                             .partitions = 4,
                             .replication = 1,
                             .config = {{"message.timestamp.type", "LogAppendTime"}, {"retention.ms", "3600000"}}};
  ASSERT_EQ(kafka::CreateTopics(broker().client(), {ours, {.name = plain}}, kTimeoutMs), absl::OkStatus());
  EXPECT_EQ(kafka::CreateTopics(broker().client(), {ours}, kTimeoutMs), absl::OkStatus()) << "it is there already";
  EXPECT_EQ(kafka::TopicConfig(broker().client(), topic, "message.timestamp.type", kTimeoutMs).value(),
            "LogAppendTime");
  EXPECT_EQ(kafka::TopicConfig(broker().client(), topic, "retention.ms", kTimeoutMs).value(), "3600000");
  EXPECT_EQ(kafka::TopicConfig(broker().client(), plain, "message.timestamp.type", kTimeoutMs).value(), "CreateTime");

  auto producer = kafka::Producer::Create(broker().client(), {}, {});
  ASSERT_TRUE(producer.ok());
  EXPECT_EQ((*producer)->PartitionCount(topic, kTimeoutMs).value(), 4);
  EXPECT_EQ((*producer)->PartitionCount(plain, kTimeoutMs).value(), 1);
  EXPECT_TRUE(absl::IsNotFound((*producer)->PartitionCount(FreshName("absent"), kTimeoutMs).status()));
}

TEST_F(KafkaAdmin, WhatIsWrongWithARequestIsToldAndNotTriedAgain) {
  const auto create = [&](kafka::NewTopic topic) {
    return kafka::CreateTopics(broker().client(), {std::move(topic)}, kTimeoutMs);
  };
  EXPECT_TRUE(absl::IsInvalidArgument(create({.name = FreshName("bad"), .config = {{"no.such.setting", "1"}}})));
  EXPECT_TRUE(absl::IsInvalidArgument(create({.name = FreshName("bad"), .config = {{"retention.ms", "soon"}}})));
  EXPECT_TRUE(absl::IsInvalidArgument(create({.name = FreshName("bad"), .partitions = 0})));
  EXPECT_TRUE(absl::IsInvalidArgument(create({.name = FreshName("bad"), .replication = 3})));
  EXPECT_TRUE(absl::IsInvalidArgument(create({.name = "white space"})));
  const absl::Status named = create({.name = "white space"});
  EXPECT_NE(named.message().find("white space"), std::string_view::npos) << named;
}

TEST_F(KafkaAdmin, AskingForWhatIsNotThereIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(
      kafka::TopicConfig(broker().client(), FreshName("absent"), "retention.ms", kTimeoutMs).status()));
  const std::string topic = FreshName("admin");
  ASSERT_TRUE(broker().CreateTopic(topic, 1).ok());
  EXPECT_TRUE(absl::IsNotFound(kafka::TopicConfig(broker().client(), topic, "no.such.setting", kTimeoutMs).status()));
}

TEST_F(KafkaAdmin, AMessageTooLargeForTheTopicIsInvalidAndItsNeighboursArrive) {
  const std::string topic = FreshName("admin");
  ASSERT_TRUE(broker().CreateTopic(topic, 1, {{"max.message.bytes", "10000"}}).ok());
  std::vector<kafka::DeliveryReport> reports;
  kafka::Settings settings = broker().client();
  settings["batch.num.messages"] = "1";
  auto producer = kafka::Producer::Create(settings, [&](const kafka::DeliveryReport& r) { reports.push_back(r); }, {});
  ASSERT_TRUE(producer.ok());
  const std::string large(50'000, 'x'), huge(2'000'000, 'x');
  for (const std::string& value : {std::string("small"), large, std::string("small")}) {
    kafka::OutgoingMessage message;
    message.topic = topic;
    message.value = value;
    ASSERT_TRUE((*producer)->Produce(message, value.size()).ok());
    ASSERT_TRUE((*producer)->Flush(kTimeoutMs).ok());
  }
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_TRUE(reports[0].status.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(reports[1].status)) << reports[1].status;
  EXPECT_TRUE(reports[2].status.ok()) << reports[2].status;
  // Above the client's own limit it does not even start.
  kafka::OutgoingMessage message;
  message.topic = topic;
  message.value = huge;
  EXPECT_TRUE(absl::IsInvalidArgument((*producer)->Produce(message, 0)));
}

}  // namespace
}  // namespace runledger::test
