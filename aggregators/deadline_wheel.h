#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace runledger::aggregators {

// A hierarchical timing wheel over records that live elsewhere: four levels of 256 slots, the finest about one second
// (2^20 us) wide, so it spans 140 years. Arm and disarm are O(1), a tick costs what expires plus a few slots, and a
// deadline is honoured to the microsecond. Each record carries Links; Store maps its number to them:
//
//   struct Store { WheelLinks& links(uint32_t record); };
//
// One thread.
struct WheelLinks {
  int64_t due_us = 0;
  uint32_t next = UINT32_MAX;
  uint32_t previous = UINT32_MAX;
  uint16_t slot = UINT16_MAX;  // level * 256 + slot; UINT16_MAX: not armed
};

template <typename Store>
class DeadlineWheel {
 public:
  explicit DeadlineWheel(Store* store) : store_(store) { heads_.fill(kNobody); }

  bool armed(uint32_t record) const { return store_->links(record).slot != kNoSlot; }
  size_t size() const { return size_; }

  // Fires when time reaches due_us; at the next tick if that has passed. REQUIRES: not armed.
  void Arm(uint32_t record, int64_t due_us) {
    WheelLinks& links = store_->links(record);
    links.due_us = due_us;
    Insert(record, links);
    ++size_;
  }

  void Disarm(uint32_t record) {
    WheelLinks& links = store_->links(record);
    if (links.slot == kNoSlot) return;
    Unlink(links);
    --size_;
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
  static constexpr uint32_t kNobody = UINT32_MAX;
  static constexpr uint16_t kNoSlot = UINT16_MAX;

  void Insert(uint32_t record, WheelLinks& links) {
    int64_t at = links.due_us >> kUnitBits;
    if (at < now_) at = now_;
    int64_t distance = at - now_;
    int level = 0;
    while (level < kLevels - 1 && distance >= (int64_t{1} << (kSlotBits * (level + 1)))) ++level;
    if (distance >= (int64_t{1} << (kSlotBits * kLevels))) at = now_ + (int64_t{1} << (kSlotBits * kLevels)) - 1;
    const auto slot = static_cast<uint16_t>(level * kSlots + ((at >> (kSlotBits * level)) & kSlotMask));
    links.slot = slot;
    links.previous = kNobody;
    links.next = heads_[slot];
    if (links.next != kNobody) store_->links(links.next).previous = record;
    heads_[slot] = record;
    used_[slot / 64] |= uint64_t{1} << (slot % 64);
    ++level_count_[static_cast<size_t>(level)];
  }

  void Unlink(WheelLinks& links) {
    if (links.previous != kNobody) {
      store_->links(links.previous).next = links.next;
    } else {
      heads_[links.slot] = links.next;
      if (links.next == kNobody) used_[links.slot / 64] &= ~(uint64_t{1} << (links.slot % 64));
    }
    if (links.next != kNobody) store_->links(links.next).previous = links.previous;
    --level_count_[links.slot / kSlots];
    links.slot = kNoSlot;
  }

  // Fires from the current slot what is due. The slot is walked once; records armed meanwhile are due later or fire at
  // the next tick.
  template <typename Fire>
  void FireDue(int64_t now_us, Fire& fire) {
    uint32_t record = heads_[static_cast<size_t>(now_ & kSlotMask)];
    uint32_t due = kNobody;  // those due, chained through `next`
    while (record != kNobody) {
      WheelLinks& links = store_->links(record);
      const uint32_t next = links.next;
      if (links.due_us <= now_us) {
        Unlink(links);
        --size_;
        links.next = due;
        due = record;
      }
      record = next;
    }
    while (due != kNobody) {
      const uint32_t next = store_->links(due).next;
      fire(due);
      due = next;
    }
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

  // At the start of a round: hands the coarser slots that begin now down to the finer ones.
  void Cascade() {
    for (int level = 1; level < kLevels; ++level) {
      const int64_t index = (now_ >> (kSlotBits * level)) & kSlotMask;
      const auto slot = static_cast<size_t>(level * kSlots + index);
      uint32_t record = heads_[slot];
      while (record != kNobody) {
        WheelLinks& links = store_->links(record);
        const uint32_t next = links.next;
        Unlink(links);
        Insert(record, links);
        record = next;
      }
      if (index != 0) break;
    }
  }

  Store* store_;
  int64_t now_ = 0;  // time in units of 2^20 us
  size_t size_ = 0;
  std::array<uint32_t, kLevels * kSlots> heads_;
  std::array<uint64_t, kLevels * kSlots / 64> used_{};  // one bit a slot
  std::array<size_t, kLevels> level_count_{};
};

}  // namespace runledger::aggregators
