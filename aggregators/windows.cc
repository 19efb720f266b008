#include "aggregators/windows.h"

#include <algorithm>

#include "aggregators/job_policy.h"

namespace runledger::aggregators {
namespace {

constexpr int64_t kMinuteUs = 60 * kSecondUs;

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
  minutes_.Add(BucketOf(time_us, kMinuteUs), good, all);
  hours_.Add(BucketOf(time_us, kHourUs), good, all);
  days_.Add(BucketOf(time_us, kDayUs), good, all);
}

std::array<Outcomes, kWindows> Windows::At(int64_t watermark_us) const {
  const int64_t hour = BucketOf(watermark_us, kHourUs);
  return {minutes_.Sum(BucketOf(watermark_us, kMinuteUs), 60), hours_.Sum(hour, 24), hours_.Sum(hour, 168),
          days_.Sum(BucketOf(watermark_us, kDayUs), 30)};
}

void Windows::Forget(int64_t watermark_us) {
  minutes_.DropThrough(BucketOf(watermark_us, kMinuteUs) - 60);
  hours_.DropThrough(BucketOf(watermark_us, kHourUs) - 168);
  days_.DropThrough(BucketOf(watermark_us, kDayUs) - 30);
}

}  // namespace runledger::aggregators
