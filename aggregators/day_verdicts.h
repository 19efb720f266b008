#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aggregators/day_status.h"
#include "aggregators/day_table.h"
#include "aggregators/job_facts.h"
#include "aggregators/job_policy.h"

namespace runledger::aggregators {

// Verdicts on a job's work, date by date: what became of it, and whether those who wait for it may go on. Functions of
// what is given; dates are days since 1970-01-01, times microseconds since the Unix epoch.

// The date that the job works on at that time: by its schedule's work days, else by the day of its zone.
int32_t DateOf(const JobPolicy& policy, int64_t time_us);
// [start, end) of the time in which the job works on that date.
struct TimeSpan {
  int64_t start_us = 0;
  int64_t end_us = 0;
};
TimeSpan SpanOfDate(const JobPolicy& policy, int32_t date);
// Those of [first, last] on which the schedule has something; rising. None without a schedule.
std::vector<int32_t> ExpectedDates(const JobPolicy& policy, int32_t first, int32_t last);

// How far a job is known: what an absence can be told from.
struct Knowledge {
  int64_t watermark_us = kNever;
  bool caught_up = false;       // with every partition that may tell of the job
  int64_t began_us = kNever;    // log time at which what is known begins
  int32_t log_day = INT32_MIN;  // UTC day of the log's own time
  int days_kept = 0;            // dates further away from it are not kept
  bool whole = true;            // every partition that may tell of the job was asked
  std::string elsewhere;        // if not: why, as a sentence's end
};

// What is known of a date without a run.
enum class Absence : uint8_t {
  kMissing,      // there was none, and the date is over
  kNotYet,       // there was none, and the date is not over
  kNotKept,      // too far from the log's own time
  kBeforeLog,    // it began before what is known does
  kElsewhere,    // another instance may know of it
  kNoWatermark,  // the time up to which the log is known is not known
};
Absence JudgeAbsence(const JobPolicy& policy, int32_t date, const Knowledge& known);

struct DayVerdict {
  int32_t date = 0;
  DayStatus status = DayStatus::kUnknown;
  bool safe_to_process = false;
  std::string reason;                      // a sentence's end: why it is so
  std::string warning;                     // of a stale run, in the words that operators know; else empty
  bool over = false;                       // the date has passed where the job is
  int attempts = 0;                        // runs seen; DayState::kMaxAttempts stands for that many or more
  std::optional<int64_t> last_attempt_us;  // time of the newest event
  std::string run_id;                      // of the run under way, or stale
  double stale_age_hours = -1;             // of a stale run: since its start; below 0: none
  std::optional<DayStatus> at_watermark;   // unknown because behind: what held at the watermark
};

// What one date came to. A success stands, whatever was tried after it; else a run under way, which may change the
// date; else the newest word: a stale run, or the best of what ended.
DayVerdict JudgeDay(const JobPolicy& policy, const JobFacts& facts, int32_t date, const Knowledge& known);

// Expected dates of [first, last] without a status that closes them.
struct Gaps {
  std::vector<int32_t> expected;
  std::vector<int32_t> missing;              // over, and nothing that counts: no run, or none that counts
  std::vector<int32_t> failed;               // whose best is failed or aborted, over or not
  std::vector<int32_t> pending;              // not over, and nothing that counts yet
  std::vector<int32_t> unknown;              // not to be told
  std::vector<int32_t> unexpected_failures;  // failed, on dates that the schedule does not have, or without schedule
};
Gaps FindGaps(const JobPolicy& policy, const JobFacts& facts, int32_t first, int32_t last, const Knowledge& known);

// "STALE RUNNING DETECTED: <job> on <date> has been 'running' for 6.4 hours (threshold: 4h). Run ID: <run id>"
std::string StaleWarning(std::string_view job, std::optional<int32_t> date, int64_t age_us, int64_t threshold_us,
                         std::string_view run_id);

}  // namespace runledger::aggregators
