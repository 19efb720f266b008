#include "aggregators/shard.h"

// What comes beside runs: decisions of controllers, expected runs, cleanups, verdicts that were read back.

namespace runledger::aggregators {

void Shard::ApplyOther(const codecs::Event& event) {
  // History makes rows. What is ours is none, however long its way into the log was.
  const bool old = record_kind_ == TimestampKind::kAppendTime && record_time_us_ >= 0 &&
                   event.time_us < record_time_us_ - options_.horizon_us;
  if (event.backfill || (old && event.body != codecs::Body::kVerdict && !IsMade(event))) return;
  if (log_day_ == INT32_MIN) return;  // there is no log time to keep it by
  const std::string_view job = event.other.job_name;
  // Of a job that is disabled no start is ever seen.
  if (event.body == codecs::Body::kExpected && !job.empty() && !jobs_.Enabled(job)) return;
  const uint32_t expected = workflows_.Apply(event, log_time_us());
  if (expected != WorkflowTable::kNone) ExpectJob(expected);
}

StartOfRun Shard::StartOf(RunTable::Ref ref, std::string_view run_id) const {
  StartOfRun start;
  start.run_id = codecs::Hash64(run_id);
  if (!RunTable::IsClosed(ref)) {
    const OpenRun& run = runs_.open(ref);
    start.run = run.id;
    start.time_us = run.start_us;
    return start;
  }
  const ClosedRun& run = runs_.closed(ref);
  start.run = run.id;
  start.time_us = run.start_us;
  if (run.start_known == StartClass::kNone) {  // it has run; when it began, its end says best
    const double seconds = runs_.TextOf(run).duration_s;
    start.time_us = run.time_us - (seconds > 0 && seconds < 1e9 ? static_cast<int64_t>(seconds * 1e6) : 0);
  }
  return start;
}

void Shard::NoteStart(uint32_t expected, const codecs::Event& event) {
  const RunTable::Ref ref = runs_.Find(event.run.id);
  if (ref == RunTable::kNone) return;
  workflows_.AddStart(expected, StartOf(ref, event.run.run_id));
}

// From here on its starts are kept; of runs that are going on already they are known.
void Shard::ExpectJob(uint32_t expected) {
  const uint32_t number = jobs_.Find(workflows_.track(expected).name());
  if (number == JobTable::kNone) return;
  Job& job = jobs_[number];
  job.expected = expected;
  for (const Start& open : job.starts) {
    if (IsCurrent(number, open)) workflows_.AddStart(expected, StartOf(open.run, runs_.RunIdOf(runs_.open(open.run))));
  }
}

void Shard::AdvanceWorkflows(int32_t log_day, int64_t log_time_us) {
  ExpectNoLonger(workflows_.AdvanceTo(log_day, log_time_us));
}

void Shard::SetWorkflowPolicies(std::shared_ptr<const WorkflowPolicies> policies) {
  ExpectNoLonger(workflows_.SetPolicies(std::move(policies), log_time_us()));
}

void Shard::ExpectNoLonger(const std::vector<std::string>& jobs) {
  for (const std::string& name : jobs) {
    if (const uint32_t job = jobs_.Find(name); job != JobTable::kNone) jobs_[job].expected = WorkflowTable::kNone;
  }
}

// Empty: the run is not held any more.
std::string Shard::RunIdOf(const codecs::Hash128& run) const {
  const RunTable::Ref ref = runs_.Find(run);
  if (ref == RunTable::kNone) return "";
  return std::string(RunTable::IsClosed(ref) ? runs_.TextOf(runs_.closed(ref)).run_id : runs_.RunIdOf(runs_.open(ref)));
}

std::vector<FinalVerdict> Shard::DueVerdicts(size_t limit) {
  std::vector<FinalVerdict> verdicts;
  for (DueVerdict& due : workflows_.DueVerdicts(watermark_us_, limit)) {
    if (!due.verdict.job_name.empty() && due.verdict.difference_us) due.verdict.matched_run_id = RunIdOf(due.start);
    verdicts.push_back(std::move(due.verdict));
  }
  return verdicts;
}

std::vector<ExpectedDay> Shard::DaysToMake(size_t limit) { return workflows_.DaysToMake(watermark_us_, limit); }

std::vector<ExpectedInfo> Shard::FindExpected(const ScheduleQuery& query) const {
  std::vector<ExpectedInfo> expected = workflows_.Schedule(query, watermark_us_);
  for (ExpectedInfo& info : expected) {
    if (info.of_job && info.start_us) info.start_id = RunIdOf(info.start);
  }
  return expected;
}

std::vector<DayToCome> Shard::FindDaysToCome(const ScheduleQuery& query) const {
  return workflows_.DaysToCome(query, watermark_us_);
}

KnownSince Shard::KnownSinceOf(std::string_view subject) const {
  return {began_us_, whole_log_, workflows_.KeptFrom(subject)};
}

std::vector<WorkflowInfo> Shard::FindWorkflows(const WorkflowQuery& query) const {
  return workflows_.Workflows(query, watermark_us_);
}

}  // namespace runledger::aggregators
