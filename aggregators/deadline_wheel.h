#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "aggregators/slab.h"

namespace runledger::aggregators {

// A hierarchical timing wheel over records that live elsewhere: four levels of 256 slots, the finest about one second
// (2^20 us) wide, so it spans 140 years. Arm and disarm are O(1), a tick costs what expires plus a few slots, and a
// deadline is honoured to the microsecond. Deadlines stand in the wheel, in chunks from one pool, not in the records:
// walking a slot or handing it down reads memory in order. A record knows where its deadline stands; Store maps its
// number to that:
//
//   struct Store { WheelPlace& place(uint32_t record); };   // of a record that was never armed: {}
//
// One thread.
struct WheelPlace {
  uint32_t at = 0;    // number of the entry in the pool
  uint32_t slot = 0;  // level * 256 + slot, and one more; 0: not armed
};

template <typename Store>
class DeadlineWheel {
 public:
  explicit DeadlineWheel(Store* store) : store_(store) {}

  bool armed(uint32_t record) const { return store_->place(record).slot != 0; }
  // REQUIRES: armed.
  int64_t due_us(uint32_t record) const { return EntryAt(store_->place(record).at).due_us; }
  size_t size() const { return size_; }

  // Fires when time reaches due_us; at the next tick if that has passed. REQUIRES: not armed.
  void Arm(uint32_t record, int64_t due_us) {
    Insert(due_us, record);
    ++size_;
  }

  void Disarm(uint32_t record) {
    WheelPlace& place = store_->place(record);
    if (place.slot == 0) return;
    Remove(place.slot - 1, place.at);
    place.slot = 0;
    --size_;
  }

  // Fetches into the cache what Disarm of this record will touch. REQUIRES: armed.
  void PrefetchDisarm(uint32_t record) const {
    const WheelPlace& place = store_->place(record);
    __builtin_prefetch(&EntryAt(place.at), 1);
    const Slot& slot = slots_[place.slot - 1];
    __builtin_prefetch(&store_->place(EntryAt(Last(slot)).record), 1);
  }

  // Moves time to now_us (never back) and calls fire(record) for each record that is due, disarmed before the call.
  // `fire` may arm the record again, and touches no other.
  template <typename Fire>
  void Tick(int64_t now_us, Fire fire) {
    const int64_t target = now_us >> kUnitBits;
    if (target < now_) return;
    FireDue(now_us, fire);  // what is left of the current slot
    while (now_ < target) {
      if (size_ == 0) {
        now_ = target;
        break;
      }
      // The next slot that may hold something: within the finest level, or the start of its next round.
      const int64_t round_end = (now_ | kSlotMask) + 1;
      now_ = level_count_[0] == 0 ? SkipEmptyRounds() : NextUsedSlot(round_end);
      if (now_ > target) {
        now_ = target;
        break;
      }
      if ((now_ & kSlotMask) == 0) Cascade();
      FireDue(now_us, fire);
    }
  }

 private:
  static constexpr int kUnitBits = 20;
  static constexpr int kLevels = 4;
  static constexpr int kSlotBits = 8;
  static constexpr int kSlots = 1 << kSlotBits;
  static constexpr int64_t kSlotMask = kSlots - 1;
  static constexpr uint32_t kNoChunk = UINT32_MAX;

  struct Entry {
    int64_t due_us;
    uint32_t record;
  };
  // Entry 0 of a chunk stands for the chunk itself: which one was filled before it. An entry's number is that of its
  // chunk times kPerChunk plus its place.
  static constexpr uint32_t kPerChunk = 32;
  struct Chunk {
    uint32_t previous;
    uint32_t unused[3];
    std::array<Entry, kPerChunk - 1> entries;
  };
  static_assert(sizeof(Chunk) == 512);
  // Chunks filled one after the other; the newest has `count` entries, all others are full.
  struct Slot {
    uint32_t newest = kNoChunk;
    uint32_t count = 0;
  };

  Entry& EntryAt(uint32_t at) const { return chunks_[at / kPerChunk].entries[at % kPerChunk - 1]; }
  static uint32_t Last(const Slot& slot) { return slot.newest * kPerChunk + slot.count; }

  // Not an Entry: one that was just put together from two writes would be read back as a whole, and wait for them.
  void Insert(int64_t due_us, uint32_t record) {
    int64_t at = due_us >> kUnitBits;
    if (at < now_) at = now_;
    const int64_t distance = at - now_;
    int level = 0;
    while (level < kLevels - 1 && distance >= (int64_t{1} << (kSlotBits * (level + 1)))) ++level;
    if (distance >= (int64_t{1} << (kSlotBits * kLevels))) at = now_ + (int64_t{1} << (kSlotBits * kLevels)) - 1;
    const auto number = static_cast<uint32_t>(level * kSlots + ((at >> (kSlotBits * level)) & kSlotMask));
    Slot& slot = slots_[number];
    if (slot.newest == kNoChunk || slot.count == kPerChunk - 1) {
      const uint32_t fresh = NewChunk();
      chunks_[fresh].previous = slot.newest;
      slot = {fresh, 0};
      used_[number / 64] |= uint64_t{1} << (number % 64);
    }
    ++slot.count;
    Entry& entry = EntryAt(Last(slot));
    entry.due_us = due_us;
    entry.record = record;
    store_->place(record) = {Last(slot), number + 1};
    ++level_count_[static_cast<size_t>(level)];
  }

