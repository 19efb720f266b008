#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "aggregators/shard.h"
#include "codecs/record_decoder.h"
#include "codecs/row.h"
#include "ingest/anchored_clock.h"
#include "ingest/job_home.h"
#include "ingest/log.h"
#include "ingest/log_identity.h"
#include "ingest/own_events.h"
#include "ingest/row_cursor.h"
#include "ingest/row_sink.h"
#include "ingest/snapshot_store.h"
#include "ingest/watermark.h"

namespace runledger::ingest {

struct DeliveryOptions {
  codecs::Limits limits;
  codecs::Framing framing = codecs::Framing::kAuto;
  bool start_at_end = false;                // log.start: latest. Only where nothing was committed before
  bool log_clock = false;                   // log.clock: log. Log time stands for the time of day
  int64_t contact_timeout_us = 30'000'000;  // log.contact_timeout
  int64_t clock_step_us = 60'000'000;       // log.clock_step
  int64_t commit_interval_us = 5'000'000;
  int64_t snapshot_interval_us = 60'000'000;  // state.snapshot_interval; 0: none but the last
  int64_t snapshot_records = 2'000'000;       // state.snapshot_records: a snapshot after so many records, if sooner
  int64_t replay_cap_us =
      int64_t{24} * 3'600 * 1'000'000;    // state.replay_cap: log time that is folded again without a snapshot
  int64_t publish_interval_us = 100'000;  // how old at most what readers see is
  bool keyed_by_job = true;               // log.topics[].key
  kafka::Partitioner partitioner = kafka::Partitioner::kMurmur2;  // log.topics[].partitioner: where a job's home is
  bool own = false;                   // log.topics[].own: verdicts and expected runs are written into the topic
  bool configured_workflows = false;  // workflows that only the configuration names are missed in this topic
  std::string advertise;              // http.advertise
  RowOptions rows;
};

// What delivery tells the outside beside its requests. Called on the delivery's thread; must not block.
class DeliveryListener {
 public:
  virtual ~DeliveryListener() = default;
  // Something that an operator should read about this partition; empty: it is well again.
  virtual void OnProblem(const TopicPartition& partition, const std::string& text) = 0;
  // The state was begun anew, in another shard: a snapshot could not be taken over.
  virtual void OnShardReplaced(const TopicPartition& partition, std::shared_ptr<aggregators::Shard> shard) = 0;
  // Counters begin again: nothing is left of what they counted.
  virtual void OnStateLost(const TopicPartition& partition) = 0;
  // When the partition's leader stamped a record that was certainly new; at most one for each OnLogEnd.
  virtual void OnBrokerTime(const TopicPartition&, const BrokerTime&) {}
  // The group has committed rows up to `committed`, and the warehouse has never had any of this partition: they are in
  // another one, or lost.
  virtual void OnWarehouseBegunAnew(const TopicPartition&, const Position& /*committed*/) {}
  // The warehouse takes no rows of this partition (`open`), or takes them again.
  virtual void OnCircuit(const TopicPartition&, bool /*open*/) {}
};

// Delivery of one partition: folds its log into the shard, hands rows to the warehouse and dead letters to the log, and
// commits what is safe. A state machine: it owns no thread, never blocks and asks nobody for the time. Records,
// answers, assignments and time come in through the On... functions; what it wants done goes out through Log, RowSink
// and SnapshotStore, whose answers come back in. The same sequence of inputs gives the same sequence of requests.
//
//   OnAssigned -> Load snapshot -> Open warehouse, StartReading -> Commit C with metadata -> rows may be submitted
// Two cursors over one log: the fold, and the rows. One reader serves both while the rows keep up. When they hold as
// much as they may (a slow or absent warehouse), they let go of it: the fold goes on, and the rows are read a second
// time, from where they stopped, by a reader of their own, until they have caught up.
//
//   OnRevoke   -> no new records, wait for answers until the deadline -> Commit -> Close, Release
//   OnLost     -> Close, Release
//
// One thread, the shard's writer.
class Delivery : private codecs::EventVisitor {
 public:
  struct Parts {
    Log* log = nullptr;
    RowSink* sink = nullptr;  // nullptr: no warehouse
    SnapshotStore* snapshots = nullptr;
    const codecs::RowEncoder* encoder = nullptr;
    DeliveryListener* listener = nullptr;
    std::function<std::shared_ptr<aggregators::Shard>()> make_shard;
  };

  Delivery(const DeliveryOptions& options, Parts parts, Assignment assignment);
  ~Delivery() override;

