#include "ingest/kafka/types.h"

#include "ingest/kafka/handles.h"

namespace runledger::kafka {

std::string ToString(const TopicPartition& partition) {
  return partition.topic + "[" + std::to_string(partition.partition) + "]";
}

int32_t PartitionFor(Partitioner partitioner, std::string_view key, int32_t partitions) {
  return partitioner == Partitioner::kMurmur2
             ? rd_kafka_msg_partitioner_murmur2(nullptr, key.data(), key.size(), partitions, nullptr, nullptr)
             : rd_kafka_msg_partitioner_consistent(nullptr, key.data(), key.size(), partitions, nullptr, nullptr);
}

absl::StatusOr<ConfPtr> MakeConf(const Settings& settings) {
  ConfPtr conf(rd_kafka_conf_new());
  for (const auto& [name, value] : settings) {
    char error[512];
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) {
      return absl::InvalidArgumentError("log.librdkafka." + name + ": " + error);
    }
  }
  return conf;
}

Settings ConnectionSettings(const std::string& brokers, const Settings& librdkafka) {
  Settings settings = {{"bootstrap.servers", brokers}};
  for (const auto& [name, value] : librdkafka) {
    if (name.starts_with("security.") || name.starts_with("sasl.") || name.starts_with("ssl.") ||
        name.starts_with("socket.") || name.starts_with("broker.") || name == "client.id" || name == "debug") {
      settings[name] = value;
    }
  }
  return settings;
}

absl::Status CheckSettings(const Settings& settings) { return MakeConf(settings).status(); }

absl::Status ToStatus(rd_kafka_resp_err_t error, const std::string& what) {
  const std::string text = what + ": " + rd_kafka_err2str(error);
  switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return absl::OkStatus();
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
      return absl::ResourceExhaustedError(text);
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:  // a name that no topic can have
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return absl::InvalidArgumentError(text);
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      return absl::NotFoundError(text);
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
      return absl::AlreadyExistsError(text);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return absl::PermissionDeniedError(text);
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return absl::OutOfRangeError(text);
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
      return absl::FailedPreconditionError(text);
    case RD_KAFKA_RESP_ERR__FATAL:
      return absl::InternalError(text);  // this client does nothing any more
    default:                             // REBALANCE_IN_PROGRESS too: the member still is one, and may ask again
      return absl::UnavailableError(text);
  }
}

absl::Status TakeError(rd_kafka_error_t* error, const std::string& what) {
  if (error == nullptr) return absl::OkStatus();
  absl::Status status = ToStatus(rd_kafka_error_code(error), what + ": " + rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
  return status;
}

}  // namespace runledger::kafka
