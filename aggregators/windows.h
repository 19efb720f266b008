#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace runledger::aggregators {

// Successes and all outcomes that count (success, partial, failed, aborted) of a span of time.
struct Outcomes {
  uint32_t good = 0;
  uint32_t all = 0;

  friend bool operator==(const Outcomes&, const Outcomes&) = default;
};

// Outcomes in buckets of one width. Only buckets that hold something are kept, sorted by time, so a job that runs once
// a day costs one entry a day. One thread.
class BucketSeries {
 public:
  // Adds to the bucket; negative amounts take back what was added before.
  void Add(int64_t bucket, int good, int all);
  // The sum over buckets in (last - count, last].
  Outcomes Sum(int64_t last, int64_t count) const;
  // Forgets buckets at or before the given one.
  void DropThrough(int64_t bucket);

  struct Entry {
    int64_t bucket;
    Outcomes outcomes;
  };
  const std::vector<Entry>& entries() const { return entries_; }
  // For restoring: entries in order of time.
  void Append(const Entry& entry) { entries_.push_back(entry); }

 private:
  std::vector<Entry> entries_;
};

inline constexpr int kWindows = 4;
inline constexpr std::array<std::string_view, kWindows> kWindowNames = {"1h", "24h", "7d", "30d"};

// Success ratios of a job in event time, over whole buckets: the window "1h" at time W are the 60 minutes that end with
// the one that holds W, "24h" and "7d" the 24 and 168 such hours, "30d" the 30 such days (UTC). Buckets after W do not
// count until W reaches them. Order of arrival does not matter, and an outcome can be taken back. One thread.
class Windows {
 public:
  // An outcome at event time. `good` of `all`, each 0 or 1; negative to take it back.
  void Add(int64_t time_us, int good, int all);
  // By window, at time W.
  std::array<Outcomes, kWindows> At(int64_t watermark_us) const;
  // Drops what no window at or after W can see.
  void Forget(int64_t watermark_us);

  // Minutes, hours, days: for snapshots.
  std::array<BucketSeries, 3>& series() { return series_; }
  const std::array<BucketSeries, 3>& series() const { return series_; }

 private:
  std::array<BucketSeries, 3> series_;
};

// Index of the bucket of that width which holds the time, also for times before 1970.
constexpr int64_t BucketOf(int64_t time_us, int64_t width_us) {
  const int64_t bucket = time_us / width_us;
  return time_us % width_us < 0 ? bucket - 1 : bucket;
}

}  // namespace runledger::aggregators
