#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aggregators/day_table.h"
#include "aggregators/published.h"

namespace runledger::aggregators {

// What a shard knows of jobs, for those who judge dates: copies, of one moment. Verdicts are made of them elsewhere, on
// the thread of whoever asked.

// A run without an end.
struct OpenRunFact {
  std::string run_id;
  int32_t attempt = 0;
  std::optional<int32_t> data_date;
  int64_t since_us = 0;  // its start; where nobody told it, its first sign of life
  bool stale = false;
};

struct DayFact {
  int32_t date = 0;
  DayState state;
};

struct JobFacts {
  std::string name;
  JobBlock block;
  int64_t first_event_us = INT64_MAX;  // of live events
  int64_t last_log_us = kNever;        // log time of the newest event
  std::vector<DayFact> days;           // of the dates asked for, those of which something is known; rising
  // Where runs were asked for.
  std::vector<OpenRunFact> open;
  std::optional<int64_t> last_attempt_start_us;  // of the run that was heard of last on the last date

  // nullptr: nothing is known of that date.
  const DayState* Find(int32_t date) const;
  // Takes in what another partition knows of the same job.
  void Merge(const JobFacts& other);
};

struct ShardFacts {
  int64_t watermark_us = kNever;
  int64_t began_us = kNever;    // log time at which what is known begins; kNever: nothing was read yet
  bool whole_log = false;       // nothing was before that
  int32_t log_day = INT32_MIN;  // UTC day of the log's own time
  int days_kept = 0;            // around it
  std::vector<JobFacts> jobs;   // those that were asked for and are known here
};

struct FactsQuery {
  std::vector<std::string> jobs;     // empty: all
  std::optional<int32_t> last_date;  // without: each job's own today
  std::optional<int> days_before;    // dates before that; without: one less than each job's lookback_days
  bool runs = false;                 // open runs, too
};

}  // namespace runledger::aggregators
