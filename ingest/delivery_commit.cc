#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ingest/delivery.h"
#include "ingest/stream_rows.h"

// Commits: when there is one, what it tells a successor, and what its answer means; and how a partition is given up.

namespace runledger::ingest {

CommitMetadata Delivery::MetadataFor(const Committable& committed) const {
  CommitMetadata metadata = metadata_;
  metadata.index = committed.position().index;
  metadata.cluster_id = assignment_.cluster_id;
  metadata.advertise = options_.advertise;
  metadata.partitions = home_.partitions();
  // An owner that did not get as far as to show anything passes on what its predecessors had shown.
  metadata.applied_at_revocation = !revoking_ ? -1 : shown_ ? applied_.offset : show_at_.value_or(-1);
  // Where this owner's fold began says nothing of what came before, unless that is further back than the cap.
  if (!milestones_.empty() && milestones_.front().log_time_us <= shard_->log_time_us() - options_.replay_cap_us)
    metadata.replay_floor = std::max(metadata.replay_floor, milestones_.front().offset);
  metadata.before_time_ms = committed.before.time_ms;
  metadata.before_hash = committed.before.hash;
  AdvanceStream(committed.good_events - opened_at_.good_events, &metadata);
  return metadata;
}

void Delivery::CountStreamBase() {
  const std::optional<int64_t> before = cursor_.events_before_written();
  if (!counting_base_ || !before) return;
  counting_base_ = false;
  metadata_.stream_base = std::max<int64_t>(*before - opened_at_.good_events, 0);
}

void Delivery::CommitIfDue(const Moment& now, bool final) {
  if (commit_in_flight_ != 0 || foreign_ || !started_) return;
  const bool rows = sink_open_ && !rows_stopped_;
  Committable target = rows ? committable_.Last(cursor_.acked()).value_or(committed_) : committed_;
  if (target.position() < committed_.position()) target = committed_;
  const bool fence = rows && cursor_.fenced() && now.mono_us >= ask_fence_at_us_;
  // Without the warehouse's word the position stays; who shows the partition and where its snapshot is, is news too.
  const bool news = claim_due_ || pointer_due_ || growth_due_ ||
                    (rows && (!first_commit_done_ || target.position() > committed_.position()));
  if (!(news && now.mono_us >= commit_at_us_) && !fence && !final) return;
  CountStreamBase();
  checking_fence_ = fence;
  committing_rows_ = rows;
  commit_in_flight_ = next_commit_++;
  committing_ = target;
  committing_pointer_ = metadata_.snapshot;
  committing_growth_ = std::exchange(growth_due_, false);
  committable_.ForgetBefore(target.position());
  parts_.log->Commit(assignment_.partition, assignment_.tenure, commit_in_flight_, target.position(),
                     MetadataFor(target));
}

void Delivery::OnCommitted(uint64_t commit, const absl::Status& status, const Moment& now) {
  if (released_ || commit != commit_in_flight_) return;
  commit_in_flight_ = 0;
  commit_at_us_ = now.mono_us + options_.commit_interval_us;
  if (!status.ok()) growth_due_ = growth_due_ || committing_growth_;
  if (status.ok()) {
    if (committing_.position() > committed_.position()) committed_ = committing_;
    if (committing_pointer_ == metadata_.snapshot) pointer_due_ = false;
    parts_.snapshots->Committed(assignment_.partition, assignment_.tenure, committing_pointer_);
    claim_due_ = false;
    if (committing_rows_) first_commit_done_ = true;
    if (!committing_rows_ && sink_open_) commit_at_us_ = 0;  // rows wait for theirs
    if (committing_rows_ && !rows_stopped_) cursor_.Allow();
    if (checking_fence_) {  // the group still takes our word: the fence was raised by somebody who is gone
      SetProblem(Trouble::kRowsStopped, "");
      cursor_.ClearFence();
      cursor_.Disallow();
      sink_open_ = false;
      OpenSink();
    }
  } else if (checking_fence_ && !absl::IsFailedPrecondition(status)) {
    ask_fence_at_us_ = now.mono_us + kOpenRetryUs;  // no answer is no refusal
  } else if (checking_fence_) {
    // Whoever does not own it any more is told so, sooner or later, or is not listened to. But a commit that crosses a
    // rebalance is refused to one who goes on owning it, too: it is asked again, and nothing is written meanwhile.
    ask_fence_at_us_ = now.mono_us + options_.commit_interval_us;
    SetProblem(
        Trouble::kRowsStopped,
        absl::StrCat("another instance has opened this partition in the warehouse, and the group refuses our commit (",
                     std::string(status.message()), "): rows wait until the group says whose it is"));
  } else if (!first_commit_done_) {
    commit_at_us_ = now.mono_us + kOpenRetryUs;  // rows wait for it
  }
  checking_fence_ = false;
  if (revoking_ && final_commit_) {
    Release();
    return;
  }
  Settle(now);
}

void Delivery::OnRevoke(const Moment& now, int64_t deadline_mono_us) {
  if (released_) return;
  revoking_ = true;
  revoke_deadline_us_ = deadline_mono_us;
  Settle(now);
}

// Once everything is answered and the last snapshot is there, or time is up: the last commit, then the partition may
// go.
void Delivery::TryRelease(const Moment& now) {
  const bool time_is_up = now.mono_us >= revoke_deadline_us_;
  if (final_commit_) {
    if (time_is_up) Release();  // the group did not answer
    return;
  }
  if (!final_snapshot_ && saving_ == 0) {
    if (applied_ > snapshot_at_ && !foreign_ && parts_.snapshots->keeps() && !time_is_up) {
      BeginSnapshot(now);
    } else {
      final_snapshot_ = true;
    }
  }
  const bool rows_wait = cursor_.acked() < cursor_.next() && !rows_stopped_ && sink_open_ && !cursor_.fenced();
  if ((rows_wait || !final_snapshot_ || commit_in_flight_ != 0) && !time_is_up) return;
  AbortSnapshot();
  if (commit_in_flight_ != 0 || foreign_ || !started_) {
    Release();
    return;
  }
  final_commit_ = true;
  CommitIfDue(now, /*final=*/true);
  if (commit_in_flight_ == 0) Release();
}

void Delivery::OnLost() { Release(); }

void Delivery::Release() {
  if (released_) return;
  released_ = true;
  AbortSnapshot();
  if (parts_.sink != nullptr) parts_.sink->Close(assignment_.partition, assignment_.tenure);
  parts_.log->Release(assignment_.partition, assignment_.tenure);
}

}  // namespace runledger::ingest