  void OnAssigned(const Moment& now);
  // Records in log order; those that are known already are passed over.
  void OnRecords(Reader reader, std::span<const Record> records, const Moment& now);
  // The reader reached the end of the log: there is no record between those it gave and `offset`.
  void OnReadToEnd(Reader reader, int64_t offset, const Moment& now);
  // The reader stopped: OutOfRange: the log does not have its position any more.
  void OnReadError(Reader reader, const absl::Status& status, const Moment& now);
  // Start and end of the log, as the leader named them when it was asked. `time_us`: see Watermark::OnEnd.
  void OnLogEnd(int64_t start, int64_t end, const Moment& asked, std::optional<int64_t> time_us, const Moment& now);
  // How many partitions the topic has, asked for before the end of the log was.
  void OnPartitions(int32_t count);
  // Other settings of jobs and workflows, from now on; make_shard makes shards that have them already.
  void OnPolicies(std::shared_ptr<const aggregators::JobPolicies> policies,
                  std::shared_ptr<const aggregators::WorkflowPolicies> workflows);
  void OnTime(const Moment& now);
  void OnRevoke(const Moment& now, int64_t deadline_mono_us);
  void OnLost();

  void OnSnapshotLoaded(absl::StatusOr<Snapshot> snapshot, const Moment& now);
  void OnSnapshotSaved(uint64_t save, const absl::StatusOr<SavedSnapshot>& saved, const Moment& now);
  void OnSinkOpened(const SinkOpened& opened, const Moment& now);
  void OnSubmitted(uint64_t submission, const SubmitResult& result, const Moment& now);
  void OnCommitted(uint64_t commit, const absl::Status& status, const Moment& now);
  void OnProduced(uint64_t message, const absl::Status& status, const Moment& now);

  // Goes on with work that is done in pieces, a fraction of a millisecond each time. True if there is more of it.
  bool Continue(const Moment& now);

  // False while the reader's records must wait: too much is held, or the partition is going.
  bool Wants(Reader reader) const;

  const TopicPartition& partition() const { return assignment_.partition; }
  Tenure tenure() const { return assignment_.tenure; }
  Position applied() const { return applied_; }
  Position acked() const { return cursor_.acked(); }
  bool released() const { return released_; }
  const aggregators::Shard& shard() const { return *shard_; }
  std::shared_ptr<aggregators::Shard> shared_shard() const { return shard_; }
  size_t held_bytes() const { return cursor_.held_bytes(); }

  // What happened since the last call, for metrics.
  struct Counts {
    // By framing (protobuf, batch, json) and body.
    std::array<std::array<uint64_t, codecs::kAllBodies.size()>, 4> events{};
    std::array<uint64_t, std::size(codecs::kAllCategories)> rejected{};
    uint64_t violations = 0;  // jobs seen first in a partition that is not their home
    RowCursor::Counts rows;
  };
  Counts TakeCounts();

 private:
  static constexpr int64_t kOpenRetryUs = 500'000;  // first pause after the warehouse or the group did not answer

  void OnEvent(int32_t index, const codecs::Event& event) override;
  void OnAhead(std::span<const codecs::Event* const> events) override;
  void OnRejected(int32_t index, const codecs::Rejection& rejection, std::string_view bytes, bool whole) override;

  bool TakeRecords(Reader reader, std::span<const Record> records, const Moment& now, int64_t* append_time_us);
  void StartFold(const Moment& now);
  void StartFoldAnew(const Moment& now);
  // The reader gets to what is `wanted` after it has begun at `from`: there, or at the record before.
  void StartReading(Reader reader, int64_t wanted, int64_t from);
  void ReplaceShard();
  void LeaveShard();
  void WatchForNewJobs();
  void StartRows(RecordBefore committed);
  void JudgeByHome();
  void WriteOwnEvents(const Moment& now);
  void WriteOwn(uint64_t message, const std::string& subject, std::string value, bool batch);
  // False: it is no event of ours.
  bool OnOwnProduced(uint64_t message, const absl::Status& status, const Moment& now);
  void OpenSink();
  void StopRows(std::string problem);
  // The log is not the one that the positions are of.
  void StopForeign(const std::string& difference);
  // What may be wrong with a partition, the gravest first: the first that is not well is told.
  enum class Trouble { kRowsStopped, kWarehouse, kLetters, kExpectedRuns, kVerdicts, kReading };
  void SetProblem(Trouble trouble, std::string text);  // empty: well again
  void AttachOrDetachRows();
  bool SnapshotDue(const Moment& now) const;
  void BeginSnapshot(const Moment& now);
  void AbortSnapshot();
  void NoteProgress(int64_t began);
  void TellBrokerTime(const Record& newest, const Moment& now);
  void CommitIfDue(const Moment& now, bool final);
  CommitMetadata MetadataFor(const Committable& committed) const;
  // The warehouse told a position and no number: it is counted as soon as the rows have passed that position.
  void CountStreamBase();
  void Settle(const Moment& now);  // after any input: sends what is due, commits, publishes
  void Publish(const Moment& now);
  void TryRelease(const Moment& now);
  void Release();

  const DeliveryOptions options_;
  const Parts parts_;
  const Assignment assignment_;
  const uint32_t rules_;

