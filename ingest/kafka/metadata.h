#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "ingest/kafka/handles.h"

namespace runledger::kafka {

// Partitions of a topic, asked from the cluster. NotFound if it does not exist.
absl::StatusOr<int32_t> PartitionCount(rd_kafka_t* rk, const std::string& topic, int timeout_ms);

}  // namespace runledger::kafka
