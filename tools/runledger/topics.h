#pragma once

#include <spdlog/logger.h>

#include <cstdint>

#include "absl/status/status.h"
#include "ingest/kafka/types.h"
#include "tools/runledger/config.h"

namespace runledger::tools {

// Settings of a client that only connects: brokers, security, names.
kafka::Settings ConnectionSettings(const Config& config);

// Makes the topics of the configuration that do not exist: those that are read and are our own with LogAppendTime, the
// dead-letter topic. `replication` below 1: the broker's default.
absl::Status CreateTopics(const Config& config, int32_t partitions, int32_t replication);

// Looks at the topics that are read and says in the log what an operator should know: a topic that is missing, or whose
// timestamps are the producers'. A broker that cannot be asked is only mentioned.
void CheckTopics(const Config& config, spdlog::logger* logger);

}  // namespace runledger::tools
