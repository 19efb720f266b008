#include "aggregators/run_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <random>
#include <string>
#include <unordered_map>

namespace runledger::aggregators {
namespace {

using codecs::Hash128;

// RC_ASSERT without its cost where it holds: these run by the million.
#define MUST(condition)                    \
  do {                                     \
    if (!(condition)) RC_FAIL(#condition); \
  } while (false)

struct HashOfId {
  size_t operator()(const Hash128& id) const { return id.low; }
};

// What the table must hold, in a std::unordered_map.
struct Expected {
  bool open = true;
  std::string run_id;
  std::string event_id;
  int64_t sequence = 0;
};

// Few different tags (the top 32 bits), so that runs meet in the index; `number` makes them differ all the same.
Hash128 IdOf(uint64_t number, uint64_t tags) {
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15u;
  return {(((number % tags) * kOdd) >> 32 << 32) | number, number * kOdd};
}

class Model {
 public:
  Model(uint64_t seed, uint32_t first_closed, uint64_t ids, uint64_t tags)
      : random_(seed), table_(first_closed), ids_(ids), tags_(tags) {}

  void Step() {
    const Hash128 id = IdOf(random_() % ids_, tags_);
    const auto at = expected_.find(id);
    const RunTable::Ref ref = table_.Find(id);
    MUST((ref != RunTable::kNone) == (at != expected_.end()));
    if (ref == RunTable::kNone) return random_() % 3 == 0 ? AddClosed(id) : AddOpen(id);
    MUST(RunTable::IsClosed(ref) == !at->second.open);
    Check(ref, at->second);
    if (!at->second.open) return random_() % 2 == 0 ? ReplaceText(ref, &at->second) : RemoveOldest();
    return random_() % 3 == 0 ? RemoveOpen(id, ref) : Close(id, ref, &at->second);
  }

  // Everything is found, and walking the table finds nothing else.
  void CheckAll() {
    size_t open = 0;
    for (const auto& [id, run] : expected_) {
      const RunTable::Ref ref = table_.Find(id);
      MUST(ref != RunTable::kNone);
      Check(ref, run);
      open += run.open ? 1 : 0;
    }
    MUST(table_.open_count() == open);
    MUST(table_.closed_count() == closed_.size());
    size_t seen = 0;
    table_.ForEachOpen([&](RunTable::Ref ref) {
      ++seen;
      MUST(expected_.at(table_.open(ref).id).open);
    });
    MUST(seen == open);
    auto newest = closed_.rbegin();
    table_.ForEachClosed([&](RunTable::Ref ref) {
      MUST(table_.closed(ref).id == *newest);
      ++newest;
      return true;
    });
    MUST(newest == closed_.rend());
  }

 private:
  std::string Word() { return std::string(random_() % 40 + 1, static_cast<char>('a' + random_() % 26)); }

  ClosedText TextOf(const Expected& run) const {
    return {run.sequence, 1.5, 7, -3, codecs::Kind::kScraper, run.run_id, run.event_id};
  }

  void Check(RunTable::Ref ref, const Expected& run) {
    if (run.open) {
      MUST(table_.RunIdOf(table_.open(ref)) == run.run_id);
      return;
    }
    const ClosedText text = table_.TextOf(table_.closed(ref));
    MUST(text.run_id == run.run_id);
    MUST(text.event_id == run.event_id);
    MUST(text.sequence == run.sequence);
    MUST(text.duration_s == 1.5);
    MUST(text.attempt == 7);
    MUST(text.data_date == -3);
    MUST(text.kind == codecs::Kind::kScraper);
  }

  void AddOpen(const Hash128& id) {
    Expected run{true, Word(), "", 0};
    const RunTable::Ref ref = table_.AddOpen(id, run.run_id);
    table_.open(ref).job = 1;  // taken
    expected_[id] = run;
  }
  void AddClosed(const Hash128& id) {
    const Expected run{false, Word(), Word(), static_cast<int64_t>(random_())};
    table_.AddClosed(id, TextOf(run));
    expected_[id] = run;
    closed_.push_back(id);
  }
  void Close(const Hash128& id, RunTable::Ref ref, Expected* run) {
    run->open = false;
    run->event_id = Word();
    ClosedText text = TextOf(*run);
    text.run_id = table_.RunIdOf(table_.open(ref));  // text that the table itself holds
    table_.Close(ref, text);
    closed_.push_back(id);
  }
  void ReplaceText(RunTable::Ref ref, Expected* run) {
    run->event_id = Word();
    ClosedText text = table_.TextOf(table_.closed(ref));
    text.event_id = run->event_id;
    table_.ReplaceText(&table_.closed(ref), text);
  }
  void RemoveOpen(const Hash128& id, RunTable::Ref ref) {
    table_.RemoveOpen(ref);
    expected_.erase(id);
  }
  void RemoveOldest() {
    MUST(table_.oldest_closed().id == closed_.front());
    table_.RemoveOldestClosed();
    expected_.erase(closed_.front());
    closed_.pop_front();
  }

  std::mt19937_64 random_;
  RunTable table_;
  const uint64_t ids_;
  const uint64_t tags_;
  std::unordered_map<Hash128, Expected, HashOfId> expected_;
  std::deque<Hash128> closed_;
};

void Play(Model* model, int steps) {
  for (int i = 0; i < steps; ++i) {
    model->Step();
    if (i % 4999 == 0) model->CheckAll();
  }
  model->CheckAll();
}

RC_GTEST_PROP(RunTable, AgreesWithAnUnorderedMap, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const auto ids = *rc::gen::inRange<uint64_t>(1, 4000);
  const auto tags = *rc::gen::inRange<uint64_t>(1, 300);
  Model model(seed, 0, ids, tags);
  Play(&model, 3000);
}

// Numbers of closed runs go round after two thousand million; no run may be lost there.
RC_GTEST_PROP(RunTable, NumbersOfClosedRunsGoRound, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const auto before = *rc::gen::inRange<uint32_t>(1, 4300);
  Model model(seed, RunTable::kClosedNumbers - before, 12'000, 5000);
  Play(&model, 20'000);
}

TEST(RunTable, GivesMemoryBack) {
  RunTable table;
  const size_t empty = table.record_bytes();
  for (uint64_t i = 0; i < 20'000; ++i) table.AddClosed(IdOf(i, 5000), {0, -1, 0, 0, {}, "run", "event"});
  const size_t full = table.record_bytes();
  while (table.closed_count() > 0) table.RemoveOldestClosed();
  EXPECT_GT(full, empty + 20'000 * sizeof(ClosedRun));
  EXPECT_LT(table.record_bytes(), full - 19'000 * sizeof(ClosedRun));  // only the index stays as large
}

TEST(StartTime, TheBetterKnownWinsAndTheEarlierAmongEquals) {
  StartTime start{StartClass::kSeen, 100};
  start.Merge({StartClass::kSeen, 200});
  EXPECT_EQ(start.time_us, 100);
  start.Merge({StartClass::kEvent, 300});
  EXPECT_EQ(start.time_us, 300);
  start.Merge({StartClass::kSeen, 1});
  EXPECT_EQ(start.time_us, 300);
  start.Merge({StartClass::kGiven, 400});
  start.Merge({StartClass::kGiven, 350});
  EXPECT_EQ(start.time_us, 350);
  EXPECT_EQ(start.known, StartClass::kGiven);
}

}  // namespace
}  // namespace runledger::aggregators