  JobHome home_;
  codecs::RecordDecoder decoder_;
  RowCursor cursor_;
  Watermark watermark_;
  int64_t passed_ = 0;  // the reader was at this offset: below it are no more records
  int64_t Passed() const { return std::max(passed_, applied_.offset); }

  // The fold.
  std::shared_ptr<aggregators::Shard> shard_;
  Position applied_;      // its next record
  bool started_ = false;  // it is known where the fold and the rows go on
  bool reading_ = false;
  bool looking_ahead_ = false;  // what is decoded ahead will be folded
  bool folding_ = false;        // the record being decoded is news to the fold
  bool making_rows_ = false;    // and to the row cursor
  bool rows_attached_ = true;   // rows are made from what the fold's reader brings
  bool rows_reading_ = false;   // they have a reader of their own
  int64_t log_start_ = kafka::kOffsetUnknown;
  int64_t log_end_ = kafka::kOffsetUnknown;
  // The end named last and when it was asked for: what is read from there on was appended later.
  struct AskedEnd {
    int64_t offset;
    int64_t mono_us;
  };
  std::optional<AskedEnd> asked_end_;  // nothing: a broker's time was told since
  // Series are shown once the fold passes this; nothing: not known yet.
  std::optional<int64_t> show_at_;
  bool shown_ = false;
  int64_t published_mono_us_ = INT64_MIN / 2;

  // Snapshots.
  int64_t snapshot_time_us_ = aggregators::kNever;  // time of day at which the newest one was durable
  int64_t snapshot_bytes_ = -1;
  Position snapshot_at_;  // of the newest one, or where the fold began
  int64_t next_snapshot_us_ = 0;
  int64_t no_snapshot_before_us_ = 0;  // after one that failed
  uint64_t saving_ = 0;                // the one being written; 0: none
  bool saving_finished_ = false;       // handed over whole, not answered yet
  Position saving_at_;
  uint64_t next_save_ = 1;
  bool final_snapshot_ = false;    // the last one is done with, one way or the other
  bool pointer_due_ = false;       // the newest one's pointer is not committed yet
  bool state_lost_ = false;        // counters are to begin anew when they are shown
  int64_t restored_counters_ = 0;  // which ones the snapshot holds
  // Every now and then: log time, and an offset before which nothing is newer. For the floor of a replay.
  struct Milestone {
    int64_t log_time_us;
    int64_t offset;
  };
  std::deque<Milestone> milestones_;

  // The warehouse.
  bool rows_stopped_ = false;  // for good: an operator has to act
  bool sink_open_ = false;
  bool sink_opening_ = false;
  bool asked_ = false;          // this owner has been told how far the warehouse is
  bool counting_base_ = false;  // it told a position, and what is before that is not counted yet
  int64_t open_again_at_us_ = 0;
  int open_failures_ = 0;
  bool first_commit_done_ = false;  // the one that must come before the first row

  // Commits.
  Committable committed_;
  Committable opened_at_;          // committed when the warehouse was opened: its stream is counted from there
  CommitMetadata metadata_;        // as of then
  uint64_t commit_in_flight_ = 0;  // 0: none
  Committable committing_;
  std::string committing_pointer_;  // the snapshot's, as the commit in flight carries it
  bool growth_due_ = false;         // the topic has more partitions than the last commit says
  bool committing_growth_ = false;  // the commit in flight says it
  uint64_t next_commit_ = 1;
  int64_t commit_at_us_ = 0;
  bool committing_rows_ = false;  // the one in flight is of acked rows, not only a claim
  // The group has to know that this owner shows the partition before it does: the next one relies on what the commit
  // says of how far it was shown.
  bool claim_due_ = false;
  int64_t ask_fence_at_us_ = 0;
  bool checking_fence_ = false;  // the commit in flight tells whether a fenced owner is still one

  // Whether this is the log that the positions are of.
  ExpectedRecords expected_;            // of what predecessors left, not compared yet
  std::array<bool, 2> begins_early_{};  // by Reader: with the record that is to be compared, and it has not come yet
  CommittablePositions committable_;    // of what a successor will get
  RecordBefore fold_before_;            // of the fold's position
  int64_t fold_from_ = -1;              // where the fold went on from a snapshot; -1: it did not
  // Retention has deleted records that the fold had not read. It begins anew as soon as the log's start is known.
  bool fold_overtaken_ = false;
  bool foreign_ = false;  // it is another log: nothing of it is read until an operator has decided

  // On their way into the log: verdicts by subject and tick, expected runs by workflow and day. No dead letter's number
  // has their marks.
  OwnEvents verdicts_{uint64_t{1} << 63};
  OwnEvents made_days_{uint64_t{1} << 62};

  // Going.
  bool revoking_ = false;
  int64_t revoke_deadline_us_ = 0;
  bool final_commit_ = false;
  bool released_ = false;

  std::array<std::string, 6> troubles_;  // by Trouble; empty: none
  std::string problem_;                  // as it was told last
  bool circuit_open_ = false;            // likewise
  Counts counts_;
};

}  // namespace runledger::ingest
