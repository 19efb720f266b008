#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aggregators/workflow_feed.h"

// Other settings of workflows while the log goes on. The day is 2026-01-12 in New York.

namespace runledger::aggregators {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReloadFeed : public WorkflowFeed {
 public:
  explicit ReloadFeed(WorkflowPolicies policies = {}) : WorkflowFeed(std::move(policies)) {
    shard->SetWorkflowHome([](std::string_view) { return true; }, /*configured=*/true);
    Pass(kDayStart);
  }
  void Configure(WorkflowPolicies policies) {
    shard->SetWorkflowPolicies(std::make_shared<WorkflowPolicies>(std::move(policies)));
  }
  void Configure(const WorkflowPolicy& policy, const std::string& pattern = "w") {
    Configure(WorkflowPolicies({}, {{pattern, policy}}));
  }
  bool Knows(const std::string& name) {
    for (const WorkflowInfo& info : shard->FindWorkflows({})) {
      if (info.name == name) return true;
    }
    return false;
  }
};

TEST(WorkflowReload, WhatIsNotSettledIsJudgedByTheNewLimits) {
  ReloadFeed feed;
  feed.Fold(ExpectedEvent("w", At(9, 0)));
  feed.Fold(ExpectedEvent("w", At(11, 0)));
  feed.Fold(DecisionEvent("w", "RUN", At(9, 20)));
  feed.Pass(At(10, 6));  // the first one is settled
  feed.Fold(DecisionEvent("w", "RUN", At(11, 20)));
  EXPECT_THAT(feed.Words(At(11, 30)), ElementsAre("09:00 on_time", "11:00 on_time"));
  EXPECT_EQ(feed.Of("w", At(11, 30)).overdue, 0u);
  WorkflowPolicy strict;
  strict.late_after_us = 10 * kMinuteUs;
  feed.Configure(strict);
  EXPECT_THAT(feed.Words(At(11, 30)), ElementsAre("09:00 on_time", "11:00 late"));
  strict.match_window_us = 15 * kMinuteUs;
  feed.Configure(strict);
  EXPECT_THAT(feed.Words(At(11, 30)), ElementsAre("09:00 on_time", "11:00 missing"));
  EXPECT_EQ(feed.Of("w", At(11, 30)).missing, 1u);
  EXPECT_EQ(feed.WriteVerdicts(At(11, 30)), 2u) << "it stands 15 and 5 minutes after its time";
}

TEST(WorkflowReload, WhatIsNamedIsMissedAndWhatIsNotNoLonger) {
  WorkflowPolicy policy;
  policy.evaluation_overdue_after_us = kHourUs;
  ReloadFeed feed;
  feed.Fold(DecisionEvent("seen", "RUN", At(1, 0)));
  feed.Configure(WorkflowPolicies({}, {{"w", policy}, {"seen", policy}}));
  EXPECT_TRUE(feed.Of("w", At(8, 0)).not_evaluated);
  EXPECT_TRUE(feed.Of("seen", At(8, 0)).not_evaluated);
  feed.Configure(WorkflowPolicies());
  EXPECT_FALSE(feed.Knows("w"));
  EXPECT_FALSE(feed.Of("seen", At(8, 0)).not_evaluated) << "of the defaults there is no limit";
  feed.Configure(policy);
  EXPECT_TRUE(feed.Of("w", At(8, 0)).not_evaluated);
}

TEST(WorkflowReload, WhatIsDisabledGoesAndBeginsAnew) {
  ReloadFeed feed;
  feed.Fold(ExpectedEvent("w", At(9, 0)));
  feed.Fold(ExpectedJobEvent("job", At(9, 0)));
  feed.Fold(JobEvent("job", "r", v1::RUNNING, At(9, 0)));
  WorkflowPolicy off;
  off.enabled = false;
  feed.Configure(off, "*");
  EXPECT_EQ(feed.shard->workflows().subjects(), 0u);
  EXPECT_EQ(feed.shard->workflows().items(), 0u);
  const OrchestrationBlock block = feed.Block(At(9, 30));
  EXPECT_THAT(block.labels, testing::Each(nullptr));
  feed.Fold(DecisionEvent("w", "RUN", At(10, 0)));
  feed.Fold(JobEvent("job", "r2", v1::RUNNING, At(10, 0)));  // the number of the job is nobody's now
  EXPECT_EQ(feed.shard->workflows().items(), 0u);

  feed.Pass(At(10, 30));
  feed.Configure(WorkflowPolicies());
  for (const int hour : {10, 12}) {
    feed.Fold(At(11, 0), ExpectedEvent("w", At(hour, 0)));
    feed.Fold(At(11, 0), ExpectedJobEvent("job", At(hour, 0)));
  }
  EXPECT_THAT(feed.Words(At(14, 0), "w"), ElementsAre("10:00 unknown", "12:00 missing"));
  EXPECT_THAT(feed.Words(At(14, 0), "job"), ElementsAre("10:00 on_time", "12:00 missing")) << "it still runs";
}

TEST(WorkflowReload, TheSameSettingsChangeNothing) {
  WorkflowPolicy policy;
  policy.priority = "CRITICAL";
  ReloadFeed feed(WorkflowPolicies({}, {{"w", policy}}));
  feed.Fold(ExpectedEvent("w", At(9, 0)));
  feed.Block(At(9, 31));
  const int64_t changes_at_us = feed.shard->workflows().track(0).changes_at_us();
  EXPECT_GT(changes_at_us, At(9, 31));
  feed.Configure(policy);
  EXPECT_EQ(feed.shard->workflows().track(0).changes_at_us(), changes_at_us);
  EXPECT_EQ(feed.Of("w", At(9, 31)).overdue, 1u);
}

}  // namespace
}  // namespace runledger::aggregators
