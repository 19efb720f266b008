#include "ingest/delivery.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ingest/stream_rows.h"

namespace runledger::ingest {
namespace {

constexpr int64_t kOpenRetryMaxUs = 30'000'000;

}  // namespace

Delivery::Delivery(const DeliveryOptions& options, Parts parts, Assignment assignment)
    : options_(options),
      parts_(std::move(parts)),
      assignment_(std::move(assignment)),
      rules_(codecs::RulesNumber(options.limits, options.framing)),
      home_(options.partitioner, options.keyed_by_job, assignment_.metadata.partitions),
      decoder_(options.limits, options.framing, /*check_columns=*/parts_.sink != nullptr),
      cursor_(options.rows, assignment_.partition, assignment_.tenure, assignment_.metadata.log_epoch, parts_.encoder,
              parts_.log, parts_.sink),
      watermark_(options.contact_timeout_us, options.log_clock ? Watermark::kNoStep : options.clock_step_us),
      shard_(parts_.make_shard()),
      metadata_(assignment_.metadata) {
  if (!assignment_.committed) {
    metadata_.rules = rules_;
    metadata_.unopened = parts_.sink != nullptr;
  }
  home_.Grow(assignment_.partition_count);
  WatchForNewJobs();
}

Delivery::~Delivery() { LeaveShard(); }

// Readers may keep it for longer than this is there for it to ask.
void Delivery::LeaveShard() {
  shard_->OnNewJob(nullptr);
  shard_->SetMoved(nullptr);
  shard_->DropWorkflowHome();
}

void Delivery::WatchForNewJobs() {
  const int32_t here = assignment_.partition.partition;
  shard_->OnNewJob([this, here](std::string_view job) {
    // A producer that does not know of new partitions yet is none of a wrong partitioner.
    if (!home_.IsHome(job, here) && !home_.HasMovedFrom(job, here)) ++counts_.violations;
  });
  JudgeByHome();
}

void Delivery::JudgeByHome() {
  shard_->SetWorkflowHome(
      [this](std::string_view name) { return home_.IsHomeForCertain(name, assignment_.partition.partition); },
      options_.configured_workflows);
  if (home_.partitions().size() < 2) return;  // nothing can have moved
  shard_->SetMoved([this](std::string_view job) { return home_.HasMovedFrom(job, assignment_.partition.partition); });
}

void Delivery::OnPartitions(int32_t count) {
  if (released_ || !home_.Grow(count)) return;
  JudgeByHome();
  growth_due_ = true;  // a successor has to know
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
  started_ = true;
  const bool first_owner = !assignment_.committed;
  const CommitMetadata& left = assignment_.metadata;
  Position committed = assignment_.committed.value_or(Position{std::max<int64_t>(log_start_, 0), 0});
  const bool restored = snapshot_at_ > Position{};
  if (restored) {
    applied_ = snapshot_at_;
    // Another instance may have shown others since, after a loss: these do not go on where those stand.
    state_lost_ = left.counters != 0 && restored_counters_ != left.counters;
    if (left.counters == 0) metadata_.counters = std::max<int64_t>(restored_counters_, 0);
  } else {
    // At the floor that the predecessor left, else where counting began, else at the log's start.
    const int64_t counted_from = assignment_.metadata.counted_from;
    applied_ = {std::max<int64_t>({assignment_.metadata.replay_floor, counted_from, log_start_, 0}), 0};
    if (first_owner && assignment_.group_is_new && options_.start_at_end && log_end_ >= 0)
      committed = applied_ = {log_end_, 0};
    const bool begins_there = left.counters == 0 || counted_from >= 0;  // the first metadata did not name counters
    state_lost_ = !first_owner && (!begins_there || applied_.offset > std::max<int64_t>(counted_from, 0));
    if (applied_.offset == 0) shard_->SetWholeLog();
    if (first_owner) {
      metadata_.counted_from = applied_.offset;
      metadata_.counters = now.wall_us;
    }
    snapshot_at_ = applied_;
  }
  next_snapshot_us_ = now.mono_us + options_.snapshot_interval_us;
  commit_at_us_ = now.mono_us + kOpenRetryUs;  // the warehouse may answer before, and then one commit says all
  if (state_lost_) metadata_.counters = now.wall_us;
  claim_due_ = first_owner || state_lost_ || left.applied_at_revocation >= 0;
  if (first_owner && !restored) {
    show_at_ = applied_.offset;
  } else if (assignment_.metadata.applied_at_revocation >= 0) {
    const int64_t applied = assignment_.metadata.applied_at_revocation;
    show_at_ = log_end_ >= 0 ? std::min(applied, log_end_) : applied;
  } else if (log_end_ >= 0) {
    show_at_ = log_end_;
  }
  if (!first_owner && committed.index == 0) {
    StartRows({committed, left.before_time_ms, left.before_hash});
    expected_.Add(committed_.before);
  } else {
    StartRows({committed, -1, ""});
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
  if (!first_owner && log_start_ >= 0 && committed.offset < log_start_) {
    StopRows(absl::StrCat(
        "committed offset ", committed.offset, " is not in the log any more: it begins at ", log_start_, ", so ",
        log_start_ - committed.offset,
        " records were deleted before their rows were written. Rows of this partition stop, its gauges go on. Raise "
        "retention.ms or retention.bytes of the topic above the longest outage"));
  } else if (!first_owner && log_end_ >= 0 && committed.offset > log_end_) {
    StopRows(absl::StrCat("committed offset ", committed.offset, " lies behind the end of the log, ", log_end_,
                          ": the log lost records, or the topic was deleted and made again. Rows of this partition "
                          "stop, its gauges go on"));
  }
  reading_ = true;
  const bool known = applied_.offset > 0 || log_start_ >= 0;
  StartReading(Reader::kFold, applied_.offset,
               known ? expected_.BeginFor(applied_.offset, log_start_) : kafka::kOffsetBeginning);
  OpenSink();
  Settle(now);
}

// The state is of no use any more: it would go on as if the records that are gone had never been. What the log still
// has is folded, and it is said that counters begin again.
void Delivery::StartFoldAnew(const Moment& now) {
  fold_overtaken_ = false;
  AbortSnapshot();
  ReplaceShard();
  applied_ = snapshot_at_ = {log_start_, 0};
  fold_before_ = {};
  fold_from_ = -1;
  milestones_.clear();
  state_lost_ = claim_due_ = true;
  commit_at_us_ = now.mono_us;
  metadata_.counters = now.wall_us;
  shown_ = false;
  show_at_ = log_end_ >= 0 ? std::optional(log_end_) : std::nullopt;
  rows_attached_ = rows_attached_ && cursor_.next() >= applied_;
  reading_ = true;
  StartReading(Reader::kFold, applied_.offset, applied_.offset);
}

void Delivery::OnPolicies(std::shared_ptr<const aggregators::JobPolicies> policies,
                          std::shared_ptr<const aggregators::WorkflowPolicies> workflows) {
  shard_->SetPolicies(std::move(policies));
  shard_->SetWorkflowPolicies(std::move(workflows));
}

// What was folded so far is dropped.
void Delivery::ReplaceShard() {
  LeaveShard();
  shard_ = parts_.make_shard();
  WatchForNewJobs();
  parts_.listener->OnShardReplaced(assignment_.partition, shard_);
}

// Rows begin at a position of which this is known.
void Delivery::StartRows(RecordBefore committed) {
  committed_ = opened_at_ = {std::move(committed), 0};
  committable_.Clear();
  committable_.Note(committed_);
  cursor_.Start(committed_.position());
  rows_attached_ = committed_.position() >= applied_;
}

void Delivery::OpenSink() {
  if (rows_stopped_) return;
  if (parts_.sink == nullptr) {
    sink_open_ = true;  // dead letters only, and the commit before them
    metadata_.rules = rules_;
    commit_at_us_ = 0;
    return;
  }
  sink_opening_ = true;
  CountStreamBase();
  AdvanceStream(committed_.good_events - opened_at_.good_events, &metadata_);
  opened_at_ = committed_;
  CommitMetadata known = metadata_;
  // Another rules number: what its owner counted is not what this one would.
  if (!known.stream.empty() && known.rules != rules_) known.stream_base = kNotCounted;
  parts_.sink->Open(assignment_.partition, assignment_.tenure, committed_.position(), known);
}

void Delivery::OnSinkOpened(const SinkOpened& opened, const Moment& now) {
  if (released_ || !sink_opening_) return;
  sink_opening_ = false;
  if (absl::IsUnavailable(opened.status)) {
    SetProblem(Trouble::kWarehouse, std::string(opened.status.message()));
    open_again_at_us_ = now.mono_us + std::min(kOpenRetryMaxUs, kOpenRetryUs << std::min(open_failures_++, 10));
    Settle(now);
    return;
  }
  if (!opened.status.ok()) {
    StopRows(std::string(opened.status.message()));
    return;
  }
  open_failures_ = 0;
  SetProblem(Trouble::kWarehouse, "");
  metadata_.stream = opened.metadata.stream;
  metadata_.stream_base = opened.metadata.stream_base;
  metadata_.stream_next_row = opened.metadata.stream_next_row;
  metadata_.rules = rules_;  // rows are counted by them from here on
  sink_open_ = true;
  first_commit_done_ = false;
  commit_at_us_ = 0;  // rows wait for it
  const bool asked_before = std::exchange(asked_, true) || (assignment_.committed && !assignment_.metadata.unopened);
  counting_base_ = false;
  if (!asked_before && opened.position && *opened.position > committed_.position()) {
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
  metadata_.unopened = false;
  if (asked_before && !opened.knew_partition && committed_.position() > Position{})
    parts_.listener->OnWarehouseBegunAnew(assignment_.partition, committed_.position());
  if (opened.position && *opened.position < committed_.position()) {
    // The warehouse is behind what was committed (an older copy of it was put back): its rows are read again.
    if (log_start_ >= 0 && opened.position->offset < log_start_) {
      StopRows(absl::StrCat("the warehouse ends at offset ", opened.position->offset, " but the log begins at ",
                            log_start_,
                            ": the rows between them are in neither. Rows of this partition stop, its gauges go on"));
      return;
    }
    StartRows({*opened.position, -1, ""});
    if (rows_reading_) parts_.log->StopReading(assignment_.partition, assignment_.tenure, Reader::kRows);
    rows_reading_ = false;
  }
  cursor_.Opened(opened.position, opened_at_.good_events + opened.rows_to_skip);
  counting_base_ = metadata_.stream_base < 0;
  Settle(now);
}

void Delivery::OnLogEnd(int64_t start, int64_t end, const Moment& asked, std::optional<int64_t> time_us,
                        const Moment& now) {
  if (released_) return;
  if (start >= 0) log_start_ = start;
  if (start > applied_.offset && fold_overtaken_ && !revoking_) StartFoldAnew(now);
  if (reading_) watermark_.OnApplied(Passed(), -1, now);  // nothing may have come yet: the partition may be empty
  if (end >= 0) {
    log_end_ = std::max(log_end_, end);
    if (!shown_ && !show_at_) show_at_ = end;
    watermark_.OnEnd(end, asked, time_us);
    // An older question is kept for a while: a fold that always lags a little passes its end sooner or later.
    if (!asked_end_ || asked.mono_us - asked_end_->mono_us > options_.clock_step_us / 2)
      asked_end_ = AskedEnd{end, asked.mono_us};
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
  if (OnOwnProduced(message, status, now)) return;
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
  if (const bool open = !cursor_.stopped().ok() || open_failures_ > 0; open != circuit_open_) {
    circuit_open_ = open;
    parts_.listener->OnCircuit(assignment_.partition, open);
  }
  Publish(now);
}

void Delivery::Publish(const Moment& now) {
  const bool was_shown = shown_;
  const bool known_again = fold_from_ < 0 || !expected_.Waits(fold_from_);
  // Not once it is being given up: what its last commit says of how far it was shown may be on its way already.
  if (!shown_ && !revoking_ && !claim_due_ && !foreign_ && known_again && show_at_ && Passed() >= *show_at_) {
    shown_ = true;
    if (state_lost_) {
      shard_->LoseCounters();
      state_lost_ = false;
      metadata_.counted_from = -1;  // whoever has to do without a snapshot loses them again
      parts_.listener->OnStateLost(assignment_.partition);
    }
  }
  if (shown_ == was_shown && now.mono_us - published_mono_us_ < options_.publish_interval_us) return;
  shard_->AdvanceWatermark(watermark_.time_us());
  aggregators::ShardPositions positions;
  if (started_) {  // before it they are nowhere, and not at 0
    positions.applied_offset = applied_.offset;
    positions.acked_offset = cursor_.acked().offset;
  }
  positions.log_start_offset = log_start_;
  positions.log_end_offset = log_end_;
  positions.snapshot_time_us = snapshot_time_us_;
  positions.snapshot_bytes = snapshot_bytes_;
  positions.caught_up = watermark_.CaughtUp(now.mono_us);
  positions.shown = shown_;
  positions.restore_remaining = shown_ || !show_at_ ? 0 : std::max<int64_t>(*show_at_ - Passed(), 0);
  if (shard_->Publish(positions)) published_mono_us_ = now.mono_us;
  WriteOwnEvents(now);
}

Delivery::Counts Delivery::TakeCounts() {
  Counts counts = std::exchange(counts_, Counts{});
  counts.rows = cursor_.TakeCounts();
  return counts;
}

}  // namespace runledger::ingest
