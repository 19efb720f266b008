#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string>

#include "codecs/status.h"

namespace runledger::tools {

// What a command's result says of its run.
struct DiscoveredStatus {
  codecs::Status status = codecs::Status::kNoData;  // success or no_data
  std::optional<int64_t> records;                   // as counted, where the result has a place for them
};

// The status of a command that ended well, by the JSON that it made:
//
//   an object with "metadata": {"is_empty_report": true}              no_data
//   an object with a list "records", or a number "record_count"       success if there are some, else no_data
//   a list                                                            success if it is not empty, else no_data
//   anything else, and what is no JSON                                no_data
//
// Reads to the end, in little memory.
DiscoveredStatus DiscoverStatus(std::istream& json);

// The same of a file. One that was last changed before `not_before_us` was left by another run, and says nothing of
// this one; nor does one that is not there: no_data.
DiscoveredStatus DiscoverStatusOfFile(const std::string& path, int64_t not_before_us);

// The same of the last line of a text.
DiscoveredStatus DiscoverStatusOfLastLine(const std::string& text);

}  // namespace runledger::tools
