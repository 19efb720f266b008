#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "aggregators/log_script.h"
#include "aggregators/whole_snapshot.h"

namespace runledger::aggregators {
namespace {

EventSpec RandomEvent(std::mt19937_64* random, int64_t pace_us) {
  const auto below = [&](int64_t limit) { return static_cast<int64_t>((*random)() % static_cast<uint64_t>(limit)); };
  EventSpec spec;
  spec.job = static_cast<int>(below(4));
  spec.run = static_cast<int>(below(300));
  spec.attempt = static_cast<int>(below(2));
  spec.status = below(3) == 0 ? static_cast<int>(below(6)) + 2 : 1;
  spec.age_us = below(4) == 0 ? below(20 * pace_us) : below(kSecondUs);
  spec.heartbeat = below(3) == 0;
  spec.own_close = below(20) == 0;
  spec.backfill = below(30) == 0;
  spec.phase = static_cast<int>(below(3));
  spec.workflow = static_cast<int>(below(3));
  if (below(4) == 0) spec.date_age = static_cast<int>(below(5)) - 2;
  if (below(5) == 0) spec.started_age_us = below(5 * kHourUs);
  if (below(6) == 0) spec.duration_s = static_cast<double>(below(10'000)) / 7;
  return spec;
}

// Snapshots are written in small pieces while the log goes on. A shard restored from one, and fed with what came after
// its moment, is the shard that wrote it: the reference sees no difference, then and later.
RC_GTEST_PROP(ShardSnapshot, ARestoredShardGoesOnAsIfNothingHadHappened, ()) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  const auto below = [&](int64_t limit) { return static_cast<int64_t>(random() % static_cast<uint64_t>(limit)); };
  Twins twins(below(2) == 0, static_cast<int>(below(4)));
  const int64_t pace_us = *rc::gen::elementOf(std::vector<int64_t>{kSecondUs, 60 * kSecondUs, kHourUs});
  const size_t budget = static_cast<size_t>(1 + below(3'000));

  struct Input {
    int64_t stamp_us;
    std::string wire;
    std::optional<int64_t> watermark_us;
  };
  std::vector<Input> since;  // the moment of the snapshot
  std::string bytes;
  int restored = 0;
  int64_t stamp_us = kScriptStartUs;
  for (int i = 0; i < 1'200; ++i) {
    stamp_us += below(pace_us);
    Input input{stamp_us, WireOf(RandomEvent(&random, pace_us), stamp_us), std::nullopt};
    if (below(10) == 0) input.watermark_us = stamp_us - below(pace_us) + pace_us / 2;
    twins.Fold(input.stamp_us, {input.wire});
    if (input.watermark_us) twins.AdvanceWatermark(*input.watermark_us);
    since.push_back(std::move(input));
    if (below(10) == 0) twins.Publish();

    Shard& shard = twins.shard();
    if (!shard.snapshotting()) {
      if (below(40) != 0) continue;
      bytes.clear();
      since.clear();
      shard.BeginSnapshot();
      if (below(10) == 0) {  // given up half-way, and begun anew
        shard.ContinueSnapshot(budget, &bytes);
        shard.AbortSnapshot();
        bytes.clear();
        shard.BeginSnapshot();
      }
      continue;
    }
    if (!shard.ContinueSnapshot(budget, &bytes)) continue;

    auto successor = twins.EmptyShard();
    const absl::Status status = successor->RestoreSnapshot(bytes);
    RC_ASSERT(status.ok());
    for (const Input& missed : since) {
      twins.FoldInto(successor.get(), missed.stamp_us, {missed.wire});
      if (missed.watermark_us) successor->AdvanceWatermark(*missed.watermark_us);
    }
    twins.Replace(std::move(successor));
    RC_ASSERT(twins.Publish());
    RC_ASSERT(twins.Difference() == "");
    RC_ASSERT(twins.DifferenceOfTables() == "");
    ++restored;
  }
  RC_ASSERT(twins.Publish());
  RC_ASSERT(twins.Difference() == "");
  RC_ASSERT(twins.DifferenceOfTables() == "");
  RC_TAG(restored > 3 ? "many takeovers" : "few takeovers");
}

TEST(ShardSnapshot, AnEmptyShardIsASnapshotToo) {
  Twins twins(true, 0);
  auto successor = twins.EmptyShard();
  EXPECT_TRUE(successor->RestoreSnapshot(SnapshotOf(&twins.shard())).ok());
}

TEST(ShardSnapshot, EveryDamageIsFoundOrHarmless) {
  std::mt19937_64 random(7);
  Twins twins(true, 0);
  for (int i = 0; i < 300; ++i) {
    const int64_t stamp_us = kScriptStartUs + i * kSecondUs;
    twins.Fold(stamp_us, {WireOf(RandomEvent(&random, kSecondUs), stamp_us)});
  }
  const std::string bytes = SnapshotOf(&twins.shard());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(twins.EmptyShard()->RestoreSnapshot(bytes.substr(0, size)).ok()) << "cut at " << size;
  }
  EXPECT_FALSE(twins.EmptyShard()->RestoreSnapshot(bytes + "x").ok());
  // A flipped bit within a number cannot be seen here (a checksum over the whole is kept outside), but it must not
  // crash.
  for (int i = 0; i < 5'000; ++i) {
    std::string damaged = bytes;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << (random() % 8));
    twins.EmptyShard()->RestoreSnapshot(damaged).IgnoreError();
  }
}

TEST(ShardSnapshot, AJobThatWasDisabledSinceIsLeftOut) {
  Twins twins(true, 0);
  for (int job : {0, 1}) {
    EventSpec spec;
    spec.job = job;
    twins.Fold(kScriptStartUs, {WireOf(spec, kScriptStartUs)});
  }
  ASSERT_TRUE(twins.Publish());
  const std::string gone = twins.shard().Read()->labels[0]->name;
  JobPolicy off;
  off.enabled = false;
  Shard successor(BoundsOf(0), std::make_shared<JobPolicies>(JobPolicy(), std::vector<JobPolicyRule>{{gone, off}}));
  ASSERT_TRUE(successor.RestoreSnapshot(SnapshotOf(&twins.shard())).ok());
  EXPECT_EQ(successor.open_runs(), 1);
  ASSERT_TRUE(successor.Publish({}));
  EXPECT_EQ(successor.Read()->labels[0], nullptr);
  EXPECT_NE(successor.Read()->labels[1], nullptr) << "others keep their numbers";
}

TEST(ShardSnapshot, ANewerFormatIsNamed) {
  Twins twins(true, 0);
  std::string bytes = SnapshotOf(&twins.shard());
  bytes[5] = 99;  // behind tag and size
  EXPECT_THAT(std::string(twins.EmptyShard()->RestoreSnapshot(bytes).message()), testing::HasSubstr("format 99"));
}

}  // namespace
}  // namespace runledger::aggregators
