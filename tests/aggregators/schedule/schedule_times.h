#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "aggregators/schedule/time_zone.h"
#include "codecs/civil_time.h"

namespace runledger::test {

// "2026-03-08T07:00:00Z" in microseconds.
inline int64_t At(const std::string& text) {
  const std::optional<int64_t> time = codecs::ParseRfc3339(text);
  EXPECT_TRUE(time.has_value()) << text;
  return time.value_or(0);
}

// "2026-03-08" in days.
inline int32_t Date(const std::string& text) {
  const std::optional<int32_t> date = codecs::ParseDate(text);
  EXPECT_TRUE(date.has_value()) << text;
  return date.value_or(0);
}

inline aggregators::TimeZone Zone(const std::string& name) {
  const auto zone = aggregators::TimeZone::Load(name);
  EXPECT_TRUE(zone.ok()) << zone.status();
  return zone.ok() ? *zone : aggregators::TimeZone();
}

// "03-08 03:00 -0400": what the zone's clock shows. By the library, not by the code under test.
inline std::string Shown(int64_t time_us, const std::string& zone) {
  absl::TimeZone clock;
  EXPECT_TRUE(absl::LoadTimeZone(zone, &clock));
  return absl::FormatTime("%m-%d %H:%M %z", absl::FromUnixMicros(time_us), clock);
}

inline std::vector<std::string> Shown(const std::vector<int64_t>& times_us, const std::string& zone) {
  std::vector<std::string> shown;
  for (const int64_t time_us : times_us) shown.push_back(Shown(time_us, zone));
  return shown;
}

}  // namespace runledger::test
