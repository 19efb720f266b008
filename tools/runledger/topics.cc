#include "tools/runledger/topics.h"

#include <chrono>
#include <thread>
#include <vector>

#include "ingest/kafka/admin.h"

namespace runledger::tools {
namespace {

constexpr int kTimeoutMs = 10'000;
constexpr int kLookMs = 4'000;  // for one topic: a process that is to end waits for no more
constexpr auto kLookAgain = std::chrono::seconds(10);
constexpr auto kStopCheck = std::chrono::milliseconds(100);
constexpr char kTimestampType[] = "message.timestamp.type";

struct WatchedTopic {
  std::string name;
  bool dead_letters = false;
  bool own = false;
  bool told = false;  // that it is missing, or cannot be looked at
};

// True once the topic has been looked at; it is there then.
bool IsThere(const Config& config, spdlog::logger* logger,
             const std::function<void(const std::string&, const std::string&)>& problem, WatchedTopic* topic) {
  const std::string subject = "topic " + topic->name;
  const auto value = kafka::TopicConfig(ConnectionSettings(config), topic->name,
                                        topic->dead_letters ? "cleanup.policy" : kTimestampType, kLookMs);
  if (!value.ok()) {
    const bool missing = absl::IsNotFound(value.status());
    const std::string text = std::string("it does not exist") +
                             (topic->dead_letters ? ", and dead letters go there" : "") +
                             (topic->own ? "; `runledger setup` makes it" : "") + ". Waiting for it";
    if (missing) problem(subject, text);
    if (missing && !topic->told) logger->error("{}: {}", subject, text);
    if (!missing && !topic->told)
      logger->warn("{} could not be looked at: {}", subject, std::string(value.status().message()));
    topic->told = true;
    return false;
  }
  problem(subject, "");
  if (topic->dead_letters && value->find("compact") != std::string::npos) {
    logger->warn("{} for dead letters has cleanup.policy={}: of the letters of one key only the newest stays", subject,
                 *value);
  } else if (!topic->dead_letters && *value != "LogAppendTime") {
    logger->warn(
        "{} has {}={}: its times are its producers', so late events are not recognised as history by their age, and "
        "while this instance is behind it has no watermark. LogAppendTime is better",
        subject, kTimestampType, *value);
  }
  return true;
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
  return kafka::CreateTopics(ConnectionSettings(config), topics, kTimeoutMs);
}

void WatchTopics(const Config& config, spdlog::logger* logger,
                 const std::function<void(const std::string&, const std::string&)>& problem,
                 const std::atomic<bool>& stop) {
  std::vector<WatchedTopic> watched = {{.name = config.dead_letter_topic, .dead_letters = true, .own = true}};
  for (const ingest::TopicOptions& topic : config.topics) watched.push_back({.name = topic.name, .own = topic.own});
  for (;;) {
    std::erase_if(watched, [&](WatchedTopic& topic) { return stop || IsThere(config, logger, problem, &topic); });
    if (watched.empty()) return;
    const auto again = std::chrono::steady_clock::now() + kLookAgain;
    while (!stop && std::chrono::steady_clock::now() < again) std::this_thread::sleep_for(kStopCheck);
  }
}

}  // namespace runledger::tools
