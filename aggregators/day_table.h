#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "codecs/hash.h"
#include "codecs/status.h"

namespace runledger::aggregators {

// What is known of one job's work on one data date.
struct DayState {
  static constexpr int kMaxAttempts = 16;

  codecs::Status best = codecs::Status::kRunning;  // the best that any event said: success first, running last
  uint8_t attempts = 0;                            // runs seen; kMaxAttempts stands for "that many or more"
  codecs::Status last_status = codecs::Status::kRunning;
  int64_t last_time_us = INT64_MIN;  // event time of the newest event
  uint64_t last_run = 0;             // its run, to break ties
  // The smallest hashes of the runs seen, sorted: the same set in whatever order and however often events arrive.
  std::array<uint64_t, kMaxAttempts> runs{};
  // The best that was said of each of them, by the same place.
  std::array<codecs::Status, kMaxAttempts> run_best{};

  // Of the runs that are kept, those of which nothing better than a failure was said.
  int FailedAttempts() const;
  // Takes in what is known of the same date elsewhere.
  void Merge(const DayState& other);

 private:
  friend class DayTable;
  void AddEvent(codecs::Status status, int64_t time_us, uint64_t run);
  void AddRun(uint64_t run, codecs::Status status);
};

// Per (job, data date): best status, attempts, last attempt. Every event may enter any number of times, history too. It
// keeps the days within `days` of the newest log day. One thread.
class DayTable {
 public:
  explicit DayTable(int days);
  ~DayTable();
  DayTable(const DayTable&) = delete;
  DayTable& operator=(const DayTable&) = delete;

  // Where a job's last event entered; most of the next ones enter there too. Whatever it holds, only time depends on
  // it.
  struct Hint {
    uint32_t slot = 0;
  };
  // True if the best of that date has changed. `hint`: the job's.
  bool Add(uint32_t job, int32_t data_date, const codecs::Hash128& run, codecs::Status status, int64_t time_us,
           Hint* hint);
  // nullptr: nothing is known of that day.
  const DayState* Find(uint32_t job, int32_t data_date) const;
  // Log time reached this day (since 1970-01-01): older days go.
  void AdvanceTo(int32_t log_day);
  // Forgets a job, whose number may then stand for another.
  void RemoveJob(uint32_t job);
  size_t size() const;

  // For snapshots. Days stand in slots, which stay theirs while they are kept. From Mark on, a day that was there then
  // and has another mark is handed to `before_change` before it changes or goes for the first time, and gets the mark;
  // new days have it from the first. An empty callback: nobody wants to know.
  using SlotCallback = std::function<void(uint32_t slot)>;
  void Mark(uint8_t mark, SlotCallback before_change) {
    mark_ = mark;
    before_change_ = std::move(before_change);
  }
  uint32_t end() const;  // one more than the greatest slot ever used
  struct Entry {
    uint32_t job = 0;
    int32_t data_date = 0;
    bool used = false;
    uint8_t mark = 0;
    DayState state;

    bool IsOf(uint32_t a_job, int32_t a_date) const { return used && job == a_job && data_date == a_date; }
  };
  Entry& entry(uint32_t slot);
  // Puts a day back. REQUIRES: it is not there.
  void Restore(uint32_t job, int32_t data_date, const DayState& state);
  int32_t log_day() const { return log_day_; }
  void RestoreLogDay(int32_t log_day) { log_day_ = log_day; }

 private:
  struct Map;

  // Number of the day's slot, which is made if it is not there.
  uint32_t SlotOf(uint32_t job, int32_t data_date);
  void BeforeChange(uint32_t slot, Entry& entry);
  template <typename Condition>
  void RemoveIf(Condition condition);

  const int days_;
  uint8_t mark_ = 0;
  SlotCallback before_change_;
  int32_t log_day_ = INT32_MIN;
  std::unique_ptr<Map> map_;
};

// Order of goodness for DayState::best: success > partial > no_data > skipped > failed > aborted > running.
int Goodness(codecs::Status status);

}  // namespace runledger::aggregators
