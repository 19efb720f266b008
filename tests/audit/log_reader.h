#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace runledger::audit {

// A record of a topic.
struct LogRecord {
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t timestamp_us = -1;  // below 0: none
  bool by_broker = true;      // LogAppendTime
  std::optional<std::string_view> key;
  std::string_view value;
  bool has_value = false;
  std::vector<std::pair<std::string, std::string>> headers;
};

// Called for each record; those of one partition come in order.
using RecordVisitor = std::function<void(const LogRecord&)>;

// The whole of a topic, from its first record to the end as it is now.
absl::Status ReadTopic(const std::string& brokers, const std::string& topic, const RecordVisitor& visit);

// A file of generated records as if it were a topic: offsets count from 0 in each partition.
// `append_us`: stamps every record with this time, as a broker would; nothing: the records' own timestamps.
absl::Status ReadRecordFile(const std::string& path, std::optional<int64_t> append_us, const RecordVisitor& visit);

}  // namespace runledger::audit
