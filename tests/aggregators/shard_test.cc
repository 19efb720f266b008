#include "aggregators/shard.h"

#include <gtest/gtest.h>

#include "aggregators/log_script.h"

// What a shard promises, one case at a time; random logs stand in shard_reference_test.cc.

namespace runledger::aggregators {
namespace {

constexpr int64_t kNow = kScriptStartUs;
constexpr int kFailed = 6;
constexpr int kSuccess = 2;

// A shard whose records carry one event each.
class ShardTest : public testing::Test {
 protected:
  void Use(bool by_broker, int bounds) { twins_ = std::make_unique<Twins>(by_broker, bounds); }

  void Fold(int64_t stamp_us, const EventSpec& spec) { twins_->Fold(stamp_us, {WireOf(spec, stamp_us)}); }

  JobBlock JobOf(const std::string& name) {
    EXPECT_TRUE(twins_->Publish());
    EXPECT_EQ(twins_->Difference(), "");
    EXPECT_EQ(twins_->DifferenceOfTables(), "");
    const auto block = twins_->shard().Read();
    for (size_t i = 0; i < block->jobs.size(); ++i) {
      if (block->labels[i] != nullptr && block->labels[i]->name == name) return block->jobs[i];
    }
    ADD_FAILURE() << name << " is not known";
    return {};
  }
  JobBlock FirstJob() { return JobOf("PlayerGameSummaryProcessor"); }

  std::vector<RunInfo> Runs() { return twins_->shard().FindRuns({}); }

