#include "aggregators/text_arena.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <random>
#include <string>

namespace runledger::aggregators {
namespace {

RC_GTEST_PROP(TextArena, GivesBackWhatWasStored, ()) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  const auto longest = *rc::gen::inRange<size_t>(0, TextArena::kMaxBytes + 1);
  TextArena arena;
  std::map<TextArena::Ref, std::string> stored;
  for (int i = 0; i < 2000; ++i) {
    if (random() % 5 < 2 && !stored.empty()) {
      auto at = stored.lower_bound(static_cast<TextArena::Ref>(random() % (stored.rbegin()->first + 1)));
      RC_ASSERT(arena.Get(at->first) == at->second);
      arena.Free(at->first);
      stored.erase(at);
      continue;
    }
    const std::string text(random() % (longest + 1), static_cast<char>(random() % 256));
    const TextArena::Ref ref = arena.Store(text);
    RC_ASSERT(ref != TextArena::kNone);
    RC_ASSERT(stored.emplace(ref, text).second);  // in use by nobody else
  }
  for (const auto& [ref, text] : stored) RC_ASSERT(arena.Get(ref) == text);
}

TEST(TextArena, ASteadyPopulationTakesNoMoreMemory) {
  TextArena arena;
  std::mt19937_64 random(1);
  std::vector<TextArena::Ref> refs;
  for (int i = 0; i < 5000; ++i) refs.push_back(arena.Store(std::string(random() % 100, 'x')));
  const size_t bytes = arena.bytes();
  for (int i = 0; i < 100'000; ++i) {
    TextArena::Ref& ref = refs[random() % refs.size()];
    const size_t size = arena.Get(ref).size();
    arena.Free(ref);
    ref = arena.Store(std::string(size, 'y'));
  }
  EXPECT_EQ(arena.bytes(), bytes);
}

TEST(TextArena, FreeingNothingIsNothing) {
  TextArena arena;
  arena.Free(TextArena::kNone);
  EXPECT_EQ(arena.Get(arena.Store("")), "");
}

}  // namespace
}  // namespace runledger::aggregators
