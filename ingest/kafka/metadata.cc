#include "ingest/kafka/metadata.h"

namespace runledger::kafka {

absl::StatusOr<int32_t> PartitionCount(rd_kafka_t* rk, const std::string& topic, int timeout_ms) {
  rd_kafka_topic_t* handle = rd_kafka_topic_new(rk, topic.c_str(), nullptr);
  if (handle == nullptr) return ToStatus(rd_kafka_last_error(), "topic " + topic);
  const rd_kafka_metadata_t* raw = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(rk, 0, handle, &raw, timeout_ms);
  rd_kafka_topic_destroy(handle);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "metadata of topic " + topic);
  const MetadataPtr metadata(raw);
  if (metadata->topic_cnt != 1) return absl::NotFoundError("topic " + topic + " does not exist");
  const rd_kafka_metadata_topic_t& found = metadata->topics[0];
  if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(found.err, "topic " + topic);
  if (found.partition_cnt == 0) return absl::NotFoundError("topic " + topic + " does not exist");
  return found.partition_cnt;
}

// librdkafka takes the two logical offsets where it takes a time.
absl::StatusOr<int64_t> LogOffset(rd_kafka_t* rk, const TopicPartition& partition, int64_t which, int timeout_ms) {
  const PartitionListPtr list = ListOf(partition, which);
  rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(rk, list.get(), timeout_ms);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = list->elems[0].err;
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "asking for the offsets of " + ToString(partition));
  if (list->elems[0].offset < 0) return absl::UnavailableError("no offset of " + ToString(partition) + " was answered");
  return list->elems[0].offset;
}

}  // namespace runledger::kafka
