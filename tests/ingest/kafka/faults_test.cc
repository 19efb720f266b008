// A real broker that hangs, dies and comes back.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "ingest/kafka/admin.h"
#include "ingest/kafka/consumer.h"
#include "ingest/kafka/member.h"
#include "ingest/kafka/partition_reader.h"
#include "ingest/kafka/producer.h"
#include "kafka/broker_fixture.h"

namespace runledger::test {
namespace {

using kafka::TopicPartition;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kShortTimeoutMs = 1'000;
constexpr int kTimeoutMs = 30'000;
// How much later than its timeout a call may come back: far above scheduling, far below librdkafka's own 60 s.
constexpr seconds kSlack{30};

class KafkaFaults : public BrokerTest {
 protected:
  void TearDown() override {
    if (!has_broker()) return;
    (void)broker().Resume();  // a failed assertion may have left it stopped
  }
  std::string MakeTopic(int partitions) {
    std::string topic = FreshName("faults");
    const absl::Status made = broker().CreateTopic(topic, partitions);
    EXPECT_TRUE(made.ok()) << made;
    return topic;
  }
  kafka::Settings Group() { return GroupSettings(broker().bootstrap(), FreshName("group")); }
};

#define EXPECT_WITHIN(limit, statement)                          \
  {                                                              \
    const auto begin = steady_clock::now();                      \
    statement;                                                   \
    EXPECT_LT(steady_clock::now() - begin, limit) << #statement; \
  }

TEST_F(KafkaFaults, NoQuestionToAHangingBrokerTakesMuchLongerThanItsTimeout) {
  const std::string topic = MakeTopic(2);
  WriteValues(broker().bootstrap(), {topic, 0}, 3);
  Member member(Group(), {topic});
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 3; }));
  const std::vector<TopicPartition> both = {{topic, 0}, {topic, 1}};
  ASSERT_EQ(member.consumer().EndOffsets(both, kTimeoutMs)[0].offset, 3);
  const auto reader = kafka::PartitionReader::Create(Group(), nullptr);
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_EQ((*reader)->EndOf(both[0], kTimeoutMs).value_or(-1), 3);

  ASSERT_TRUE(broker().Pause().ok());
  std::vector<kafka::PartitionOffset> ends, starts;
  EXPECT_WITHIN(kSlack, ends = member.consumer().EndOffsets(both, kShortTimeoutMs));
  EXPECT_WITHIN(kSlack, starts = member.consumer().StartOffsets(both, kShortTimeoutMs));
  ASSERT_EQ(ends.size(), 2u);
  ASSERT_EQ(starts.size(), 2u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ends[i].partition, both[i]);
    EXPECT_EQ(ends[i].offset, kafka::kOffsetUnknown);
    EXPECT_EQ(starts[i].offset, kafka::kOffsetUnknown);
  }
  EXPECT_WITHIN(kSlack, EXPECT_TRUE(absl::IsUnavailable((*reader)->EndOf(both[0], kShortTimeoutMs).status())));
  EXPECT_WITHIN(kSlack, EXPECT_TRUE(absl::IsUnavailable(member.consumer().Committed(both, kShortTimeoutMs).status())));
  EXPECT_WITHIN(kSlack,
                EXPECT_TRUE(absl::IsDeadlineExceeded(member.Commit({{{topic, 0}, 1, "x"}}, std::chrono::seconds(1)))));
  EXPECT_WITHIN(kSlack,
                EXPECT_TRUE(absl::IsUnavailable(member.consumer().PartitionCount(topic, kShortTimeoutMs).status())));
  EXPECT_WITHIN(
      kSlack,
      EXPECT_TRUE(absl::IsUnavailable(kafka::CreateTopics(broker().client(), {{.name = "never"}}, kShortTimeoutMs))));
  EXPECT_WITHIN(kSlack, EXPECT_TRUE(absl::IsUnavailable(
                            kafka::TopicConfig(broker().client(), topic, "retention.ms", kShortTimeoutMs).status())));
  ASSERT_TRUE(broker().Resume().ok());
  EXPECT_TRUE(StepUntil({&member}, [&] { return member.consumer().EndOffsets(both, kShortTimeoutMs)[0].offset == 3; }));
}

TEST_F(KafkaFaults, ReadingGoesOnAfterAPause) {
  const std::string topic = MakeTopic(1);
  WriteValues(broker().bootstrap(), {topic, 0}, 5);
  kafka::Settings settings = Group();
  settings["session.timeout.ms"] = "45000";
  Member member(settings, {topic});
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 5; }));
  ASSERT_TRUE(broker().Pause().ok());
  for (int i = 0; i < 50; ++i) member.Step(20);
  EXPECT_TRUE(member.partition_errors().empty());
  EXPECT_EQ(member.revocations(), 0);
  ASSERT_TRUE(broker().Resume().ok());
  WriteValues(broker().bootstrap(), {topic, 0}, 5);
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 10; }));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(member.records()[i].offset, i);
  EXPECT_EQ(member.revocations(), 0);
}

TEST_F(KafkaFaults, APauseLongerThanTheSessionLosesTheAssignment) {
  const std::string topic = MakeTopic(2);
  kafka::Settings settings = Group();
  settings["session.timeout.ms"] = "3000";
  Member member(settings, {topic});
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.assigned().size() == 2; }));
  ASSERT_TRUE(broker().Pause().ok());
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.lost(); }));
  EXPECT_TRUE(member.assigned().empty());
  ASSERT_TRUE(broker().Resume().ok());
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.assigned().size() == 2; }));
  WriteValues(broker().bootstrap(), {topic, 1}, 3);
  EXPECT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 3; }));
  EXPECT_TRUE(member.assign_status().ok()) << member.assign_status();
}

