#include <utility>

#include "ingest/delivery.h"

// What delivery itself writes to the log: expected runs of workflows that have a schedule, and verdicts on expected
// runs once they stand. Both are part of the state when they are read back, and not before.

namespace runledger::ingest {
namespace {

// Written and not read back yet, at most: the rest waits.
constexpr size_t kMostVerdicts = 64;
constexpr size_t kMostDays = 64;

}  // namespace

// An owner that has not heard of all that is in the log would write what is there already.
void Delivery::WriteOwnEvents(const Moment& now) {
  if (!options_.own || !shown_ || revoking_ || foreign_ || !watermark_.CaughtUp(now.mono_us)) return;
  made_days_.Begin();
  for (const aggregators::ExpectedDay& day : shard_->DaysToMake(kMostDays)) {
    if (const uint64_t message = made_days_.Due({day.workflow, day.day}, now))
      WriteOwn(message, day.workflow, aggregators::EncodeExpectedDay(day), /*batch=*/true);
  }
  made_days_.End();
  verdicts_.Begin();
  for (const aggregators::FinalVerdict& verdict : shard_->DueVerdicts(kMostVerdicts)) {
    if (const uint64_t message = verdicts_.Due({verdict.subject, verdict.due_us}, now))
      WriteOwn(message, verdict.subject, aggregators::EncodeVerdict(verdict), /*batch=*/false);
  }
  verdicts_.End();
}

// To the partition that holds what it is about, and that is this one.
void Delivery::WriteOwn(uint64_t message, const std::string& subject, std::string value, bool batch) {
  OutgoingRecord record;
  record.topic = assignment_.partition.topic;
  record.partition = assignment_.partition.partition;
  record.key = subject;
  record.value = std::move(value);
  const std::string type = batch ? "EventBatch" : "Event";
  record.headers = {{"content-type", "application/x-protobuf; messageType=runledger.v1." + type}};
  if (batch) record.headers.emplace_back("content-encoding", "zstd");
  // The time by which it is said, where records carry times of their own. The machine's time of day would end a replay,
  // and where it is set back, what is said now would come from the future and be refused for ever.
  record.timestamp_ms = (shard_->watermark_us() + 999) / 1000;
  parts_.log->Produce(assignment_.partition, assignment_.tenure, message, std::move(record));
}

bool Delivery::OnOwnProduced(uint64_t message, const absl::Status& status, const Moment& now) {
  const auto answered = [&](OwnEvents* events, Trouble trouble, const std::string& what) {
    if (!events->Has(message)) return false;
    if (events->OnProduced(message, status.ok(), now))
      SetProblem(trouble, status.ok() ? "" : what + ": " + std::string(status.message()));
    return true;
  };
  return answered(&made_days_, Trouble::kExpectedRuns, "expected runs") ||
         answered(&verdicts_, Trouble::kVerdicts, "verdicts");
}

}  // namespace runledger::ingest