  std::unique_ptr<Twins> twins_ = std::make_unique<Twins>(true, 0);
};

EventSpec Running(int run = 0) { return {.run = run, .status = 1}; }
EventSpec Ended(int status, int run = 0) { return {.run = run, .status = status}; }

TEST_F(ShardTest, StaleIsStrictlyMoreThanTheThreshold) {
  Fold(kNow, Running());
  twins_->AdvanceWatermark(kNow + 4 * kHourUs);
  EXPECT_EQ(FirstJob().stale, 0u);
  twins_->AdvanceWatermark(kNow + 4 * kHourUs + 1);
  EXPECT_EQ(FirstJob().stale, 1u);
}

TEST_F(ShardTest, ARunThatIsOldWhenFirstSeenIsStaleAtOnce) {
  Fold(kNow, {.job = 1});
  twins_->AdvanceWatermark(kNow);
  EventSpec late = Running();
  late.age_us = 5 * kHourUs;
  Fold(kNow, late);  // and the watermark does not move again
  EXPECT_EQ(FirstJob().stale, 1u);
  EXPECT_TRUE(Runs()[0].stale);
}

TEST_F(ShardTest, ASignOfLifeUnmakesStale) {
  Fold(kNow, Running());
  twins_->AdvanceWatermark(kNow + 5 * kHourUs);
  EXPECT_EQ(FirstJob().stale, 1u);
  EventSpec beat = Running();
  beat.heartbeat = true;
  Fold(kNow + 5 * kHourUs, beat);
  EXPECT_EQ(FirstJob().stale, 0u);
  EXPECT_EQ(FirstJob().silent, 0u);
  twins_->AdvanceWatermark(kNow + 5 * kHourUs + 300 * kSecondUs + 1);
  EXPECT_EQ(FirstJob().silent, 1u);
  twins_->AdvanceWatermark(kNow + 9 * kHourUs + 1);
  EXPECT_EQ(FirstJob().stale, 1u);
}

TEST_F(ShardTest, WithoutAWatermarkNothingIsJudged) {
  EventSpec old = Running();
  old.age_us = 20 * kHourUs;
  Fold(kNow, old);
  EXPECT_EQ(FirstJob().stale, 0u);
  EXPECT_EQ(FirstJob().running, 1u);
}

TEST_F(ShardTest, AJobIsStaleToTheMicrosecond) {
  constexpr const char* kJob = "nbac_injury_report";
  Fold(kNow, {.job = 2, .age_us = 5 * kHourUs});
  twins_->AdvanceWatermark(kNow);
  EXPECT_TRUE(JobOf(kJob).job_stale);
  Fold(kNow, {.job = 2, .status = kSuccess, .age_us = kHourUs - 10 * kSecondUs});
  EXPECT_FALSE(JobOf(kJob).job_stale);
  twins_->AdvanceWatermark(kNow + 10 * kSecondUs);  // all within one minute
  EXPECT_FALSE(JobOf(kJob).job_stale);
  twins_->AdvanceWatermark(kNow + 10 * kSecondUs + 1);
  EXPECT_TRUE(JobOf(kJob).job_stale);
}

TEST_F(ShardTest, TheDateOfALateStartCounts) {
  Fold(kNow, Ended(kSuccess));
  EventSpec start = Running();
  start.date_age = 2;
  Fold(kNow, start);
  FirstJob();
  ASSERT_EQ(Runs().size(), 1u);
  EXPECT_EQ(Runs()[0].data_date, static_cast<int32_t>(kNow / kDayUs) - 2);
}

TEST_F(ShardTest, CorrectionsMoveStateAndNotCounters) {
  Fold(kNow, Running());
  EventSpec own = Ended(kFailed);
  own.own_close = true;
  Fold(kNow + kSecondUs, own);
  EXPECT_EQ(FirstJob().finished[4], 1u);
  EXPECT_EQ(FirstJob().consecutive_failures, 1u);
  EXPECT_TRUE(Runs()[0].closed_by_runledger);
  EventSpec success = Ended(kSuccess);
  success.age_us = kSecondUs;  // before the cleanup by its time, after it by its rank
  Fold(kNow + 2 * kSecondUs, success);
  const JobBlock job = FirstJob();
  EXPECT_EQ(job.finished[4], 1u);
  EXPECT_EQ(job.finished[0], 0u);
  EXPECT_EQ(job.consecutive_failures, 0u);
  const auto block = twins_->shard().Read();
  ASSERT_EQ(block->corrections.size(), 1u);
  EXPECT_EQ(block->corrections[0].from, codecs::Status::kFailed);
  EXPECT_EQ(block->corrections[0].to, codecs::Status::kSuccess);
  EXPECT_EQ(block->corrections[0].count, 1u);
}

TEST_F(ShardTest, ADecisionOfOursOnARunThatIsNotHeldIsARowOnly) {
  EventSpec own = Ended(kFailed);
  own.own_close = true;
  own.date_age = 0;
  Fold(kNow, own);
  EXPECT_EQ(twins_->shard().jobs(), 0u);
  Fold(kNow, Running(1));
  Fold(kNow, own);
  const JobBlock job = FirstJob();
  EXPECT_EQ(job.started, 1u);
  EXPECT_EQ(job.finished[4], 0u);
  EXPECT_EQ(job.last_failure_us, kNever);
  EXPECT_EQ(twins_->shard().FindDay("PlayerGameSummaryProcessor", static_cast<int32_t>(kNow / kDayUs)), nullptr);
}

TEST_F(ShardTest, HistoryClosesAnOpenRunAndIsNoNews) {
  Fold(kNow, Running());
  EventSpec closing = Ended(kFailed);
  closing.backfill = true;
  Fold(kNow, closing);
  EventSpec unknown = Ended(kFailed, 1);
  unknown.age_us = kDayUs + 1;
  Fold(kNow, unknown);
  twins_->AdvanceWatermark(kNow);
  const JobBlock job = FirstJob();
  EXPECT_EQ(job.started, 1u);
  EXPECT_EQ(job.running, 0u);
  EXPECT_EQ(job.finished[4], 1u);
  EXPECT_EQ(job.late_events, 2u);
  EXPECT_EQ(job.consecutive_failures, 0u);
  EXPECT_EQ(job.last_failure_us, kNever);
  EXPECT_EQ(job.windows[3], Outcomes{});
}

TEST_F(ShardTest, ExactlyTheHorizonIsStillNews) {
  EventSpec start = Running();
  start.age_us = kDayUs;
  Fold(kNow, start);
  EXPECT_EQ(FirstJob().started, 1u);
  start.run = 1;
  start.age_us = kDayUs + 1;
  Fold(kNow, start);
  EXPECT_EQ(FirstJob().started, 1u);
  EXPECT_EQ(FirstJob().late_events, 1u);
}

TEST_F(ShardTest, AJobOfHistoryAloneIsNotLive) {
  EventSpec event = Ended(kSuccess);
  event.backfill = true;
  Fold(kNow, event);
  EXPECT_FALSE(FirstJob().live);
  EXPECT_EQ(FirstJob().late_events, 1u);
}

TEST_F(ShardTest, StartedIsRunningFinishedAndForgotten) {
  Use(true, 2);  // four open runs
  for (int run = 0; run < 8; ++run) {
    Fold(kNow + run * kSecondUs, Running(run));
    if (run % 3 == 0) Fold(kNow + run * kSecondUs, Ended(kSuccess, run));
    const JobBlock job = FirstJob();
    EXPECT_EQ(job.started, job.running + job.finished[0] + job.forgotten);
    EXPECT_LE(job.running, 4u);
  }
  EXPECT_GT(FirstJob().forgotten, 0u);
}

TEST_F(ShardTest, WhatABoundEvictedIsHistoryWhenItComesAgain) {
  Use(true, 1);  // three closed runs
  for (int run = 0; run < 5; ++run) Fold(kNow + run * kSecondUs, Ended(kSuccess, run));
  EXPECT_EQ(twins_->shard().closed_runs(), 3u);
  EventSpec again = Ended(kSuccess, 0);
  again.age_us = 5 * kSecondUs;
  Fold(kNow + 5 * kSecondUs, again);
  EXPECT_EQ(FirstJob().started, 5u);
  EXPECT_EQ(FirstJob().late_events, 1u);
}

TEST_F(ShardTest, ClosedRunsStayForTheHorizonInWholeSeconds) {
  Use(true, 3);  // two hours
  Fold(kNow, Ended(kSuccess));
  twins_->Fold(kNow + 2 * kHourUs, {});
  EXPECT_EQ(twins_->shard().closed_runs(), 1u);
  twins_->Fold(kNow + 2 * kHourUs + kSecondUs, {});
  EXPECT_EQ(twins_->shard().closed_runs(), 0u);
  EXPECT_EQ(FirstJob().started, 1u);
}

TEST_F(ShardTest, AJobOfWhichNothingIsHeardIsRemovedWithItsDays) {
  Use(true, 3);  // after two days
  EventSpec end = Ended(kSuccess);
  end.date_age = -2;
  Fold(kNow, end);
  FirstJob();
  twins_->Fold(kNow + 3 * kDayUs, {});
  EXPECT_TRUE(twins_->Publish());
  EXPECT_EQ(twins_->Difference(), "");
  EXPECT_EQ(twins_->shard().Read()->labels[0], nullptr);
  // Its number is used again; the new job has nothing of the old one.
  Fold(kNow + 3 * kDayUs, {.job = 2, .status = kSuccess});
  EXPECT_EQ(twins_->shard().jobs(), 1u);
  EXPECT_EQ(twins_->shard().FindDay("nbac_injury_report", static_cast<int32_t>(kNow / kDayUs) + 2), nullptr);
  EXPECT_EQ(JobOf("nbac_injury_report").started, 1u);
}

// The horizon bounds forget_job_after from below: a job outlives its closed runs.
TEST_F(ShardTest, AJobOutlivesItsClosedRuns) {
  ShardOptions options;
  options.horizon_us = 10 * kDayUs;
  options.forget_job_after_us = kDayUs;
  Shard shard(options, ScriptPolicies());
  codecs::EventDecoder decoder{codecs::Limits{}};
  const std::string wire = WireOf(Ended(kSuccess), kNow);
  codecs::Event event;
  codecs::Rejection rejection;
  ASSERT_TRUE(decoder.Decode(wire, kNow, &event, &rejection));
  shard.BeginRecord(kNow, TimestampKind::kAppendTime);
  shard.Apply(event);
  shard.EndRecord();
  shard.BeginRecord(kNow + 5 * kDayUs, TimestampKind::kAppendTime);
  shard.EndRecord();
  const std::vector<RunInfo> runs = shard.FindRuns({});
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].job, "PlayerGameSummaryProcessor");
}

