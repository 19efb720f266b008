// Reading and asking on a real broker: what a record carries, positions, offsets out of range.
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ingest/kafka/admin.h"
#include "ingest/kafka/consumer.h"
#include "ingest/kafka/member.h"
#include "ingest/kafka/producer.h"
#include "kafka/broker_fixture.h"

namespace runledger::test {
namespace {

using kafka::CommittedOffset;
using kafka::PartitionOffset;
using kafka::TimestampType;
using kafka::TopicPartition;

constexpr int kTimeoutMs = 60'000;

class ReadingFromKafka : public BrokerTest {
 protected:
  std::string MakeTopic(int partitions, const kafka::Settings& config = {}) {
    std::string topic = FreshName("reading");
    const absl::Status made = broker().CreateTopic(topic, partitions, config);
    EXPECT_TRUE(made.ok()) << made;
    return topic;
  }
  kafka::Settings Group() { return GroupSettings(broker().bootstrap(), FreshName("group")); }
  void Write(const TopicPartition& partition, int count) { WriteValues(broker().bootstrap(), partition, count); }

  // Moves the start of the log up to the offset.
  void DeleteBefore(const TopicPartition& partition, int64_t offset) {
    char error[256];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    ASSERT_EQ(rd_kafka_conf_set(conf, "bootstrap.servers", broker().bootstrap().c_str(), error, sizeof error),
              RD_KAFKA_CONF_OK);
    rd_kafka_t* rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    ASSERT_NE(rk, nullptr) << error;
    rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, partition.topic.c_str(), partition.partition)->offset = offset;
    rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(list);
    rd_kafka_queue_t* queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteRecords(rk, &request, 1, nullptr, queue);
    rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 30'000);
    EXPECT_NE(event, nullptr);
    if (event != nullptr) {
      EXPECT_EQ(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_event_error_string(event);
      rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
  }
};

TEST_F(ReadingFromKafka, ARecordComesBackWhole) {
  const std::string topic = MakeTopic(1);
  std::vector<kafka::DeliveryReport> reports;
  auto producer =
      kafka::Producer::Create(broker().client(), [&](const kafka::DeliveryReport& r) { reports.push_back(r); }, {});
  ASSERT_TRUE(producer.ok()) << producer.status();
  const std::string binary("a\0b\xff", 4);
  kafka::OutgoingMessage full;
  full.topic = topic;
  full.partition = 0;
  full.key = "the key";
  full.value = binary;
  full.headers = {{"content-type", "x"}, {"empty", ""}, {"twice", "1"}, {"twice", "2"}, {"binary", binary}};
  full.timestamp_ms = 1'700'000'000'123;
  kafka::OutgoingMessage tombstone;
  tombstone.topic = topic;
  tombstone.partition = 0;
  tombstone.key = "";
  kafka::OutgoingMessage empty;
  empty.topic = topic;
  empty.partition = 0;
  empty.value = "";
  ASSERT_TRUE((*producer)->Produce(full, 11).ok());
  ASSERT_TRUE((*producer)->Produce(tombstone, 12).ok());
  ASSERT_TRUE((*producer)->Produce(empty, 13).ok());
  ASSERT_TRUE((*producer)->Flush(kTimeoutMs).ok());
  ASSERT_EQ(reports.size(), 3u);
  for (size_t i = 0; i < reports.size(); ++i) {
    EXPECT_TRUE(reports[i].status.ok());
    EXPECT_EQ(reports[i].tag, 11 + i);
    EXPECT_EQ(reports[i].partition, 0);
    EXPECT_EQ(reports[i].offset, static_cast<int64_t>(i));
  }

  Member member(Group(), {topic});
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 3; }));
  const ReadRecord& first = member.records()[0];
  EXPECT_EQ(first.offset, 0);
  EXPECT_EQ(first.key, "the key");
  EXPECT_EQ(first.value, binary);
  EXPECT_EQ(first.timestamp_ms, 1'700'000'000'123);
  EXPECT_EQ(first.timestamp_type, TimestampType::kCreateTime);
  const std::vector<std::pair<std::string, std::string>> headers = {
      {"content-type", "x"}, {"empty", ""}, {"twice", "1"}, {"twice", "2"}, {"binary", binary}};
  EXPECT_EQ(first.headers, headers);
  EXPECT_EQ(member.records()[1].value, std::nullopt);  // a tombstone is not an empty value
  EXPECT_EQ(member.records()[1].key, "");
  EXPECT_EQ(member.records()[2].value, "");
  EXPECT_EQ(member.records()[2].key, std::nullopt);
  EXPECT_TRUE(member.records()[2].headers.empty());
}

