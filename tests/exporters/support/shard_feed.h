#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregators/shard.h"
#include "ingest/partition_directory.h"

namespace runledger::exporters {

// Midnight, 2026-01-12.
inline constexpr int64_t kDay = 1'768'176'000'000'000;
inline constexpr int64_t kHour = 3'600'000'000;
inline constexpr int64_t kMinute = 60'000'000;
inline constexpr int64_t kSecond = 1'000'000;

// One run event as a producer would send it.
struct FeedEvent {
  std::string job = "job";
  std::string run_id = "run";
  codecs::Status status = codecs::Status::kRunning;
  int64_t time_us = kDay;
  int attempt = 0;
  std::string phase = {};
  std::string workflow = {};
  std::optional<double> duration_s = {};
  std::optional<int32_t> data_date = {};
  bool heartbeat = false;
  bool backfill = false;
};

// What of a job's policy tests set.
struct FeedPolicy {
  std::string pattern = {};  // empty: the defaults
  int64_t stale_after_us = 4 * kHour;
  int64_t max_runtime_us = 0;
  int64_t staleness_threshold_us = 48 * kHour;
  std::string display_name = {};
  std::string phase = {};
  std::string priority = {};
  std::function<void(aggregators::JobPolicy*)> more = {};  // what else is to be set
};

std::shared_ptr<const aggregators::JobPolicies> PoliciesOf(const std::vector<FeedPolicy>& policies);

// A shard that is fed with events as they come over the wire: encoded, decoded, folded.
class ShardFeed {
 public:
  ShardFeed() : ShardFeed(std::vector<FeedPolicy>()) {}
  explicit ShardFeed(const FeedPolicy& defaults) : ShardFeed(std::vector<FeedPolicy>{defaults}) {}
  explicit ShardFeed(const std::vector<FeedPolicy>& policies, const aggregators::ShardOptions& options = {});

  // Folds the event as a record stamped `log_time_us`, by default the event's own time.
  ShardFeed& Fold(const FeedEvent& event, std::optional<int64_t> log_time_us = {});
  // A run that starts and ends.
  ShardFeed& Run(const std::string& job, const std::string& run_id, codecs::Status status, int64_t start_us,
                 int64_t end_us);
  // Makes the present state visible.
  ShardFeed& Publish(aggregators::ShardPositions positions = kCaughtUp);
  ShardFeed& Watermark(int64_t watermark_us);

  const std::shared_ptr<aggregators::Shard>& shard() const { return shard_; }

  static constexpr aggregators::ShardPositions kCaughtUp = {.applied_offset = 7,
                                                            .acked_offset = 5,
                                                            .log_start_offset = 0,
                                                            .log_end_offset = 7,
                                                            .caught_up = true,
                                                            .shown = true};

 private:
  std::shared_ptr<aggregators::Shard> shard_;
};

}  // namespace runledger::exporters
