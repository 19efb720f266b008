#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "codecs/event_decoder.h"
#include "codecs/record_decoder.h"
#include "fakes/events.h"
#include "ingest/kafka/consumer.h"
#include "ingest/kafka/embedded_broker.h"
#include "tools/runledger/event_sender.h"

namespace runledger::tools {

inline constexpr int32_t kPartitions = 12;
inline constexpr char kTopic[] = "runledger.events";

inline EventSink::Deadline In(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }
inline EventSink::Deadline Soon() { return In(std::chrono::seconds(60)); }

// An event as a sink takes it.
class Decoded {
 public:
  explicit Decoded(const v1::Event& event) : wire_(event.SerializeAsString()) {
    codecs::Rejection rejection;
    EXPECT_TRUE(codecs::EventDecoder(codecs::Limits()).Decode(wire_, -1, &event_, &rejection)) << rejection.text;
  }
  const codecs::Event& operator*() const { return event_; }

 private:
  std::string wire_;
  codecs::Event event_;
};

inline Decoded RunOf(const std::string& job, const std::string& run) {
  return Decoded(fakes::RunEvent(job, run, v1::SUCCESS, 1'768'217'408'000'000));
}

// A record of the topic.
struct Record {
  int32_t partition = 0;
  std::string key;
  std::string job;
  std::string run;
  v1::Status status = v1::STATUS_UNSPECIFIED;
};

// A test with a log in this process.
class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    auto broker = kafka::EmbeddedBroker::Start();
    ASSERT_TRUE(broker.ok()) << broker.status();
    broker_ = std::move(*broker);
    ASSERT_TRUE(broker_->CreateTopic(kTopic, kPartitions).ok());
  }

  EventSenderOptions Options() const {
    EventSenderOptions options;
    options.brokers = broker_->bootstrap();
    return options;
  }

  // The records of the topic, as soon as there are that many; decoded as the pipeline does it.
  std::vector<Record> Read(size_t count) {
    struct NoListener : kafka::Consumer::Listener {
      void OnAssigned(const std::vector<kafka::TopicPartition>&) override {}
      void OnRevoked(const std::vector<kafka::TopicPartition>&, bool) override {}
      void OnCommitted(uint64_t, const absl::Status&) override {}
      void OnError(const absl::Status&) override {}
    } listener;
    auto consumer = kafka::Consumer::Create({{"bootstrap.servers", broker_->bootstrap()}, {"group.id", "test"}},
                                            &listener, nullptr);
    EXPECT_TRUE(consumer.ok()) << consumer.status();
    std::vector<std::unique_ptr<kafka::PartitionQueue>> queues;
    std::vector<kafka::PartitionOffset> starts;
    for (int32_t i = 0; i < kPartitions; ++i) {
      queues.push_back((*consumer)->OpenQueue({kTopic, i}));
      starts.push_back({{kTopic, i}, kafka::kOffsetBeginning});
    }
    EXPECT_TRUE((*consumer)->Assign(starts).ok());

    std::vector<Record> records;
    while (records.size() < count) {
      (*consumer)->Poll(0);
      for (int32_t i = 0; i < kPartitions; ++i) {
        kafka::MessageBatch batch;
        queues[static_cast<size_t>(i)]->Drain(1'000, 5, &batch);
        for (const kafka::MessageView& message : batch.messages()) records.push_back(Decode(i, message));
      }
    }
    queues.clear();
    (*consumer)->Close();
    return records;
  }

  std::unique_ptr<kafka::EmbeddedBroker> broker_;

 private:
  static Record Decode(int32_t partition, const kafka::MessageView& message) {
    struct Visitor : codecs::EventVisitor {
      void OnEvent(int32_t, const codecs::Event& event) override {
        record.job = event.run.job_name;
        record.run = event.run.run_id;
        record.status = static_cast<v1::Status>(event.run.status);
      }
      void OnRejected(int32_t, const codecs::Rejection& rejection, std::string_view, bool) override {
        ADD_FAILURE() << rejection.text;
      }
      Record record;
    } visitor;
    visitor.record.partition = partition;
    visitor.record.key = message.key;
    codecs::FramingHeaders headers;
    for (const kafka::Header& header : message.headers) {
      if (header.name == "content-type") headers.content_type = header.value;
    }
    EXPECT_EQ(headers.content_type, "application/x-protobuf; messageType=runledger.v1.Event");
    // Were the header wrong, the topic's own framing would not save it.
    codecs::RecordDecoder decoder(codecs::Limits(), codecs::Framing::kJson);
    EXPECT_EQ(
        decoder.Decode({message.value, !message.has_value, headers, message.timestamp_ms * 1'000}, &visitor).events, 1);
    return visitor.record;
  }
};

}  // namespace runledger::tools