TEST_F(ReadingFromKafka, LogAppendTimeIsTheBrokersOwn) {
  const std::string topic = MakeTopic(1, {{"message.timestamp.type", "LogAppendTime"}});
  auto producer = kafka::Producer::Create(broker().client(), {}, {});
  ASSERT_TRUE(producer.ok());
  kafka::OutgoingMessage old;
  old.topic = topic;
  old.value = "v";
  old.timestamp_ms = 1'000;  // 1970
  ASSERT_TRUE((*producer)->Produce(old, 0).ok());
  ASSERT_TRUE((*producer)->Flush(kTimeoutMs).ok());
  Member member(Group(), {topic});
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 1; }));
  EXPECT_EQ(member.records()[0].timestamp_type, TimestampType::kLogAppendTime);
  EXPECT_GT(member.records()[0].timestamp_ms, 1'600'000'000'000);
}

TEST_F(ReadingFromKafka, StartsWhereItIsTold) {
  const std::string topic = MakeTopic(3);
  for (int p = 0; p < 3; ++p) Write({topic, p}, 10);
  Member member(Group(), {topic}, [](const TopicPartition& p) {
    return p.partition == 0 ? int64_t{7} : p.partition == 1 ? kafka::kOffsetBeginning : kafka::kOffsetEnd;
  });
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 13; }));
  EXPECT_EQ(member.RecordsOf({topic, 0}).front().offset, 7);
  EXPECT_EQ(member.RecordsOf({topic, 1}).front().offset, 0);
  EXPECT_TRUE(member.RecordsOf({topic, 2}).empty());
  Write({topic, 2}, 1);
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.RecordsOf({topic, 2}).size() == 1; }));
  EXPECT_EQ(member.RecordsOf({topic, 2}).front().offset, 10);
  EXPECT_TRUE(member.assign_status().ok()) << member.assign_status();
}

TEST_F(ReadingFromKafka, AQueueThatIsNotDrainedHoldsNoOtherBack) {
  const std::string topic = MakeTopic(2);
  Write({topic, 0}, 20'000);
  Write({topic, 1}, 20'000);
  kafka::Settings settings = Group();
  settings["queued.min.messages"] = "100";
  settings["fetch.message.max.bytes"] = "20000";
  Member member(settings, {topic});
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.assigned().size() == 2; }));
  member.set_draining(false);
  kafka::PartitionQueue& queue = member.queue({topic, 1});
  kafka::MessageBatch batch;
  int64_t next = static_cast<int64_t>(member.RecordsOf({topic, 1}).size());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (next < 20'000 && std::chrono::steady_clock::now() < deadline) {
    member.Step(0);
    queue.Drain(500, 100, &batch);
    ASSERT_TRUE(batch.error().ok()) << batch.error();
    for (const kafka::MessageView& message : batch.messages()) ASSERT_EQ(message.offset, next++);
  }
  EXPECT_EQ(next, 20'000);
  batch.Clear();
  member.set_draining(true);
  EXPECT_TRUE(StepUntil({&member}, [&] { return member.RecordsOf({topic, 0}).size() == 20'000; }));
}

TEST_F(ReadingFromKafka, WakesAnEventfd) {
  const std::string topic = MakeTopic(1);
  Member member(Group(), {topic});
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.assigned().size() == 1; }));
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ASSERT_GE(fd, 0);
  member.queue({topic, 0}).WakeOn(fd);
  Write({topic, 0}, 1);
  pollfd wait{fd, POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 30'000), 1);
  uint64_t count = 0;
  EXPECT_EQ(read(fd, &count, sizeof count), static_cast<ssize_t>(sizeof count));
  EXPECT_GE(count, 1u);
  member.queue({topic, 0}).WakeOn(-1);
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 1; }));
  close(fd);
}