// Where producers stamp, a run that was forgotten while open comes back as history only.
TEST_F(ShardTest, AForgottenOpenRunDoesNotReturnAsAGhost) {
  Use(false, 3);
  Fold(kNow, Running());
  twins_->Fold(kNow + 3 * kDayUs, {});
  twins_->Fold(kNow + 3 * kDayUs, {});  // the second one agrees: the jump counts
  EventSpec again = Running();
  again.age_us = 3 * kDayUs;
  Fold(kNow + 3 * kDayUs, again);
  const JobBlock job = FirstJob();
  EXPECT_EQ(job.running, 0u);
  EXPECT_EQ(job.late_events, 1u);
}

TEST_F(ShardTest, AnEventOfTheDayOnWhichAJobWouldGoKeepsIt) {
  Use(true, 3);
  Fold(kNow, Ended(kSuccess));
  Fold(kNow + 5 * kDayUs, Ended(kSuccess, 1));
  EXPECT_EQ(FirstJob().started, 2u);
}

TEST_F(ShardTest, QuestionsFindRuns) {
  Fold(kNow, Running(1));
  Fold(kNow, {.run = 2, .status = kFailed});
  Fold(kNow, {.job = 1, .run = 3, .status = kSuccess, .date_age = 0});
  twins_->AdvanceWatermark(kNow + 5 * kHourUs);
  Shard& shard = twins_->shard();
  const auto find = [&](auto ask) {
    RunQuery query;
    ask(query);
    return shard.FindRuns(query);
  };
  EXPECT_EQ(shard.FindRuns({}).size(), 3u);
  EXPECT_EQ(find([](RunQuery& q) { q.job = "OddsGameLinesProcessor"; }).size(), 1u);
  EXPECT_EQ(find([](RunQuery& q) { q.job = "unheard of"; }).size(), 0u);
  EXPECT_EQ(find([](RunQuery& q) { q.fragment = "d1cb5a02"; }).size(), 1u);
  EXPECT_EQ(find([](RunQuery& q) { q.status = codecs::Status::kFailed; }).size(), 1u);
  EXPECT_EQ(find([](RunQuery& q) { q.data_date = static_cast<int32_t>(kNow / kDayUs); }).size(), 1u);
  EXPECT_EQ(find([](RunQuery& q) { q.limit = 2; }).size(), 2u);
  const std::vector<RunInfo> stale = find([](RunQuery& q) { q.stale_only = true; });
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_EQ(stale[0].stale_after_us, 4 * kHourUs);
}

