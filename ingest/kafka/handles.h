#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/kafka/types.h"

// Owners of librdkafka's C types: one deleter and one alias each. Private to this folder.
namespace runledger::kafka {

struct ConfDeleter {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
using ConfPtr = std::unique_ptr<rd_kafka_conf_t, ConfDeleter>;

struct PartitionListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
};
using PartitionListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t, PartitionListDeleter>;

// A list of one partition.
inline PartitionListPtr ListOf(const TopicPartition& partition, int64_t offset = kOffsetUnknown) {
  PartitionListPtr list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)->offset = offset;
  return list;
}

struct QueueDeleter {
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};
using QueuePtr = std::unique_ptr<rd_kafka_queue_t, QueueDeleter>;

struct EventDeleter {
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
};
using EventPtr = std::unique_ptr<rd_kafka_event_t, EventDeleter>;

struct MetadataDeleter {
  void operator()(const rd_kafka_metadata_t* metadata) const { rd_kafka_metadata_destroy(metadata); }
};
using MetadataPtr = std::unique_ptr<const rd_kafka_metadata_t, MetadataDeleter>;

// A librdkafka configuration of these settings. An unknown name or a bad value is InvalidArgument and names it.
absl::StatusOr<ConfPtr> MakeConf(const Settings& settings);

// A librdkafka error as a status: the code says what the caller does next (Unavailable: try again).
absl::Status ToStatus(rd_kafka_resp_err_t error, const std::string& what);
absl::Status TakeError(rd_kafka_error_t* error, const std::string& what);  // destroys `error`; nullptr is OK

}  // namespace runledger::kafka
