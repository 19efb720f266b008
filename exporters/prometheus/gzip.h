#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace runledger::exporters {

// The text as one gzip member, at the fastest level: the network is rarely slower than that. Nothing if memory is
// short: then it goes out as it is. Any thread.
std::optional<std::string> Gzip(std::string_view text);

}  // namespace runledger::exporters