TEST_F(ReadingFromKafka, CommittedMetadataComesBack) {
  const std::string topic = MakeTopic(3);
  const kafka::Settings settings = Group();
  std::string largest(4096, 'x');  // the broker's own limit
  {
    Member member(settings, {topic});
    ASSERT_TRUE(StepUntil({&member}, [&] { return member.assigned().size() == 3; }));
    const absl::Status committed =
        member.Commit({{{topic, 0}, 5, R"({"v":1,"i":7,"c":"Ab_-"})"}, {{topic, 1}, 0, largest}});
    ASSERT_TRUE(committed.ok()) << committed;
    const absl::Status too_long = member.Commit({{{topic, 1}, 1, largest + "x"}});
    EXPECT_FALSE(too_long.ok());
  }
  Member successor(settings, {topic});
  ASSERT_TRUE(StepUntil({&successor}, [&] { return successor.assigned().size() == 3; }));
  const auto found = successor.consumer().Committed({{topic, 0}, {topic, 1}, {topic, 2}}, kTimeoutMs);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ((*found)[0].offset, 5);
  EXPECT_EQ((*found)[0].metadata, R"({"v":1,"i":7,"c":"Ab_-"})");
  EXPECT_EQ((*found)[1].offset, 0);
  EXPECT_EQ((*found)[1].metadata, largest);
  EXPECT_EQ((*found)[2].offset, kafka::kOffsetUnknown);
  EXPECT_EQ((*found)[2].metadata, "");
}

TEST_F(ReadingFromKafka, StartAndEndOffsetsComeInOneCall) {
  const std::string topic = MakeTopic(3);
  Write({topic, 0}, 10);
  Write({topic, 2}, 4);
  DeleteBefore({topic, 0}, 6);
  Member member(Group(), {topic});
  const std::vector<TopicPartition> all = {{topic, 0}, {topic, 1}, {topic, 2}};
  const std::vector<PartitionOffset> ends = member.consumer().EndOffsets(all, kTimeoutMs);
  const std::vector<PartitionOffset> starts = member.consumer().StartOffsets(all, kTimeoutMs);
  ASSERT_EQ(ends.size(), 3u);
  ASSERT_EQ(starts.size(), 3u);
  const int64_t expected_ends[] = {10, 0, 4}, expected_starts[] = {6, 0, 0};
  for (size_t p = 0; p < 3; ++p) {
    EXPECT_EQ(ends[p].partition, all[p]);
    EXPECT_EQ(ends[p].offset, expected_ends[p]) << p;
    EXPECT_EQ(starts[p].offset, expected_starts[p]) << p;
  }
  EXPECT_TRUE(member.consumer().EndOffsets({}, kTimeoutMs).empty());
  const auto unknown = member.consumer().EndOffsets({{topic, 7}}, 2'000);
  ASSERT_EQ(unknown.size(), 1u);
  EXPECT_EQ(unknown[0].offset, kafka::kOffsetUnknown);

  const auto range = kafka::RangeOf(broker().client(), all[0], kTimeoutMs);
  ASSERT_TRUE(range.ok()) << range.status();
  EXPECT_EQ(range->start, 6);
  EXPECT_EQ(range->end, 10);
  EXPECT_FALSE(kafka::RangeOf(broker().client(), {topic, 7}, 2'000).ok());
}

TEST_F(ReadingFromKafka, APositionBeforeTheLogIsAnErrorAndTheReaderCanBeSetElsewhere) {
  const std::string topic = MakeTopic(2);
  Write({topic, 0}, 10);
  Write({topic, 1}, 10);
  DeleteBefore({topic, 0}, 6);
  Member member(Group(), {topic},
                [](const TopicPartition& p) { return p.partition == 0 ? int64_t{2} : kafka::kOffsetBeginning; });
  ASSERT_TRUE(StepUntil({&member}, [&] {
    return !member.partition_errors().empty() && member.RecordsOf({topic, 1}).size() == 10;
  }));
  ASSERT_EQ(member.partition_errors().count({topic, 0}), 1u);
  const absl::Status error = member.partition_errors().at({topic, 0});
  EXPECT_TRUE(absl::IsOutOfRange(error)) << error;
  EXPECT_TRUE(member.RecordsOf({topic, 0}).empty());

  member.ForgetPartitionErrors();
  const absl::Status restarted = member.consumer().Restart({{topic, 0}, 6});
  ASSERT_TRUE(restarted.ok()) << restarted;
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.RecordsOf({topic, 0}).size() == 4; }));
  EXPECT_EQ(member.RecordsOf({topic, 0}).front().offset, 6);
  Write({topic, 0}, 1);
  Write({topic, 1}, 1);
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 16; }));
  EXPECT_TRUE(member.partition_errors().empty());
  EXPECT_EQ(member.revocations(), 0);
}

