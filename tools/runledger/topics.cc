#include "tools/runledger/topics.h"

#include "ingest/kafka/admin.h"

namespace runledger::tools {
namespace {

constexpr int kTimeoutMs = 10'000;
constexpr char kTimestampType[] = "message.timestamp.type";

}  // namespace

kafka::Settings ConnectionSettings(const Config& config) {
  kafka::Settings settings = {{"bootstrap.servers", config.brokers}};
  for (const auto& [name, value] : config.librdkafka) {
    if (name.starts_with("security.") || name.starts_with("sasl.") || name.starts_with("ssl.") ||
        name.starts_with("socket.") || name.starts_with("broker.") || name == "client.id" || name == "debug") {
      settings[name] = value;
    }
  }
  return settings;
}

absl::Status CreateTopics(const Config& config, int32_t partitions, int32_t replication) {
  const int32_t copies = replication < 1 ? -1 : replication;
  std::vector<kafka::NewTopic> topics;
  for (const ingest::TopicOptions& topic : config.topics) {
    if (topic.own) topics.push_back({topic.name, partitions, copies, {{kTimestampType, "LogAppendTime"}}});
  }
  topics.push_back({config.dead_letter_topic, 1, copies, {}});
  return kafka::CreateTopics(ConnectionSettings(config), topics, kTimeoutMs);
}

void CheckTopics(const Config& config, spdlog::logger* logger) {
  const auto policy =
      kafka::TopicConfig(ConnectionSettings(config), config.dead_letter_topic, "cleanup.policy", kTimeoutMs);
  if (absl::IsNotFound(policy.status())) {
    logger->error("topic {} for dead letters does not exist; `runledger setup` makes it", config.dead_letter_topic);
  } else if (policy.ok() && policy->find("compact") != std::string::npos) {
    logger->warn("topic {} for dead letters has cleanup.policy={}: of the letters of one key only the newest stays",
                 config.dead_letter_topic, *policy);
  }
  for (const ingest::TopicOptions& topic : config.topics) {
    const auto type = kafka::TopicConfig(ConnectionSettings(config), topic.name, kTimestampType, kTimeoutMs);
    if (absl::IsNotFound(type.status())) {
      logger->error("topic {} does not exist; `runledger setup` makes it. Waiting for it", topic.name);
    } else if (!type.ok()) {
      logger->warn("topic {} could not be looked at: {}", topic.name, std::string(type.status().message()));
    } else if (*type != "LogAppendTime") {
      logger->warn(
          "topic {} has {}={}: its times are its producers', so late events are not recognised as history by their "
          "age, and while "
          "this instance is behind it has no watermark. LogAppendTime is better",
          topic.name, kTimestampType, *type);
    }
  }
}

}  // namespace runledger::tools
