#include "ingest/delivery.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace runledger::ingest {
namespace {

constexpr int64_t kOpenRetryUs = 500'000;
constexpr int64_t kOpenRetryMaxUs = 30'000'000;

}  // namespace

Delivery::Delivery(const DeliveryOptions& options, Parts parts, Assignment assignment)
    : options_(options),
      parts_(std::move(parts)),
      assignment_(std::move(assignment)),
      rules_(codecs::RulesNumber(options.limits, options.framing)),
      decoder_(options.limits, options.framing),
      cursor_(options.rows, assignment_.partition, assignment_.tenure, assignment_.metadata.log_epoch, parts_.encoder,
              parts_.log, parts_.sink),
      watermark_(options.contact_timeout_us),
      shard_(parts_.make_shard()),
      metadata_(assignment_.metadata) {
  WatchForNewJobs();
}

Delivery::~Delivery() { shard_->OnNewJob(nullptr); }

void Delivery::WatchForNewJobs() {
  const int32_t partitions = assignment_.partition_count;
  if (options_.partitioner == kafka::Partitioner::kNone || !options_.keyed_by_job || partitions <= 0) return;
  shard_->OnNewJob([this, partitions](std::string_view job) {
    if (kafka::PartitionFor(options_.partitioner, job, partitions) != assignment_.partition.partition)
      ++counts_.violations;
  });
}

void Delivery::SetProblem(Trouble trouble, std::string text) {
  std::string& told = troubles_[static_cast<size_t>(trouble)];
  if (told == text) return;
  told = std::move(text);
  const auto first = std::find_if(troubles_.begin(), troubles_.end(), [](const auto& each) { return !each.empty(); });
  const std::string& problem = first != troubles_.end() ? *first : std::string();
  if (problem == problem_) return;
  problem_ = problem;
  parts_.listener->OnProblem(assignment_.partition, problem_);
}

// Rows and dead letters of this partition end here, until somebody has decided; the state goes on.
void Delivery::StopRows(std::string problem) {
  rows_stopped_ = true;
  cursor_.Disallow();
  SetProblem(Trouble::kRowsStopped, std::move(problem));
}

void Delivery::StopForeign(const std::string& difference) {
  if (rows_reading_) parts_.log->StopReading(assignment_.partition, assignment_.tenure, Reader::kRows);
  foreign_ = true;
  reading_ = rows_reading_ = false;
  StopRows(absl::StrCat("this is not the log that was read before: ", difference,
                        ". The topic was deleted and made again, or the brokers lost records. Nothing of it is read. "
                        "`runledger log accept "
                        "--topic ",
                        assignment_.partition.topic, " --partition ", assignment_.partition.partition,
                        "` takes it as a new log, once the instances of the group are stopped"));
}

void Delivery::OnAssigned(const Moment&) {
  log_start_ = assignment_.log_start;
  log_end_ = assignment_.log_end;
  parts_.snapshots->Load(assignment_.partition, assignment_.tenure, assignment_.cluster_id,
                         assignment_.metadata.log_epoch, assignment_.metadata.snapshot, Position{INT64_MAX, 0});
}

