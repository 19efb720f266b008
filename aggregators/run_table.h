#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "aggregators/deadline_wheel.h"
#include "aggregators/slab.h"
#include "aggregators/text_arena.h"
#include "aggregators/text_queue.h"
#include "codecs/event.h"
#include "codecs/hash.h"
#include "codecs/status.h"

namespace runledger::aggregators {

// How well the start of a run is known; the better wins whatever the order of arrival, the earlier among equals.
enum class StartClass : uint8_t {
  kNone = 0,   // only a terminal without started_at
  kSeen = 1,   // a heartbeat: it was running by then
  kEvent = 2,  // the time of a "running" event
  kGiven = 3,  // started_at
};

struct StartTime {
  StartClass known = StartClass::kNone;
  int64_t time_us = INT64_MAX;

  // What one event says of its run's start.
  static StartTime Of(const codecs::Event& event);
  // Keeps the better of both.
  void Merge(const StartTime& other) {
    if (other.known > known || (other.known == known && other.time_us < time_us)) *this = other;
  }
};

// A run without terminal. One cache line; its text stands in the arena.
struct OpenRun {
  codecs::Hash128 id;
  int64_t last_event_us;  // greatest event time
  int64_t start_us;
  WheelPlace deadline;
  uint32_t job;
  TextArena::Ref run_id;
  uint32_t seen_log_s;  // log time of the newest event, in whole seconds
  int32_t attempt;
  int32_t data_date;  // kNoDate: not told
  StartClass start_known;
  codecs::Kind kind;
  uint8_t mark;        // the snapshot's own
  bool heartbeat : 1;  // it beats
  bool stale : 1;
  bool silent : 1;
  bool timed_out : 1;

  static constexpr int32_t kNoDate = INT32_MIN;
};
static_assert(sizeof(OpenRun) == 64);

// A run with a terminal. 48 bytes; run id and the rest of the merge key stand in the queue of texts.
struct ClosedRun {
  codecs::Hash128 id;
  int64_t time_us;   // event time of the greatest terminal
  int64_t start_us;  // kUnknownStart: not known
  uint32_t job;
  TextQueue::Ref text;
  uint32_t closed_log_s;  // log time of the first terminal, in whole seconds
  codecs::Status status;
  uint8_t rank;
  StartClass start_known;
  bool in_windows;  // false: closed by history, which enters no window

  static constexpr int64_t kUnknownStart = INT64_MIN;
};
static_assert(sizeof(ClosedRun) == 48);

// What of a closed run is needed seldom: the end of its merge key, and what questions ask for.
struct ClosedText {
  int64_t sequence;
  double duration_s;  // below 0: not given
  int32_t attempt;
  int32_t data_date;  // OpenRun::kNoDate: not told
  codecs::Kind kind;
  std::string_view run_id;
  std::string_view event_id;
};

// All runs of a shard: open ones for as long as they are open, closed ones in the order in which they closed. One index
// over both: open addressing, 8 bytes an entry, by the run's hash. Records stay where they are. One thread.
class RunTable {
 public:
  // Number of a run: of an open one its slot, of a closed one kClosed plus a running number.
  using Ref = uint32_t;
  static constexpr Ref kNone = UINT32_MAX;
  static constexpr Ref kClosed = 0x8000'0000;
  static bool IsClosed(Ref ref) { return (ref & kClosed) != 0; }
  // Running numbers of closed runs go from 0 to one less: whole chunks, and never one whose Ref would be kNone.
  static constexpr uint32_t kClosedNumbers = kClosed - 4096;

  // Closed runs are numbered in a circle; `first_closed`, below kClosedNumbers, is where it begins (tests begin near
  // its end).
  explicit RunTable(uint32_t first_closed = 0);
  ~RunTable();
  RunTable(const RunTable&) = delete;
  RunTable& operator=(const RunTable&) = delete;

  Ref Find(const codecs::Hash128& id) const;
  // For what is to be found soon, in two steps, so that the memory of several runs is fetched at the same time: first
  // the index entry; then the record that it most probably names. kNone: none does.
  void PrefetchIndex(const codecs::Hash128& id) const { __builtin_prefetch(&index_[HomeOf(TagOf(id))]); }
  Ref PrefetchRecord(const codecs::Hash128& id) const;
  // And, of an open run, what closing it will touch.
  void PrefetchText(const OpenRun& run) const { texts_.Prefetch(run.run_id); }

  // REQUIRES: Find(id) is kNone.
  Ref AddOpen(const codecs::Hash128& id, std::string_view run_id);
  // Id and text are set, all else is for the caller to fill in, in place: a record put together elsewhere and copied
  // waits until the writes to it, and all before them, are in the cache.
  Ref AddClosed(const codecs::Hash128& id, const ClosedText& text);
  // An open run becomes a closed one; its Ref changes. Likewise.
  Ref Close(Ref open, const ClosedText& text);
  void RemoveOpen(Ref open);
  // Removes the run that closed first. REQUIRES: closed_count() > 0.
  void RemoveOldestClosed();

