#include <string>

#include "tools/generate/sink.h"

namespace runledger::tools {
namespace {

constexpr int kTimeoutMs = 30'000;
constexpr int kFlushMs = 120'000;

}  // namespace

absl::StatusOr<std::unique_ptr<KafkaSink>> KafkaSink::Create(const kafka::Settings& settings, const std::string& topic,
                                                             int32_t partitions, kafka::LogCallback log) {
  std::unique_ptr<KafkaSink> sink(new KafkaSink(topic));
  kafka::Settings all = {{"linger.ms", "20"}, {"queue.buffering.max.kbytes", "131072"}};
  for (const auto& [name, value] : settings) all[name] = value;
  const auto report = [sink = sink.get()](const kafka::DeliveryReport& delivery) {
    if (!delivery.status.ok() && sink->failed_.ok()) sink->failed_ = delivery.status;
  };
  absl::StatusOr<std::unique_ptr<kafka::Producer>> producer = kafka::Producer::Create(all, report, std::move(log));
  if (!producer.ok()) return producer.status();
  sink->producer_ = std::move(*producer);
  const absl::StatusOr<int32_t> count = sink->producer_->PartitionCount(topic, kTimeoutMs);
  if (!count.ok()) return count.status();
  if (*count < partitions) {
    return absl::FailedPreconditionError("topic " + topic + " has " + std::to_string(*count) + " partitions, " +
                                         std::to_string(partitions) + " are to be written");
  }
  return sink;
}

absl::Status KafkaSink::Write(const GeneratedRecord& record) {
  kafka::OutgoingMessage message;
  message.topic = topic_;
  message.partition = record.partition;
  if (record.key) message.key = *record.key;
  if (record.value) message.value = *record.value;
  for (const auto& [name, value] : record.headers) message.headers.push_back({name, value});
  message.timestamp_ms = record.timestamp_us / 1000;
  for (;;) {
    producer_->Poll(0);
    if (!failed_.ok()) return failed_;
    absl::Status status = producer_->Produce(message, 0);
    if (status.code() != absl::StatusCode::kResourceExhausted) return status;
    producer_->Poll(100);  // the local queue is full: wait for reports
  }
}

absl::Status KafkaSink::Finish() {
  const absl::Status status = producer_->Flush(kFlushMs);
  return failed_.ok() ? status : failed_;
}

}  // namespace runledger::tools
