#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "ingest/kafka/types.h"
#include "tools/runledger/config.h"

namespace runledger::tools {

// Settings of a client that only connects: brokers, security, names.
kafka::Settings ConnectionSettings(const Config& config);

// Makes the topics of the configuration that do not exist: those that are read and are our own with LogAppendTime, the
// dead-letter topic. `replication` below 1: the broker's default.
absl::Status CreateTopics(const Config& config, int32_t partitions, int32_t replication);

// Looks at the topics of the configuration until all of them are there, and says what an operator should know: one
// that is missing, or would lose snapshots (in the log once, and as a problem until it is mended), or whose timestamps
// are the producers'. `problem`: a subject, and what is wrong with it; empty: it is well. Blocks until `stop` is set or
// there is no problem.
void WatchTopics(const Config& config, spdlog::logger* logger,
                 const std::function<void(const std::string&, const std::string&)>& problem,
                 const std::atomic<bool>& stop);

}  // namespace runledger::tools