// Settings that change while runs are open.
class OtherSettingsTest : public testing::Test {
 protected:
  static constexpr char kJob[] = "PlayerGameSummaryProcessor";

  void Fold(const EventSpec& spec) {
    const std::string wire = WireOf(spec, kNow);
    codecs::Rejection rejection;
    ASSERT_TRUE(decoder_.Decode(wire, kNow, &event_, &rejection));
    shard_.BeginRecord(kNow, TimestampKind::kAppendTime);
    shard_.Apply(event_);
    shard_.EndRecord();
  }
  void Set(const std::function<void(JobPolicy&)>& change) {
    JobPolicy policy;
    change(policy);
    shard_.SetPolicies(std::make_shared<JobPolicies>(JobPolicy(), std::vector<JobPolicyRule>{{kJob, policy}}));
  }
  // The job as readers see it; nothing: they do not.
  std::optional<JobBlock> Shown() {
    EXPECT_TRUE(shard_.Publish({}));
    const auto block = shard_.Read();
    if (block->labels.empty() || block->labels[0] == nullptr) return std::nullopt;
    return block->jobs[0];
  }

  Shard shard_{ShardOptions(), std::make_shared<JobPolicies>()};
  codecs::EventDecoder decoder_{codecs::Limits{}};
  codecs::Event event_;
};

