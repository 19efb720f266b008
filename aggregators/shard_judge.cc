#include <algorithm>
#include <functional>
#include <utility>

#include "aggregators/shard.h"

// Deadlines and verdicts of open runs, and what the shard forgets.

namespace runledger::aggregators {
namespace {

int64_t LastSignOfLife(const OpenRun& run) { return std::max(run.start_us, run.last_event_us); }

}  // namespace

// When next something becomes true of the run by time alone; limits are strict, so one microsecond after.
int64_t Shard::NextDue(const Job& job, const OpenRun& run) const {
  if (job.block.moved) return INT64_MAX;
  const JobPolicy& policy = *job.policy;
  int64_t due = INT64_MAX;
  if (!run.stale) due = LastSignOfLife(run) + policy.stale_after_us + 1;
  if (!run.silent && run.heartbeat) due = std::min(due, run.last_event_us + policy.heartbeat_silent_after_us + 1);
  if (!run.timed_out && policy.max_runtime_us > 0) due = std::min(due, run.start_us + policy.max_runtime_us + 1);
  return due;
}

// Makes sure that the wheel fires when something becomes due. A deadline that moved on is left where it is: firing
// early costs one look and arms it anew, which is cheaper than moving it at every heartbeat.
void Shard::ArmFor(const Job& job, RunTable::Ref ref) {
  const OpenRun& run = runs_.open(ref);
  const int64_t due = NextDue(job, run);
  if (wheel_.armed(ref)) {
    if (due >= wheel_.due_us(ref)) return;
    wheel_.Disarm(ref);
  }
  if (due != INT64_MAX) wheel_.Arm(ref, due);
}

void Shard::Judge(Job& job, OpenRun& run) {
  if (job.block.moved) return SetVerdicts(job, run, false, false, false);
  if (watermark_us_ == kNever) return;
  const JobPolicy& policy = *job.policy;
  // A limit added to the run's time, never a difference: the watermark may lie anywhere, limits are bounded.
  SetVerdicts(job, run, watermark_us_ > LastSignOfLife(run) + policy.stale_after_us,
              run.heartbeat && watermark_us_ > run.last_event_us + policy.heartbeat_silent_after_us,
              policy.max_runtime_us > 0 && watermark_us_ > run.start_us + policy.max_runtime_us);
}

void Shard::SetVerdicts(Job& job, OpenRun& run, bool stale, bool silent, bool timed_out) {
  job.block.stale += static_cast<uint64_t>(stale) - static_cast<uint64_t>(run.stale);
  job.block.silent += static_cast<uint64_t>(silent) - static_cast<uint64_t>(run.silent);
  job.block.timed_out += static_cast<uint64_t>(timed_out) - static_cast<uint64_t>(run.timed_out);
  run.stale = stale;
  run.silent = silent;
  run.timed_out = timed_out;
}

void Shard::SetMoved(MovedJob moved) {
  moved_ = std::move(moved);
  for (uint32_t number = 0; number < jobs_.end(); ++number) {
    if (!jobs_.exists(number)) continue;
    Job& job = jobs_[number];
    const bool is_moved = moved_ && moved_(job.labels->name);
    if (is_moved == job.block.moved) continue;
    job.block.moved = is_moved;
    JudgeRunsAnew(number);
  }
}

// What a job's verdicts rest on has changed.
void Shard::JudgeRunsAnew(uint32_t number) {
  Job& job = jobs_[number];
  job.days_changed = true;
  for (const Start& start : job.starts) {
    if (!IsCurrent(number, start)) continue;
    Judge(job, runs_.open(start.run));
    wheel_.Disarm(start.run);
    ArmFor(job, start.run);
  }
  judged_minute_ = INT64_MIN;  // the job itself is judged again, too
  MarkDirty(number);
}

void Shard::SetPolicies(std::shared_ptr<const JobPolicies> policies) {
  std::vector<bool> retired(jobs_.end());
  bool any_retired = false;
  // A snapshot under way is of the moment before.
  for (uint32_t number = 0; number < jobs_.end(); ++number) {
    if (jobs_.exists(number) && jobs_[number].policy->enabled != policies->Find(jobs_[number].labels->name).enabled)
      BeforeJobChange(number);
  }
  for (const uint32_t number : jobs_.SetPolicies(std::move(policies))) {
    JudgeRunsAnew(number);
    any_retired |= retired[number] = jobs_[number].retired;
  }
  if (!any_retired) return;
  std::vector<RunTable::Ref> gone;
  runs_.ForEachOpen([&](RunTable::Ref ref) {
    if (retired[runs_.open(ref).job]) gone.push_back(ref);
  });
  for (const RunTable::Ref ref : gone) ForgetOpen(ref);
}

void Shard::AdvanceWatermark(int64_t watermark_us) {
  if (watermark_us > watermark_us_) watermark_us_ = watermark_us;
  if (watermark_us_ == kNever) return;
  wheel_.Tick(watermark_us_, [this](uint32_t ref) {
    OpenRun& run = runs_.open(ref);
    Job& job = jobs_[run.job];
    Judge(job, run);
    MarkDirty(run.job);
    ArmFor(job, ref);
  });
}

// Takes an open run out of everything that its job knows of it, before it is closed or forgotten.
void Shard::Detach(Job& job, RunTable::Ref ref) {
  wheel_.Disarm(ref);
  OpenRun& run = runs_.open(ref);
  SetVerdicts(job, run, false, false, false);
  --job.block.running;
  SweepStarts(run.job, job);
}

void Shard::AddStart(Job& job, RunTable::Ref ref) { job.starts.push_back({runs_.open(ref).start_us, ref}); }

// A slot may have been given to another run since; if that is of the same job and started at the same time, its own
// start says the same.
bool Shard::IsCurrent(uint32_t job, const Start& start) const {
  const OpenRun& run = runs_.open(start.run);
  return run.job == job && run.start_us == start.time_us;
}

void Shard::SweepStarts(uint32_t number, Job& job) {
  constexpr size_t kFew = 64;
  if (job.starts.size() < kFew || job.starts.size() / 2 < job.block.running) return;
  size_t kept = 0;
  for (size_t i = 0; i < job.starts.size(); ++i) {
    constexpr size_t kAhead = 8;
    if (i + kAhead < job.starts.size()) __builtin_prefetch(&runs_.open(job.starts[i + kAhead].run));
    if (IsCurrent(number, job.starts[i])) job.starts[kept++] = job.starts[i];
  }
  job.starts.resize(kept);
  job.heaped = 0;
}

// Makes a heap of all of them.
void Shard::HeapStarts(Job& job) {
  const auto begin = job.starts.begin();
  if (job.starts.size() - job.heaped > job.heaped) {
    std::make_heap(begin, job.starts.end(), std::greater<>());
    job.heaped = job.starts.size();
  }
  while (job.heaped < job.starts.size()) {
    ++job.heaped;
    std::push_heap(begin, begin + static_cast<std::ptrdiff_t>(job.heaped), std::greater<>());
  }
}

int64_t Shard::OldestStart(uint32_t number, Job& job) {
  HeapStarts(job);
  while (!job.starts.empty() && !IsCurrent(number, job.starts.front())) {
    std::pop_heap(job.starts.begin(), job.starts.end(), std::greater<>());
    job.starts.pop_back();
    --job.heaped;
  }
  return job.starts.empty() ? kNever : job.starts.front().time_us;
}

void Shard::EndRecord() {
  ForgetClosed();
  if (runs_.open_count() > options_.open_runs) ForgetOldestOpen();
  // After closed runs past the horizon are gone, so that none is left whose job is.
  if (std::exchange(new_log_day_, false)) ForgetJobs();
}

void Shard::ForgetClosed() {
  const auto horizon_s = static_cast<uint32_t>(options_.horizon_us / kSecondUs);
  while (runs_.closed_count() > 0) {
    const ClosedRun& oldest = runs_.oldest_closed();
    const bool too_old = log_s_ > oldest.closed_log_s && log_s_ - oldest.closed_log_s > horizon_s;
    const bool too_many = runs_.closed_count() > options_.closed_runs;
    if (!too_old && !too_many) return;
    // Within the horizon of a LogAppendTime topic its events would be taken for news again; on a CreateTime topic
    // always.
    if (!too_old || record_kind_ == TimestampKind::kCreateTime)
      forgotten_until_us_ = std::max(forgotten_until_us_, oldest.time_us);
    BeforeClosedChange(runs_.ClosedRef(0));
    if (snapshot_.active) {
      ++snapshot_.closed_gone;
      if (snapshot_.next_closed > 0) --snapshot_.next_closed;
      if (snapshot_.closed_end > 0) --snapshot_.closed_end;
    }
    runs_.RemoveOldestClosed();
  }
}

// Too many open runs: those seen longest ago go, a sixteenth at a time, counted as forgotten.
void Shard::ForgetOldestOpen() {
  std::vector<std::pair<std::pair<uint32_t, uint64_t>, RunTable::Ref>> by_age;
  by_age.reserve(runs_.open_count());
  runs_.ForEachOpen([&](RunTable::Ref ref) {
    const OpenRun& run = runs_.open(ref);
    by_age.push_back({{run.seen_log_s, run.id.low}, ref});
  });
  const size_t count = by_age.size() / 16 + 1;
  std::nth_element(by_age.begin(), by_age.begin() + static_cast<std::ptrdiff_t>(count - 1), by_age.end());
  for (size_t i = 0; i < count; ++i) {
    const RunTable::Ref ref = by_age[i].second;
    forgotten_until_us_ = std::max(forgotten_until_us_, runs_.open(ref).last_event_us);
    ForgetOpen(ref);
  }
}

// An open run goes, counted.
void Shard::ForgetOpen(RunTable::Ref ref) {
  const uint32_t number = runs_.open(ref).job;
  BeforeOpenChange(ref);
  BeforeJobChange(number);
  Detach(jobs_[number], ref);
  ++jobs_[number].block.forgotten;
  MarkDirty(number);
  runs_.RemoveOpen(ref);
}

// Once a log day: jobs and open runs of which nothing was heard for too long, which is never less than the horizon.
void Shard::ForgetJobs() {
  const int64_t forget_s = std::max(options_.forget_job_after_us, options_.horizon_us) / kSecondUs;
  const auto too_old = [&](uint32_t seen_s) { return int64_t{log_s_} - int64_t{seen_s} > forget_s; };
  std::vector<RunTable::Ref> old_runs;
  runs_.ForEachOpen([&](RunTable::Ref ref) {
    if (too_old(runs_.open(ref).seen_log_s)) old_runs.push_back(ref);
  });
  for (RunTable::Ref ref : old_runs) {
    // Where brokers stamp, its events are history by their age.
    if (record_kind_ == TimestampKind::kCreateTime) {
      forgotten_until_us_ = std::max(forgotten_until_us_, runs_.open(ref).last_event_us);
    }
    ForgetOpen(ref);
  }
  for (uint32_t number = 0; number < jobs_.end(); ++number) {
    if (jobs_.exists(number) && jobs_[number].block.running == 0 && too_old(jobs_[number].last_log_s))
      RemoveJob(number);
  }
}

void Shard::LoseCounters() {
  for (uint32_t number = 0; number < jobs_.end(); ++number) {
    if (!jobs_.exists(number)) continue;
    BeforeJobChange(number);
    JobBlock& block = jobs_[number].block;
    block.started = block.running;
    block.finished = {};
    block.forgotten = block.late_events = block.duration_count = 0;
    block.duration_sum_s = 0;
    MarkDirty(number);
  }
  workflows_.LoseCounters();
  corrections_.clear();
  for (PhaseBlock& phase : phases_) phase = PhaseBlock{};
  for (Changes& changes : changes_) changes.corrections = changes.phases = true;
}

void Shard::RemoveJob(uint32_t number) {
  BeforeJobChange(number);
  std::erase_if(corrections_, [&](const Correction& c) { return c.job == number; });
  for (Changes& changes : changes_) changes.corrections = true;
  days_.RemoveJob(number);
  jobs_.Remove(number);
  MarkDirty(number);
}

}  // namespace runledger::aggregators
