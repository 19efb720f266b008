#include "aggregators/published.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace runledger::aggregators {
namespace {

struct Block {
  uint64_t version = 0;
  std::vector<uint64_t> copies = std::vector<uint64_t>(64);
};

// Readers on other threads always see one version whole, and never an older one than before.
TEST(LeftRight, ReadersSeeWholeVersionsInOrder) {
  constexpr uint64_t kVersions = 20'000;
  LeftRight<Block> published;
  std::atomic<int> torn{0};
  const auto read = [&] {
    uint64_t last = 0;
    while (last < kVersions) {
      const auto block = published.Read();
      const uint64_t version = block->version;
      if (version < last) ++torn;
      for (const uint64_t copy : block->copies) {
        if (copy != version) ++torn;
      }
      last = version;
    }
  };
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) readers.emplace_back(read);
  for (uint64_t version = 1; version <= kVersions;) {
    Block* block = published.TryBeginWrite();
    if (block == nullptr) {
      std::this_thread::yield();
      continue;
    }
    block->version = version;
    for (uint64_t& copy : block->copies) copy = version;
    published.EndWrite();
    ++version;
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
}

TEST(LeftRight, TheWriterLeavesACopyAloneThatIsBeingRead) {
  LeftRight<Block> published;
  auto guard = std::make_unique<LeftRight<Block>::ReadGuard>(published.Read());
  Block* copy = published.TryBeginWrite();
  ASSERT_NE(copy, nullptr);  // the other one
  copy->version = 7;
  published.EndWrite();
  EXPECT_EQ((*guard)->version, 0u);
  EXPECT_EQ(published.Read()->version, 7u);
  EXPECT_EQ(published.TryBeginWrite(), nullptr);  // now it is this one's turn
  guard.reset();
  EXPECT_NE(published.TryBeginWrite(), nullptr);
}

}  // namespace
}  // namespace runledger::aggregators
