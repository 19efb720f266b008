#include <algorithm>
#include <utility>

#include "aggregators/shard.h"

// Deadlines and verdicts of open runs, and what the shard forgets.

namespace runledger::aggregators {
namespace {

int64_t LastSignOfLife(const OpenRun& run) { return std::max(run.start_us, run.last_event_us); }

}  // namespace

// When next something becomes true of the run by time alone; limits are strict, so one microsecond after.
int64_t Shard::NextDue(const Job& job, const OpenRun& run) const {
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
    if (due >= run.deadline.due_us) return;
    wheel_.Disarm(ref);
  }
  if (due != INT64_MAX) wheel_.Arm(ref, due);
}

void Shard::Judge(Job& job, OpenRun& run) {
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
  HeapRemove(job, ref);
  --job.block.running;
}

void Shard::HeapPush(Job& job, RunTable::Ref ref) {
  job.starts.push_back(ref);
  runs_.open(ref).heap_at = static_cast<uint32_t>(job.starts.size() - 1);
  HeapFix(job, runs_.open(ref).heap_at);
}

void Shard::HeapRemove(Job& job, RunTable::Ref ref) {
  const uint32_t at = runs_.open(ref).heap_at;
  const RunTable::Ref last = job.starts.back();
  job.starts.pop_back();
  if (last == ref) return;
  job.starts[at] = last;
  runs_.open(last).heap_at = at;
  HeapFix(job, at);
}

// Moves one entry to where its start belongs.
void Shard::HeapFix(Job& job, uint32_t at) {
  std::vector<RunTable::Ref>& heap = job.starts;
  const auto start = [&](uint32_t i) { return runs_.open(heap[i]).start_us; };
  const auto swap = [&](uint32_t a, uint32_t b) {
    std::swap(heap[a], heap[b]);
    runs_.open(heap[a]).heap_at = a;
    runs_.open(heap[b]).heap_at = b;
  };
  while (at > 0 && start(at) < start((at - 1) / 2)) {
    swap(at, (at - 1) / 2);
    at = (at - 1) / 2;
  }
  for (;;) {
    const auto size = static_cast<uint32_t>(heap.size());
    uint32_t least = at;
    for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < size; ++child) {
      if (start(child) < start(least)) least = child;
    }
    if (least == at) return;
    swap(at, least);
    at = least;
  }
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
    const OpenRun& run = runs_.open(ref);
    const uint32_t number = run.job;
    forgotten_until_us_ = std::max(forgotten_until_us_, run.last_event_us);
    BeforeOpenChange(ref);
    BeforeJobChange(number);
    Detach(jobs_[number], ref);
    ++jobs_[number].block.forgotten;
    MarkDirty(number);
    runs_.RemoveOpen(ref);
  }
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
    const uint32_t number = runs_.open(ref).job;
    // Where brokers stamp, its events are history by their age.
    if (record_kind_ == TimestampKind::kCreateTime) {
      forgotten_until_us_ = std::max(forgotten_until_us_, runs_.open(ref).last_event_us);
    }
    BeforeOpenChange(ref);
    BeforeJobChange(number);
    Detach(jobs_[number], ref);
    ++jobs_[number].block.forgotten;
    MarkDirty(number);
    runs_.RemoveOpen(ref);
  }
  for (uint32_t number = 0; number < jobs_.end(); ++number) {
    if (jobs_.exists(number) && jobs_[number].starts.empty() && too_old(jobs_[number].last_log_s)) RemoveJob(number);
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