// Where the rows go on, where the fold begins, and from where on series may be shown.
void Delivery::StartFold(const Moment& now) {
  const bool first_owner = !assignment_.committed;
  committed_ = assignment_.committed.value_or(Position{std::max<int64_t>(log_start_, 0), 0});
  const bool restored = snapshot_at_ > Position{};
  if (restored) {
    applied_ = snapshot_at_;
  } else {
    // At the floor that the predecessor left, else where counting began, else at the log's start.
    const int64_t counted_from = assignment_.metadata.counted_from;
    applied_ = {std::max<int64_t>({assignment_.metadata.replay_floor, counted_from, log_start_, 0}), 0};
    if (first_owner && options_.start_at_end && log_end_ >= 0) committed_ = applied_ = {log_end_, 0};
    state_lost_ = !first_owner && applied_.offset > std::max<int64_t>(counted_from, 0);
    if (counted_from < 0 || state_lost_) metadata_.counted_from = applied_.offset;
    snapshot_at_ = applied_;
  }
  next_snapshot_us_ = now.mono_us + options_.snapshot_interval_us;
  if (first_owner && !restored) {
    shown_ = true;
  } else if (assignment_.metadata.applied_at_revocation >= 0) {
    const int64_t applied = assignment_.metadata.applied_at_revocation;
    show_at_ = log_end_ >= 0 ? std::min(applied, log_end_) : applied;
  } else if (log_end_ >= 0) {
    show_at_ = log_end_;
  }
  cursor_.Start(committed_);
  const CommitMetadata& left = assignment_.metadata;
  if (!first_owner && committed_.index == 0) {
    const RecordBefore before{committed_, left.before_time_ms, left.before_hash};
    expected_.Add(before);
    if (!before.hash.empty()) committable_.Note(before);
  }
  if (restored && log_start_ >= 0 && applied_.offset - 1 >= log_start_) {
    expected_.Add(fold_before_);
    fold_from_ = applied_.offset;
  }
  if (!first_owner && !left.cluster_id.empty() && !assignment_.cluster_id.empty() &&
      left.cluster_id != assignment_.cluster_id) {
    StopForeign(absl::StrCat("the committed offset is of cluster ", left.cluster_id, ", and this is cluster ",
                             assignment_.cluster_id));
    Settle(now);
    return;
  }
  if (!first_owner && log_start_ >= 0 && committed_.offset < log_start_) {
    StopRows(absl::StrCat(
        "committed offset ", committed_.offset, " is not in the log any more: it begins at ", log_start_, ", so ",
        log_start_ - committed_.offset,
        " records were deleted before their rows were written. Rows of this partition stop, its gauges go on. Raise "
        "retention.ms or retention.bytes of the topic above the longest outage"));
  } else if (!first_owner && log_end_ >= 0 && committed_.offset > log_end_) {
    StopRows(absl::StrCat("committed offset ", committed_.offset, " lies behind the end of the log, ", log_end_,
                          ": the log lost records, or the topic was deleted and made again. Rows of this partition "
                          "stop, its gauges go on"));
  }
  reading_ = true;
  rows_attached_ = committed_ >= applied_;
  const bool known = applied_.offset > 0 || log_start_ >= 0;
  parts_.log->StartReading(assignment_.partition, assignment_.tenure, Reader::kFold,
                           known ? expected_.BeginFor(applied_.offset, log_start_) : kafka::kOffsetBeginning);
  OpenSink();
  Settle(now);
}

void Delivery::OpenSink() {
  if (rows_stopped_) return;
  if (parts_.sink == nullptr) {
    sink_open_ = true;  // dead letters only, and the commit before them
    return;
  }
  sink_opening_ = true;
  parts_.sink->Open(assignment_.partition, assignment_.tenure, committed_, metadata_);
}

void Delivery::OnSinkOpened(const SinkOpened& opened, const Moment& now) {
  if (released_ || !sink_opening_) return;
  sink_opening_ = false;
  if (absl::IsUnavailable(opened.status)) {
    SetProblem(Trouble::kWarehouse, std::string(opened.status.message()));
    open_again_at_us_ = now.mono_us + std::min(kOpenRetryMaxUs, kOpenRetryUs << std::min(open_failures_++, 10));
    return;
  }
  if (!opened.status.ok()) {
    StopRows(std::string(opened.status.message()));
    return;
  }
  open_failures_ = 0;
  SetProblem(Trouble::kWarehouse, "");
  CommitMetadata ours = metadata_;
  metadata_ = opened.metadata;
  metadata_.counted_from = ours.counted_from;
  metadata_.replay_floor = ours.replay_floor;
  metadata_.snapshot = std::move(ours.snapshot);
  sink_open_ = true;
  first_commit_done_ = false;
  commit_at_us_ = 0;  // rows wait for it
  if (!assignment_.committed && opened.position && *opened.position > committed_) {
    StopRows(absl::StrCat("nothing is committed for this partition, but the warehouse has its rows up to offset ",
                          ToString(*opened.position),
                          ": the topic was deleted and made again, or the group's offsets expired, or the group is a "
                          "new one. Rows of this "
                          "partition stop, its gauges go on. `runledger log accept --topic ",
                          assignment_.partition.topic, " --partition ", assignment_.partition.partition,
                          "` takes the log as a new one; with `--from ", opened.position->offset,
                          "` rows go on where the warehouse ends. Stop the instances of the group first"));
    return;
  }
  if (opened.position && *opened.position < committed_) {
    // The warehouse is behind what was committed (an older copy of it was put back): its rows are read again.
    if (log_start_ >= 0 && opened.position->offset < log_start_) {
      StopRows(absl::StrCat("the warehouse ends at offset ", opened.position->offset, " but the log begins at ",
                            log_start_,
                            ": the rows between them are in neither. Rows of this partition stop, its gauges go on"));
      return;
    }
    committed_ = *opened.position;
    cursor_.Start(committed_);
    rows_attached_ = committed_ >= applied_;
    if (rows_reading_) parts_.log->StopReading(assignment_.partition, assignment_.tenure, Reader::kRows);
    rows_reading_ = false;
  }
  cursor_.Opened(opened.position, opened.rows_to_skip);
  Settle(now);
}

