#include <algorithm>

#include "reference/fold.h"

// What is shown of a partition, judged at a watermark.
namespace runledger::reference {
namespace {

struct Width {
  int64_t bucket_us;
  int64_t buckets;
};
constexpr std::array<Width, 4> kWidths = {{{kMinute, 60}, {kHour, 24}, {kHour, 168}, {kDay, 30}}};

// An outcome in every window whose whole buckets, the one that holds the watermark being the last, hold its time.
void Count(int64_t time_us, Status status, int64_t watermark_us, std::array<Window, 4>* windows) {
  if (status == Status::kNoData || status == Status::kSkipped || status == Status::kRunning) return;
  for (size_t i = 0; i < kWidths.size(); ++i) {
    const int64_t last = BucketOf(watermark_us, kWidths[i].bucket_us);
    const int64_t bucket = BucketOf(time_us, kWidths[i].bucket_us);
    if (bucket > last || bucket <= last - kWidths[i].buckets) continue;
    (*windows)[i].all += 1;
    (*windows)[i].good += status == Status::kSuccess ? 1 : 0;
  }
}

}  // namespace

JobView Fold::ViewOf(const std::string& name, const Job& job, std::optional<int64_t> watermark_us) const {
  JobView view = job.shown;
  const Policy& policy = policies_.Of(name);
  for (const auto& [run_name, run] : job.runs) {
    if (!run.open) {
      if (watermark_us && run.in_windows) Count(run.key.time_us, run.status, *watermark_us, &view.windows);
      continue;
    }
    ++view.running;
    const int64_t start_us = run.start.time_us;
    if (!view.oldest_running_start_us || start_us < *view.oldest_running_start_us)
      view.oldest_running_start_us = start_us;
    if (!watermark_us) continue;
    view.stale += *watermark_us - std::max(start_us, run.last_event_us) > policy.stale_after_us ? 1 : 0;
    view.silent += run.beats && *watermark_us - run.last_event_us > policy.silent_after_us ? 1 : 0;
    view.timed_out += policy.max_runtime_us > 0 && *watermark_us - start_us > policy.max_runtime_us ? 1 : 0;
  }
  if (!watermark_us) return view;
  for (const auto& [time_us, status] : job.outcomes) Count(time_us, status, *watermark_us, &view.windows);
  if (!view.live) return view;
  const int64_t since_us = view.last_success_us ? *view.last_success_us : *job.first_event_us;
  view.job_stale = *watermark_us - since_us > policy.staleness_us;
  return view;
}

std::map<std::string, JobView> Fold::Jobs(std::optional<int64_t> watermark_us) const {
  std::map<std::string, JobView> views;
  for (const auto& [name, job] : jobs_) views.emplace(name, ViewOf(name, job, watermark_us));
  return views;
}

std::map<std::pair<std::string, int32_t>, DayView> Fold::Days() const {
  std::map<std::pair<std::string, int32_t>, DayView> views;
  for (const auto& [key, day] : days_) {
    views[key] = {day.best, std::get<2>(day.last), std::get<0>(day.last), std::min<size_t>(day.runs.size(), 16)};
  }
  return views;
}

}  // namespace runledger::reference
