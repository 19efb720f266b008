#include "aggregators/shard.h"

#include <algorithm>

#include "aggregators/day_verdicts.h"
#include "aggregators/phase_index.h"
#include "codecs/civil_time.h"

// Folding: what an event does to the state. Deadlines, verdicts and forgetting stand in shard_judge.cc, publishing and
// questions in shard_read.cc.

namespace runledger::aggregators {
namespace {

using codecs::Event;
using codecs::IsFailure;
using codecs::IsTerminal;
using codecs::MergeKey;
using codecs::MergeKeyOf;
using codecs::Status;
using codecs::TerminalIndex;

// What an outcome adds to the windows: success of {success, partial, failed, aborted}.
struct WindowShare {
  int good;
  int all;
};
constexpr WindowShare ShareOf(Status status) {
  switch (status) {
    case Status::kSuccess:
      return {1, 1};
    case Status::kPartial:
    case Status::kFailed:
    case Status::kAborted:
      return {0, 1};
    default:
      return {0, 0};
  }
}

// Seconds that a run took: as its terminal says, else from its start if that is known well enough. Below 0: unknown.
double DurationOf(double given_s, StartClass start_known, int64_t start_us, int64_t end_us) {
  if (given_s >= 0) return given_s;
  if (start_known < StartClass::kEvent || end_us < start_us) return -1;
  return static_cast<double>(end_us - start_us) / 1e6;
}

// The smallest of the dates told, so that the order of arrival does not matter.
int32_t EarlierDate(int32_t known, std::optional<int32_t> told) {
  return told && (known == OpenRun::kNoDate || *told < known) ? *told : known;
}

ClosedText TextOfEvent(const Event& event, int32_t known_date) {
  const codecs::RunFields& run = event.run;
  return {event.sequence, run.duration_seconds.value_or(-1),
          run.attempt,    EarlierDate(known_date, run.data_date),
          run.kind,       run.run_id,
          event.id};
}

// Whether a run, open or closed, began otherwise than its record says.
template <typename Run>
bool IsOther(const StartTime& start, const Run& run) {
  return start.time_us != run.start_us || start.known != run.start_known;
}

}  // namespace

Shard::Shard(const ShardOptions& options, std::shared_ptr<const JobPolicies> policies,
             std::shared_ptr<const WorkflowPolicies> workflows)
    : options_(options),
      jobs_(std::move(policies)),
      days_(options.days),
      workflows_(std::move(workflows), options.days),
      log_clock_(options.clock_step_us),
      phase_index_(std::make_unique<PhaseIndex>()) {}

Shard::~Shard() = default;

void Shard::BeginRecord(int64_t timestamp_us, TimestampKind kind) {
  record_time_us_ = timestamp_us;
  record_kind_ = kind;
  const int64_t log_time_us = log_clock_.Observe(timestamp_us, kind);
  if (log_time_us == LogClock::kUnknown) return;
  log_s_ = static_cast<uint32_t>(log_time_us / kSecondUs);
  if (began_us_ == kNever) began_us_ = log_time_us;
  if (log_time_us > workflows_.settles_at_us()) workflows_.SettleUntil(log_time_us);
  const int32_t day = codecs::DayOf(log_time_us);
  if (day > log_day_) {
    log_day_ = day;
    days_.AdvanceTo(day);
    AdvanceWorkflows(day, log_time_us);
    new_log_day_ = true;
  }
}

// Of a run that names no data date.
int32_t Shard::DateOfStart(const JobPolicy& policy, RunTable::Ref ref, const Event& event) const {
  StartTime start = StartTime::Of(event);
  if (ref != RunTable::kNone && !RunTable::IsClosed(ref)) {
    const OpenRun& open = runs_.open(ref);
    start.Merge({open.start_known, open.start_us});
  } else if (ref != RunTable::kNone) {
    const ClosedRun& closed = runs_.closed(ref);
    start.Merge({closed.start_known, closed.start_us});
  }
  return DateOf(policy, start.known == StartClass::kNone ? event.time_us : start.time_us);
}

bool Shard::IsHistory(const Event& event, RunTable::Ref ref) const {
  if (event.backfill) return true;
  if (record_kind_ == TimestampKind::kAppendTime && record_time_us_ >= 0 &&
      event.time_us < record_time_us_ - options_.horizon_us) {
    return true;
  }
  return ref == RunTable::kNone && event.time_us <= forgotten_until_us_;
}

void Shard::Apply(const Event& event) {
  if (event.body != codecs::Body::kRun) return ApplyOther(event);
  const codecs::RunFields& run = event.run;
  if (run.closed_by_runledger && !Holds(run))
    return;  // decided of a run that is not held any more: a row, nothing else
  bool new_job = false;
  const uint32_t number = jobs_.Intern(run.job_name, run.job_hash, &new_job);
  if (number == JobTable::kNone) return;  // disabled
  if (new_job && on_new_job_) on_new_job_(run.job_name);
  Job& job = jobs_[number];
  if (new_job && moved_) job.block.moved = moved_(run.job_name);
  if (new_job) {
    job.mark = snapshot_.mark;
    job.expected = workflows_.FindJob(run.job_name);
  } else {
    BeforeJobChange(number);
  }
  job.last_log_s = log_s_;
  MarkDirty(number);

  const codecs::Hash128& id = run.id;
  const RunTable::Ref ref = runs_.Find(id);
  if (run.data_date) {
    job.days_changed |= days_.Add(number, *run.data_date, id, run.status, event.time_us, &job.day);
  } else if (job.policy->date_is_start) {
    job.days_changed |=
        days_.Add(number, DateOfStart(*job.policy, ref, event), id, run.status, event.time_us, &job.day);
  }
  if (IsHistory(event, ref)) {
    ApplyHistory(number, ref, event);
  } else {
    const bool started = ApplyLive(number, id, ref, event);
    if (started && job.expected != WorkflowTable::kNone) NoteStart(job.expected, event);
  }
}

void Shard::Prefetch(std::span<const Event* const> events) const {
  for (const Event* event : events) {
    if (event->body == codecs::Body::kRun) runs_.PrefetchIndex(event->run.id);
  }
  constexpr size_t kMost = 32;
  std::array<RunTable::Ref, kMost> refs;
  const std::span<const Event* const> some = events.first(std::min(events.size(), kMost));
  for (size_t i = 0; i < some.size(); ++i) {
    refs[i] = some[i]->body == codecs::Body::kRun ? runs_.PrefetchRecord(some[i]->run.id) : RunTable::kNone;
  }
  for (size_t i = 0; i < some.size(); ++i) {
    const codecs::RunFields& told = some[i]->run;
    if (some[i]->body != codecs::Body::kRun) continue;
    if (refs[i] == RunTable::kNone || RunTable::IsClosed(refs[i])) {
      if (const uint32_t job = jobs_.Find(told.job_name, told.job_hash); job != JobTable::kNone) jobs_.Prefetch(job);
      continue;
    }
    const OpenRun& run = runs_.open(refs[i]);
    jobs_.Prefetch(run.job);
    // Ends take runs out of where they stand, the first heartbeat moves their deadline.
    const bool ends = IsTerminal(told.status);
    if (ends) runs_.PrefetchText(run);
    if ((ends || (told.heartbeat && !run.heartbeat)) && wheel_.armed(refs[i])) wheel_.PrefetchDisarm(refs[i]);
  }
}

bool Shard::Holds(const codecs::RunFields& run) const {
  return jobs_.Find(run.job_name) != JobTable::kNone && runs_.Find(run.id) != RunTable::kNone;
}

void Shard::ApplyHistory(uint32_t number, RunTable::Ref ref, const Event& event) {
  ++jobs_[number].block.late_events;
  if (ref != RunTable::kNone && !RunTable::IsClosed(ref) && IsTerminal(event.run.status)) {
    CloseOpen(number, ref, event, /*history=*/true);
  }
}

bool Shard::ApplyLive(uint32_t number, const codecs::Hash128& id, RunTable::Ref ref, const Event& event) {
  Job& job = jobs_[number];
  JobBlock& block = job.block;
  const codecs::RunFields& run = event.run;
  block.live = true;
  if (!job.phase_fixed && !run.phase.empty()) FixPhase(job, run.phase);
  job.first_event_us = std::min(job.first_event_us, event.time_us);
  const StartTime start = StartTime::Of(event);
  if (start.known >= StartClass::kEvent) block.last_start_us = std::max(block.last_start_us, start.time_us);
  if (run.status == Status::kSuccess) block.last_success_us = std::max(block.last_success_us, event.time_us);
  if (IsFailure(run.status)) block.last_failure_us = std::max(block.last_failure_us, event.time_us);
  if (const int64_t due_us = StaleDue(job); due_us > watermark_us_)
    stale_jobs_due_us_ = std::min(stale_jobs_due_us_, due_us);

  if (ref == RunTable::kNone) {
    OpenRunFor(number, id, event);
    return true;
  }
  if (RunTable::IsClosed(ref)) return UpdateClosed(number, ref, event);
  if (IsTerminal(run.status)) return CloseOpen(number, ref, event, /*history=*/false);
  return UpdateOpen(job, ref, event);
}

// A run that was not known: it starts, or it starts and ends at once.
void Shard::OpenRunFor(uint32_t number, const codecs::Hash128& id, const Event& event) {
  Job& job = jobs_[number];
  const codecs::RunFields& run = event.run;
  const StartTime start = StartTime::Of(event);
  ++job.block.started;
  if (IsTerminal(run.status)) {
    const RunTable::Ref ref = runs_.AddClosed(id, TextOfEvent(event, OpenRun::kNoDate));
    const int64_t start_us = start.known == StartClass::kNone ? ClosedRun::kUnknownStart : start.time_us;
    FinishClosing(number, ref, event, {start.known, start_us}, /*history=*/false);
    return;
  }
  const RunTable::Ref ref = runs_.AddOpen(id, run.run_id);
  OpenRun& open = runs_.open(ref);
  open.mark = snapshot_.mark;
  open.job = number;
  open.last_event_us = event.time_us;
  open.start_us = start.time_us;
  open.start_known = start.known;
  open.seen_log_s = log_s_;
  open.attempt = run.attempt;
  open.kind = run.kind;
  open.heartbeat = run.heartbeat;
  if (run.data_date) open.data_date = *run.data_date;
  ++job.block.running;
  AddStart(job, ref);
  Judge(job, open);  // it may be stale from the first: the watermark can be ahead of a late event
  ArmFor(job, ref);
}

// A further sign of life.
bool Shard::UpdateOpen(Job& job, RunTable::Ref ref, const Event& event) {
  BeforeOpenChange(ref);
  OpenRun& open = runs_.open(ref);
  const int64_t due_us = NextDue(job, open);
  open.seen_log_s = log_s_;
  open.last_event_us = std::max(open.last_event_us, event.time_us);
  open.heartbeat = open.heartbeat || event.run.heartbeat;
  open.data_date = EarlierDate(open.data_date, event.run.data_date);
  StartTime start{open.start_known, open.start_us};
  start.Merge(StartTime::Of(event));
  const bool started = IsOther(start, open);
  if (started) {
    open.start_us = start.time_us;
    open.start_known = start.known;
    AddStart(job, ref);
  }
  Judge(job, open);
  if (NextDue(job, open) < due_us) ArmFor(job, ref);  // what is armed is never later than what was due
  return started;
}

bool Shard::CloseOpen(uint32_t number, RunTable::Ref ref, const Event& event, bool history) {
  BeforeOpenChange(ref);
  Job& job = jobs_[number];
  const OpenRun& open = runs_.open(ref);
  StartTime start{open.start_known, open.start_us};
  start.Merge(StartTime::Of(event));
  // Without a start, StartOf goes by the end.
  const bool started = start.known == StartClass::kNone || IsOther(start, open);
  Detach(job, ref);
  FinishClosing(number, runs_.Close(ref, TextOfEvent(event, open.data_date)), event, start, history);
  return started;
}

// A closed run has its id and its text; this is the rest of it, and what it counts for.
void Shard::FinishClosing(uint32_t number, RunTable::Ref ref, const Event& event, const StartTime& start,
                          bool history) {
  ClosedRun& closed = runs_.closed(ref);
  closed.time_us = event.time_us;
  closed.start_us = start.time_us;
  closed.job = number;
  closed.closed_log_s = log_s_;
  closed.status = event.run.status;
  closed.rank = MergeKeyOf(event).rank;
  closed.start_known = start.known;
  closed.in_windows = !history;
  CountFinished(number, closed, event, history);
}

// An event of a run that has ended: a repetition, a late start, or a correction.
bool Shard::UpdateClosed(uint32_t number, RunTable::Ref ref, const Event& event) {
  BeforeClosedChange(ref);
  Job& job = jobs_[number];
  ClosedRun& closed = runs_.closed(ref);
  StartTime start{closed.start_known, closed.start_us};
  start.Merge(StartTime::Of(event));
  const bool started = IsOther(start, closed);
  if (start.known != StartClass::kNone) {
    closed.start_us = start.time_us;
    closed.start_known = start.known;
  }
  ClosedText text = runs_.TextOf(closed);
  const bool greater = IsTerminal(event.run.status) &&
                       MergeKeyOf(event) > MergeKey{closed.rank, closed.time_us, text.sequence, text.event_id};
  if (!greater) {
    const int32_t date = EarlierDate(text.data_date, event.run.data_date);
    if (date != text.data_date) {
      text.data_date = date;
      runs_.ReplaceText(&closed, text);
    }
    return started;
  }
  if (closed.in_windows) {
    const WindowShare before = ShareOf(closed.status);
    job.windows.Add(closed.time_us, -before.good, -before.all);
  }
  const WindowShare now = ShareOf(event.run.status);
  job.windows.Add(event.time_us, now.good, now.all);
  closed.in_windows = true;
  if (closed.status != event.run.status) {
    Correct(number, closed.status, event.run.status);
    CountOutcome(job, event.run.status, closed.status);
  }
  closed.status = event.run.status;
  closed.rank = MergeKeyOf(event).rank;
  closed.time_us = event.time_us;
  runs_.ReplaceText(&closed, TextOfEvent(event, text.data_date));
  return started || closed.start_known == StartClass::kNone;  // StartOf goes by the end
}

// The first terminal of a run in the order of the log.
void Shard::CountFinished(uint32_t number, const ClosedRun& run, const Event& event, bool history) {
  Job& job = jobs_[number];
  JobBlock& block = job.block;
  const auto status = static_cast<size_t>(TerminalIndex(run.status));
  ++block.finished[status];
  if (const std::string_view id = event.run.run_id; id.size() <= Exemplar{}.run_id.size()) {
    Exemplar& exemplar = job.exemplars[status];
    exemplar.time_us = event.time_us;
    exemplar.size = static_cast<uint8_t>(id.size());
    std::copy(id.begin(), id.end(), exemplar.run_id.begin());
  }
  const double seconds =
      DurationOf(event.run.duration_seconds.value_or(-1), run.start_known, run.start_us, run.time_us);
  if (seconds >= 0) {
    block.duration_sum_s += seconds;
    ++block.duration_count;
    AddToPhase(job, event, seconds);
  }
  if (history) return;  // counted; no gauge, window or verdict
  if (seconds >= 0) {
    block.last_duration_s = seconds;
    job.durations.Add(seconds);
  }
  const WindowShare share = ShareOf(run.status);
  job.windows.Add(run.time_us, share.good, share.all);
  if (share.all > 0) {
    block.outcomes = block.outcomes << 1 | static_cast<uint32_t>(share.all - share.good);
    block.outcome_count = static_cast<uint8_t>(std::min(block.outcome_count + 1, kFlappingRuns));
  }
  CountOutcome(job, run.status, /*before=*/Status::kRunning);
}

// `before`: what the run counted as until now.
void Shard::CountOutcome(Job& job, Status status, Status before) {
  if (status == Status::kSuccess) {
    job.block.consecutive_failures = 0;
  } else if (IsFailure(status) && !IsFailure(before)) {
    ++job.block.consecutive_failures;
  }
}

void Shard::Correct(uint32_t number, Status from, Status to) {
  const auto same = [&](const Correction& c) { return c.job == number && c.from == from && c.to == to; };
  auto at = std::find_if(corrections_.begin(), corrections_.end(), same);
  if (at == corrections_.end()) at = corrections_.insert(at, Correction{number, from, to, 0});
  ++at->count;
  for (Changes& changes : changes_) changes.corrections = true;
}

void Shard::AddToPhase(Job& job, const Event& event, double seconds) {
  const codecs::RunFields& run = event.run;
  const PhaseLabels* const last = job.phase < phases_.size() ? &phase_index_->LabelsOf(job.phase) : nullptr;
  if (last == nullptr || last->phase != run.phase || last->workflow != run.workflow) {
    bool is_new = false;
    job.phase = static_cast<uint32_t>(phase_index_->Intern(run.phase, run.workflow, &is_new));
    if (is_new) {
      phases_.emplace_back();
      phase_labels_.push_back(std::make_shared<PhaseLabels>(phase_index_->LabelsOf(job.phase)));
    }
  }
  PhaseBlock& phase = phases_[job.phase];
  const auto bound = std::lower_bound(kDurationBoundsS.begin(), kDurationBoundsS.end(), seconds);
  ++phase.counts[static_cast<size_t>(bound - kDurationBoundsS.begin())];
  phase.sum_s += seconds;
  for (Changes& changes : changes_) changes.phases = true;
}

void Shard::FixPhase(Job& job, std::string_view phase) {
  auto labels = std::make_shared<JobLabels>(*job.labels);
  labels->phase = phase;
  job.labels = std::move(labels);
  job.phase_fixed = true;
}

}  // namespace runledger::aggregators
