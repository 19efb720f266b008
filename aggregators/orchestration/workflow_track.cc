#include "aggregators/orchestration/workflow_track.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "aggregators/orchestration/match_runs.h"
#include "codecs/civil_time.h"

namespace runledger::aggregators {
namespace {

constexpr int64_t kNoTime = WorkflowBlock::kNoTime;
// Tries of one run within this belong together.
constexpr int64_t kTriesUs = WorkflowTrack::kRecentUs;

struct Earlier {
  bool operator()(const Expectation& a, int64_t due_us) const { return a.due_us < due_us; }
  bool operator()(const Decision& a, int64_t time_us) const { return a.time_us < time_us; }
  bool operator()(const StartOfRun& a, int64_t time_us) const { return a.time_us < time_us; }
};

template <typename T>
auto FirstAt(T& sorted, int64_t time_us) {
  return std::lower_bound(sorted.begin(), sorted.end(), time_us, Earlier());
}

int64_t Distance(int64_t a, int64_t b) { return a > b ? a - b : b - a; }

}  // namespace

WorkflowTrack::WorkflowTrack(std::string name, const WorkflowPolicy* policy, int64_t known_since_us)
    : labels_(std::make_shared<WorkflowLabels>(WorkflowLabels{std::move(name)})),
      policy_(policy),
      known_since_us_(known_since_us),
      starts_since_us_(known_since_us),
      decisions_since_us_(known_since_us) {}

void WorkflowTrack::SetPolicy(const WorkflowPolicy* policy) {
  const bool differs = *std::exchange(policy_, policy) != *policy;
  if (!differs) return;
  dirty_ = true;
  day_due_us_ = INT64_MIN;
  FindOpen();
  Touch();
}

void WorkflowTrack::NoteExpected(const Expectation& expected) {
  if (expected.of_job) ++job_runs_;
  if (expected.text->made) ++made_runs_;
  if (!expected.text->workflow.empty()) names_workflows_ = true;
  if (!expected.settled) {
    first_unsettled_us_ = std::min(first_unsettled_us_, expected.due_us);
    settles_at_us_ = first_unsettled_us_ + policy_->settles_after_us();
  }
  if (!expected.final && expected.verdict != RunVerdict::kUnknown)
    first_open_us_ = std::min(first_open_us_, expected.due_us);
}

// By what the row says, else by the clock.
int32_t WorkflowTrack::DayOfRow(const Expectation& expected) const {
  if (expected.date != Expectation::kNoDate) return expected.date;
  return policy_->plan ? policy_->plan->schedule().WorkDay(expected.due_us) : codecs::DayOf(expected.due_us);
}

const Expectation* WorkflowTrack::FindOfDay(int32_t day, int64_t near_us, bool made) const {
  if ((made ? made_runs_ : expected_.size() - made_runs_) == 0) return nullptr;
  constexpr int64_t kFarUs = 4 * kRecentUs;  // a day of any zone is longer by less than two on each side
  for (auto at = FirstAt(expected_, near_us - kFarUs); at != expected_.end() && at->due_us < near_us + kFarUs; ++at) {
    if (at->text->made == made && DayOfRow(*at) == day) return &*at;
  }
  return nullptr;
}

bool WorkflowTrack::AddMadeDay(const MadeDay& day) {
  if (day.day > made_.day) {
    made_ = day;
    day_due_us_ = INT64_MIN;
  }
  return made_ == day;
}

bool WorkflowTrack::AddExpected(Expectation expected) {
  const auto at = FirstAt(expected_, expected.due_us);
  if (at != expected_.end() && at->due_us == expected.due_us) return false;
  // Somebody else had the day before, or has it now.
  if (FindOfDay(DayOfRow(expected), expected.due_us, !expected.text->made) != nullptr) return false;
  if (last_text_ != nullptr && *last_text_ == *expected.text) {
    expected.text = last_text_;
  } else {
    last_text_ = expected.text;
  }
  if (priority_time_us_ == kNoTime && !expected.text->priority.empty()) priority_ = expected.text->priority;
  NoteExpected(expected);
  expected_.insert(at, std::move(expected));
  dirty_ = true;
  Touch();
  return true;
}

std::optional<DayToCome> WorkflowTrack::ToCome(int32_t day, int64_t watermark_us) const {
  const DayPlan& plan = *policy_->plan;
  if (plan.MadeAt(day) <= watermark_us || (made_.day != MadeDay::kNone && made_.day >= day)) return std::nullopt;
  const std::vector<int64_t> ticks = plan.TicksOf(day);
  // Where somebody else has spoken for the day, none are made.
  if (ticks.empty() || FindOfDay(day, ticks.front(), /*made=*/false) != nullptr) return std::nullopt;
  return DayToCome{name(), day, plan.MadeAt(day), ticks.front(), ticks.size()};
}

std::optional<ExpectedDay> WorkflowTrack::DayToMake(int64_t watermark_us) {
  if (watermark_us < day_due_us_) return std::nullopt;
  const DayPlan& plan = *policy_->plan;
  const int32_t newest = plan.NewestDay(watermark_us);
  const bool goes_on = made_.version == plan.version();
  int32_t day = goes_on ? std::max(made_.day + 1, newest - kMostDaysBack) : newest;
  for (day = std::max(day, made_.day == MadeDay::kNone ? day : made_.day + 1); day <= newest; ++day) {
    std::vector<int64_t> ticks = plan.TicksOf(day);
    const bool whole = goes_on || watermark_us - plan.MadeAt(day) <= kInTimeUs;
    if (!whole) ticks.erase(ticks.begin(), std::upper_bound(ticks.begin(), ticks.end(), watermark_us));
    if (ticks.empty() || FindOfDay(day, ticks.front(), /*made=*/false) != nullptr) continue;
    return ExpectedDay{
        name(),          day, watermark_us, "schedule: " + plan.schedule().text(), policy_->priority, plan.version(),
        std::move(ticks)};
  }
  day_due_us_ = plan.MadeAt(newest + 1);
  return std::nullopt;
}

Decision* WorkflowTrack::DecisionToChange(const codecs::Hash128& id) {
  const auto known = decision_times_.find(id.low);
  if (known == decision_times_.end()) return nullptr;
  for (auto at = FirstAt(decisions_, known->second); at != decisions_.end() && at->time_us == known->second; ++at) {
    if (at->id == id) return &*at;
  }
  return nullptr;
}

const Decision* WorkflowTrack::FindDecision(const codecs::Hash128& id) const {
  return const_cast<WorkflowTrack*>(this)->DecisionToChange(id);
}

void WorkflowTrack::AddDecision(Decision decision) {
  block_.last_evaluation_us = std::max(block_.last_evaluation_us, decision.time_us);
  int64_t& last = block_.last_decision_us[static_cast<size_t>(decision.action)];
  last = std::max(last, decision.time_us);
  if (!decision.priority.empty() && decision.time_us >= priority_time_us_) {
    priority_ = decision.priority;
    priority_time_us_ = decision.time_us;
  }
  Touch();
  if (const Decision* known = FindDecision(decision.id)) {
    const auto key = [](const Decision& d) { return std::tie(d.event_us, d.sequence, d.event_hash); };
    if (key(decision) <= key(*known)) return;
    decision.taken = known->taken;
    decisions_.erase(decisions_.begin() + (known - decisions_.data()));
  }
  decision_times_[decision.id.low] = decision.time_us;
  auto at = FirstAt(decisions_, decision.time_us);
  while (at != decisions_.end() && at->time_us == decision.time_us && at->id.low < decision.id.low) ++at;
  decisions_.insert(at, std::move(decision));
  dirty_ = true;
}

StartOfRun* WorkflowTrack::FindStart(const codecs::Hash128& run) {
  const auto known = start_times_.find(run.low);
  if (known == start_times_.end()) return nullptr;
  for (auto at = FirstAt(starts_, known->second); at != starts_.end() && at->time_us == known->second; ++at) {
    if (at->run == run) return &*at;
  }
  return nullptr;
}

bool WorkflowTrack::AddStart(const StartOfRun& start) {
  StartOfRun added = start;
  const StartOfRun* known = FindStart(start.run);
  if (known != nullptr) {
    if (known->time_us == start.time_us) return false;
    added.taken = known->taken;
    starts_.erase(starts_.begin() + (known - starts_.data()));
  }
  start_times_[added.run.low] = added.time_us;
  auto at = FirstAt(starts_, added.time_us);
  while (at != starts_.end() && at->time_us == added.time_us && at->run.low < added.run.low) ++at;
  // The newest of all, and nothing that is open expects it: whatever was matched stays so, and so do first tries.
  const bool matters = known != nullptr || at != starts_.end() || IsExpected(added.time_us);
  starts_.insert(at, added);
  if (!matters) return false;
  dirty_ = true;
  Touch();
  return true;
}

// A run that starts then may be one that is expected and has no settled verdict.
bool WorkflowTrack::IsExpected(int64_t time_us) const {
  for (auto at = FirstAt(expected_, std::max(first_unsettled_us_, time_us - policy_->match_window_us));
       at != expected_.end() && at->due_us <= time_us + policy_->early_tolerance_us; ++at) {
    if (!at->settled && at->of_job) return true;
  }
  return false;
}

// Decisions to run, or the first tries of runs, on which no settled verdict rests. By time.
std::vector<WorkflowTrack::Actual> WorkflowTrack::Untaken(bool of_job, int64_t from_us) const {
  std::vector<Actual> actual;
  if (!of_job) {
    for (auto at = FirstAt(decisions_, from_us); at != decisions_.end(); ++at) {
      if (at->action == Action::kRun && !at->taken)
        actual.push_back({at->time_us, at->id, static_cast<size_t>(at - decisions_.begin())});
    }
    return actual;
  }
  // Of tries of one run that belong together the first counts, if no later one is taken: whatever is asked for from
  // where, of the same starts the same ones. Few are looked at, and many came before: what is remembered is sorted, so
  // that nothing is allocated for each of those.
  struct Seen {
    uint64_t run_id;
    int64_t last_us = kNoTime;        // of the tries before the one that is looked at
    int64_t next_taken_us = kNoTime;  // of the tries from the one that is looked at on: the first that is taken
  };
  std::vector<Seen> runs;
  const auto from = FirstAt(starts_, from_us);
  for (auto at = from; at != starts_.end(); ++at) runs.push_back({.run_id = at->run_id});
  std::sort(runs.begin(), runs.end(), [](const Seen& a, const Seen& b) { return a.run_id < b.run_id; });
  const auto seen = [&](uint64_t run_id) -> Seen* {
    const auto found = std::lower_bound(runs.begin(), runs.end(), run_id,
                                        [](const Seen& run, uint64_t wanted) { return run.run_id < wanted; });
    return found == runs.end() || found->run_id != run_id ? nullptr : &*found;
  };
  const auto together = [](int64_t earlier_us, int64_t later_us) {
    return earlier_us != kNoTime && later_us != kNoTime && later_us - earlier_us <= kTriesUs;
  };
  for (auto at = FirstAt(starts_, from_us - kTriesUs); at != from; ++at) {
    if (Seen* run = seen(at->run_id)) run->last_us = at->time_us;
  }
  std::vector<bool> taken(static_cast<size_t>(starts_.end() - from));  // itself, or a later one that belongs to it
  for (auto at = starts_.end(); at != from;) {
    --at;
    Seen* run = seen(at->run_id);
    if (at->taken) run->next_taken_us = at->time_us;
    taken[static_cast<size_t>(at - from)] = together(at->time_us, run->next_taken_us);
  }
  for (auto at = from; at != starts_.end(); ++at) {
    Seen* run = seen(at->run_id);
    const bool first = !together(std::exchange(run->last_us, at->time_us), at->time_us);
    if (first && !taken[static_cast<size_t>(at - from)])
      actual.push_back({at->time_us, at->run, static_cast<size_t>(at - starts_.begin())});
  }
  return actual;
}

std::vector<int64_t> WorkflowTrack::ActualTimes(bool of_job) const {
  std::vector<int64_t> times;
  if (of_job) {
    std::unordered_set<uint64_t> seen;
    for (const StartOfRun& start : starts_) {
      if (seen.insert(start.run_id).second) times.push_back(start.time_us);
    }
  } else {
    for (const Decision& decision : decisions_) {
      if (decision.action == Action::kRun) times.push_back(decision.time_us);
    }
  }
  return times;
}

void WorkflowTrack::MatchKind(bool of_job) {
  std::vector<Expectation*> open;
  std::vector<int64_t> ticks, times;
  for (auto at = FirstAt(expected_, first_unsettled_us_); at != expected_.end(); ++at) {
    if (at->settled || at->of_job != of_job) continue;
    at->start_us = kNoTime;
    open.push_back(&*at);
    ticks.push_back(at->due_us);
  }
  if (open.empty()) return;
  const std::vector<Actual> actual = Untaken(of_job, ticks.front() - policy_->early_tolerance_us);
  for (const Actual& one : actual) times.push_back(one.time_us);
  const std::vector<int32_t> matched = MatchRuns(ticks, times, {policy_->early_tolerance_us, policy_->match_window_us});
  for (size_t i = 0; i < open.size(); ++i) {
    if (matched[i] == kUnmatched) continue;
    const Actual& one = actual[static_cast<size_t>(matched[i])];
    open[i]->start_us = one.time_us;
    open[i]->start = one.id;
  }
}

void WorkflowTrack::Rematch() {
  if (!dirty_) return;
  dirty_ = false;
  if (job_runs_ > 0) MatchKind(/*of_job=*/true);
  MatchKind(/*of_job=*/false);
}

bool WorkflowTrack::IsComplete(const Expectation& expected) const {
  const int64_t since_us = expected.of_job ? starts_since_us_ : decisions_since_us_;
  return expected.due_us - policy_->early_tolerance_us >= since_us;
}

RunVerdict WorkflowTrack::VerdictOf(const Expectation& expected, int64_t watermark_us) const {
  if (expected.final) return expected.verdict;
  if (!block_.at_home) return RunVerdict::kUnknown;
  if (expected.settled) return expected.verdict;
  if (expected.start_us != kNoTime) return JudgeStart(expected.start_us - expected.due_us, *policy_);
  if (watermark_us == kNoTime) return RunVerdict::kUnknown;
  const RunVerdict verdict = JudgeWithout(expected.due_us, watermark_us, *policy_);
  return verdict == RunVerdict::kPending || IsComplete(expected) ? verdict : RunVerdict::kUnknown;
}

void WorkflowTrack::Take(const Expectation& expected) {
  if (expected.start_us == kNoTime) return;
  if (expected.of_job) {
    if (StartOfRun* start = FindStart(expected.start)) start->taken = true;
  } else if (Decision* decision = DecisionToChange(expected.start)) {
    decision->taken = true;
  }
}

void WorkflowTrack::FindOpen() {
  first_unsettled_us_ = first_open_us_ = INT64_MAX;
  for (const Expectation& expected : expected_) {
    if (!expected.settled) first_unsettled_us_ = std::min(first_unsettled_us_, expected.due_us);
    if (!expected.final && expected.verdict != RunVerdict::kUnknown)
      first_open_us_ = std::min(first_open_us_, expected.due_us);
    if (first_unsettled_us_ != INT64_MAX && first_open_us_ != INT64_MAX) break;  // they are sorted
  }
  settles_at_us_ = first_unsettled_us_ == INT64_MAX ? INT64_MAX : first_unsettled_us_ + policy_->settles_after_us();
}

void WorkflowTrack::SettleUntil(int64_t log_time_us) {
  if (log_time_us <= settles_at_us_) return;
  Rematch();
  for (auto at = FirstAt(expected_, first_unsettled_us_);
       at != expected_.end() && log_time_us > at->due_us + policy_->settles_after_us(); ++at) {
    if (at->settled) continue;
    at->settled = true;
    at->verdict = at->start_us != kNoTime ? JudgeStart(at->start_us - at->due_us, *policy_)
                  : IsComplete(*at)       ? RunVerdict::kMissing
                                          : RunVerdict::kUnknown;
    Take(*at);
  }
  FindOpen();
  Touch();
}

bool WorkflowTrack::ApplyVerdict(int64_t due_us, RunVerdict verdict, const VerdictDetails& details) {
  const auto at = FirstAt(expected_, due_us);
  if (at == expected_.end() || at->due_us != due_us || at->final) return false;
  Rematch();
  const int64_t start_us = verdict == RunVerdict::kMissing || !details.delay_seconds
                               ? kNoTime
                               : due_us + static_cast<int64_t>(std::llround(*details.delay_seconds * 1e6));
  if (!at->settled || at->start_us != start_us) {
    at->start_us = start_us;
    at->start = {};
    // Which one it was, if it is known here.
    for (const Actual& one : Untaken(at->of_job, start_us == kNoTime ? INT64_MAX : start_us)) {
      if (one.time_us != start_us) break;
      at->start = one.id;
      Take(*at);
      break;
    }
  }
  dirty_ = dirty_ || !at->settled;
  at->settled = at->final = true;
  at->verdict = verdict;
  at->explained_by = details.explained_by;
  ++block_.verdicts[static_cast<size_t>(verdict)];
  FindOpen();
  Touch();
  return true;
}

const Decision* WorkflowTrack::NearestRefusal(int64_t due_us) const {
  const Decision* nearest = nullptr;
  for (auto at = FirstAt(decisions_, due_us - policy_->early_tolerance_us);
       at != decisions_.end() && at->time_us <= due_us + policy_->match_window_us; ++at) {
    if (at->action == Action::kRun) continue;
    if (nearest == nullptr || Distance(at->time_us, due_us) < Distance(nearest->time_us, due_us)) nearest = &*at;
  }
  return nearest;
}

const Decision* WorkflowTrack::ExplanationOf(const Expectation& expected, const Others& others) const {
  if (const Decision* own = NearestRefusal(expected.due_us)) return own;
  const std::string& workflow = expected.text->workflow;
  if (workflow.empty() || !others) return nullptr;
  const WorkflowTrack* other = others(workflow);
  return other == nullptr || other == this ? nullptr : other->NearestRefusal(expected.due_us);
}

// When the workflow counts as not evaluated unless a decision comes; INT64_MAX: never.
int64_t WorkflowTrack::EvaluationDue() const {
  const int64_t limit_us = policy_->EvaluationLimit(priority_);
  const bool evaluated = block_.last_evaluation_us != kNoTime;
  // Nobody decides about a job's own schedule.
  if (limit_us == 0 || !(evaluated || (job_runs_ == 0 && (configured || !expected_.empty())))) return INT64_MAX;
  const int64_t since_us = std::max(block_.last_evaluation_us, known_since_us_);
  return since_us == kNoTime ? INT64_MAX : since_us + limit_us + 1;
}

const WorkflowBlock& WorkflowTrack::Judge(int64_t watermark_us, const Others& others) {
  Rematch();
  block_ = Work(watermark_us, others, &changes_at_us_);
  return block_;
}

WorkflowBlock WorkflowTrack::BlockAt(int64_t watermark_us, const Others& others) {
  Rematch();
  int64_t changes_at_us = 0;
  return Work(watermark_us, others, &changes_at_us);
}

WorkflowBlock WorkflowTrack::Work(int64_t watermark_us, const Others& others, int64_t* changes_at_us) const {
  WorkflowBlock block = block_;
  block.pending = block.overdue = block.missing = block.missing_explained = 0;
  block.not_evaluated = block.has_evaluation_limit = false;
  *changes_at_us = watermark_us == kNoTime ? kNoTime + 1 : INT64_MAX;  // with the first watermark
  if (watermark_us == kNoTime || !block.at_home) return block;
  for (auto at = FirstAt(expected_, watermark_us - kRecentUs + 1); at != expected_.end(); ++at) {
    switch (VerdictOf(*at, watermark_us)) {
      case RunVerdict::kPending:
        ++block.pending;
        break;
      case RunVerdict::kOverdue:
        ++block.overdue;
        break;
      case RunVerdict::kMissing:
        ++(!at->explained_by.empty() || ExplanationOf(*at, others) != nullptr ? block.missing_explained
                                                                              : block.missing);
        *changes_at_us = std::min(*changes_at_us, at->due_us + kRecentUs);
        break;
      default:
        break;
    }
    if (!at->settled && at->start_us == kNoTime)
      *changes_at_us = std::min(*changes_at_us, NextChange(at->due_us, watermark_us, *policy_));
  }
  if (const int64_t due_us = EvaluationDue(); due_us != INT64_MAX) {
    block.has_evaluation_limit = true;
    block.not_evaluated = watermark_us >= due_us;
    if (!block.not_evaluated) *changes_at_us = std::min(*changes_at_us, due_us);
  }
  return block;
}

bool WorkflowTrack::HasToForget(int64_t before_us) const {
  const auto has = [&](const auto& sorted, size_t most) {
    return sorted.size() > most || (!sorted.empty() && Earlier()(sorted.front(), before_us));
  };
  return has(expected_, kMostExpected) || has(decisions_, kMostDecisions) || has(starts_, kMostStarts);
}

void WorkflowTrack::Forget(int64_t before_us) {
  const auto drop = [&](auto* sorted, size_t most) {
    size_t gone = static_cast<size_t>(FirstAt(*sorted, before_us) - sorted->begin());
    if (sorted->size() > most) gone = std::max(gone, sorted->size() - most + most / 16);
    return gone;
  };
  if (const size_t gone = drop(&expected_, kMostExpected); gone > 0) {
    for (size_t i = 0; i < gone; ++i) {
      job_runs_ -= expected_[i].of_job ? 1 : 0;
      made_runs_ -= expected_[i].text->made ? 1 : 0;
    }
    expected_.erase(expected_.begin(), expected_.begin() + static_cast<std::ptrdiff_t>(gone));
    FindOpen();
    Touch();
  }
  if (const size_t gone = drop(&decisions_, kMostDecisions); gone > 0) {
    decisions_since_us_ = std::max(decisions_since_us_, decisions_[gone - 1].time_us + 1);
    for (size_t i = 0; i < gone; ++i) decision_times_.erase(decisions_[i].id.low);
    decisions_.erase(decisions_.begin(), decisions_.begin() + static_cast<std::ptrdiff_t>(gone));
    dirty_ = true;
    Touch();
  }
  if (const size_t gone = drop(&starts_, kMostStarts); gone > 0) {
    starts_since_us_ = std::max(starts_since_us_, starts_[gone - 1].time_us + 1);
    for (size_t i = 0; i < gone; ++i) start_times_.erase(starts_[i].run.low);
    starts_.erase(starts_.begin(), starts_.begin() + static_cast<std::ptrdiff_t>(gone));
    dirty_ = true;
    Touch();
  }
}

}  // namespace runledger::aggregators
