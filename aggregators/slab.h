#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace runledger::aggregators {

// Memory for records that are touched at random: zeroed, taken from the system page by page as it is touched, given
// back whole. Slabs of at least kHugePage bytes begin on its boundary and may ask for huge pages, so that looking at a
// record costs one cache miss and not another one for its address. Aborts where the system has none left, as `new`
// would end the program.
class Slab {
 public:
  static constexpr size_t kHugePage = size_t{2} << 20;  // x86-64; elsewhere it is only an alignment

  Slab() = default;
  // `bytes` > 0. `huge`: asks for huge pages; without them, or if the system has none, ordinary ones do.
  Slab(size_t bytes, bool huge);
  ~Slab();
  Slab(Slab&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Slab& operator=(Slab&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Objects of one size in slabs of 2 MiB: they stay where they are, and an object's number finds it. The first slab has
// ordinary pages, so that a small table stays small. T is used as zeroed memory, without constructors. One thread.
template <typename T>
class SlabArray {
 public:
  static constexpr size_t kPerSlab = Slab::kHugePage / sizeof(T);
  static_assert(sizeof(T) <= 4096 && (sizeof(T) & (sizeof(T) - 1)) == 0, "so that a number is split by bits");

  T& operator[](size_t i) const { return static_cast<T*>(slabs_[i / kPerSlab].data())[i % kPerSlab]; }
  // Makes room for the objects 0 to i.
  void Reach(size_t i) {
    while (i / kPerSlab >= slabs_.size()) slabs_.emplace_back(Slab::kHugePage, /*huge=*/!slabs_.empty());
  }
  // Address space taken, in bytes; what was never touched of it is no memory yet.
  size_t bytes() const { return slabs_.size() * Slab::kHugePage; }

 private:
  std::vector<Slab> slabs_;
};

}  // namespace runledger::aggregators
