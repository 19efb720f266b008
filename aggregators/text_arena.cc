#include "aggregators/text_arena.h"

#include <cstring>

namespace runledger::aggregators {

TextArena::TextArena() { chunks_.emplace_back(kChunkBytes, /*huge=*/false); }

uint32_t TextArena::SizeOf(const char* block) {
  uint32_t size;
  std::memcpy(&size, block, sizeof size);
  return size;
}

TextArena::Ref TextArena::Allocate(size_t size) {
  const size_t units = UnitsFor(size);
  Ref ref = free_[units];
  if (ref != kNone) {
    std::memcpy(&free_[units], At(ref), sizeof(Ref));
  } else {
    const size_t used = next_ % kUnitsPerChunk;
    if (next_ != 0 &&
        (used == 0 || used + units > kUnitsPerChunk)) {  // does not fit: the rest of the chunk stays unused
      next_ = chunks_.size() * kUnitsPerChunk;
      chunks_.emplace_back(kChunkBytes, /*huge=*/true);
    }
    ref = static_cast<Ref>(next_);
    next_ += units;
  }
  const auto stored = static_cast<uint32_t>(size);
  std::memcpy(At(ref), &stored, sizeof stored);
  return ref;
}

TextArena::Ref TextArena::Store(std::string_view text) {
  const Ref ref = Allocate(text.size());
  std::memcpy(Mutable(ref), text.data(), text.size());
  return ref;
}

void TextArena::Free(Ref ref) {
  if (ref == kNone) return;
  const size_t units = UnitsFor(SizeOf(At(ref)));
  std::memcpy(At(ref), &free_[units], sizeof(Ref));
  free_[units] = ref;
}

}  // namespace runledger::aggregators
