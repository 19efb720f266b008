#include "exporters/prometheus/job_sum.h"

#include <algorithm>

namespace runledger::exporters {

using aggregators::JobBlock;
using aggregators::kNever;

void AddCounters(const JobBlock& job, JobBlock* sum) {
  sum->started += job.started;
  for (size_t i = 0; i < job.finished.size(); ++i) sum->finished[i] += job.finished[i];
  sum->forgotten += job.forgotten;
  sum->late_events += job.late_events;
  sum->duration_sum_s += job.duration_sum_s;
  sum->duration_count += job.duration_count;
  sum->live = sum->live || job.live;
}

void AddGauges(const JobBlock& job, JobBlock* sum) {
  sum->running += job.running;
  sum->stale += job.stale;
  sum->silent += job.silent;
  sum->timed_out += job.timed_out;
  if (job.oldest_running_start_us != kNever &&
      (sum->oldest_running_start_us == kNever || job.oldest_running_start_us < sum->oldest_running_start_us)) {
    sum->oldest_running_start_us = job.oldest_running_start_us;
  }
  static_assert(kNever < 0);  // the least time of all: max() needs no case for it
  sum->last_start_us = std::max(sum->last_start_us, job.last_start_us);
  sum->last_success_us = std::max(sum->last_success_us, job.last_success_us);
  sum->last_failure_us = std::max(sum->last_failure_us, job.last_failure_us);
}

}  // namespace runledger::exporters
