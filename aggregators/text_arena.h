#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "aggregators/slab.h"

namespace runledger::aggregators {

// Keeps short byte strings apart from the hot records that refer to them, in blocks of 16 bytes. Freed blocks are used
// again by strings of the same size class, so a steady population allocates nothing. One thread.
//
//   ref -> [ size : 4 bytes ][ bytes ... ]   rounded up to 16, 32, 48, ... bytes
class TextArena {
 public:
  using Ref = uint32_t;
  static constexpr Ref kNone = 0;
  static constexpr size_t kMaxBytes = 4096 - 4;

  TextArena();

  // Room for `size` bytes, to be filled through Mutable(). REQUIRES: size <= kMaxBytes.
  Ref Allocate(size_t size);
  Ref Store(std::string_view text);
  void Free(Ref ref);

  std::string_view Get(Ref ref) const {
    const char* block = At(ref);
    return {block + sizeof(uint32_t), SizeOf(block)};
  }
  char* Mutable(Ref ref) { return At(ref) + sizeof(uint32_t); }
  // Fetches the block's first cache line, ahead of Get or Free.
  void Prefetch(Ref ref) const { __builtin_prefetch(At(ref)); }

  // Memory of the blocks that were ever in use, in bytes.
  size_t bytes() const { return next_ * kUnit; }

 private:
  static constexpr size_t kUnit = 16;
  static constexpr size_t kChunkBytes = Slab::kHugePage;
  static constexpr size_t kUnitsPerChunk = kChunkBytes / kUnit;
  static constexpr size_t kClasses = (kMaxBytes + 4) / kUnit + 1;

  static uint32_t SizeOf(const char* block);
  static size_t UnitsFor(size_t size) { return (size + sizeof(uint32_t) + kUnit - 1) / kUnit; }
  char* At(Ref ref) const {
    return static_cast<char*>(chunks_[ref / kUnitsPerChunk].data()) + (ref % kUnitsPerChunk) * kUnit;
  }

  std::vector<Slab> chunks_;
  size_t next_ = 1;                   // first unit never used in the newest chunk; unit 0 is kNone
  std::array<Ref, kClasses> free_{};  // by units: head of a list through the blocks
};

}  // namespace runledger::aggregators
