#pragma once

#include <string>
#include <vector>

#include "tools/runledger/config.h"
#include "tools/runledger/job_settings.h"

namespace runledger::tools {

// What is wrong with a configuration whose keys could each be read: names and addresses that are none, settings of
// librdkafka, keys that contradict each other. `problem` is told of each, with the key it is about.
void CheckConfig(const Config& config, const EntryProblem& problem);

// What is wrong with the name of a topic, by Kafka's own rule; empty: nothing.
std::string TopicNameProblem(const std::string& key, const std::string& name);
// "unknown key ...", and which of the known ones may have been meant, if one is close.
std::string UnknownKey(const std::string& key, const std::vector<std::string>& known);

}  // namespace runledger::tools
