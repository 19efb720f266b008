#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "codecs/hash.h"
#include "ingest/log.h"
#include "ingest/position.h"

namespace runledger::ingest {

// What is known of the record before a position: enough to see whether a log is the one that the position is of. A
// topic that was deleted and made again has the same offsets and other records.
struct RecordBefore {
  Position position;
  int64_t time_ms = -1;  // timestamp of that record; -1: it has none
  std::string hash;      // of its value, 32 hex digits; empty: nothing is known

  static RecordBefore Of(const Record& record) {
    return {{record.offset + 1, 0},
            record.timestamp_us >= 0 ? record.timestamp_us / 1000 : -1,
            codecs::Hex(codecs::HashBytes(record.value))};
  }
};

// Positions that a predecessor left, each to be checked against the log when the record before it is read. One thread.
class ExpectedRecords {
 public:
  void Add(const RecordBefore& before) {
    if (!before.hash.empty() && before.position.offset > 0) expected_.push_back(before);
  }
  bool empty() const { return expected_.empty(); }

  // Where a reader has to begin for a position to be checked: one record earlier if that is to be compared and may
  // still be in the log, which begins at `log_start` (below 0: not known).
  int64_t BeginFor(int64_t offset, int64_t log_start) const {
    for (const RecordBefore& before : expected_) {
      if (before.position.offset == offset && log_start >= 0 && offset - 1 >= log_start) return offset - 1;
    }
    return offset;
  }
  // The record before `offset` is gone: nothing can be compared with it.
  void Forget(int64_t offset) {
    std::erase_if(expected_, [&](const RecordBefore& before) { return before.position.offset == offset; });
  }
  // True while the position at `offset` has not been compared.
  bool Waits(int64_t offset) const {
    return std::any_of(expected_.begin(), expected_.end(),
                       [&](const RecordBefore& before) { return before.position.offset == offset; });
  }
  // A reader has passed everything before `offset`: what has not come by then is not in the log.
  void Passed(int64_t offset) {
    std::erase_if(expected_, [&](const RecordBefore& before) { return before.position.offset <= offset; });
  }
  // Compares what is expected of this record, if anything is. A text says what differs.
  std::optional<std::string> Check(const Record& record) {
    std::optional<std::string> difference;
    for (const RecordBefore& before : expected_) {
      if (before.position.offset != record.offset + 1) continue;
      const RecordBefore found = RecordBefore::Of(record);
      if (found.time_ms == before.time_ms && found.hash == before.hash) continue;
      difference =
          absl::StrCat("the record at offset ", record.offset, " has timestamp ", found.time_ms, " ms and contents ",
                       found.hash, ", and had ", before.time_ms, " ms and ", before.hash, " when it was read before");
    }
    Passed(record.offset + 1);
    return difference;
  }

 private:
  std::vector<RecordBefore> expected_;
};

// A position that may be committed, and what its successor needs: to know the log again, and to count the rows of a
// stream.
struct Committable {
  RecordBefore before;
  int64_t good_events = 0;  // from where the row cursor started up to the position

  const Position& position() const { return before.position; }
};

// The positions that may be committed next. Bounded: beyond that the oldest go, and the commit waits for one that is
// known. One thread.
class CommittablePositions {
 public:
  void Clear() { positions_.clear(); }
  void Note(Committable committable) {
    if (!positions_.empty() && positions_.back().position() == committable.position()) return;
    positions_.push_back(std::move(committable));
    if (positions_.size() > kMost) positions_.pop_front();
  }
  // The last known one at or before `acked`, if there is any.
  std::optional<Committable> Last(const Position& acked) const {
    for (auto at = positions_.rbegin(); at != positions_.rend(); ++at) {
      if (at->position() <= acked) return *at;
    }
    return std::nullopt;
  }
  void ForgetBefore(const Position& position) {
    while (!positions_.empty() && positions_.front().position() < position) positions_.pop_front();
  }

 private:
  static constexpr size_t kMost = 1'024;
  std::deque<Committable> positions_;
};

}  // namespace runledger::ingest
