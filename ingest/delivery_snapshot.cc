#include <algorithm>

#include "ingest/delivery.h"

// Snapshots of the shard: when one is taken, how it is handed over in pieces, and how one is taken over.

namespace runledger::ingest {
namespace {

// Of one piece: small enough that the shard's thread is not held up, large enough that the pieces are few.
constexpr size_t kPieceBytes = 256 << 10;
// After a snapshot that could not be saved: most likely the next one cannot either.
constexpr int64_t kTryAgainUs = 10'000'000;
constexpr int64_t kMilestoneUs = int64_t{60} * 1'000'000;

}  // namespace

void Delivery::OnSnapshotLoaded(absl::StatusOr<Snapshot> snapshot, const Moment& now) {
  if (released_ || reading_) return;
  if (snapshot.ok()) {
    const Position at = snapshot->identity.position;
    const auto older = [&] {
      parts_.snapshots->Load(assignment_.partition, assignment_.tenure, assignment_.cluster_id,
                             assignment_.metadata.log_epoch, assignment_.metadata.snapshot, at);
    };
    // Behind the end: of a log that is gone. Before the start: what came in between is nowhere.
    if (log_end_ >= 0 && at.offset > log_end_) return older();
    if (log_start_ < 0 || at.offset >= log_start_) {
      if (absl::Status status = shard_->RestoreSnapshot(snapshot->bytes); !status.ok()) {
        ReplaceShard();
        return older();
      }
      JudgeByHome();  // of the jobs that it holds
      snapshot_at_ = at;
      restored_counters_ = snapshot->identity.counters;
      watermark_.Restore(shard_->watermark_us());
      fold_before_ = {at, snapshot->identity.before_time_ms, snapshot->identity.before_hash};
    }
  }
  StartFold(now);
}

// Notes where the fold stands (it has just gone on from `began`), so that a successor without a snapshot knows where to
// begin: log time less state.replay_cap.
void Delivery::NoteProgress(int64_t began) {
  const int64_t log_time_us = shard_->log_time_us();
  if (log_time_us == aggregators::LogClock::kUnknown) return;
  if (milestones_.empty() || log_time_us - milestones_.back().log_time_us >= kMilestoneUs)
    milestones_.push_back({log_time_us, began});
  // The first one stays the last before the cap.
  while (milestones_.size() > 1 && milestones_[1].log_time_us <= log_time_us - options_.replay_cap_us)
    milestones_.pop_front();
}

bool Delivery::SnapshotDue(const Moment& now) const {
  if (saving_ != 0 || foreign_ || !reading_ || !shown_ || options_.snapshot_interval_us == 0 ||
      applied_ <= snapshot_at_ || !parts_.snapshots->keeps())
    return false;
  // While the last one's pointer is not committed nobody would find the next one either: it waits, so that what is kept
  // is bounded.
  if (pointer_due_ || now.mono_us < no_snapshot_before_us_) return false;
  return now.mono_us >= next_snapshot_us_ || applied_.offset - snapshot_at_.offset >= options_.snapshot_records;
}

void Delivery::BeginSnapshot(const Moment& now) {
  saving_ = next_save_++;
  saving_finished_ = false;
  saving_at_ = applied_;
  next_snapshot_us_ = now.mono_us + options_.snapshot_interval_us;
  SnapshotIdentity identity;
  identity.cluster_id = assignment_.cluster_id;
  identity.partition = assignment_.partition;
  identity.log_epoch = assignment_.metadata.log_epoch;
  identity.position = applied_;
  identity.counters = state_lost_ ? -1 : metadata_.counters;
  if (fold_before_.position == applied_) {
    identity.before_time_ms = fold_before_.time_ms;
    identity.before_hash = fold_before_.hash;
  }
  shard_->BeginSnapshot();
  parts_.snapshots->Begin(assignment_.tenure, saving_, identity);
}

// Gives up the one that is being written, if any is.
void Delivery::AbortSnapshot() {
  if (saving_ == 0) return;
  if (!saving_finished_) shard_->AbortSnapshot();
  parts_.snapshots->Abort(assignment_.partition, assignment_.tenure, saving_);
  saving_ = 0;
}

bool Delivery::Continue(const Moment& now) {
  if (released_ || saving_ == 0 || saving_finished_ || !parts_.snapshots->Wants()) return false;
  std::string piece;
  piece.reserve(kPieceBytes + (kPieceBytes >> 2));
  const bool done = shard_->ContinueSnapshot(kPieceBytes, &piece);
  parts_.snapshots->Append(assignment_.partition, assignment_.tenure, saving_, std::move(piece));
  if (!done) return true;
  saving_finished_ = true;
  parts_.snapshots->Finish(assignment_.partition, assignment_.tenure, saving_);
  Settle(now);
  return false;
}

void Delivery::OnSnapshotSaved(uint64_t save, const absl::StatusOr<SavedSnapshot>& saved, const Moment& now) {
  if (released_ || save != saving_) return;
  saving_ = 0;
  if (saved.ok()) {
    snapshot_at_ = saving_at_;
    snapshot_time_us_ = now.wall_us;
    snapshot_bytes_ = saved->bytes;
    pointer_due_ = saved->pointer != metadata_.snapshot;
    metadata_.snapshot = saved->pointer;
  } else {
    no_snapshot_before_us_ = now.mono_us + kTryAgainUs;
  }
  final_snapshot_ = revoking_ && (!saved.ok() || snapshot_at_ == applied_);
  Settle(now);
}

}  // namespace runledger::ingest
