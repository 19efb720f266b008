#include "aggregators/text_queue.h"

#include <cstring>
#include <utility>

namespace runledger::aggregators {

TextQueue::Ref TextQueue::Append(size_t size) {
  const auto units = static_cast<uint32_t>((size + sizeof(uint32_t) + kUnit - 1) / kUnit);
  if (chunks_.empty() || used_ + units > kUnitsPerChunk) {
    while (!chunks_.empty() && chunks_.front().strings == 0) DropOldest();
    Chunk& fresh = chunks_.emplace_back();
    if (spares_.empty()) {
      fresh.bytes = Slab(kChunkBytes, /*huge=*/chunks_.size() > 1);
    } else {
      fresh.bytes = std::move(spares_.back());
      spares_.pop_back();
    }
    used_ = 0;
  }
  const auto chunk = static_cast<uint32_t>((first_chunk_ + chunks_.size() - 1) % kChunkNumbers);
  const Ref ref = chunk * kUnitsPerChunk + used_;
  used_ += units;
  ++chunks_.back().strings;
  const auto stored = static_cast<uint32_t>(size);
  std::memcpy(At(ref), &stored, sizeof stored);
  return ref;
}

void TextQueue::Free(Ref ref) {
  --chunks_[Place(ref)].strings;
  while (chunks_.size() > 1 && chunks_.front().strings == 0) DropOldest();
}

void TextQueue::DropOldest() {
  if (spares_.size() < kSpares) spares_.push_back(std::move(chunks_.front().bytes));
  chunks_.erase(chunks_.begin());
  first_chunk_ = (first_chunk_ + 1) % kChunkNumbers;
}

std::string_view TextQueue::Get(Ref ref) const {
  const char* const block = At(ref);
  uint32_t size;
  std::memcpy(&size, block, sizeof size);
  return {block + sizeof size, size};
}

}  // namespace runledger::aggregators
