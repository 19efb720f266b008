#include "exporters/support/shard_feed.h"

#include <gtest/gtest.h>

#include "codecs/event_decoder.h"
#include "runledger/v1/event.pb.h"

namespace runledger::exporters {

std::shared_ptr<const aggregators::JobPolicies> PoliciesOf(const std::vector<FeedPolicy>& policies) {
  aggregators::JobPolicy defaults;
  std::vector<aggregators::JobPolicyRule> rules;
  for (const FeedPolicy& from : policies) {
    aggregators::JobPolicy policy;
    policy.stale_after_us = from.stale_after_us;
    policy.max_runtime_us = from.max_runtime_us;
    policy.staleness_threshold_us = from.staleness_threshold_us;
    policy.display_name = from.display_name;
    policy.phase = from.phase;
    policy.priority = from.priority;
    if (from.more) from.more(&policy);
    if (from.pattern.empty()) {
      defaults = policy;
    } else {
      rules.push_back({from.pattern, policy});
    }
  }
  return std::make_shared<aggregators::JobPolicies>(defaults, rules);
}

ShardFeed::ShardFeed(const std::vector<FeedPolicy>& policies, const aggregators::ShardOptions& options)
    : shard_(std::make_shared<aggregators::Shard>(options, PoliciesOf(policies))) {}

ShardFeed& ShardFeed::Fold(const FeedEvent& event, std::optional<int64_t> log_time_us) {
  v1::Event message;
  message.set_event_time_us(event.time_us);
  message.set_backfill(event.backfill);
  v1::RunEvent& run = *message.mutable_run();
  run.set_job_name(event.job);
  run.set_run_id(event.run_id);
  run.set_status(static_cast<v1::Status>(event.status));
  if (event.attempt != 0) run.set_attempt(event.attempt);
  if (!event.phase.empty()) run.set_phase(event.phase);
  if (!event.workflow.empty()) run.set_workflow(event.workflow);
  if (event.duration_s) run.set_duration_seconds(*event.duration_s);
  if (event.data_date) run.set_data_date(*event.data_date);
  if (event.heartbeat) run.set_heartbeat(true);

  const int64_t log_us = log_time_us.value_or(event.time_us);
  const std::string wire = message.SerializeAsString();
  codecs::Event decoded;
  codecs::Rejection rejection;
  const bool good = codecs::EventDecoder(codecs::Limits{}).Decode(wire, log_us, &decoded, &rejection);
  EXPECT_TRUE(good) << rejection.text;
  if (!good) return *this;
  shard_->BeginRecord(log_us, aggregators::TimestampKind::kAppendTime);
  shard_->Apply(decoded);
  shard_->EndRecord();
  return *this;
}

ShardFeed& ShardFeed::Run(const std::string& job, const std::string& run_id, codecs::Status status, int64_t start_us,
                          int64_t end_us) {
  Fold({.job = job, .run_id = run_id, .time_us = start_us});
  return Fold({.job = job, .run_id = run_id, .status = status, .time_us = end_us});
}

ShardFeed& ShardFeed::Publish(aggregators::ShardPositions positions) {
  EXPECT_TRUE(shard_->Publish(positions)) << "a reader still holds the older copy";
  return *this;
}

ShardFeed& ShardFeed::Watermark(int64_t watermark_us) {
  shard_->AdvanceWatermark(watermark_us);
  return *this;
}

}  // namespace runledger::exporters
