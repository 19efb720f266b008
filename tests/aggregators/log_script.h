#pragma once

#include <rapidcheck.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "aggregators/shard.h"
#include "codecs/event_decoder.h"
#include "reference/decode.h"
#include "reference/fold.h"

// Random logs, small enough to shrink, that are folded twice: by the shard and by the reference.
namespace runledger::aggregators {

// One event, told in small numbers so that runs and times meet often. Times are relative to the record's stamp.
struct EventSpec {
  int job = 0;
  int run = 0;
  int attempt = 0;
  int status = 1;  // number in event.proto
  int64_t age_us = 0;
  int sequence = 0;
  int id = 0;  // 0: a hash of its bytes
  bool heartbeat = false;
  bool backfill = false;
  bool own_close = false;  // closed by runledger; then it is a failure
  std::optional<int64_t> started_age_us = std::nullopt;
  std::optional<double> duration_s = std::nullopt;
  std::optional<int> date_age = std::nullopt;  // days before the stamp's
  int phase = 0;                               // 0: none
  int workflow = 0;
};

// A record, and then perhaps the watermark moves.
struct Step {
  int64_t advance_us = 0;  // of the stamp
  bool stamped = true;
  std::vector<EventSpec> events;
  std::optional<int64_t> watermark_lag_us;  // behind the stamp
  bool publish = true;
  bool hold = false;  // a reader holds what was published before
};

struct Script {
  bool by_broker = true;
  int bounds = 0;  // index into kBounds
  std::vector<Step> steps;
};

std::ostream& operator<<(std::ostream& out, const EventSpec& spec);
std::ostream& operator<<(std::ostream& out, const Step& step);
std::ostream& operator<<(std::ostream& out, const Script& script);

rc::Gen<int64_t> SpanOfTime();  // microseconds, 0 to some days, often just at a limit
rc::Gen<EventSpec> AnyEvent(int jobs, int runs);
rc::Gen<Script> AnyScript();

// The event of a spec as one protobuf message.
std::string WireOf(const EventSpec& spec, int64_t stamp_us);

inline constexpr int64_t kScriptStartUs = 1'768'217'408'000'000;  // 2026-01-12T11:30:08Z

ShardOptions BoundsOf(int bounds);
reference::FoldOptions ReferenceBoundsOf(int bounds);
// The same thresholds for both, different from job to job.
std::shared_ptr<const JobPolicies> ScriptPolicies();
reference::Policies ReferencePolicies();

// A shard and the reference, fed with the same log.
class Twins {
 public:
  Twins(bool by_broker, int bounds);

  // Folds a record of these events, each a protobuf message. Both must take every one.
  void Fold(int64_t stamp_us, const std::vector<std::string>& wires);
  void AdvanceWatermark(int64_t watermark_us);
  bool Publish() { return shard_->Publish({}); }
  // The first difference between what the shard published and the reference; empty: none.
  std::string Difference() const;
  // The same of the single runs and the day table, which are not published.
  std::string DifferenceOfTables() const;

  Shard& shard() { return *shard_; }
  // For shards that take over in the middle of the log.
  std::unique_ptr<Shard> EmptyShard() const;
  void FoldInto(Shard* shard, int64_t stamp_us, const std::vector<std::string>& wires) const;
  void Replace(std::unique_ptr<Shard> shard) { shard_ = std::move(shard); }
  const reference::Fold& reference() const { return reference_; }

 private:
  bool by_broker_;
  int bounds_;
  std::unique_ptr<Shard> shard_;
  reference::Fold reference_;
  codecs::EventDecoder decoder_;
  std::optional<int64_t> watermark_us_;
};

}  // namespace runledger::aggregators
