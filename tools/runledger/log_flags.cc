#include "tools/runledger/log_flags.h"

#include "tools/runledger/config_loader.h"

namespace runledger::tools {

void LogFlags::Add(CLI::App* command) {
  command->add_option("--config", config, "Configuration file (YAML); without it RUNLEDGER_CONFIG, else the defaults");
  command->add_option("--brokers", brokers, "Kafka's bootstrap servers, over log.brokers");
  command->add_option("--topic", topic, "Topic, over the first of log.topics");
}

absl::StatusOr<Config> LogFlags::Load() const {
  auto loaded = LoadConfigFile(config, ProcessEnvironment());
  if (!loaded.ok()) return loaded;
  if (!brokers.empty()) loaded->brokers = brokers;
  if (!topic.empty()) {
    // The settings of that topic where it is configured, else the defaults.
    ingest::TopicOptions chosen{.name = topic};
    for (const ingest::TopicOptions& known : loaded->topics) {
      if (known.name == topic) chosen = known;
    }
    loaded->topics = {chosen};
  }
  return loaded;
}

}  // namespace runledger::tools