  // The last entry of the slot takes the place of the one that goes.
  void Remove(uint32_t number, uint32_t at) {
    Slot& slot = slots_[number];
    if (at != Last(slot)) {
      const Entry& last = EntryAt(Last(slot));
      Entry& here = EntryAt(at);
      here.due_us = last.due_us;  // one by one: it may be as new as in Insert
      here.record = last.record;
      store_->place(last.record).at = at;
    }
    Shorten(number);
    --level_count_[number / kSlots];
  }

  void Shorten(uint32_t number) {
    Slot& slot = slots_[number];
    if (--slot.count > 0) return;
    const uint32_t gone = slot.newest;
    slot = {chunks_[gone].previous, kPerChunk - 1};
    FreeChunk(gone);
    if (slot.newest == kNoChunk) used_[number / 64] &= ~(uint64_t{1} << (number % 64));
  }

  uint32_t NewChunk() {
    if (free_ != kNoChunk) {
      const uint32_t chunk = free_;
      free_ = chunks_[chunk].previous;
      return chunk;
    }
    chunks_.Reach(chunks_end_);
    return chunks_end_++;
  }
  void FreeChunk(uint32_t chunk) {
    chunks_[chunk].previous = free_;
    free_ = chunk;
  }

  // Fires from the current slot what is due. The slot is walked once, from its end; records armed meanwhile are due
  // later or fire at the next tick.
  template <typename Fire>
  void FireDue(int64_t now_us, Fire& fire) {
    const auto number = static_cast<uint32_t>(now_ & kSlotMask);
    due_.clear();
    uint32_t chunk = slots_[number].newest;
    uint32_t place = slots_[number].count;
    while (chunk != kNoChunk) {
      const uint32_t previous = chunks_[chunk].previous;
      for (; place > 0; --place) {
        const Entry entry = EntryAt(chunk * kPerChunk + place);
        if (entry.due_us > now_us) continue;
        store_->place(entry.record).slot = 0;
        Remove(number, chunk * kPerChunk + place);  // what takes its place was looked at before
        --size_;
        due_.push_back(entry.record);
      }
      chunk = previous;
      place = kPerChunk - 1;
    }
    for (const uint32_t record : due_) fire(record);
  }

  // The next slot of the finest level that holds something, after now_ and before round_end; else round_end.
  int64_t NextUsedSlot(int64_t round_end) const {
    for (int64_t slot = (now_ & kSlotMask) + 1; slot < kSlots;) {
      const uint64_t word = used_[static_cast<size_t>(slot / 64)] >> (slot % 64);
      if (word != 0) return (now_ & ~kSlotMask) + slot + std::countr_zero(word);
      slot = (slot / 64 + 1) * 64;
    }
    return round_end;
  }

  // With nothing in the finest level: the start of the next round at which a coarser level may hand something down.
  // REQUIRES: size_ > 0.
  int64_t SkipEmptyRounds() const {
    int level = 1;
    while (level < kLevels - 1 && level_count_[static_cast<size_t>(level)] == 0) ++level;
    const int64_t width = int64_t{1} << (kSlotBits * level);
    return ((now_ >> (kSlotBits * level)) + 1) * width;
  }

  // At the start of a round: hands the coarser slots that begin now down to the finer ones. What lies beyond the
  // wheel's span comes back to the slot that it was in, which is empty by then.
  void Cascade() {
    for (int level = 1; level < kLevels; ++level) {
      const int64_t index = (now_ >> (kSlotBits * level)) & kSlotMask;
      const auto number = static_cast<uint32_t>(level * kSlots + index);
      Slot slot = slots_[number];
      slots_[number] = Slot{};
      used_[number / 64] &= ~(uint64_t{1} << (number % 64));
      while (slot.newest != kNoChunk) {
        for (; slot.count > 0; --slot.count) {
          constexpr uint32_t kAhead = 8;
          if (slot.count > kAhead) __builtin_prefetch(&store_->place(EntryAt(Last(slot) - kAhead).record), 1);
          --level_count_[static_cast<size_t>(level)];
          const Entry& entry = EntryAt(Last(slot));
          Insert(entry.due_us, entry.record);
        }
        const uint32_t gone = slot.newest;
        slot = {chunks_[gone].previous, kPerChunk - 1};
        FreeChunk(gone);
      }
      if (index != 0) break;
    }
  }

  Store* store_;
  int64_t now_ = 0;  // time in units of 2^20 us
  size_t size_ = 0;
  std::array<Slot, kLevels * kSlots> slots_{};
  std::array<uint64_t, kLevels * kSlots / 64> used_{};  // one bit a slot
  std::array<size_t, kLevels> level_count_{};
  SlabArray<Chunk> chunks_;
  uint32_t chunks_end_ = 0;  // chunks ever used
  uint32_t free_ = kNoChunk;
  std::vector<uint32_t> due_;  // kept, so that a tick allocates nothing
};

}  // namespace runledger::aggregators