bool Delivery::Wants(Reader reader) const {
  if (revoking_ || released_) return false;
  return reader == Reader::kFold ? reading_ : rows_reading_ && !cursor_.full();
}

// The fold never waits for the rows. Rows that hold too much stay behind, and catch up through a reader of their own
// once half of it is gone.
void Delivery::AttachOrDetachRows() {
  if (rows_stopped_ || revoking_) return;
  if (rows_attached_) {
    rows_attached_ = !cursor_.full();
    return;
  }
  if (cursor_.next() >= applied_ && !cursor_.full()) {
    if (rows_reading_) parts_.log->StopReading(assignment_.partition, assignment_.tenure, Reader::kRows);
    rows_attached_ = true;
    rows_reading_ = false;
  } else if (!rows_reading_ && cursor_.held_bytes() <= options_.rows.held_bytes / 2) {
    rows_reading_ = true;
    parts_.log->StartReading(assignment_.partition, assignment_.tenure, Reader::kRows,
                             expected_.BeginFor(cursor_.next().offset, log_start_));
  }
}

void Delivery::OnRecords(Reader reader, std::span<const Record> records, const Moment& now) {
  if (released_ || revoking_) return;
  SetProblem(Trouble::kReading, "");
  int64_t append_time_us = -1;
  const int64_t began = applied_.offset;
  for (const Record& record : records) {
    if (!expected_.empty()) {
      if (const auto difference = expected_.Check(record)) {
        folding_ = making_rows_ = false;
        StopForeign(*difference);
        break;
      }
    }
    folding_ = reader == Reader::kFold && record.offset >= applied_.offset;
    making_rows_ = (reader == Reader::kRows ? rows_reading_ : rows_attached_) && !rows_stopped_ &&
                   record.offset >= cursor_.next().offset;
    if (!folding_ && !making_rows_) continue;

    codecs::FramingHeaders headers;
    for (const kafka::Header& header : record.headers) {
      if (header.name == "content-type") headers.content_type = header.value;
      if (header.name == "content-encoding") headers.content_encoding = header.value;
    }
    if (folding_) shard_->BeginRecord(record.timestamp_us, record.timestamp_kind);
    if (making_rows_) cursor_.BeginRecord(record, now);
    decoder_.Decode(record.value, !record.has_value, headers, record.timestamp_us, this);
    if (folding_) {
      shard_->EndRecord();
      applied_ = {record.offset + 1, 0};
      const bool tells_time = record.timestamp_kind == aggregators::TimestampKind::kAppendTime || options_.log_clock;
      append_time_us = tells_time ? shard_->log_time_us() : -1;
    }
    if (making_rows_) cursor_.EndRecord();
    if (rows_attached_ && cursor_.full()) rows_attached_ = false;
  }
  folding_ = making_rows_ = false;
  if (!records.empty() && !foreign_) {
    const RecordBefore last = RecordBefore::Of(records.back());
    if (last.position == cursor_.next()) committable_.Note(last);
    if (reader == Reader::kFold && last.position == applied_) fold_before_ = last;
  }
  watermark_.OnApplied(Passed(), append_time_us);
  NoteProgress(began);
  Settle(now);
}

void Delivery::OnReadToEnd(Reader reader, int64_t offset, const Moment& now) {
  if (released_ || revoking_ || reader != Reader::kFold || !reading_) return;
  passed_ = std::max(passed_, offset);
  expected_.Passed(offset);
  SetProblem(Trouble::kReading, "");
  watermark_.OnApplied(Passed(), -1);
  Settle(now);
}

