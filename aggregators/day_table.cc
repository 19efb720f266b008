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

DayTable::Entry& DayTable::Slot(uint32_t job, int32_t data_date) {
  const auto [at, is_new] = map_->slots.try_emplace(Map::Key(job, data_date), 0);
  if (!is_new) {
    Entry& entry = map_->At(at->second);
    BeforeChange(at->second, entry);
    return entry;
  }
  uint32_t slot;
  if (!map_->free.empty()) {
    slot = map_->free.back();
    map_->free.pop_back();
  } else {
    slot = map_->end++;
    if (slot / Map::kChunk == map_->chunks.size()) map_->chunks.push_back(std::make_unique<Entry[]>(Map::kChunk));
  }
  at->second = slot;
  Entry& entry = map_->At(slot);
  entry = Entry{.job = job, .data_date = data_date, .used = true, .mark = mark_, .state = {}};
  return entry;
}

void DayTable::Add(uint32_t job, int32_t data_date, const codecs::Hash128& run, codecs::Status status,
                   int64_t time_us) {
  // Dates far from the log's own time are somebody's mistake; they would only take room.
  if (log_day_ != INT32_MIN && (data_date < log_day_ - days_ || data_date > log_day_ + days_)) return;
  DayState& day = Slot(job, data_date).state;
  if (Goodness(status) > Goodness(day.best)) day.best = status;
  if (std::make_tuple(time_us, Goodness(status), run.low) >
      std::make_tuple(day.last_time_us, Goodness(day.last_status), day.last_run)) {
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
void DayTable::Restore(uint32_t job, int32_t data_date, const DayState& state) { Slot(job, data_date).state = state; }

}  // namespace runledger::aggregators