TEST_F(KafkaFaults, AConsumerOfAHangingBrokerCanBeDestroyed) {
  const std::string topic = MakeTopic(2);
  WriteValues(broker().bootstrap(), {topic, 0}, 3);
  auto member = std::make_unique<Member>(Group(), std::vector{topic});
  ASSERT_TRUE(StepUntil({member.get()}, [&] { return member->records().size() == 3; }));
  ASSERT_TRUE(broker().Pause().ok());
  EXPECT_WITHIN(kSlack, member.reset());
  ASSERT_TRUE(broker().Resume().ok());
}

TEST_F(KafkaFaults, AKilledBrokerIsReportedAndReadingGoesOnOnceItIsBack) {
  const std::string topic = MakeTopic(3);
  for (int p = 0; p < 3; ++p) WriteValues(broker().bootstrap(), {topic, p}, 100);
  Member member(Group(), {topic}, [&](const TopicPartition& partition) {
    return static_cast<int64_t>(
        member.RecordsOf(partition).size());  // goes on where it stood, whoever had it meanwhile
  });
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 300; }));
  ASSERT_TRUE(broker().Kill().ok());
  ASSERT_TRUE(StepUntil({&member}, [&] {
    return std::any_of(member.errors().begin(), member.errors().end(),
                       [](const auto& e) { return absl::IsUnavailable(e); });
  }));
  ASSERT_TRUE(broker().Restart().ok());
  for (int p = 0; p < 3; ++p) WriteValues(broker().bootstrap(), {topic, p}, 50);
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() >= 450; }));
  EXPECT_EQ(member.records().size(), 450u);
  for (int p = 0; p < 3; ++p) {
    const std::vector<ReadRecord> read = member.RecordsOf({topic, p});
    ASSERT_EQ(read.size(), 150u);
    for (int i = 0; i < 150; ++i) ASSERT_EQ(read[i].offset, i);
  }
  EXPECT_TRUE(member.partition_errors().empty());
}

TEST_F(KafkaFaults, AProducerWritesEachMessageOnceThroughAPauseAndAKill) {
  const std::string topic = MakeTopic(1);
  std::vector<kafka::DeliveryReport> reports;
  kafka::Settings settings = broker().client();
  settings["socket.timeout.ms"] = "2000";  // requests to the hanging broker time out and are sent again
  settings["request.timeout.ms"] = "1500";
  settings["reconnect.backoff.max.ms"] = "500";
  auto producer = kafka::Producer::Create(settings, [&](const kafka::DeliveryReport& r) { reports.push_back(r); }, {});
  ASSERT_TRUE(producer.ok()) << producer.status();
  uint64_t tag = 0;
  const auto produce = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string value = std::to_string(tag);
      kafka::OutgoingMessage message;
      message.topic = topic;
      message.partition = 0;
      message.value = value;
      ASSERT_TRUE((*producer)->Produce(message, tag++).ok());
      if (i % 50 == 0) (*producer)->Poll(1);
    }
  };
  produce(500);
  ASSERT_TRUE(broker().Pause().ok());
  produce(500);
  absl::Status flushed;
  EXPECT_WITHIN(kSlack, flushed = (*producer)->Flush(4'000));
  EXPECT_TRUE(absl::IsUnavailable(flushed)) << flushed;
  EXPECT_GT((*producer)->outstanding(), 0);
  ASSERT_TRUE(broker().Resume().ok());
  ASSERT_TRUE((*producer)->Flush(kTimeoutMs).ok());

  produce(500);
  ASSERT_TRUE(broker().Kill().ok());
  produce(500);
  ASSERT_TRUE(broker().Restart().ok());
  ASSERT_TRUE((*producer)->Flush(kTimeoutMs).ok());
  EXPECT_EQ((*producer)->outstanding(), 0);
  ASSERT_EQ(reports.size(), 2'000u);
  for (const kafka::DeliveryReport& report : reports) {
    ASSERT_TRUE(report.status.ok()) << report.status;
    ASSERT_EQ(report.offset, static_cast<int64_t>(report.tag)) << "written twice, or out of order";
  }
  Member member(Group(), {topic});
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() >= 2'000; }));
  for (int i = 0; i < 50; ++i) member.Step();
  ASSERT_EQ(member.records().size(), 2'000u);
  for (int i = 0; i < 2'000; ++i) ASSERT_EQ(member.records()[i].value, std::to_string(i));
}

TEST_F(KafkaFaults, AMessageThatCannotBeWrittenInTimeIsReported) {
  const std::string topic = MakeTopic(1);
  std::vector<kafka::DeliveryReport> reports;
  kafka::Settings settings = broker().client();
  settings["message.timeout.ms"] = "1500";
  auto producer = kafka::Producer::Create(settings, [&](const kafka::DeliveryReport& r) { reports.push_back(r); }, {});
  ASSERT_TRUE(producer.ok());
  ASSERT_TRUE(broker().Pause().ok());
  kafka::OutgoingMessage message;
  message.topic = topic;
  message.value = "late";
  ASSERT_TRUE((*producer)->Produce(message, 42).ok());
  ASSERT_TRUE((*producer)->Flush(kTimeoutMs).ok());  // nothing is on its way any more
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].tag, 42u);
  EXPECT_TRUE(absl::IsUnavailable(reports[0].status)) << reports[0].status;
  ASSERT_TRUE(broker().Resume().ok());
}

}  // namespace
}  // namespace runledger::test