void Delivery::OnEvent(int32_t index, const codecs::Event& event) {
  if (folding_) {
    ++counts_.events[static_cast<size_t>(decoder_.framing())]
                    [static_cast<size_t>(event.body) - static_cast<size_t>(codecs::Body::kRun)];
    shard_->Apply(event);
  }
  if (making_rows_) cursor_.AddEvent(index, event);
}

void Delivery::OnRejected(int32_t index, const codecs::Rejection& rejection, std::string_view bytes, bool whole) {
  if (folding_) ++counts_.rejected[static_cast<size_t>(rejection.category)];
  if (making_rows_) cursor_.AddRejected(index, rejection, bytes, whole, decoder_.framing() == codecs::Framing::kJson);
}

void Delivery::OnReadError(Reader reader, const absl::Status& status, const Moment& now) {
  if (released_) return;
  const int64_t at = reader == Reader::kFold ? applied_.offset : cursor_.next().offset;
  if (absl::IsOutOfRange(status) && at != log_start_ && expected_.Forget(at)) {
    // The record to be compared went while it was asked for; what follows it may still be there.
    parts_.log->StartReading(assignment_.partition, assignment_.tenure, reader, at);
  } else if (absl::IsOutOfRange(status)) {
    if (reader == Reader::kFold) reading_ = false;
    rows_reading_ = false;
    StopRows(absl::StrCat(
        "reading stopped at offset ", at, ", which is not in the log: it holds ", log_start_, " to ", log_end_,
        ". Records were deleted before they were read, or the topic was deleted and made again. Raise retention.ms or "
        "retention.bytes of the topic above the longest outage"));
  } else {
    SetProblem(Trouble::kReading, std::string(status.message()));
  }
  Settle(now);
}

void Delivery::OnLogEnd(int64_t start, int64_t end, const Moment& asked, int64_t time_us, const Moment& now) {
  if (released_) return;
  if (start >= 0) log_start_ = start;
  if (reading_) watermark_.OnApplied(Passed(), -1);  // nothing may have come yet: the partition may be empty
  if (end >= 0) {
    log_end_ = std::max(log_end_, end);
    if (!shown_ && !show_at_) show_at_ = end;
    watermark_.OnEnd(end, asked, time_us);
  }
  Settle(now);
}

void Delivery::OnTime(const Moment& now) {
  if (released_) return;
  if (parts_.sink != nullptr && reading_ && !rows_stopped_ && !sink_open_ && !sink_opening_ && !revoking_ &&
      now.mono_us >= open_again_at_us_) {
    OpenSink();
  }
  Settle(now);
}

void Delivery::OnSubmitted(uint64_t submission, const SubmitResult& result, const Moment& now) {
  if (released_) return;
  cursor_.OnSubmitted(submission, result, now);
  SetProblem(Trouble::kWarehouse,
             cursor_.stopped().ok() ? "" : "warehouse: " + std::string(cursor_.stopped().message()));
  Settle(now);
}

void Delivery::OnProduced(uint64_t message, const absl::Status& status, const Moment& now) {
  if (released_) return;
  cursor_.OnProduced(message, status, now);
  if (!status.ok()) {
    SetProblem(Trouble::kLetters, absl::StrCat("dead letters: ", std::string(status.message()),
                                               absl::IsNotFound(status) ? "; `runledger setup` makes the topic " : "",
                                               absl::IsNotFound(status) ? options_.rows.dead_letter_topic : ""));
  } else if (!troubles_[static_cast<size_t>(Trouble::kLetters)].empty() && !cursor_.letters_failing()) {
    SetProblem(Trouble::kLetters, "");
  }
  Settle(now);
}

CommitMetadata Delivery::MetadataFor(const RecordBefore& committed) const {
  CommitMetadata metadata = metadata_;
  metadata.index = committed.position.index;
  metadata.cluster_id = assignment_.cluster_id;
  metadata.rules = rules_;
  metadata.advertise = options_.advertise;
  metadata.applied_at_revocation = revoking_ ? applied_.offset : -1;
  // Where this owner's fold began says nothing of what came before, unless that is further back than the cap.
  if (!milestones_.empty() && milestones_.front().log_time_us <= shard_->log_time_us() - options_.replay_cap_us)
    metadata.replay_floor = std::max(metadata.replay_floor, milestones_.front().offset);
  metadata.before_time_ms = committed.time_ms;
  metadata.before_hash = committed.hash;
  return metadata;
}

