#include "audit/log_reader.h"

#include <librdkafka/rdkafka.h>

#include <map>
#include <set>

#include "tools/generate/sink.h"

namespace runledger::audit {
namespace {

constexpr int kTimeoutMs = 30'000;

struct Destroyer {
  void operator()(rd_kafka_t* rk) const { rd_kafka_destroy(rk); }
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
  void operator()(const rd_kafka_metadata_t* metadata) const { rd_kafka_metadata_destroy(metadata); }
};
template <typename T>
using Owned = std::unique_ptr<T, Destroyer>;

absl::Status Unavailable(const std::string& what, rd_kafka_resp_err_t error) {
  return absl::UnavailableError(what + ": " + rd_kafka_err2str(error));
}

absl::Status MakeConsumer(const std::string& brokers, Owned<rd_kafka_t>* consumer) {
  const std::pair<const char*, std::string> settings[] = {
      {"bootstrap.servers", brokers},   {"group.id", "runledger-audit"}, {"enable.auto.commit", "false"},
      {"enable.partition.eof", "true"}, {"auto.offset.reset", "error"},  {"isolation.level", "read_committed"}};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char error[512];
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof error) == RD_KAFKA_CONF_OK) continue;
    rd_kafka_conf_destroy(conf);
    return absl::InvalidArgumentError(error);
  }
  consumer->reset(rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error));
  if (*consumer == nullptr) {
    rd_kafka_conf_destroy(conf);
    return absl::InvalidArgumentError(error);
  }
  rd_kafka_poll_set_consumer(consumer->get());
  return absl::OkStatus();
}

absl::Status PartitionsOf(rd_kafka_t* consumer, const std::string& topic, std::set<int32_t>* partitions) {
  const Owned<rd_kafka_topic_t> handle(rd_kafka_topic_new(consumer, topic.c_str(), nullptr));
  const rd_kafka_metadata_t* raw = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(consumer, 0, handle.get(), &raw, kTimeoutMs);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Unavailable("asking for " + topic, error);
  const Owned<const rd_kafka_metadata_t> metadata(raw);
  if (metadata->topic_cnt != 1 || metadata->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return absl::NotFoundError("topic " + topic + " is not there");
  }
  for (int i = 0; i < metadata->topics[0].partition_cnt; ++i) partitions->insert(metadata->topics[0].partitions[i].id);
  return absl::OkStatus();
}

LogRecord RecordOf(const rd_kafka_message_t& message) {
  LogRecord record;
  record.partition = message.partition;
  record.offset = message.offset;
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t timestamp_ms = rd_kafka_message_timestamp(&message, &type);
  if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) record.timestamp_us = timestamp_ms * 1000;
  record.by_broker = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
  if (message.key != nullptr) record.key = std::string_view(static_cast<const char*>(message.key), message.key_len);
  record.has_value = message.payload != nullptr;
  if (record.has_value) record.value = {static_cast<const char*>(message.payload), message.len};
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return record;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    record.headers.emplace_back(name, std::string(static_cast<const char*>(value), size));
  }
  return record;
}

}  // namespace

absl::Status ReadTopic(const std::string& brokers, const std::string& topic, const RecordVisitor& visit) {
  Owned<rd_kafka_t> consumer;
  if (absl::Status status = MakeConsumer(brokers, &consumer); !status.ok()) return status;
  std::set<int32_t> open;  // partitions whose end has not come yet
  if (absl::Status status = PartitionsOf(consumer.get(), topic, &open); !status.ok()) return status;
  const Owned<rd_kafka_topic_partition_list_t> assignment(
      rd_kafka_topic_partition_list_new(static_cast<int>(open.size())));
  for (const int32_t partition : open) {
    rd_kafka_topic_partition_list_add(assignment.get(), topic.c_str(), partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_resp_err_t error = rd_kafka_assign(consumer.get(), assignment.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Unavailable("reading " + topic, error);
  absl::Status status;
  while (!open.empty() && status.ok()) {
    const Owned<rd_kafka_message_t> message(rd_kafka_consumer_poll(consumer.get(), kTimeoutMs));
    if (message == nullptr) {
      status = absl::DeadlineExceededError("reading " + topic + ": nothing came for 30 s");
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      open.erase(message->partition);
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      status = Unavailable("reading " + topic, message->err);
    } else if (open.count(message->partition) > 0) {  // what came after the end is not part of it
      visit(RecordOf(*message));
    }
  }
  rd_kafka_consumer_close(consumer.get());
  return status;
}

absl::Status ReadRecordFile(const std::string& path, std::optional<int64_t> append_us, const RecordVisitor& visit) {
  auto reader = tools::RecordFileReader::Open(path);
  if (!reader.ok()) return reader.status();
  std::map<int32_t, int64_t> next;
  tools::GeneratedRecord generated;
  for (;;) {
    const absl::StatusOr<bool> more = (*reader)->Next(&generated);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    LogRecord record;
    record.partition = generated.partition;
    record.offset = next[generated.partition]++;
    record.timestamp_us = append_us.value_or(generated.timestamp_us) / 1000 * 1000;
    record.by_broker = append_us.has_value();
    if (generated.key) record.key = *generated.key;
    record.has_value = generated.value.has_value();
    if (generated.value) record.value = *generated.value;
    record.headers = generated.headers;
    visit(record);
  }
}

}  // namespace runledger::audit
