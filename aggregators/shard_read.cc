#include <algorithm>
#include <tuple>

#include "aggregators/phase_index.h"
#include "aggregators/shard.h"

// What readers see: the published copy, and answers to questions about single runs.

namespace runledger::aggregators {

void Shard::MarkDirty(uint32_t number) {
  for (Changes& changes : changes_) {
    if (number >= changes.job_listed.size()) changes.job_listed.resize(number + 1);
    if (changes.job_listed[number]) continue;
    changes.job_listed[number] = true;
    changes.jobs.push_back(number);
  }
}

// What of a job depends on the watermark or is worked out only when somebody looks.
void Shard::JudgeJob(Job& job) const {
  JobBlock& block = job.block;
  block.oldest_running_start_us = job.starts.empty() ? kNever : runs_.open(job.starts.front()).start_us;
  block.p95_duration_s = job.durations.Quantile(0.95);
  if (watermark_us_ == kNever) return;
  block.windows = job.windows.At(watermark_us_);
  block.job_stale = block.live && watermark_us_ >= StaleDue(job);
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
    job.windows.Forget(watermark_us_);
    JudgeJob(job);
    if (!job.block.job_stale) stale_jobs_due_us_ = std::min(stale_jobs_due_us_, StaleDue(job));
    if (job.block.job_stale != before.job_stale || job.block.windows != before.windows) MarkDirty(number);
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
    changes.job_listed[number] = false;
    Job& job = jobs_[number];
    if (jobs_.exists(number)) JudgeJob(job);
    copy->jobs[number] = job.block;
    copy->labels[number] = job.labels;
    copy->exemplars[number] = job.exemplars;
  }
  changes.jobs.clear();
  if (changes.corrections) copy->corrections = corrections_;
  if (changes.phases) {
    copy->phases = phases_;
    copy->phase_labels = phase_labels_;
  }
  changes.corrections = changes.phases = false;
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
      std::for_each(jobs_[job].starts.begin(), jobs_[job].starts.end(), consider);
    } else {
      runs_.ForEachOpen(consider);
    }
    // The oldest first: those are the ones somebody asks for.
    std::sort(refs.begin(), refs.end(), [&](RunTable::Ref a, RunTable::Ref b) {
      const OpenRun& x = runs_.open(a);
      const OpenRun& y = runs_.open(b);
      return std::tie(x.start_us, x.id.high, x.id.low) < std::tie(y.start_us, y.id.high, y.id.low);
    });
    if (refs.size() > query.limit) refs.resize(query.limit);
  }
  std::vector<RunInfo> found;
  for (RunTable::Ref ref : refs) found.push_back(InfoOfOpen(ref));
  if (query.stale_only || query.status == codecs::Status::kRunning) return found;

  runs_.ForEachClosed([&](RunTable::Ref ref) {
    if (found.size() >= query.limit) return false;
    const ClosedRun& run = runs_.closed(ref);
    if ((job != JobTable::kNone && run.job != job) || (query.status && *query.status != run.status)) return true;
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
