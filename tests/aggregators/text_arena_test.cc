#include "aggregators/text_arena.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "aggregators/text_queue.h"

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

// Mostly the oldest goes; sometimes one out of the middle, which is written anew at the end, as corrections do.
RC_GTEST_PROP(TextQueue, GivesBackWhatWasAppended, ()) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  const auto longest = *rc::gen::inRange<size_t>(1, TextQueue::kMaxBytes + 1);
  const auto most = *rc::gen::inRange<size_t>(1, 1000);
  TextQueue queue;
  std::deque<std::pair<TextQueue::Ref, std::string>> stored;
  const auto append = [&] {
    std::string text(random() % (longest + 1), static_cast<char>(random() % 256));
    const TextQueue::Ref ref = queue.Append(text.size());
    std::copy(text.begin(), text.end(), queue.Mutable(ref));
    return std::pair(ref, std::move(text));
  };
  for (int i = 0; i < 1500; ++i) {
    if (random() % 4 == 0 && !stored.empty()) {
      auto& one = stored[random() % stored.size()];
      RC_ASSERT(queue.Get(one.first) == one.second);
      auto fresh = append();
      queue.Free(one.first);
      one = std::move(fresh);
    } else {
      stored.push_back(append());
    }
    while (stored.size() > most || (random() % 50 == 0 && !stored.empty())) {
      RC_ASSERT(queue.Get(stored.front().first) == stored.front().second);
      queue.Free(stored.front().first);
      stored.pop_front();
    }
  }
  for (const auto& [ref, text] : stored) RC_ASSERT(queue.Get(ref) == text);
}

TEST(TextQueue, ASteadyPopulationTakesNoMoreMemory) {
  TextQueue queue;
  std::deque<TextQueue::Ref> refs;
  size_t most = 0;
  for (int i = 0; i < 300'000; ++i) {
    refs.push_back(queue.Append(130));
    if (refs.size() > 10'000) {
      queue.Free(refs.front());
      refs.pop_front();
    }
    if (i < 60'000) most = std::max(most, queue.bytes());
  }
  EXPECT_LE(queue.bytes(), most);
}

TEST(TextArena, FreeingNothingIsNothing) {
  TextArena arena;
  arena.Free(TextArena::kNone);
  EXPECT_EQ(arena.Get(arena.Store("")), "");
}

}  // namespace
}  // namespace runledger::aggregators
