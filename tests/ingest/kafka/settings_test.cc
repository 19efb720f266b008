// What can be known without any broker: settings, partitioners, names.
#include <gtest/gtest.h>

#include "ingest/kafka/consumer.h"
#include "ingest/kafka/producer.h"
#include "ingest/kafka/types.h"

namespace runledger::kafka {
namespace {

class Nobody : public Consumer::Listener {
  void OnAssigned(const std::vector<TopicPartition>&) override {}
  void OnRevoked(const std::vector<TopicPartition>&, bool) override {}
  void OnCommitted(uint64_t, const absl::Status&) override {}
  void OnError(const absl::Status&) override {}
};

// Hash values as Kafka's own Java client has them for murmur2, and CRC-32 (IEEE 802.3) of the same keys.
TEST(PartitionFor, AgreesWithOtherClients) {
  struct Case {
    std::string_view key;
    int32_t murmur2;
    uint32_t crc32;
  };
  constexpr Case kCases[] = {
      {"21", -973932308, 0xFD7746B4},
      {"foobar", -790332482, 0x9EF61F95},
      {"a-little-bit-long-string", -985981536, 0xEE71CD62},
      {"abc", 479470107, 0x352441C2},
  };
  for (const Case& c : kCases) {
    for (const int32_t partitions : {1, 3, 12, 1000}) {
      EXPECT_EQ(PartitionFor(Partitioner::kMurmur2, c.key, partitions), (c.murmur2 & 0x7fffffff) % partitions) << c.key;
      EXPECT_EQ(PartitionFor(Partitioner::kCrc32, c.key, partitions),
                static_cast<int32_t>(c.crc32 % static_cast<uint32_t>(partitions)))
          << c.key;
    }
  }
}

TEST(ConsumerSettings, WhatDeliveryRestsOnCannotBeChanged) {
  Nobody nobody;
  constexpr std::pair<const char*, const char*> kForbidden[] = {{"enable.auto.commit", "true"},
                                                                {"enable.auto.offset.store", "true"},
                                                                {"auto.offset.reset", "latest"},
                                                                {"enable.partition.eof", "false"}};
  for (const auto& [name, value] : kForbidden) {
    const auto made =
        Consumer::Create({{"bootstrap.servers", "127.0.0.1:1"}, {"group.id", "g"}, {name, value}}, &nobody, {});
    EXPECT_TRUE(absl::IsInvalidArgument(made.status())) << name;
    EXPECT_NE(made.status().message().find(name), std::string_view::npos) << made.status();
  }
  EXPECT_TRUE(
      Consumer::Create({{"bootstrap.servers", "127.0.0.1:1"}, {"group.id", "g"}, {"auto.offset.reset", "error"}},
                       &nobody, {})
          .ok());
}

TEST(ConsumerSettings, AnUnknownSettingAndABadValueAreNamed) {
  Nobody nobody;
  const auto unknown = Consumer::Create({{"group.id", "g"}, {"sesion.timeout.ms", "1"}}, &nobody, {});
  EXPECT_TRUE(absl::IsInvalidArgument(unknown.status()));
  EXPECT_NE(unknown.status().message().find("log.librdkafka.sesion.timeout.ms"), std::string_view::npos)
      << unknown.status();
  const auto bad = Producer::Create({{"linger.ms", "soon"}}, {}, {});
  EXPECT_TRUE(absl::IsInvalidArgument(bad.status()));
  EXPECT_NE(bad.status().message().find("linger.ms"), std::string_view::npos) << bad.status();
  const auto clash =
      Producer::Create({{"enable.idempotence", "true"}, {"max.in.flight.requests.per.connection", "9"}}, {}, {});
  EXPECT_TRUE(absl::IsInvalidArgument(clash.status())) << clash.status();
}

// librdkafka finds these late, and has half cleaned up then.
TEST(ConsumerSettings, TlsFilesThatCannotBeUsedAreNamed) {
  Nobody nobody;
  for (const char* name : {"ssl.certificate.location", "ssl.key.location", "ssl.ca.location"}) {
    const Settings settings = {{"bootstrap.servers", "127.0.0.1:1"},
                               {"group.id", "g"},
                               {"security.protocol", "ssl"},
                               {name, "/nonexistent.pem"}};
    const auto consumer = Consumer::Create(settings, &nobody, {});
    EXPECT_TRUE(absl::IsInvalidArgument(consumer.status())) << name;
    EXPECT_NE(consumer.status().message().find(name), std::string_view::npos) << consumer.status();
  }
}

// A client of a broker that never answers can be made, asked and destroyed.
TEST(ConsumerSettings, AnUnreachableBrokerIsNoReasonToHang) {
  Nobody nobody;
  auto consumer = Consumer::Create({{"bootstrap.servers", "127.0.0.1:1"}, {"group.id", "g"}}, &nobody, {});
  ASSERT_TRUE(consumer.ok());
  ASSERT_TRUE((*consumer)->Subscribe({"t"}).ok());
  (*consumer)->Poll(10);
  EXPECT_EQ((*consumer)->EndOffsets({{"t", 0}}, 200)[0].offset, kOffsetUnknown);
  EXPECT_TRUE(absl::IsUnavailable((*consumer)->PartitionCount("t", 200).status()));
  EXPECT_TRUE((*consumer)->ClusterId(200).empty());
  (*consumer)->Close();
}

TEST(Types, APartitionIsWrittenWithItsTopic) {
  EXPECT_EQ(ToString(TopicPartition{"runledger.events", 3}), "runledger.events[3]");
}

}  // namespace
}  // namespace runledger::kafka
