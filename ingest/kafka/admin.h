#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/kafka/types.h"

namespace runledger::kafka {

struct NewTopic {
  std::string name;
  int32_t partitions = 1;
  int32_t replication = -1;  // -1: the broker's default
  Settings config = {};      // e.g. message.timestamp.type
};

// Makes topics. AlreadyExists counts as done. Each call is a short-lived client.
absl::Status CreateTopics(const Settings& client, const std::vector<NewTopic>& topics, int timeout_ms);

// One configuration value of a topic as the broker has it, e.g. message.timestamp.type. NotFound: no such topic.
absl::StatusOr<std::string> TopicConfig(const Settings& client, const std::string& topic, const std::string& name,
                                        int timeout_ms);

}  // namespace runledger::kafka
