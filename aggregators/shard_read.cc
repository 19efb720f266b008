#include <algorithm>
#include <bit>
#include <tuple>

#include "aggregators/day_verdicts.h"
#include "aggregators/phase_index.h"
#include "aggregators/shard.h"

// What readers see: the published copy, and answers to questions about single runs.

namespace runledger::aggregators {
namespace {

// Below so many, the durations of a job say little of its next.
constexpr uint64_t kEnoughDurations = 5;

// How often the outcomes changed between good and bad.
int OutcomeChanges(const JobBlock& block) {
  if (block.outcome_count < 2) return 0;
  const uint32_t pairs = (uint32_t{1} << (block.outcome_count - 1)) - 1;
  return std::popcount((block.outcomes ^ block.outcomes >> 1) & pairs);
}

}  // namespace

void Shard::ListChanged(uint32_t number) {
  uint8_t& listed = jobs_[number].listed;
  for (size_t copy = 0; copy < changes_.size(); ++copy) {
    if ((listed & 1U << copy) == 0) changes_[copy].jobs.push_back(number);
  }
  listed = kListedForAll;
}

// What of a job depends on the watermark or is worked out only when somebody looks.
void Shard::JudgeJob(uint32_t number, Job& job) {
  JobBlock& block = job.block;
  block.oldest_running_start_us = OldestStart(number, job);
  block.p95_duration_s = job.durations.Quantile(0.95);
  const JobPolicy& policy = *job.policy;
  block.flapping = block.concurrent = -1;  // settings may have changed
  if (policy.flapping_changes > 0) block.flapping = !block.moved && OutcomeChanges(block) > policy.flapping_changes;
  if (policy.max_concurrent > 0)
    block.concurrent = !block.moved && block.running > static_cast<uint64_t>(policy.max_concurrent);
  if (watermark_us_ == kNever) return;
  JudgeDates(number, job);
  JudgeLength(job);
  block.windows = job.windows.At(watermark_us_);
  block.job_stale = block.live && !block.moved && watermark_us_ >= StaleDue(job);
}

// Expected dates of the look-back window that have passed without what counts as success.
void Shard::JudgeDates(uint32_t number, Job& job) {
  const JobPolicy& policy = *job.policy;
  if (!policy.schedule) {
    job.block.missing_dates = -1;
    return;
  }
  if (job.days_changed || watermark_us_ >= job.days_due_us) {
    Knowledge known;
    known.watermark_us = watermark_us_;
    known.caught_up = true;  // as of the watermark; whether that is the end of the log is another gauge
    known.began_us = began_us_;
    known.log_day = days_.log_day();
    known.days_kept = options_.days;
    const int32_t today = DateOf(policy, watermark_us_);
    FactsQuery query;
    query.last_date = today;
    const Gaps gaps = FindGaps(policy, FactsOf(number, query), today - policy.lookback_days + 1, today, known);
    job.block.missing_dates = !job.block.moved ? static_cast<int32_t>(gaps.missing.size()) : 0;
    job.days_changed = false;
    job.days_due_us = SpanOfDate(policy, today).end_us;
  }
  JudgeAgainAt(job.days_due_us);
}

// Whether the run that has been running longest has for too long.
void Shard::JudgeLength(Job& job) {
  const JobPolicy& policy = *job.policy;
  JobBlock& block = job.block;
  int64_t limit_us = policy.long_running_after_us;
  block.long_running = -1;
  if (limit_us == 0 && policy.long_running_factor == 0) return;
  if (policy.long_running_factor > 0 && job.durations.total() >= kEnoughDurations) {
    const auto usual_us = static_cast<int64_t>(block.p95_duration_s * policy.long_running_factor * 1e6);
    limit_us = limit_us == 0 ? usual_us : std::min(limit_us, usual_us);
  }
  block.long_running = 0;
  if (limit_us == 0 || block.oldest_running_start_us == kNever || block.moved) return;
  block.long_running = watermark_us_ > block.oldest_running_start_us + limit_us;
  JudgeAgainAt(block.oldest_running_start_us + limit_us + 1);  // strictly longer
}

int64_t Shard::StaleDue(const Job& job) {
  const int64_t since_us = job.block.last_success_us != kNever ? job.block.last_success_us : job.first_event_us;
  return since_us + job.policy->staleness_threshold_us + 1;  // strictly longer than the threshold
}

// Time alone has moved a window or made a job stale: every job is looked at.
void Shard::JudgeAllJobs() {
  stale_jobs_due_us_ = INT64_MAX;
  for (uint32_t number = 0; number < jobs_.end(); ++number) {
    if (!jobs_.exists(number)) continue;
    Job& job = jobs_[number];
    if (!job.block.live) continue;
    const JobBlock before = job.block;
    // A snapshot is judged at the watermark of its beginning: what a window sees from there stays until it is written.
    if (!snapshot_.active) job.windows.Forget(watermark_us_);
    JudgeJob(number, job);
    if (!job.block.job_stale && !job.block.moved) stale_jobs_due_us_ = std::min(stale_jobs_due_us_, StaleDue(job));
    if (job.block.job_stale != before.job_stale || job.block.windows != before.windows ||
        job.block.missing_dates != before.missing_dates || job.block.long_running != before.long_running)
      MarkDirty(number);
  }
}

bool Shard::Publish(const ShardPositions& positions) {
  if (watermark_us_ != kNever) {
    const int64_t minute = BucketOf(watermark_us_, 60 * kSecondUs);
    if (minute != judged_minute_ || watermark_us_ >= stale_jobs_due_us_) {
      judged_minute_ = minute;
      JudgeAllJobs();
    }
  }
  workflows_.Judge(watermark_us_);
  ShardBlock* copy = published_.TryBeginWrite();
  if (copy == nullptr) return false;
  Changes& changes = changes_[static_cast<size_t>(next_copy_)];

  copy->positions = positions;
  copy->positions.watermark_us = watermark_us_;
  copy->positions.log_time_us = log_clock_.now_us() == LogClock::kUnknown ? kNever : log_clock_.now_us();
  if (copy->jobs.size() < jobs_.end()) {
    copy->jobs.resize(jobs_.end());
    copy->labels.resize(jobs_.end());
    copy->exemplars.resize(jobs_.end());
  }
  for (const uint32_t number : changes.jobs) {
    Job& job = jobs_[number];
    job.listed = static_cast<uint8_t>(job.listed & ~(1U << next_copy_));
    if (jobs_.exists(number)) JudgeJob(number, job);
    copy->jobs[number] = job.block;
    copy->labels[number] = job.retired ? nullptr : job.labels;
    copy->exemplars[number] = job.exemplars;
  }
  changes.jobs.clear();
  if (changes.corrections) copy->corrections = corrections_;
  if (changes.phases) {
    copy->phases = phases_;
    copy->phase_labels = phase_labels_;
  }
  changes.corrections = changes.phases = false;
  workflows_.Fill(static_cast<size_t>(next_copy_), &copy->orchestration);
  published_.EndWrite();
  next_copy_ = 1 - next_copy_;
  return true;
}

RunInfo Shard::InfoOfOpen(RunTable::Ref ref) const {
  const OpenRun& run = runs_.open(ref);
  const Job& job = jobs_[run.job];
  RunInfo info;
  info.job = job.labels->name;
  info.run_id = runs_.RunIdOf(run);
  info.attempt = run.attempt;
  info.kind = run.kind;
  if (run.start_known != StartClass::kNone) info.started_at_us = run.start_us;
  info.last_event_us = run.last_event_us;
  if (run.data_date != OpenRun::kNoDate) info.data_date = run.data_date;
  info.stale = run.stale;
  info.silent = run.silent;
  info.timed_out = run.timed_out;
  info.moved = job.block.moved;
  info.stale_after_us = job.policy->stale_after_us;
  return info;
}

RunInfo Shard::InfoOfClosed(RunTable::Ref ref) const {
  const ClosedRun& run = runs_.closed(ref);
  const ClosedText text = runs_.TextOf(run);
  RunInfo info;
  info.job = jobs_[run.job].labels->name;
  info.run_id = text.run_id;
  info.attempt = text.attempt;
  info.kind = text.kind;
  info.status = run.status;
  info.last_event_us = run.time_us;
  info.closed_by_runledger = run.rank == 1;
  if (text.data_date != OpenRun::kNoDate) info.data_date = text.data_date;
  if (run.start_known != StartClass::kNone) info.started_at_us = run.start_us;
  if (text.duration_s >= 0) {
    info.duration_s = text.duration_s;
  } else if (run.start_known >= StartClass::kEvent && run.time_us >= run.start_us) {
    info.duration_s = static_cast<double>(run.time_us - run.start_us) / 1e6;
  }
  return info;
}

std::vector<RunInfo> Shard::FindRuns(const RunQuery& query) const {
  uint32_t job = JobTable::kNone;
  if (!query.job.empty()) {
    job = jobs_.Find(query.job);
    if (job == JobTable::kNone) return {};
  }
  const auto is_asked_for = [&](std::string_view run_id) {
    return query.run_id.empty() ? run_id.find(query.fragment) != std::string_view::npos : run_id == query.run_id;
  };

  std::vector<RunTable::Ref> refs;
  if (!query.status || *query.status == codecs::Status::kRunning) {
    const auto consider = [&](RunTable::Ref ref) {
      const OpenRun& run = runs_.open(ref);
      if ((query.stale_only && !run.stale) || (query.data_date && *query.data_date != run.data_date)) return;
      if (is_asked_for(runs_.RunIdOf(run))) refs.push_back(ref);
    };
    if (job != JobTable::kNone) {
      for (const Start& start : jobs_[job].starts) {
        if (IsCurrent(job, start)) consider(start.run);
      }
    } else {
      runs_.ForEachOpen(consider);
    }
    // The oldest first: those are the ones somebody asks for.
    std::sort(refs.begin(), refs.end(), [&](RunTable::Ref a, RunTable::Ref b) {
      const OpenRun& x = runs_.open(a);
      const OpenRun& y = runs_.open(b);
      return std::tie(x.start_us, x.id.high, x.id.low) < std::tie(y.start_us, y.id.high, y.id.low);
    });
    refs.erase(std::unique(refs.begin(), refs.end()), refs.end());  // two starts may be those of one run
    if (refs.size() > query.limit) refs.resize(query.limit);
  }
  std::vector<RunInfo> found;
  for (RunTable::Ref ref : refs) found.push_back(InfoOfOpen(ref));
  if (query.stale_only || query.status == codecs::Status::kRunning) return found;

  runs_.ForEachClosed([&](RunTable::Ref ref) {
    if (found.size() >= query.limit) return false;
    const ClosedRun& run = runs_.closed(ref);
    if (jobs_[run.job].retired || (job != JobTable::kNone && run.job != job) ||
        (query.status && *query.status != run.status))
      return true;
    const ClosedText text = runs_.TextOf(run);
    if ((query.data_date && *query.data_date != text.data_date) || !is_asked_for(text.run_id)) return true;
    found.push_back(InfoOfClosed(ref));
    return true;
  });
  return found;
}

const DayState* Shard::FindDay(std::string_view job, int32_t data_date) const {
  const uint32_t number = jobs_.Find(job);
  return number == JobTable::kNone ? nullptr : days_.Find(number, data_date);
}

}  // namespace runledger::aggregators
