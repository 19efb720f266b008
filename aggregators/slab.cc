#include "aggregators/slab.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

namespace runledger::aggregators {

Slab::Slab(size_t bytes, bool huge) : bytes_(bytes) {
  const bool aligned = bytes >= kHugePage;
  const size_t asked = aligned ? bytes + kHugePage : bytes;
  void* const begin = mmap(nullptr, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (begin == MAP_FAILED) std::abort();
  data_ = begin;
  if (!aligned) return;
  // What lies before the boundary and behind the end goes back at once.
  const auto first = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t boundary = (first + kHugePage - 1) / kHugePage * kHugePage;
  if (boundary > first) munmap(begin, boundary - first);
  if (const size_t rest = first + asked - (boundary + bytes); rest > 0)
    munmap(reinterpret_cast<void*>(boundary + bytes), rest);
  data_ = reinterpret_cast<void*>(boundary);
  if (huge) madvise(data_, bytes, MADV_HUGEPAGE);  // refused where the system has none, which is as well
}

Slab::~Slab() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace runledger::aggregators
