#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "aggregators/whole_snapshot.h"
#include "aggregators/workflow_feed.h"

// Snapshots of what a shard knows beside runs.

namespace runledger::aggregators {
namespace {

// Everything that can be asked.
std::string Everything(Shard* shard) {
  std::string all;
  for (int day = -1; day <= 3; ++day) {
    for (const ExpectedInfo& info :
         shard->FindExpected({.date = 20'465 + day, .subject = "", .time_zone = "America/New_York"})) {
      all += info.subject + " " + std::to_string(info.due_us) + " " + std::string(VerdictName(info.verdict)) +
             (info.final ? " final " : " ") + std::to_string(info.start_us.value_or(0)) + " " + info.start_id + " " +
             info.reason + (info.explained_by ? " by " + info.explained_by->decision_id : "") + "\n";
    }
  }
  for (const WorkflowInfo& info : shard->FindWorkflows({.name = "", .decisions = 1'000})) {
    all += info.name + " " + info.priority + " " + std::to_string(info.block.pending) + " " +
           std::to_string(info.block.overdue) + " " + std::to_string(info.block.missing) + " " +
           std::to_string(info.block.missing_explained) + " " + std::to_string(info.block.last_evaluation_us) +
           (info.block.not_evaluated ? " not evaluated" : "");
    for (uint64_t count : info.block.verdicts) all += " " + std::to_string(count);
    for (const DecisionInfo& decision : info.decisions) all += " " + decision.decision_id + decision.reason;
    all += "\n";
  }
  if (shard->newest_cleanup()) all += shard->newest_cleanup()->cleanup_id;
  return all;
}

RC_GTEST_PROP(WorkflowSnapshot, ARestoredShardGoesOnAsIfNothingHadHappened, ()) {
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  const auto below = [&](int64_t limit) { return static_cast<int64_t>(random() % static_cast<uint64_t>(limit)); };
  const auto name = [&] { return std::string(1, static_cast<char>('a' + below(4))); };
  WorkflowPolicy critical;
  critical.priority = "CRITICAL";
  WorkflowFeed feed(WorkflowPolicies({}, {{"a", critical}}), /*days=*/1);
  auto successor = feed.Empty();  // goes on from the last snapshot, and then is compared
  bool following = false;
  std::string bytes;
  std::vector<std::pair<int64_t, std::string>> since;
  int64_t now = kDayStart;
  const int64_t pace_us = below(2) == 0 ? 10 * kMinuteUs : 30 * kSecondUs;
  int restored = 0;
  for (int i = 0; i < 600; ++i) {
    now += below(pace_us);
    std::string wire;
    const int64_t near = now + below(3 * kHourUs) - kHourUs;
    switch (below(8)) {
      case 0:
        wire = ExpectedEvent(name(), near / kMinuteUs * kMinuteUs, "r" + name(), now).SerializeAsString();
        break;
      case 1: {
        v1::Event row = ExpectedJobEvent("job" + name(), near / kMinuteUs * kMinuteUs);
        row.set_event_time_us(now);
        if (below(2) == 0) row.mutable_expected()->set_workflow(name());
        wire = row.SerializeAsString();
        break;
      }
      case 2:
      case 3: {
        const char* const actions[] = {"RUN", "RUN", "SKIP", "ABORT"};
        wire = DecisionEvent(name(), actions[below(4)], now - below(5 * kMinuteUs), name()).SerializeAsString();
        break;
      }
      case 4:
      case 5: {
        v1::Event run = JobEvent("job" + name(), "r" + std::to_string(below(50)),
                                 below(2) == 0 ? v1::RUNNING : v1::SUCCESS, now - below(kHourUs));
        if (below(3) == 0) run.mutable_run()->set_attempt(2);
        wire = run.SerializeAsString();
        break;
      }
      case 6: {
        const std::vector<FinalVerdict> due = feed.shard->DueVerdicts(100);
        if (!due.empty()) wire = EncodeVerdict(due[static_cast<size_t>(below(static_cast<int64_t>(due.size())))]);
        break;
      }
      default: {
        v1::Event cleanup;
        cleanup.set_event_time_us(now);
        cleanup.mutable_cleanup()->set_missing_files(R"([{"scraper_name":"s","age_minutes":150}])");
        wire = cleanup.SerializeAsString();
      }
    }
    if (wire.empty()) continue;
    feed.FoldWire(now, wire);
    feed.shard->AdvanceWatermark(now);
    since.emplace_back(now, wire);
    if (below(10) == 0) RC_ASSERT(feed.shard->Publish({}));
    if (following) {
      WorkflowFeed::FoldInto(successor.get(), now, wire);
      successor->AdvanceWatermark(now);
    }
    if (!feed.shard->snapshotting()) {
      if (below(20) != 0) continue;
      bytes.clear();
      since.clear();
      feed.shard->BeginSnapshot();
      continue;
    }
    if (!feed.shard->ContinueSnapshot(static_cast<size_t>(1 + below(2'000)), &bytes)) continue;
    successor = feed.Empty();
    const absl::Status status = successor->RestoreSnapshot(bytes);
    RC_ASSERT(status.ok());
    for (const auto& [stamp_us, missed] : since) WorkflowFeed::FoldInto(successor.get(), stamp_us, missed);
    successor->AdvanceWatermark(now);
    following = true;
    ++restored;
    RC_ASSERT(Everything(successor.get()) == Everything(feed.shard.get()));
  }
  if (following) RC_ASSERT(Everything(successor.get()) == Everything(feed.shard.get()));
  RC_TAG(restored > 3 ? "many takeovers" : "few takeovers");
}

// Whether a try is one of an earlier run does not depend on which ticks were still open when it was looked at.
TEST(WorkflowSnapshot, ATryADayLaterIsARunOfItsOwnWheneverItIsMatched) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  feed.Fold(At(7, 0), ExpectedJobEvent("job", At(8, 0)));
  feed.Fold(JobEvent("job", "r", v1::RUNNING, At(8, 0)));
  for (const int64_t due_us : {At(32, 20), At(33, 10)}) {  // 32:20 is open until 33:25, so 8:00 is looked at as well
    v1::Event expected = ExpectedJobEvent("job", due_us);
    expected.set_event_time_us(At(31, 0));
    expected.mutable_expected()->set_expected_date(20'466);
    feed.Fold(expected);
  }
  v1::Event again = JobEvent("job", "r", v1::RUNNING, At(33, 15));
  again.mutable_run()->set_attempt(2);
  feed.Fold(again);
  EXPECT_THAT(feed.Words(At(33, 16)), testing::ElementsAre("32:20 overdue", "33:10 on_time"));
  feed.Pass(At(33, 26));
  feed.Pass(At(33, 27));
  feed.shard->AdvanceWatermark(At(33, 27));
  auto successor = feed.Empty();
  ASSERT_TRUE(successor->RestoreSnapshot(SnapshotOf(feed.shard.get())).ok());
  successor->AdvanceWatermark(At(33, 27));
  EXPECT_EQ(Everything(successor.get()), Everything(feed.shard.get()));
}

TEST(WorkflowSnapshot, OneOfTheFormatBeforeIsRefusedByItsNumber) {
  WorkflowFeed feed;
  feed.Fold(At(8, 0), JobEvent("job", "r", v1::RUNNING, At(8, 0)));
  std::string bytes = SnapshotOf(feed.shard.get());
  bytes[5] = 1;
  const absl::Status status = feed.Empty()->RestoreSnapshot(bytes);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("has format 1"));
}

TEST(WorkflowSnapshot, EveryDamageIsFoundOrHarmless) {
  WorkflowFeed feed;
  feed.Pass(kDayStart);
  for (const int hour : {6, 7, 8}) feed.Fold(ExpectedEvent("w", At(hour, 0)));
  feed.Fold(ExpectedJobEvent("job", At(6, 0)));
  feed.Fold(JobEvent("job", "r", v1::RUNNING, At(6, 0)));
  feed.Fold(DecisionEvent("w", "SKIP", At(7, 0), "why"));
  const std::string bytes = SnapshotOf(feed.shard.get());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(feed.Empty()->RestoreSnapshot(bytes.substr(0, size)).ok()) << "cut at " << size;
  std::mt19937_64 random(7);
  for (int i = 0; i < 5'000; ++i) {
    std::string damaged = bytes;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << (random() % 8));
    feed.Empty()->RestoreSnapshot(damaged).IgnoreError();
  }
}

TEST(WorkflowSnapshot, AConfiguredWorkflowIsThereBeforeItIsRestored) {
  WorkflowFeed feed(WorkflowPolicies({}, {{"w", WorkflowPolicy{}}}));
  const auto everywhere = [](std::string_view) { return true; };
  feed.shard->SetWorkflowHome(everywhere, true);
  feed.Pass(kDayStart);
  feed.Fold(DecisionEvent("w", "RUN", At(9, 0)));
  const std::string bytes = SnapshotOf(feed.shard.get());
  auto successor = feed.Empty();
  successor->SetWorkflowHome(everywhere, true);
  ASSERT_TRUE(successor->RestoreSnapshot(bytes).ok());
  EXPECT_EQ(successor->FindWorkflows({}).size(), 1u);
  EXPECT_EQ(successor->FindWorkflows({})[0].block.last_evaluation_us, At(9, 0));
}

}  // namespace
}  // namespace runledger::aggregators
