#include "aggregators/day_table.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace runledger::aggregators {

// Where each day stands. Slots do not move, so that a snapshot can walk over them while days come and go.
struct DayTable::Map {
  static constexpr size_t kChunk = 1024;

  absl::flat_hash_map<uint64_t, uint32_t> slots;
  std::vector<std::unique_ptr<Entry[]>> chunks;
  std::vector<uint32_t> free;
  uint32_t end = 0;

  static uint64_t Key(uint32_t job, int32_t date) { return (uint64_t{job} << 32) | static_cast<uint32_t>(date); }
  Entry& At(uint32_t slot) { return chunks[slot / kChunk][slot % kChunk]; }
};

DayTable::DayTable(int days) : days_(days), map_(std::make_unique<Map>()) {}
DayTable::~DayTable() = default;

int Goodness(codecs::Status status) {
  switch (status) {
    case codecs::Status::kSuccess:
      return 6;
    case codecs::Status::kPartial:
      return 5;
    case codecs::Status::kNoData:
      return 4;
    case codecs::Status::kSkipped:
      return 3;
    case codecs::Status::kFailed:
      return 2;
    case codecs::Status::kAborted:
      return 1;
    case codecs::Status::kRunning:
      return 0;
  }
  return 0;
}

void DayTable::BeforeChange(uint32_t slot, Entry& entry) {
  if (!before_change_ || entry.mark == mark_) return;
  before_change_(slot);
  entry.mark = mark_;
}

uint32_t DayTable::SlotOf(uint32_t job, int32_t data_date) {
  const auto [at, is_new] = map_->slots.try_emplace(Map::Key(job, data_date), 0);
  if (!is_new) return at->second;
  uint32_t slot;
  if (!map_->free.empty()) {
    slot = map_->free.back();
    map_->free.pop_back();
  } else {
    slot = map_->end++;
    if (slot / Map::kChunk == map_->chunks.size()) map_->chunks.push_back(std::make_unique<Entry[]>(Map::kChunk));
  }
  at->second = slot;
  map_->At(slot) = Entry{.job = job, .data_date = data_date, .used = true, .mark = mark_, .state = {}};
  return slot;
}

int DayState::FailedAttempts() const {
  return static_cast<int>(
      std::count_if(run_best.begin(), run_best.begin() + attempts, [](codecs::Status s) { return IsFailure(s); }));
}

void DayState::AddEvent(codecs::Status status, int64_t time_us, uint64_t run) {
  if (Goodness(status) > Goodness(best)) best = status;
  if (std::make_tuple(time_us, Goodness(status), run) >
      std::make_tuple(last_time_us, Goodness(last_status), last_run)) {
    last_time_us = time_us;
    last_status = status;
    last_run = run;
  }
}

void DayState::AddRun(uint64_t run, codecs::Status status) {
  uint64_t* const end = runs.data() + attempts;
  uint64_t* const at = std::lower_bound(runs.data(), end, run);
  codecs::Status* const its_best = run_best.data() + (at - runs.data());
  if (at != end && *at == run) {
    if (Goodness(status) > Goodness(*its_best)) *its_best = status;
    return;
  }
  if (attempts == kMaxAttempts) {
    if (at == end) return;  // greater than all that are kept
    std::copy_backward(at, end - 1, end);
    std::copy_backward(its_best, run_best.data() + attempts - 1, run_best.data() + attempts);
  } else {
    std::copy_backward(at, end, end + 1);
    std::copy_backward(its_best, run_best.data() + attempts, run_best.data() + attempts + 1);
    ++attempts;
  }
  *at = run;
  *its_best = status;
}

void DayState::Merge(const DayState& other) {
  AddEvent(other.best, INT64_MIN, 0);
  AddEvent(other.last_status, other.last_time_us, other.last_run);
  for (size_t i = 0; i < other.attempts; ++i) AddRun(other.runs[i], other.run_best[i]);
}

bool DayTable::Add(uint32_t job, int32_t data_date, const codecs::Hash128& run, codecs::Status status, int64_t time_us,
                   Hint* hint) {
  // Dates far from the log's own time are somebody's mistake; they would only take room.
  if (log_day_ != INT32_MIN && (data_date < log_day_ - days_ || data_date > log_day_ + days_)) return false;
  if (hint->slot >= map_->end || !map_->At(hint->slot).IsOf(job, data_date)) hint->slot = SlotOf(job, data_date);
  Entry& entry = map_->At(hint->slot);
  BeforeChange(hint->slot, entry);
  DayState& day = entry.state;
  const codecs::Status before = day.best;
  day.AddEvent(status, time_us, run.low);
  day.AddRun(run.low, status);
  return day.best != before || day.attempts == 1;
}

const DayState* DayTable::Find(uint32_t job, int32_t data_date) const {
  const auto found = map_->slots.find(Map::Key(job, data_date));
  return found == map_->slots.end() ? nullptr : &map_->At(found->second).state;
}

template <typename Condition>
void DayTable::RemoveIf(Condition condition) {
  absl::erase_if(map_->slots, [&](const auto& at) {
    Entry& entry = map_->At(at.second);
    if (!condition(entry)) return false;
    BeforeChange(at.second, entry);
    entry.used = false;
    map_->free.push_back(at.second);
    return true;
  });
}

void DayTable::AdvanceTo(int32_t log_day) {
  if (log_day <= log_day_) return;
  log_day_ = log_day;
  RemoveIf(
      [&](const Entry& entry) { return entry.data_date < log_day_ - days_ || entry.data_date > log_day_ + days_; });
}

void DayTable::RemoveJob(uint32_t job) {
  RemoveIf([&](const Entry& entry) { return entry.job == job; });
}

size_t DayTable::size() const { return map_->slots.size(); }

uint32_t DayTable::end() const { return map_->end; }
DayTable::Entry& DayTable::entry(uint32_t slot) { return map_->At(slot); }
void DayTable::Restore(uint32_t job, int32_t data_date, const DayState& state) {
  map_->At(SlotOf(job, data_date)).state = state;
}

}  // namespace runledger::aggregators