void Delivery::CommitIfDue(const Moment& now, bool final) {
  if (commit_in_flight_ != 0 || !sink_open_ || rows_stopped_) return;
  const RecordBefore target = committable_.Last(cursor_.acked());
  const Position acked = std::max(target.position, committed_);
  const bool fence = cursor_.fenced();
  const bool due = now.mono_us >= commit_at_us_ && (!first_commit_done_ || acked > committed_ || pointer_due_);
  if (!due && !fence && !final) return;
  checking_fence_ = fence;
  commit_in_flight_ = next_commit_++;
  committing_ = acked;
  committing_pointer_ = pointer_due_;
  committable_.ForgetBefore(acked);
  parts_.log->Commit(assignment_.partition, assignment_.tenure, commit_in_flight_, acked,
                     MetadataFor(target.position == acked ? target : RecordBefore{acked, -1, ""}));
}

void Delivery::OnCommitted(uint64_t commit, const absl::Status& status, const Moment& now) {
  if (released_ || commit != commit_in_flight_) return;
  commit_in_flight_ = 0;
  commit_at_us_ = now.mono_us + options_.commit_interval_us;
  if (status.ok()) {
    committed_ = std::max(committed_, committing_);
    if (committing_pointer_) pointer_due_ = false;
    first_commit_done_ = true;
    if (!rows_stopped_) cursor_.Allow();
    if (checking_fence_) {  // the group still takes our word: the fence was raised by somebody who is gone
      cursor_.ClearFence();
      cursor_.Disallow();
      sink_open_ = false;
      OpenSink();
    }
  } else if (checking_fence_) {
    StopRows(
        absl::StrCat("another instance has opened this partition in the warehouse, and the group refuses our commit (",
                     std::string(status.message()), "): this instance does not own it any more"));
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

void Delivery::Settle(const Moment& now) {
  if (released_) return;
  if (!rows_stopped_) cursor_.Pump(now, /*flush=*/revoking_);
  AttachOrDetachRows();
  if (revoking_) {
    TryRelease(now);
    if (released_) return;
  } else {
    if (SnapshotDue(now)) BeginSnapshot(now);
    CommitIfDue(now, /*final=*/false);
  }
  Publish(now);
}

void Delivery::Publish(const Moment& now) {
  const bool was_shown = shown_;
  const bool known_again = fold_from_ < 0 || !expected_.Waits(fold_from_);
  if (!shown_ && !foreign_ && known_again && show_at_ && Passed() >= *show_at_) {
    shown_ = true;
    if (state_lost_) {
      shard_->LoseCounters();
      parts_.listener->OnStateLost(assignment_.partition);
    }
  }
  if (shown_ == was_shown && now.mono_us - published_mono_us_ < options_.publish_interval_us) return;
  shard_->AdvanceWatermark(watermark_.time_us());
  aggregators::ShardPositions positions;
  positions.applied_offset = applied_.offset;
  positions.acked_offset = cursor_.acked().offset;
  positions.log_start_offset = log_start_;
  positions.log_end_offset = log_end_;
  positions.snapshot_time_us = snapshot_time_us_;
  positions.snapshot_bytes = snapshot_bytes_;
  positions.caught_up = watermark_.CaughtUp(now.mono_us);
  positions.shown = shown_;
  positions.restore_remaining = shown_ || !show_at_ ? 0 : std::max<int64_t>(*show_at_ - Passed(), 0);
  if (shard_->Publish(positions)) published_mono_us_ = now.mono_us;
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
  const bool rows_wait = cursor_.acked() < cursor_.next() && !rows_stopped_ && sink_open_;
  if ((rows_wait || !final_snapshot_ || commit_in_flight_ != 0) && !time_is_up) return;
  if (saving_ != 0 && !saving_finished_) {
    shard_->AbortSnapshot();
    parts_.snapshots->Abort(assignment_.partition, assignment_.tenure, saving_);
  }
  if (commit_in_flight_ != 0 || !sink_open_ || rows_stopped_) {
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
  if (parts_.sink != nullptr) parts_.sink->Close(assignment_.partition, assignment_.tenure);
  parts_.log->Release(assignment_.partition, assignment_.tenure);
}

Delivery::Counts Delivery::TakeCounts() {
  Counts counts = std::exchange(counts_, Counts{});
  counts.rows = cursor_.TakeCounts();
  return counts;
}

}  // namespace runledger::ingest
