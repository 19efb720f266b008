#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "aggregators/slab.h"

namespace runledger::aggregators {

// Keeps byte strings that go in about the order in which they came: they are written one behind the other, and a chunk
// of them goes when its last one does. A string that outlives its neighbours keeps their chunk. Once as many are kept
// as ever will be, nothing is allocated. One thread.
//
//   ref -> [ size : 4 bytes ][ bytes ... ]   rounded up to 16 bytes
class TextQueue {
 public:
  using Ref = uint32_t;  // of units of 16 bytes, in a circle
  static constexpr size_t kMaxBytes = 16 * 1024;

  // Room for `size` bytes, to be filled through Mutable(). REQUIRES: size <= kMaxBytes; less than 64 GiB between the
  // oldest and the newest.
  Ref Append(size_t size);
  void Free(Ref ref);

  std::string_view Get(Ref ref) const;
  char* Mutable(Ref ref) { return At(ref) + sizeof(uint32_t); }

  // Memory of the chunks in use, in bytes; of the newest only what is used of it.
  size_t bytes() const { return chunks_.empty() ? 0 : (chunks_.size() - 1) * kChunkBytes + used_ * kUnit; }

 private:
  static constexpr size_t kUnit = 16;
  static constexpr size_t kChunkBytes = Slab::kHugePage;
  static constexpr uint32_t kUnitsPerChunk = kChunkBytes / kUnit;
  static constexpr uint32_t kChunkNumbers = UINT32_MAX / kUnitsPerChunk + 1;
  static constexpr size_t kSpares = 1;

  struct Chunk {
    Slab bytes;
    uint32_t strings = 0;  // that are still wanted
  };

  // Place in chunks_ of the chunk that holds this unit.
  size_t Place(Ref ref) const { return (ref / kUnitsPerChunk + kChunkNumbers - first_chunk_) % kChunkNumbers; }
  char* At(Ref ref) const {
    return static_cast<char*>(chunks_[Place(ref)].bytes.data()) + (ref % kUnitsPerChunk) * kUnit;
  }
  void DropOldest();

  std::vector<Chunk> chunks_;  // the oldest first
  std::vector<Slab> spares_;
  uint32_t first_chunk_ = 0;  // number of chunks_[0]
  uint32_t used_ = 0;         // units of the newest chunk
};

}  // namespace runledger::aggregators
