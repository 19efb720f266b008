#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace runledger::tools {

using TextPairs = std::vector<std::pair<std::string, std::string>>;

// Flags whose text is more than a text. What they point to must outlive `app`.

// `take` understands a text or refuses it; `what` says in the refusal what would be right.
void AddParsedFlag(CLI::App* app, const std::string& flag, const std::string& type, const std::string& help,
                   const std::string& what, std::function<bool(const std::string&)> take);

// "90s", "4h". The help shows the value as it is now.
void AddDurationFlag(CLI::App* app, const std::string& flag, const std::string& help, std::chrono::microseconds* value);

// NAME=VALUE, any number of times.
void AddPairsFlag(CLI::App* app, const std::string& flag, const std::string& help, TextPairs* pairs);

}  // namespace runledger::tools
