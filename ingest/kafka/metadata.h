#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "ingest/kafka/handles.h"

namespace runledger::kafka {

// Partitions of a topic, asked from the cluster. NotFound if it does not exist.
absl::StatusOr<int32_t> PartitionCount(rd_kafka_t* rk, const std::string& topic, int timeout_ms);

// Where the log of a partition begins (RD_KAFKA_OFFSET_BEGINNING) or ends (RD_KAFKA_OFFSET_END), asked from its leader.
// Not by rd_kafka_query_watermark_offsets, whose timeout bounds only how long it looks for the leader.
absl::StatusOr<int64_t> LogOffset(rd_kafka_t* rk, const TopicPartition& partition, int64_t which, int timeout_ms);

}  // namespace runledger::kafka
