#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "aggregators/log_script.h"

// The shard against the reference on random logs: every published value, at random points.

namespace runledger::aggregators {
namespace {

void Play(const Script& script) {
  Twins twins(script.by_broker, script.bounds);
  int64_t stamp_us = kScriptStartUs;
  std::unique_ptr<Shard::ReadGuard> guard;
  for (const Step& step : script.steps) {
    stamp_us += step.advance_us;
    std::vector<std::string> wires;
    for (const EventSpec& event : step.events) wires.push_back(WireOf(event, stamp_us));
    twins.Fold(step.stamped ? stamp_us : -1, wires);
    if (step.watermark_lag_us) twins.AdvanceWatermark(stamp_us - *step.watermark_lag_us);
    RC_ASSERT(twins.DifferenceOfTables() == "");
    // A reader that holds on to a copy delays what is shown, and loses nothing.
    guard.reset();
    if (step.hold) guard = std::make_unique<Shard::ReadGuard>(twins.shard().Read());
    if (step.publish && twins.Publish()) RC_ASSERT(twins.Difference() == "");
  }
  guard.reset();
  RC_ASSERT(twins.Publish());
  RC_ASSERT(twins.Difference() == "");
}

RC_GTEST_PROP(ShardReference, EveryPublishedValueAgrees, ()) { Play(*AnyScript()); }

// Longer ones, of many runs, from one seed: too large to shrink, large enough for the tables to grow.
RC_GTEST_PROP(ShardReference, LongLogsAgree, ()) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  const auto below = [&](int64_t limit) { return static_cast<int64_t>(random() % static_cast<uint64_t>(limit)); };
  Twins twins(below(2) == 0, static_cast<int>(below(4)));
  const int64_t pace_us = *rc::gen::elementOf(std::vector<int64_t>{kSecondUs, 60 * kSecondUs, kHourUs});
  int64_t stamp_us = kScriptStartUs;
  for (int i = 0; i < 1500; ++i) {
    stamp_us += below(pace_us);
    EventSpec spec;
    spec.job = static_cast<int>(below(4));
    spec.run = static_cast<int>(below(400));
    spec.status = below(3) == 0 ? static_cast<int>(below(6)) + 2 : 1;
    spec.age_us = below(4) == 0 ? below(20 * pace_us) : below(kSecondUs);
    spec.heartbeat = below(3) == 0;
    spec.own_close = below(20) == 0;
    spec.backfill = below(30) == 0;
    if (below(4) == 0) spec.date_age = static_cast<int>(below(5)) - 2;
    if (below(5) == 0) spec.started_age_us = below(5 * kHourUs);
    twins.Fold(stamp_us, {WireOf(spec, stamp_us)});
    if (below(10) == 0) twins.AdvanceWatermark(stamp_us - below(pace_us) + pace_us / 2);
    if (below(50) != 0) continue;
    RC_ASSERT(twins.Publish());
    RC_ASSERT(twins.Difference() == "");
    RC_ASSERT(twins.DifferenceOfTables() == "");
  }
}

}  // namespace
}  // namespace runledger::aggregators
