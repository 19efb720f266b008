#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aggregators/schedule/schedule.h"

namespace runledger::aggregators {

// A workflow's schedule as that from which its expected runs are made, those of a day together: a day is a work day of
// the schedule, in days since 1970-01-01. Times are microseconds since the Unix epoch.
//
// A value: unchanging, any number of threads.
class DayPlan {
 public:
  // `generate_at`: minute of the day by the schedule's clock at which the expected runs of the day are made.
  DayPlan(Schedule schedule, int generate_at);

  const Schedule& schedule() const { return schedule_; }
  // A name for what the schedule says, dates of calendars and zone among it: the same for equal ones, whoever works it
  // out. Column schedule_version.
  const std::string& version() const { return version_; }

  // When the day's expected runs are made.
  int64_t MadeAt(int32_t day) const;
  // The newest day for which that is not after the time.
  int32_t NewestDay(int64_t time_us) const;
  // When the day's runs are expected; rising.
  std::vector<int64_t> TicksOf(int32_t day) const;

  friend bool operator==(const DayPlan&, const DayPlan&) = default;

 private:
  Schedule schedule_;
  int generate_at_;
  std::string version_;
};

// The expected runs of one workflow and one day, as they are written to the log.
struct ExpectedDay {
  std::string workflow;
  int32_t day = 0;
  int64_t made_at_us = 0;
  std::string reason;
  std::string priority;          // empty: none is configured
  std::string schedule_version;  // DayPlan::version
  std::vector<int64_t> ticks;    // microseconds since the epoch; rising, at least one
};
// An EventBatch, compressed with zstd. All of them or none: one message is one record of the log.
std::string EncodeExpectedDay(const ExpectedDay& day);

// Expected runs of a day that are yet to be made from the workflow's schedule: nothing stands in the log of them, and
// by then the schedule may be another one.
struct DayToCome {
  std::string workflow;
  int32_t day = 0;
  int64_t made_at_us = 0;
  int64_t first_due_us = 0;
  size_t runs = 0;
};

// At most so many expected runs are of one day: one a minute of 25 hours.
inline constexpr int64_t kMostTicksOfDay = 25 * 60;

// The id of an expected run that was made from the configuration.
std::string MadeEventId(std::string_view workflow, int64_t due_us);

}  // namespace runledger::aggregators
