#pragma once

#include <chrono>
#include <cstdint>

namespace runledger::tools {

// The time of day, microseconds since the Unix epoch.
inline int64_t WallUs() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::microseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace runledger::tools
