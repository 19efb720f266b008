#include "reference/fold.h"

#include <algorithm>

namespace runledger::reference {
namespace {

constexpr size_t kPhasePairs = 1000;  // histograms beyond that share one named _other
constexpr size_t kExemplarBytes = 95;

bool Ended(Status status) { return status != Status::kRunning; }
bool Failed(Status status) { return status == Status::kFailed || status == Status::kAborted; }

Start StartOf(const Event& event) {
  if (event.started_us) return {Start::kGiven, *event.started_us};
  if (Ended(event.status)) return {};
  return {event.heartbeat ? Start::kSeen : Start::kEvent, event.time_us};
}

Start Better(const Start& a, const Start& b) {
  if (a.known != b.known) return a.known > b.known ? a : b;
  return a.time_us <= b.time_us ? a : b;
}

std::optional<int32_t> Least(std::optional<int32_t> a, std::optional<int32_t> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

void Raise(std::optional<int64_t>* to, int64_t time_us) {
  if (!*to || time_us > **to) *to = time_us;
}

// The order of goodness: success > partial > no_data > skipped > failed > aborted > running.
int GoodnessOf(Status status) {
  switch (status) {
    case Status::kSuccess:
      return 6;
    case Status::kPartial:
      return 5;
    case Status::kNoData:
      return 4;
    case Status::kSkipped:
      return 3;
    case Status::kFailed:
      return 2;
    case Status::kAborted:
      return 1;
    case Status::kRunning:
      return 0;
  }
  return 0;
}

}  // namespace

int64_t BucketOf(int64_t time_us, int64_t width_us) {
  int64_t rest = time_us % width_us;
  if (rest < 0) rest += width_us;
  return (time_us - rest) / width_us;
}

Fold::Fold(const FoldOptions& options, const Policies& policies)
    : options_(options), policies_(policies), log_time_(options.clock_step_us) {}

void Fold::Add(int64_t stamp_us, bool by_broker, const std::vector<Event>& events) {
  stamp_us_ = stamp_us;
  by_broker_ = by_broker;
  log_time_.See(stamp_us, by_broker);
  bool new_day = false;
  if (const std::optional<int64_t> now = log_time_.now_us()) {
    log_s_ = *now / kSecond;
    const int64_t day = BucketOf(*now, kDay);
    new_day = !log_day_ || day > *log_day_;
    if (new_day) {
      log_day_ = day;
      std::erase_if(days_, [&](const auto& entry) { return std::abs(entry.first.second - day) > options_.days; });
    }
  }
  for (const Event& event : events) Apply(event);
  Forget();
  if (open_runs_ > options_.open_runs) ForgetOldestOpen();
  if (new_day) ForgetSilentJobs();
}

void Fold::Apply(const Event& event) {
  if (event.body != "run" || !policies_.Of(event.job).enabled) return;
  const RunName name{event.run_id, event.attempt};
  const bool known = Find(event.job, name) != nullptr;
  // What runledger decided of a run that is not held any more is a row and nothing else.
  if (event.own_close && !known) return;
  Job& job = jobs_[event.job];
  if (job.shown.finished.empty()) {
    for (const Status status : kEnded) job.shown.finished[status] = 0;
    job.shown.phase = policies_.Of(event.job).phase;
  }
  job.last_log_s = log_s_;
  AddDay(event);
  Run* const run = known ? &job.runs.at(name) : nullptr;
  if (IsHistory(event, known)) {
    ApplyHistory(&job, run, event);
  } else {
    ApplyLive(&job, run, event);
  }
}

// Each event alone, whatever is known of its run; but of an unknown run also what forgetting has left behind.
bool Fold::IsHistory(const Event& event, bool known) const {
  if (event.backfill) return true;
  if (by_broker_ && stamp_us_ >= 0 && stamp_us_ - event.time_us > options_.horizon_us) return true;
  return !known && mark_us_ && event.time_us <= *mark_us_;
}

void Fold::ApplyHistory(Job* job, Run* run, const Event& event) {
  ++job->shown.late_events;
  if (run != nullptr && run->open && Ended(event.status)) Close(job, run, event, /*history=*/true);
}

void Fold::ApplyLive(Job* job, Run* run, const Event& event) {
  JobView& shown = job->shown;
  shown.live = true;
  if (shown.phase.empty()) shown.phase = event.phase;
  if (!job->first_event_us || event.time_us < *job->first_event_us) job->first_event_us = event.time_us;
  const Start start = StartOf(event);
  if (start.known >= Start::kEvent) Raise(&shown.last_start_us, start.time_us);
  if (event.status == Status::kSuccess) Raise(&shown.last_success_us, event.time_us);
  if (Failed(event.status)) Raise(&shown.last_failure_us, event.time_us);

  if (run == nullptr) {
    Run& fresh = job->runs[{event.run_id, event.attempt}];
    ++shown.started;
    ++open_runs_;
    fresh.start = start;
    fresh.date = event.date;
    fresh.last_event_us = event.time_us;
    fresh.seen_log_s = log_s_;
    fresh.beats = event.heartbeat;
    if (Ended(event.status)) Close(job, &fresh, event, /*history=*/false);
    return;
  }
  if (!run->open) {
    Correct(job, run, event);
  } else if (Ended(event.status)) {
    Close(job, run, event, /*history=*/false);
  } else {
    run->seen_log_s = log_s_;
    run->last_event_us = std::max(run->last_event_us, event.time_us);
    run->beats = run->beats || event.heartbeat;
    run->start = Better(run->start, start);
    run->date = Least(run->date, event.date);
  }
}

// The first terminal in the order of the log.
void Fold::Close(Job* job, Run* run, const Event& event, bool history) {
  run->open = false;
  run->start = Better(run->start, StartOf(event));
  run->date = Least(run->date, event.date);
  run->key = KeyOf(event);
  run->status = event.status;
  run->duration_s = event.duration_s;
  run->closed_log_s = log_s_;
  run->in_windows = !history;
  --open_runs_;
  closed_.push_back({event.job, {event.run_id, event.attempt}});
  ++job->shown.finished[event.status];
  if (event.run_id.size() <= kExemplarBytes) job->shown.exemplars[event.status] = event.run_id;
  CountDuration(job, *run, event, history);
  if (!history) CountOutcome(job, event.status, Status::kRunning);
}

void Fold::CountDuration(Job* job, const Run& run, const Event& event, bool history) {
  std::optional<double> seconds;
  if (event.duration_s && *event.duration_s >= 0) {
    seconds = event.duration_s;
  } else if (run.start.known >= Start::kEvent && event.time_us >= run.start.time_us) {
    seconds = static_cast<double>(event.time_us - run.start.time_us) / 1e6;
  }
  if (!seconds) return;
  job->shown.duration_sum_s += *seconds;
  ++job->shown.duration_count;
  if (!history) job->shown.last_duration_s = seconds;

  std::pair<std::string, std::string> pair{event.phase, event.workflow};
  if (phases_.count(pair) == 0 && phases_.size() >= kPhasePairs) pair = {"_other", "_other"};
  PhaseView& phase = phases_[pair];
  size_t bucket = 0;
  while (bucket < kBounds.size() && *seconds > kBounds[bucket]) ++bucket;
  ++phase.counts[bucket];
  phase.sum_s += *seconds;
}

// An event of a run that has ended.
void Fold::Correct(Job* job, Run* run, const Event& event) {
  run->start = Better(run->start, StartOf(event));
  run->date = Least(run->date, event.date);
  if (!Ended(event.status) || KeyOf(event) <= run->key) return;
  if (run->status != event.status) {
    ++job->shown.corrected[{run->status, event.status}];
    CountOutcome(job, event.status, run->status);
  }
  run->key = KeyOf(event);
  run->status = event.status;
  run->duration_s = event.duration_s;
  run->in_windows = true;
}

void Fold::CountOutcome(Job* job, Status now, Status before) {
  if (now == Status::kSuccess) {
    job->shown.consecutive_failures = 0;
  } else if (Failed(now) && !Failed(before)) {
    ++job->shown.consecutive_failures;
  }
}

void Fold::AddDay(const Event& event) {
  if (!event.date || (log_day_ && std::abs(*event.date - *log_day_) > options_.days)) return;
  const auto [at, fresh] = days_.try_emplace({event.job, *event.date});
  Day& day = at->second;
  if (GoodnessOf(event.status) > GoodnessOf(day.best)) day.best = event.status;
  const std::tuple<int64_t, int, Status> last{event.time_us, GoodnessOf(event.status), event.status};
  if (fresh || last > day.last) day.last = last;
  ++day.runs[{event.run_id, event.attempt}];
}

const Run* Fold::Find(const std::string& job, const RunName& run) const {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return nullptr;
  const auto at = found->second.runs.find(run);
  return at == found->second.runs.end() ? nullptr : &at->second;
}

}  // namespace runledger::reference
