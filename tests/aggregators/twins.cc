#include <map>

#include "aggregators/differ.h"
#include "aggregators/log_script.h"
#include "aggregators/shard_difference.h"

namespace runledger::aggregators {
namespace {

namespace ref = reference;

}  // namespace

Twins::Twins(bool by_broker, int bounds)
    : by_broker_(by_broker),
      bounds_(bounds),
      shard_(std::make_unique<Shard>(BoundsOf(bounds), ScriptPolicies())),
      reference_(ReferenceBoundsOf(bounds), ReferencePolicies()),
      decoder_(codecs::Limits{}) {}

void Twins::FoldInto(Shard* shard, int64_t stamp_us, const std::vector<std::string>& wires) const {
  shard->BeginRecord(stamp_us, by_broker_ ? TimestampKind::kAppendTime : TimestampKind::kCreateTime);
  for (const std::string& wire : wires) {
    codecs::Event event;
    codecs::Rejection rejection;
    if (decoder_.Decode(wire, stamp_us, &event, &rejection)) shard->Apply(event);
  }
  shard->EndRecord();
}

std::unique_ptr<Shard> Twins::EmptyShard() const {
  return std::make_unique<Shard>(BoundsOf(bounds_), ScriptPolicies());
}

void Twins::Fold(int64_t stamp_us, const std::vector<std::string>& wires) {
  std::vector<ref::Event> expected;
  shard_->BeginRecord(stamp_us, by_broker_ ? TimestampKind::kAppendTime : TimestampKind::kCreateTime);
  for (const std::string& wire : wires) {
    codecs::Event event;
    codecs::Rejection rejection;
    ref::Refusal refusal;
    const bool decoded = decoder_.Decode(wire, stamp_us, &event, &rejection);
    std::optional<ref::Event> same = ref::DecodeEvent(wire, stamp_us, {}, &refusal);
    RC_ASSERT(decoded == same.has_value());
    if (!decoded) continue;
    shard_->Apply(event);
    expected.push_back(std::move(*same));
  }
  shard_->EndRecord();
  reference_.Add(stamp_us, by_broker_, expected);
}

void Twins::AdvanceWatermark(int64_t watermark_us) {
  shard_->AdvanceWatermark(watermark_us);
  watermark_us_ = std::max(watermark_us_.value_or(INT64_MIN), watermark_us);
}

std::string Twins::Difference() const {
  const auto block = shard_->Read();
  return DifferenceOf(*block, reference_, watermark_us_);
}

std::string Twins::DifferenceOfTables() const {
  Differ differ;
  differ.Compare("open runs", uint64_t{shard_->open_runs()}, uint64_t{reference_.open_runs()});
  differ.Compare("closed runs", uint64_t{shard_->closed_runs()}, uint64_t{reference_.closed_runs()});
  RunQuery all;
  all.limit = SIZE_MAX;
  uint64_t found = 0;
  for (const RunInfo& info : shard_->FindRuns(all)) {
    const std::string name = info.job + "/" + info.run_id + "/" + std::to_string(info.attempt);
    const ref::Run* run = reference_.Find(info.job, {info.run_id, info.attempt});
    if (run == nullptr) return name + " is not known to the reference";
    ++found;
    const bool open = info.status == codecs::Status::kRunning;
    differ.Compare(name + " open", uint64_t{open}, uint64_t{run->open});
    const int64_t date = info.data_date ? *info.data_date : kNever;
    differ.Compare(name + " date", date, run->date ? std::optional<int64_t>(*run->date) : std::nullopt);
    const std::optional<int64_t> start =
        run->start.known == ref::Start::kNone ? std::nullopt : std::optional(run->start.time_us);
    differ.Compare(name + " start", info.started_at_us.value_or(kNever), start);
    differ.Compare(name + " last event", info.last_event_us, run->open ? run->last_event_us : run->key.time_us);
    if (open) continue;
    differ.Say(name + " status", std::string(codecs::StatusName(info.status)), ref::NameOf(run->status));
    differ.Compare(name + " closed by runledger", uint64_t{info.closed_by_runledger}, uint64_t{run->key.rank == 1});
  }
  differ.Compare("runs found", found, uint64_t{reference_.open_runs() + reference_.closed_runs()});
  for (const auto& [key, view] : reference_.Days()) {
    const DayState* day = shard_->FindDay(key.first, key.second);
    const std::string name = key.first + " day " + std::to_string(key.second);
    if (day == nullptr) return name + " is not known to the shard";
    const ref::DayView same{static_cast<ref::Status>(day->best), static_cast<ref::Status>(day->last_status),
                            day->last_time_us, day->attempts};
    differ.Compare(name + " is the same", uint64_t{same == view}, uint64_t{1});
  }
  return differ.text();
}

}  // namespace runledger::aggregators
