#include <xxhash.h>

#include <algorithm>

#include "reference/fold.h"

// What a partition forgets: only the log's own time decides, never a clock.
namespace runledger::reference {
namespace {

// Among open runs heard of in the same second some must go first: those with the smaller low half of the run's hash.
uint64_t TieBreak(const std::string& job, const RunName& run) {
  const uint64_t job_hash = XXH3_64bits(job.data(), job.size());
  const uint64_t attempt = static_cast<uint32_t>(run.second);
  return XXH3_128bits_withSeed(run.first.data(), run.first.size(), job_hash ^ (attempt * 0x9E3779B97F4A7C15u)).low64;
}

}  // namespace

// Closed runs past the horizon, and the ones that closed first if they are too many.
void Fold::Forget() {
  while (!closed_.empty()) {
    const auto [job_name, run_name] = closed_.front();
    Job& job = jobs_.at(job_name);
    const Run& run = job.runs.at(run_name);
    const bool old = log_s_ - run.closed_log_s > options_.horizon_us / kSecond;
    if (!old && closed_.size() <= options_.closed_runs) return;
    // What is older than the horizon is history by its age where brokers stamp; elsewhere, and within it, only by a
    // mark.
    if (!old || !by_broker_) mark_us_ = std::max(mark_us_.value_or(INT64_MIN), run.key.time_us);
    if (run.in_windows) job.outcomes.emplace_back(run.key.time_us, run.status);
    job.runs.erase(run_name);
    closed_.pop_front();
  }
}

void Fold::ForgetOpen(const std::string& job_name, const RunName& name, bool mark) {
  Job& job = jobs_.at(job_name);
  if (mark) mark_us_ = std::max(mark_us_.value_or(INT64_MIN), job.runs.at(name).last_event_us);
  ++job.shown.forgotten;
  --open_runs_;
  job.runs.erase(name);
}

// A sixteenth of the open runs, those that were heard of longest ago.
void Fold::ForgetOldestOpen() {
  std::vector<std::tuple<int64_t, uint64_t, std::string, RunName>> by_age;
  for (const auto& [job_name, job] : jobs_) {
    for (const auto& [name, run] : job.runs) {
      if (run.open) by_age.emplace_back(run.seen_log_s, TieBreak(job_name, name), job_name, name);
    }
  }
  std::sort(by_age.begin(), by_age.end());
  by_age.resize(by_age.size() / 16 + 1);
  for (const auto& [seen, tie, job_name, name] : by_age) ForgetOpen(job_name, name, /*mark=*/true);
}

// Once a day of the log: open runs, then jobs, of which nothing was heard for too long.
void Fold::ForgetSilentJobs() {
  const int64_t limit_s = std::max(options_.forget_job_after_us, options_.horizon_us) / kSecond;
  std::vector<std::pair<std::string, RunName>> silent;
  for (const auto& [job_name, job] : jobs_) {
    for (const auto& [name, run] : job.runs) {
      if (run.open && log_s_ - run.seen_log_s > limit_s) silent.emplace_back(job_name, name);
    }
  }
  for (const auto& [job_name, name] : silent) ForgetOpen(job_name, name, /*mark=*/!by_broker_);
  for (auto at = jobs_.begin(); at != jobs_.end();) {
    const auto open = [](const auto& run) { return run.second.open; };
    const bool idle = std::none_of(at->second.runs.begin(), at->second.runs.end(), open);
    if (!idle || log_s_ - at->second.last_log_s <= limit_s) {
      ++at;
      continue;
    }
    std::erase_if(days_, [&](const auto& entry) { return entry.first.first == at->first; });
    at = jobs_.erase(at);
  }
}

}  // namespace runledger::reference
