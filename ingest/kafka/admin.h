#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/kafka/consumer.h"
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

// Deletes a topic and all its records. NotFound: there is none.
absl::Status DeleteTopic(const Settings& client, const std::string& topic, int timeout_ms);

// Gives a topic more partitions, `partitions` in all. InvalidArgument: it has as many already.
absl::Status AddPartitions(const Settings& client, const std::string& topic, int32_t partitions, int timeout_ms);

// One configuration value of a topic as the broker has it, e.g. message.timestamp.type. NotFound: no such topic.
absl::StatusOr<std::string> TopicConfig(const Settings& client, const std::string& topic, const std::string& name,
                                        int timeout_ms);

// What a group has committed for a partition, asked of its coordinator. `client` needs bootstrap.servers.
absl::StatusOr<CommittedOffset> GroupOffset(const Settings& client, const std::string& group,
                                            const TopicPartition& partition, int timeout_ms);

// Commits for a group that has no members. FailedPrecondition: it has some, so the offset is theirs.
absl::Status SetGroupOffset(const Settings& client, const std::string& group, const CommittedOffset& offset,
                            int timeout_ms);

// First offset of a partition that the log holds, and the one after its last.
struct LogRange {
  int64_t start = 0;
  int64_t end = 0;
};
absl::StatusOr<LogRange> RangeOf(const Settings& client, const TopicPartition& partition, int timeout_ms);

}  // namespace runledger::kafka
