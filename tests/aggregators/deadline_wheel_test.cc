#include "aggregators/deadline_wheel.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

namespace runledger::aggregators {
namespace {

struct Store {
  std::vector<WheelPlace> all;
  WheelPlace& place(uint32_t record) { return all[record]; }
};

// The wheel beside a sorted multimap of deadlines.
class Model {
 public:
  Model(uint64_t seed, uint32_t records) : random_(seed), store_{std::vector<WheelPlace>(records)}, wheel_(&store_) {}

  void Arm() {
    const auto record = static_cast<uint32_t>(random_() % store_.all.size());
    if (wheel_.armed(record)) return Disarm(record);
    Arm(record, now_us_ + Distance());
  }

  void Tick() {
    now_us_ += std::max<int64_t>(0, Distance());
    std::multiset<uint32_t> due;
    for (auto at = deadlines_.begin(); at != deadlines_.end() && at->first <= now_us_; ++at) due.insert(at->second);
    std::multiset<uint32_t> fired;
    wheel_.Tick(now_us_, [&](uint32_t record) {
      RC_ASSERT(!wheel_.armed(record));
      fired.insert(record);
      Forget(record);
      if (random_() % 2 == 0) Arm(record, now_us_ + 1 + std::abs(Distance()));
    });
    RC_ASSERT(fired == due);
    RC_ASSERT(wheel_.size() == deadlines_.size());
  }

 private:
  // Nothing, microseconds, a unit of the wheel, hours, years; sometimes before now.
  int64_t Distance() {
    static constexpr int64_t kScales[] = {
        1, 1'000, 1 << 20, 60'000'000, int64_t{1} << 28, int64_t{1} << 36, int64_t{1} << 44};
    const int64_t scale = kScales[random_() % (random_() % 7 + 1)];
    const int64_t distance = scale * static_cast<int64_t>(random_() % 300) + static_cast<int64_t>(random_() % 3) - 1;
    return random_() % 10 == 0 ? -distance : distance;
  }
  void Arm(uint32_t record, int64_t due_us) {
    wheel_.Arm(record, due_us);
    deadlines_.emplace(due_us, record);
    due_us_[record] = due_us;
  }
  void Disarm(uint32_t record) {
    RC_ASSERT(wheel_.due_us(record) == due_us_[record]);
    Forget(record);
    wheel_.Disarm(record);
    RC_ASSERT(!wheel_.armed(record));
  }
  void Forget(uint32_t record) {
    auto [at, end] = deadlines_.equal_range(due_us_[record]);
    while (at != end && at->second != record) ++at;
    RC_ASSERT(at != end);
    deadlines_.erase(at);
  }

  std::mt19937_64 random_;
  Store store_;
  DeadlineWheel<Store> wheel_;
  std::multimap<int64_t, uint32_t> deadlines_;
  std::map<uint32_t, int64_t> due_us_;  // of each record that was armed
  int64_t now_us_ = 0;
};

RC_GTEST_PROP(DeadlineWheel, FiresWhatASortedMultimapSaysIsDue, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  const auto records = *rc::gen::inRange<uint32_t>(1, 200);
  Model model(seed, records);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 600; ++i) {
    if (random() % 4 == 0) {
      model.Tick();
    } else {
      model.Arm();
    }
  }
}

TEST(DeadlineWheel, HonoursMicroseconds) {
  Store store{std::vector<WheelPlace>(2)};
  DeadlineWheel<Store> wheel(&store);
  std::vector<uint32_t> fired;
  const auto fire = [&](uint32_t record) { fired.push_back(record); };
  wheel.Arm(0, 1'768'217'408'000'000);
  wheel.Arm(1, 1'768'217'408'000'001);
  wheel.Tick(1'768'217'407'999'999, fire);
  EXPECT_TRUE(fired.empty());
  wheel.Tick(1'768'217'408'000'000, fire);
  EXPECT_EQ(fired, std::vector<uint32_t>({0}));
  wheel.Tick(1'768'217'408'000'001, fire);
  EXPECT_EQ(fired, std::vector<uint32_t>({0, 1}));
}

}  // namespace
}  // namespace runledger::aggregators
