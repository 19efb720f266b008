#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "tools/runledger/http_client.h"

namespace CLI {
class App;
}

namespace runledger::tools {

// What the commands that ask a running instance share.

using Json = nlohmann::ordered_json;

// How the instance is reached and how its answer is shown.
struct InstanceFlags {
  InstanceAddress address;
  std::string config_file;    // that of the instance: where it listens, and what it asks for
  bool url_is_given = false;  // what is given goes before the configuration
  bool json = false;
};

// Flags that all of them have: --config, --url, --json, ...
void AddInstanceFlags(CLI::App* command, InstanceFlags* flags);

// Takes from the configuration, where one is given, how the instance is reached. InvalidArgument: it does not say so.
absl::Status FindInstance(InstanceFlags* flags);

// The answer as JSON: the instance's, or that of the one it names as the owner of what is asked for. Otherwise what is
// wrong was said, and *status is the exit status.
std::optional<Json> Ask(const InstanceAddress& instance, const std::string& path, int* status);

// The answer is of the whole log, and of all partitions.
bool IsKnown(const Json& answer);
// How far the answer goes; says so where it matters. kUnknown if the instance is behind, or partitions are left out.
int SayAsOf(const Json& answer);

// What is wrong with the instance itself.
void SayProblems(const Json& answer);

// A value for a table: "-" for null.
std::string Text(const Json& value);
// RFC 3339 as microseconds since the epoch; nothing for null, which is less than any time.
std::optional<int64_t> ParseTime(const Json& value);
// "2026-01-12T11:30:08Z" as "2026-01-12 11:30:08", short enough for a table.
std::string Time(const Json& value);

}  // namespace runledger::tools
