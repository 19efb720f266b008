#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "aggregators/day_verdicts.h"

namespace runledger::aggregators {

// Shall the job be tried now? For jobs that ask a publisher again and again until there is something: success stops,
// no_data is no failure and comes again in retry_after_no_data, a failure at once up to max_retries.
struct Discovery {
  enum class Action : uint8_t { kRun, kSkip, kUnknown };

  Action action = Action::kUnknown;
  std::string reason;  // a sentence's end
  std::optional<int64_t>
      next_check_us;  // before it the answer will be the same; nothing: ask again when something happens
  int32_t date = 0;
  DayStatus status = DayStatus::kUnknown;  // of that date, so far
  int attempts = 0;
  int failed_attempts = 0;
};
std::string_view ActionName(Discovery::Action action);  // "RUN"

// The date that a job is tried for at that time: that of the publication window around it or next to come, if it has
// one.
int32_t DiscoveryDate(const JobPolicy& policy, int64_t time_us);

// [start, end) in which the job is tried for that date: the publication window, else the whole date.
TimeSpan WindowOfDate(const JobPolicy& policy, int32_t date);

// At the watermark. `facts` with runs; nullptr: no event of the job is known.
//
// An attempt counts from the minute of its start: an hourly controller that is some seconds early finds an hour passed.
Discovery Discover(const JobPolicy& policy, const JobFacts* facts, int32_t date, const Knowledge& known);

}  // namespace runledger::aggregators
