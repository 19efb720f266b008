#include "aggregators/day_table.h"

#include <algorithm>
#include <tuple>

#include "absl/container/flat_hash_map.h"

namespace runledger::aggregators {

struct DayTable::Map {
  absl::flat_hash_map<uint64_t, DayState> days;

  static uint64_t Key(uint32_t job, int32_t date) { return (uint64_t{job} << 32) | static_cast<uint32_t>(date); }
  static int32_t DateOf(uint64_t key) { return static_cast<int32_t>(static_cast<uint32_t>(key)); }
  static uint32_t JobOf(uint64_t key) { return static_cast<uint32_t>(key >> 32); }
};

DayTable::DayTable(int days) : days_(days), map_(std::make_unique<Map>()) {}
DayTable::~DayTable() = default;

int Goodness(codecs::Status status) {
  switch (status) {
    case codecs::Status::kSuccess: return 6;
    case codecs::Status::kPartial: return 5;
    case codecs::Status::kNoData: return 4;
    case codecs::Status::kSkipped: return 3;
    case codecs::Status::kFailed: return 2;
    case codecs::Status::kAborted: return 1;
    case codecs::Status::kRunning: return 0;
  }
  return 0;
}

void DayTable::Add(uint32_t job, int32_t data_date, const codecs::Hash128& run, codecs::Status status, int64_t time_us) {
  // Dates far from the log's own time are somebody's mistake; they would only take room.
  if (log_day_ != INT32_MIN && (data_date < log_day_ - days_ || data_date > log_day_ + days_)) return;
  DayState& day = map_->days[Map::Key(job, data_date)];
  if (Goodness(status) > Goodness(day.best)) day.best = status;
  if (std::make_tuple(time_us, Goodness(status), run.low) > std::make_tuple(day.last_time_us, Goodness(day.last_status), day.last_run)) {
    day.last_time_us = time_us;
    day.last_status = status;
    day.last_run = run.low;
  }
  uint64_t* const end = day.runs.data() + day.attempts;
  uint64_t* const at = std::lower_bound(day.runs.data(), end, run.low);
  if (at != end && *at == run.low) return;
  if (day.attempts == DayState::kMaxAttempts) {
    if (at == end) return;  // greater than all that are kept
    std::copy_backward(at, end - 1, end);
  } else {
    std::copy_backward(at, end, end + 1);
    ++day.attempts;
  }
  *at = run.low;
}

const DayState* DayTable::Find(uint32_t job, int32_t data_date) const {
  const auto found = map_->days.find(Map::Key(job, data_date));
  return found == map_->days.end() ? nullptr : &found->second;
}

void DayTable::AdvanceTo(int32_t log_day) {
  if (log_day <= log_day_) return;
  log_day_ = log_day;
  absl::erase_if(map_->days, [&](const auto& entry) {
    const int32_t date = Map::DateOf(entry.first);
    return date < log_day_ - days_ || date > log_day_ + days_;
  });
}

void DayTable::RemoveJob(uint32_t job) {
  absl::erase_if(map_->days, [&](const auto& entry) { return Map::JobOf(entry.first) == job; });
}

size_t DayTable::size() const { return map_->days.size(); }

}  // namespace runledger::aggregators
