#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

// Kafka as the rest of the house sees it; nothing of librdkafka and nothing of runledger.
namespace runledger::kafka {

// librdkafka settings by name.
using Settings = std::map<std::string, std::string>;

// Receives what librdkafka logs. syslog levels (3 error, 4 warning, 6 info). Any thread; must outlive the client.
using LogCallback = std::function<void(int level, std::string_view facility, std::string_view text)>;

struct TopicPartition {
  std::string topic;
  int32_t partition = 0;

  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};
std::string ToString(const TopicPartition& partition);  // "topic[3]"

inline constexpr int64_t kOffsetBeginning = -2;
inline constexpr int64_t kOffsetEnd = -1;
inline constexpr int64_t kOffsetUnknown = -1001;

struct Header {
  std::string_view name;
  std::string_view value;

  friend bool operator==(const Header&, const Header&) = default;
};

enum class TimestampType : uint8_t { kNone, kCreateTime, kLogAppendTime };

// One record. Views are good as long as the MessageBatch that it came in.
struct MessageView {
  int64_t offset = 0;
  int64_t timestamp_ms = -1;
  TimestampType timestamp_type = TimestampType::kNone;
  bool has_key = false;
  bool has_value = false;
  std::string_view key;
  std::string_view value;
  std::span<const Header> headers;  // neighbours that carry the same may share them
};

// A record to be written.
struct OutgoingMessage {
  std::string_view topic;
  int32_t partition = -1;  // -1: chosen by the client
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::vector<Header> headers;
  int64_t timestamp_ms = 0;  // 0: now
};

// How a key chooses its partition.
enum class Partitioner : uint8_t {
  kMurmur2,  // Java clients, franz-go
  kCrc32,    // librdkafka's and Python's default
  kNone,     // not known
};

// REQUIRES: partitioner is not kNone, partitions > 0.
int32_t PartitionFor(Partitioner partitioner, std::string_view key, int32_t partitions);

// Of a client that only connects: the brokers, and what of `librdkafka` every kind of client takes (security, sockets,
// names). The rest may be a consumer's alone.
Settings ConnectionSettings(const std::string& brokers, const Settings& librdkafka);

// Whether librdkafka knows these settings and takes their values. InvalidArgument names the first that it does not.
absl::Status CheckSettings(const Settings& settings);

}  // namespace runledger::kafka
