#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runledger::reference {

inline constexpr int64_t kSecond = 1'000'000;
inline constexpr int64_t kMinute = 60 * kSecond;
inline constexpr int64_t kHour = 60 * kMinute;
inline constexpr int64_t kDay = 24 * kHour;

// What is expected of a job; microseconds, all limits strict.
struct Policy {
  bool enabled = true;
  int64_t stale_after_us = 4 * kHour;
  int64_t silent_after_us = 5 * kMinute;
  int64_t max_runtime_us = 0;  // 0: none
  int64_t staleness_us = 2 * kDay;
  std::string display_name;
  std::string phase;
  std::string priority;
};

// Patterns in which '*' stands for any text. A name without '*' wins, then the pattern with the most letters, then the
// first.
struct Policies {
  Policy defaults;
  std::vector<std::pair<std::string, Policy>> rules;

  const Policy& Of(std::string_view job) const;
};

bool Matches(std::string_view pattern, std::string_view text);

}  // namespace runledger::reference
