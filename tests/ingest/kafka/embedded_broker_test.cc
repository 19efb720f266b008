// The embedded broker behaves, as far as it goes, like the real one.
#include "ingest/kafka/embedded_broker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "ingest/kafka/consumer.h"
#include "ingest/kafka/member.h"
#include "ingest/kafka/producer.h"

namespace runledger::test {
namespace {

using kafka::TopicPartition;

constexpr int kTimeoutMs = 60'000;

std::unique_ptr<kafka::EmbeddedBroker> StartBroker(const std::string& topic, int partitions) {
  auto broker = kafka::EmbeddedBroker::Start();
  EXPECT_TRUE(broker.ok()) << broker.status();
  EXPECT_TRUE((*broker)->CreateTopic(topic, partitions).ok());
  return *std::move(broker);
}

// The mock cluster takes its time for a first assignment, so one member goes through everything.
TEST(EmbeddedBroker, CarriesAGroupThroughReadingCommittingAndAnOutage) {
  const auto broker = StartBroker("events", 2);
  auto producer = kafka::Producer::Create({{"bootstrap.servers", broker->bootstrap()}}, {}, {});
  ASSERT_TRUE(producer.ok());
  EXPECT_EQ((*producer)->PartitionCount("events", kTimeoutMs).value(), 2);
  kafka::OutgoingMessage message;
  message.topic = "events";
  message.partition = 0;
  message.key = "k";
  message.value = "v";
  message.headers = {{"content-type", "x"}};
  ASSERT_TRUE((*producer)->Produce(message, 0).ok());
  message.value.reset();
  ASSERT_TRUE((*producer)->Produce(message, 0).ok());
  ASSERT_TRUE((*producer)->Flush(kTimeoutMs).ok());
  WriteValues(broker->bootstrap(), {"events", 1}, 10);

  Member member(GroupSettings(broker->bootstrap(), "group"), {"events"},
                [](const TopicPartition& p) { return p.partition == 1 ? int64_t{4} : kafka::kOffsetBeginning; });
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 8; }));
  const std::vector<ReadRecord> first = member.RecordsOf({"events", 0});
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].key, "k");
  EXPECT_EQ(first[0].value, "v");
  EXPECT_EQ(first[0].timestamp_type, kafka::TimestampType::kCreateTime);
  EXPECT_EQ(first[0].headers, (std::vector<std::pair<std::string, std::string>>{{"content-type", "x"}}));
  EXPECT_EQ(first[1].value, std::nullopt);
  EXPECT_EQ(member.RecordsOf({"events", 1}).front().offset, 4);

  const std::vector<TopicPartition> both = {{"events", 0}, {"events", 1}};
  const auto ends = member.consumer().EndOffsets(both, kTimeoutMs);
  const auto starts = member.consumer().StartOffsets(both, kTimeoutMs);
  ASSERT_EQ(ends.size(), 2u);
  EXPECT_EQ(ends[0].offset, 2);
  EXPECT_EQ(ends[1].offset, 10);
  EXPECT_EQ(starts[0].offset, 0);
  EXPECT_EQ(starts[1].offset, 0);

  ASSERT_TRUE(member.Commit({{{"events", 0}, 2, "meta data"}}).ok());
  const auto committed = member.consumer().Committed(both, kTimeoutMs);
  ASSERT_TRUE(committed.ok());
  EXPECT_EQ((*committed)[0].offset, 2);
  EXPECT_EQ((*committed)[0].metadata, "meta data");
  EXPECT_EQ((*committed)[1].offset, kafka::kOffsetUnknown);

  ASSERT_TRUE(member.consumer().Restart({{"events", 1}, 8}).ok());
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 10; }));
  EXPECT_EQ(member.RecordsOf({"events", 1}).back().offset, 9);

  broker->SetDown();
  ASSERT_TRUE(StepUntil({&member}, [&] {
    return std::any_of(member.errors().begin(), member.errors().end(),
                       [](const auto& e) { return absl::IsUnavailable(e); });
  }));
  EXPECT_EQ(member.consumer().EndOffsets(both, 200)[0].offset, kafka::kOffsetUnknown);
  broker->SetUp();
  WriteValues(broker->bootstrap(), {"events", 0}, 1);
  EXPECT_TRUE(StepUntil({&member}, [&] { return member.RecordsOf({"events", 0}).size() == 3; }));
  EXPECT_FALSE(member.consumer().ClusterId(kTimeoutMs).empty());
  EXPECT_TRUE(member.partition_errors().empty());
}

TEST(EmbeddedBroker, APositionBehindTheLogIsAnError) {
  const auto broker = StartBroker("events", 1);
  WriteValues(broker->bootstrap(), {"events", 0}, 3);
  Member member(GroupSettings(broker->bootstrap(), "group"), {"events"},
                [](const TopicPartition&) { return int64_t{100}; });
  ASSERT_TRUE(StepUntil({&member}, [&] { return !member.partition_errors().empty(); }));
  EXPECT_TRUE(absl::IsOutOfRange(member.partition_errors().at({"events", 0})));
  ASSERT_TRUE(member.consumer().Restart({{"events", 0}, 1}).ok());
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 2; }));
}

}  // namespace
}  // namespace runledger::test
