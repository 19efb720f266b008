#include "aggregators/windows.h"

#include <algorithm>

#include "aggregators/job_policy.h"

namespace runledger::aggregators {
namespace {

constexpr int64_t kMinuteUs = 60 * kSecondUs;
constexpr size_t kMinutes = 0, kHours = 1, kDays = 2;  // in Windows::series_

}  // namespace

void BucketSeries::Add(int64_t bucket, int good, int all) {
  // Nearly always the newest bucket or close to it.
  auto at = entries_.end();
  while (at != entries_.begin() && std::prev(at)->bucket >= bucket) --at;
  if (at == entries_.end() || at->bucket != bucket) at = entries_.insert(at, Entry{bucket, {}});
  // Unsigned arithmetic wraps the same way there and back, so taking back is exact.
  at->outcomes.good += static_cast<uint32_t>(good);
  at->outcomes.all += static_cast<uint32_t>(all);
  if (at->outcomes == Outcomes{}) entries_.erase(at);
}

Outcomes BucketSeries::Sum(int64_t last, int64_t count) const {
  Outcomes sum;
  for (auto at = entries_.rbegin(); at != entries_.rend() && at->bucket > last - count; ++at) {
    if (at->bucket > last) continue;
    sum.good += at->outcomes.good;
    sum.all += at->outcomes.all;
  }
  return sum;
}

void BucketSeries::DropThrough(int64_t bucket) {
  auto end = entries_.begin();
  while (end != entries_.end() && end->bucket <= bucket) ++end;
  entries_.erase(entries_.begin(), end);
}

void Windows::Add(int64_t time_us, int good, int all) {
  if (good == 0 && all == 0) return;
  series_[kMinutes].Add(BucketOf(time_us, kMinuteUs), good, all);
  series_[kHours].Add(BucketOf(time_us, kHourUs), good, all);
  series_[kDays].Add(BucketOf(time_us, kDayUs), good, all);
}

std::array<Outcomes, kWindows> Windows::At(int64_t watermark_us) const {
  const int64_t hour = BucketOf(watermark_us, kHourUs);
  return {series_[kMinutes].Sum(BucketOf(watermark_us, kMinuteUs), 60), series_[kHours].Sum(hour, 24),
          series_[kHours].Sum(hour, 168), series_[kDays].Sum(BucketOf(watermark_us, kDayUs), 30)};
}

void Windows::Forget(int64_t watermark_us) {
  series_[kMinutes].DropThrough(BucketOf(watermark_us, kMinuteUs) - 60);
  series_[kHours].DropThrough(BucketOf(watermark_us, kHourUs) - 168);
  series_[kDays].DropThrough(BucketOf(watermark_us, kDayUs) - 30);
}

}  // namespace runledger::aggregators