TEST_F(ReadingFromKafka, APositionBehindTheLogIsAnErrorAndTheReaderCanBeSetElsewhere) {
  const std::string topic = MakeTopic(1);
  Write({topic, 0}, 3);
  Member member(Group(), {topic}, [](const TopicPartition&) { return int64_t{1'000}; });
  ASSERT_TRUE(StepUntil({&member}, [&] { return !member.partition_errors().empty(); }));
  EXPECT_TRUE(absl::IsOutOfRange(member.partition_errors().at({topic, 0}))) << member.partition_errors().at({topic, 0});
  ASSERT_TRUE(member.consumer().Restart({{topic, 0}, kafka::kOffsetBeginning}).ok());
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() == 3; }));
  EXPECT_EQ(member.records().front().offset, 0);
}

TEST_F(ReadingFromKafka, RetentionThatOvertakesAReaderIsAnErrorToo) {
  const std::string topic = MakeTopic(1);
  for (int i = 0; i < 20; ++i) Write({topic, 0}, 250);  // batches of their own, so that a fetch brings one
  kafka::Settings settings = Group();
  settings["queued.min.messages"] = "10";
  settings["fetch.message.max.bytes"] = "1000";
  // From a number on: the beginning would be asked for anew, and be behind what has gone.
  Member member(settings, {topic}, [](const TopicPartition&) { return int64_t{0}; });
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.assigned().size() == 1; }));
  DeleteBefore({topic, 0}, 5'000);  // the reader has been held up since its first batch, if not longer
  ASSERT_TRUE(StepUntil({&member}, [&] { return !member.partition_errors().empty(); }));
  EXPECT_TRUE(absl::IsOutOfRange(member.partition_errors().at({topic, 0})));
  for (size_t i = 0; i < member.records().size(); ++i) ASSERT_EQ(member.records()[i].offset, static_cast<int64_t>(i));
  EXPECT_LT(member.records().size(), 5'000u);
}

TEST_F(ReadingFromKafka, RestartInTheMiddleOfReadingNeitherLosesNorMixes) {
  const std::string topic = MakeTopic(1);
  Write({topic, 0}, 5'000);
  Member member(Group(), {topic});
  ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() >= 100; }));
  for (const int64_t start : {int64_t{4'000}, int64_t{10}, int64_t{0}, int64_t{2'500}}) {
    const size_t before = member.records().size();
    ASSERT_TRUE(member.consumer().Restart({{topic, 0}, start}).ok());
    const size_t expected = before + 5'000 - static_cast<size_t>(start);
    ASSERT_TRUE(StepUntil({&member}, [&] { return member.records().size() >= expected; })) << start;
    ASSERT_EQ(member.records().size(), expected) << start;
    for (size_t i = before; i < expected; ++i) {
      ASSERT_EQ(member.records()[i].offset, start + static_cast<int64_t>(i - before));
    }
  }
}

}  // namespace
}  // namespace runledger::test