  OpenRun& open(Ref ref) { return open_[ref]; }
  const OpenRun& open(Ref ref) const { return open_[ref]; }
  ClosedRun& closed(Ref ref) { return closed_chunks_[ClosedChunk(ref)][(ref & ~kClosed) % kChunk]; }
  const ClosedRun& closed(Ref ref) const { return closed_chunks_[ClosedChunk(ref)][(ref & ~kClosed) % kChunk]; }
  const ClosedRun& oldest_closed() const { return closed(OldestClosed()); }

  std::string_view RunIdOf(const OpenRun& run) const { return texts_.Get(run.run_id); }
  ClosedText TextOf(const ClosedRun& run) const;
  void ReplaceText(ClosedRun* run, const ClosedText& text);

  // For snapshots: the run that stands `place` places behind the oldest closed one; the place of a closed run; one more
  // than the greatest slot of an open run; whether a slot holds one.
  Ref ClosedRef(uint32_t place) const { return Wrap(closed_begin_ + place) | kClosed; }
  uint32_t PlaceOf(Ref ref) const {
    const uint32_t number = ref & ~kClosed;
    return number >= closed_begin_ ? number - closed_begin_ : number + kClosedNumbers - closed_begin_;
  }
  Ref open_end() const { return open_end_; }
  bool InUse(Ref open_ref) const { return open(open_ref).job != kFreeSlot; }
  // Makes room for so many runs in all, so that restoring them does not grow the index step by step.
  void Reserve(size_t runs);

  // Calls visit(ref) for every open run, in no particular order; visit must not change the table.
  template <typename Visit>
  void ForEachOpen(Visit visit) const {
    for (Ref ref = 0; ref < open_end_; ++ref) {
      if (open(ref).job != kFreeSlot) visit(ref);
    }
  }
  // Calls visit(ref) for closed runs, the newest first, until it says false.
  template <typename Visit>
  void ForEachClosed(Visit visit) const {
    for (uint32_t i = closed_count_; i-- > 0;) {
      if (!visit(ClosedRef(i))) return;
    }
  }

  uint32_t open_count() const { return open_count_; }
  uint32_t closed_count() const { return closed_count_; }
  // Memory held, in bytes, by records and index, and by text.
  size_t record_bytes() const;
  size_t text_bytes() const { return texts_.bytes() + closed_texts_.bytes(); }

 private:
  static constexpr size_t kChunk = 4096;
  static constexpr uint32_t kFreeSlot = UINT32_MAX;
  static constexpr Ref kEmpty = UINT32_MAX;
  static constexpr uint32_t kClosedChunks = kClosedNumbers / kChunk;
  static_assert(kClosedNumbers % kChunk == 0 && ((kClosedNumbers - 1) | kClosed) != kNone);

  // The place of an entry is the top bits of its tag, so the index grows without a look at the records.
  struct Entry {
    uint32_t tag;
    Ref ref;
  };

  static uint32_t TagOf(const codecs::Hash128& id) { return static_cast<uint32_t>(id.high >> 32); }
  size_t HomeOf(uint32_t tag) const { return tag >> shift_; }
  const codecs::Hash128& IdOf(Ref ref) const { return IsClosed(ref) ? closed(ref).id : open(ref).id; }
  static uint32_t Wrap(uint32_t number) { return number < kClosedNumbers ? number : number - kClosedNumbers; }
  Ref OldestClosed() const { return ClosedRef(0); }
  size_t ClosedChunk(Ref ref) const {
    const uint32_t chunk = (ref & ~kClosed) / kChunk;
    return chunk >= closed_first_chunk_ ? chunk - closed_first_chunk_ : chunk + kClosedChunks - closed_first_chunk_;
  }

  void MakeIndex(size_t entries);
  void Index(const codecs::Hash128& id, Ref ref);
  Entry* EntryOf(const codecs::Hash128& id, Ref ref);
  void Unindex(const codecs::Hash128& id, Ref ref);
  void Grow();
  Ref PushClosed(const codecs::Hash128& id, const ClosedText& text);

  Slab index_slab_;
  std::span<Entry> index_;
  int shift_ = 0;  // 32 - log2(index_.size())
  size_t indexed_ = 0;

  SlabArray<OpenRun> open_;
  Ref open_end_ = 0;  // slots ever used
  std::vector<Ref> free_slots_;
  uint32_t open_count_ = 0;

  std::vector<std::unique_ptr<ClosedRun[]>>
      closed_chunks_;  // a queue of chunks: pushed at the end, taken from the front
  std::unique_ptr<ClosedRun[]> spare_closed_chunk_;
  uint32_t closed_first_chunk_ = 0;  // running number of closed_chunks_[0]
  uint32_t closed_begin_ = 0;        // running number of the oldest
  uint32_t closed_count_ = 0;

  TextArena texts_;         // of open runs
  TextQueue closed_texts_;  // of closed ones, which go in the order in which they came
};

}  // namespace runledger::aggregators
