#include "tools/runledger/topics.h"

#include <chrono>
#include <vector>

#include "ingest/kafka/admin.h"
#include "tools/runledger/watch_pause.h"

namespace runledger::tools {
namespace {

constexpr int kTimeoutMs = 10'000;
constexpr int kLookMs = 4'000;  // for one topic: a process that is to end waits for no more
constexpr auto kLookAgain = std::chrono::seconds(10);
constexpr char kTimestampType[] = "message.timestamp.type";

constexpr char kCleanupPolicy[] = "cleanup.policy";

struct WatchedTopic {
  enum class Use { kEvents, kDeadLetters, kSnapshots };
  std::string name;
  Use use = Use::kEvents;
  bool own = false;
  bool told = false;        // that it is missing, or cannot be looked at
  bool told_unfit = false;  // that it would lose what is written there
};

// What an operator should know of a topic that is there. True: nothing has to be mended.
bool Judge(WatchedTopic* topic, const std::string& value, spdlog::logger* logger,
           const std::function<void(const std::string&, const std::string&)>& problem) {
  const std::string subject = "topic " + topic->name;
  const bool compacted = value.find("compact") != std::string::npos;
  if (topic->use == WatchedTopic::Use::kSnapshots && value != "compact") {
    const std::string text = std::string("snapshots of state are kept there, and it has ") + kCleanupPolicy + "=" +
                             value +
                             (compacted ? ": one that is older than its retention is deleted though it is needed"
                                        : ": old ones are not removed, and needed ones are deleted by age or size") +
                             ". Set it to compact";
    problem(subject, text);
    if (!topic->told_unfit) logger->error("{}: {}", subject, text);
    topic->told_unfit = true;
    return false;
  }
  problem(subject, "");
  if (topic->use == WatchedTopic::Use::kDeadLetters && compacted) {
    logger->warn("{} for dead letters has {}={}: of the letters of one key only the newest stays", subject,
                 kCleanupPolicy, value);
  } else if (topic->use == WatchedTopic::Use::kEvents && value != "LogAppendTime") {
    logger->warn(
        "{} has {}={}: its times are its producers', so late events are not recognised as history by their age, and "
        "while this instance is behind it has no watermark. LogAppendTime is better",
        subject, kTimestampType, value);
  }
  return true;
}

// True once the topic has been looked at and is as it must be.
bool IsThere(const Config& config, spdlog::logger* logger,
             const std::function<void(const std::string&, const std::string&)>& problem, WatchedTopic* topic) {
  const std::string subject = "topic " + topic->name;
  const auto value =
      kafka::TopicConfig(ConnectionSettings(config), topic->name,
                         topic->use == WatchedTopic::Use::kEvents ? kTimestampType : kCleanupPolicy, kLookMs);
  if (!value.ok()) {
    const bool missing = absl::IsNotFound(value.status());
    const std::string text =
        std::string("it does not exist") +
        (topic->use == WatchedTopic::Use::kDeadLetters ? ", and dead letters go there"
         : topic->use == WatchedTopic::Use::kSnapshots ? ", and snapshots of state are to be kept there"
                                                       : "") +
        (topic->own ? "; `runledger setup` makes it" : "") + ". Waiting for it";
    if (missing) problem(subject, text);
    if (missing && !topic->told) logger->error("{}: {}", subject, text);
    if (!missing && !topic->told)
      logger->warn("{} could not be looked at: {}", subject, std::string(value.status().message()));
    topic->told = true;
    return false;
  }
  return Judge(topic, *value, logger, problem);
}

}  // namespace

kafka::Settings ConnectionSettings(const Config& config) {
  return kafka::ConnectionSettings(config.brokers, config.librdkafka);
}

absl::Status CreateTopics(const Config& config, int32_t partitions, int32_t replication) {
  const int32_t copies = replication < 1 ? -1 : replication;
  std::vector<kafka::NewTopic> topics;
  for (const ingest::TopicOptions& topic : config.topics) {
    if (topic.own) topics.push_back({topic.name, partitions, copies, {{kTimestampType, "LogAppendTime"}}});
  }
  topics.push_back({config.dead_letter_topic, 1, copies, {}});
  if (!config.state_kafka_topic.empty()) {
    // Only segments that are full are compacted: small ones, so that what is not needed any more goes soon.
    topics.push_back({config.state_kafka_topic,
                      1,
                      copies,
                      {{kCleanupPolicy, "compact"}, {"segment.bytes", "134217728"}, {"max.message.bytes", "1048588"}}});
  }
  return kafka::CreateTopics(ConnectionSettings(config), topics, kTimeoutMs);
}

void WatchTopics(const Config& config, spdlog::logger* logger,
                 const std::function<void(const std::string&, const std::string&)>& problem,
                 const std::atomic<bool>& stop) {
  using Use = WatchedTopic::Use;
  std::vector<WatchedTopic> watched = {{.name = config.dead_letter_topic, .use = Use::kDeadLetters, .own = true}};
  if (!config.state_kafka_topic.empty())
    watched.push_back({.name = config.state_kafka_topic, .use = Use::kSnapshots, .own = true});
  for (const ingest::TopicOptions& topic : config.topics) watched.push_back({.name = topic.name, .own = topic.own});
  for (;;) {
    std::erase_if(watched, [&](WatchedTopic& topic) { return stop || IsThere(config, logger, problem, &topic); });
    if (watched.empty()) return;
    PauseFor(kLookAgain, stop);
  }
}

}  // namespace runledger::tools