TEST_F(OtherSettingsTest, EveryVerdictIsJudgedAnew) {
  Fold(Running());
  shard_.AdvanceWatermark(kNow + 5 * kHourUs);
  EXPECT_EQ(Shown()->stale, 1u);
  Set([](JobPolicy& policy) { policy.stale_after_us = 6 * kHourUs; });
  EXPECT_EQ(Shown()->stale, 0u);
  EXPECT_EQ(shard_.Read()->labels[0]->stale_after_us, 6 * kHourUs);
  // And it becomes stale when the new limit says so, not before.
  shard_.AdvanceWatermark(kNow + 6 * kHourUs);
  EXPECT_EQ(Shown()->stale, 0u);
  shard_.AdvanceWatermark(kNow + 6 * kHourUs + 1);
  EXPECT_EQ(Shown()->stale, 1u);
  EXPECT_FALSE(Shown()->job_stale);
  Set([](JobPolicy& policy) { policy.staleness_threshold_us = kHourUs; });
  EXPECT_EQ(Shown()->stale, 1u);
  EXPECT_TRUE(Shown()->job_stale);
}

TEST_F(OtherSettingsTest, AJobThatIsDisabledIsNotSeenAndItsOpenRunsAreForgotten) {
  Fold(Running(1));
  Fold(Ended(kSuccess, 2));
  EXPECT_EQ(Shown()->running, 1u);
  Set([](JobPolicy& policy) { policy.enabled = false; });
  EXPECT_FALSE(Shown());
  EXPECT_EQ(shard_.open_runs(), 0u);
  EXPECT_TRUE(shard_.FindRuns({}).empty());
  Fold(Running(3));
  EXPECT_FALSE(Shown());
  EXPECT_EQ(shard_.open_runs(), 0u);

  // Enabled again it goes on where it stopped: started = running + finished + forgotten.
  Set([](JobPolicy& policy) { policy.display_name = "Game summary"; });
  Fold(Running(4));
  const std::optional<JobBlock> block = Shown();
  ASSERT_TRUE(block);
  EXPECT_EQ(block->started, 3u);
  EXPECT_EQ(block->running, 1u);
  EXPECT_EQ(block->forgotten, 1u);
  EXPECT_EQ(block->finished[codecs::TerminalIndex(codecs::Status::kSuccess)], 1u);
  EXPECT_EQ(shard_.Read()->labels[0]->display_name, "Game summary");
  EXPECT_EQ(shard_.FindRuns({}).size(), 2u);
}

TEST_F(OtherSettingsTest, ASnapshotUnderWayIsOfTheMomentBefore) {
  Fold(Running(1));
  Fold(Ended(kSuccess, 2));
  std::string whole;
  shard_.BeginSnapshot();
  Set([](JobPolicy& policy) { policy.enabled = false; });
  while (!shard_.ContinueSnapshot(1, &whole)) {
  }
  Shard again(ShardOptions(), std::make_shared<JobPolicies>());
  const absl::Status restored = again.RestoreSnapshot(whole);
  ASSERT_TRUE(restored.ok()) << restored;
  EXPECT_EQ(again.open_runs(), 1u);
  EXPECT_EQ(again.FindRuns({}).size(), 2u);
}

TEST_F(OtherSettingsTest, ThePhaseThatARunNamedStaysUnlessItIsConfigured) {
  EventSpec spec = Running();
  spec.phase = 1;
  Fold(spec);
  ASSERT_TRUE(Shown());
  const std::string told = shard_.Read()->labels[0]->phase;
  EXPECT_NE(told, "");
  Set([](JobPolicy& policy) { policy.priority = "critical"; });
  ASSERT_TRUE(Shown());
  EXPECT_EQ(shard_.Read()->labels[0]->phase, told);
  EXPECT_EQ(shard_.Read()->labels[0]->priority, "critical");
  Set([](JobPolicy& policy) { policy.phase = "phase_9"; });
  ASSERT_TRUE(Shown());
  EXPECT_EQ(shard_.Read()->labels[0]->phase, "phase_9");
}

TEST_F(ShardTest, ANewJobIsAnnouncedOnce) {
  std::vector<std::string> seen;
  twins_->shard().OnNewJob([&](std::string_view name) { seen.emplace_back(name); });
  Fold(kNow, Running());
  Fold(kNow, Running(1));
  Fold(kNow, {.job = 1});
  EXPECT_EQ(seen, (std::vector<std::string>{"PlayerGameSummaryProcessor", "OddsGameLinesProcessor"}));
}

}  // namespace
}  // namespace runledger::aggregators
