#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "aggregators/schedule/clock_pattern.h"

namespace runledger::aggregators {

// The pattern of a schedule's text, cron or words: see ScheduleSettings::text. InvalidArgument says what is permitted.
absl::StatusOr<ClockPattern> ParseScheduleText(std::string_view text);

// "05:30" as a minute of the day.
absl::StatusOr<int> ParseTimeOfDay(std::string_view text);

}  // namespace runledger::aggregators
