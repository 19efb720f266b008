#include <algorithm>
#include <utility>

#include "aggregators/day_verdicts.h"
#include "aggregators/job_facts.h"
#include "aggregators/shard.h"

// What a shard tells those who judge dates.

namespace runledger::aggregators {

const DayState* JobFacts::Find(int32_t date) const {
  const auto at = std::lower_bound(days.begin(), days.end(), date,
                                   [](const DayFact& fact, int32_t wanted) { return fact.date < wanted; });
  return at == days.end() || at->date != date ? nullptr : &at->state;
}

void JobFacts::Merge(const JobFacts& other) {
  block.live = block.live || other.block.live;
  block.running += other.block.running;
  block.stale += other.block.stale;
  block.silent += other.block.silent;
  block.timed_out += other.block.timed_out;
  block.last_start_us = std::max(block.last_start_us, other.block.last_start_us);
  block.last_success_us = std::max(block.last_success_us, other.block.last_success_us);
  block.last_failure_us = std::max(block.last_failure_us, other.block.last_failure_us);
  block.long_running = std::max(block.long_running, other.block.long_running);
  block.flapping = std::max(block.flapping, other.block.flapping);
  block.concurrent = std::max(block.concurrent, other.block.concurrent);
  first_event_us = std::min(first_event_us, other.first_event_us);
  last_log_us = std::max(last_log_us, other.last_log_us);
  for (const DayFact& day : other.days) {
    const auto at = std::lower_bound(days.begin(), days.end(), day.date,
                                     [](const DayFact& fact, int32_t wanted) { return fact.date < wanted; });
    if (at == days.end() || at->date != day.date) {
      days.insert(at, day);
    } else {
      at->state.Merge(day.state);
    }
  }
  open.insert(open.end(), other.open.begin(), other.open.end());
  if (other.last_attempt_start_us)
    last_attempt_start_us = std::max(last_attempt_start_us.value_or(INT64_MIN), *other.last_attempt_start_us);
}

JobFacts Shard::FactsOf(uint32_t number, const FactsQuery& query) const {
  const Job& job = jobs_[number];
  JobFacts facts;
  facts.name = job.labels->name;
  facts.block = job.block;
  facts.first_event_us = job.first_event_us;
  facts.last_log_us = int64_t{job.last_log_s} * kSecondUs;
  const int32_t last = query.last_date           ? *query.last_date
                       : watermark_us_ == kNever ? days_.log_day()
                                                 : DateOf(*job.policy, watermark_us_);
  const int before = query.days_before.value_or(job.policy->lookback_days - 1);
  for (int32_t date = last - before; date <= last; ++date) {
    if (const DayState* day = days_.Find(number, date)) facts.days.push_back({date, *day});
  }
  if (!query.runs) return facts;

  const DayState* const newest = facts.Find(last);
  for (const Start& start : job.starts) {
    if (!IsCurrent(number, start)) continue;
    const OpenRun& run = runs_.open(start.run);
    OpenRunFact fact;
    fact.run_id = runs_.RunIdOf(run);
    fact.attempt = run.attempt;
    // The date that the days were told of it: see Apply.
    if (run.data_date != OpenRun::kNoDate) {
      fact.data_date = run.data_date;
    } else if (job.policy->date_is_start) {
      fact.data_date = DateOf(*job.policy, run.start_us);
    }
    fact.since_us = run.start_us;
    fact.stale = run.stale;
    if (newest != nullptr && run.id.low == newest->last_run) facts.last_attempt_start_us = run.start_us;
    facts.open.push_back(std::move(fact));
  }
  if (newest == nullptr || facts.last_attempt_start_us) return facts;
  runs_.ForEachClosed([&](RunTable::Ref ref) {
    const ClosedRun& run = runs_.closed(ref);
    if (run.job != number || run.id.low != newest->last_run) return true;
    if (run.start_known >= StartClass::kEvent) facts.last_attempt_start_us = run.start_us;
    return false;
  });
  return facts;
}

ShardFacts Shard::CollectFacts(const FactsQuery& query) const {
  ShardFacts facts;
  facts.watermark_us = watermark_us_;
  facts.began_us = began_us_;
  facts.whole_log = whole_log_;
  facts.log_day = days_.log_day();
  facts.days_kept = options_.days;
  if (query.jobs.empty()) {
    facts.jobs.reserve(jobs_.end());
    for (uint32_t number = 0; number < jobs_.end(); ++number) {
      if (jobs_.exists(number)) facts.jobs.push_back(FactsOf(number, query));
    }
    return facts;
  }
  for (const std::string& name : query.jobs) {
    if (const uint32_t number = jobs_.Find(name); number != JobTable::kNone)
      facts.jobs.push_back(FactsOf(number, query));
  }
  return facts;
}

}  // namespace runledger::aggregators
