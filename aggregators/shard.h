#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "aggregators/day_table.h"
#include "aggregators/deadline_wheel.h"
#include "aggregators/job_facts.h"
#include "aggregators/job_policy.h"
#include "aggregators/job_table.h"
#include "aggregators/log_clock.h"
#include "aggregators/orchestration/workflow_table.h"
#include "aggregators/published.h"
#include "aggregators/run_table.h"
#include "codecs/event.h"

namespace runledger::aggregators {

// Bounds of a shard's state. Section `state` of the configuration, per partition.
struct ShardOptions {
  int64_t horizon_us = 24 * kHourUs;          // state.horizon: closed runs stay, and what is live, in log time
  uint32_t closed_runs = 1'000'000;           // state.closed_runs: at most so many closed ones
  uint32_t open_runs = 2'000'000;             // state.open_runs: at most so many open ones
  int days = 30;                              // state.days: data dates kept
  int64_t forget_job_after_us = 90 * kDayUs;  // state.forget_job_after: log time without event
  int64_t clock_step_us =
      60 * kSecondUs;  // log.clock_step: a jump of a CreateTime stamp that one record alone may make
};

// A run as questions see it.
struct RunInfo {
  std::string job;
  std::string run_id;
  int32_t attempt = 0;
  codecs::Kind kind = codecs::Kind::kProcessor;
  codecs::Status status = codecs::Status::kRunning;
  std::optional<int64_t> started_at_us;
  int64_t last_event_us = 0;  // of a closed run: event time of its terminal
  std::optional<double> duration_s;
  std::optional<int32_t> data_date;
  // Verdicts at the watermark, of an open run.
  bool stale = false;
  bool silent = false;
  bool timed_out = false;
  bool moved = false;  // its job has another home now: no verdict, whatever the watermark
  int64_t stale_after_us = 0;
  bool closed_by_runledger = false;
};

struct RunQuery {
  std::string job;       // empty: all
  std::string run_id;    // the whole run id; empty: all
  std::string fragment;  // part of the run id; empty: all
  std::optional<codecs::Status> status;
  std::optional<int32_t> data_date;
  bool stale_only = false;
  size_t limit = 100;
};

// Since when a shard knows its log. Log times; kNever: nothing was read yet.
struct KnownSince {
  int64_t began_us = kNever;      // of the first record that it has read
  bool whole_log = false;         // nothing was before that
  int64_t kept_from_us = kNever;  // what was expected before is not kept any more, or may not be
};

// The state of one partition: a fold over its log. Pure: no I/O, no clock, no threads of its own; time comes in with
// the records and with the watermark.
//
// One writer thread calls everything but Read(); any thread calls Read(). Between two records the writer may Publish,
// and readers then see that moment whole.
class Shard {
 public:
  // `workflows`: section `workflows` of the configuration; nullptr: the defaults.
  Shard(const ShardOptions& options, std::shared_ptr<const JobPolicies> policies,
        std::shared_ptr<const WorkflowPolicies> workflows = nullptr);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Folding: for each record BeginRecord, Apply for each of its events, EndRecord.
  // `timestamp_us`: the record's own, below 0 if it has none.
  void BeginRecord(int64_t timestamp_us, TimestampKind kind);
  void Apply(const codecs::Event& event);
  // These will be applied soon, unless they are not: fetches what they will touch into the cache, for all of them
  // together. At most a few dozen; nothing else is changed.
  void Prefetch(std::span<const codecs::Event* const> events) const;
  // Forgets what the log's time has left behind.
  void EndRecord();

  // The time up to which this partition is known; never goes back. Judges everything that depends on time.
  void AdvanceWatermark(int64_t watermark_us);
  int64_t watermark_us() const { return watermark_us_; }
  // Log time of the newest record; LogClock::kUnknown before the first.
  int64_t log_time_us() const { return log_clock_.now_us(); }
  // Set by an event for a job that has just been seen first; the caller checks where its home is.
  using NewJob = std::function<void(std::string_view name)>;
  void OnNewJob(NewJob callback) { on_new_job_ = std::move(callback); }
  // Jobs whose home was here and is elsewhere now, because the topic has got more partitions. What becomes of their
  // runs is written there: nothing of them is judged here any more. Counters stay what the fold makes them.
  using MovedJob = std::function<bool(std::string_view name)>;
  void SetMoved(MovedJob moved);
  // Other settings from now on: every verdict is what they make it. A job that they disable has no series any more, its
  // open runs are forgotten, and its events are passed over until it is enabled again.
  void SetPolicies(std::shared_ptr<const JobPolicies> policies);
  // The same for workflows and for expected runs of jobs.
  void SetWorkflowPolicies(std::shared_ptr<const WorkflowPolicies> policies);

  // What is folded begins with the first record that the partition ever had. REQUIRES: nothing was folded yet.
  void SetWholeLog() { whole_log_ = true; }

  // Shows the state as of now to readers, with these positions (watermark and log time are filled in here). False while
  // a reader still holds the older copy: nothing is lost, the next call shows more.
  bool Publish(const ShardPositions& positions);

  using ReadGuard = LeftRight<ShardBlock>::ReadGuard;
  ReadGuard Read() const { return published_.Read(); }

  // Snapshots: the state as of now, as bytes, written piece by piece between records while the fold goes on. What is
  // about to change is written first, so that all pieces together are this moment and no other. Begin; then Continue
  // until it returns true, each time with about `budget` bytes more at the end of *out.
  void BeginSnapshot();
  bool ContinueSnapshot(size_t budget, std::string* out);
  void AbortSnapshot();
  bool snapshotting() const { return snapshot_.active; }
  // Takes over such a state. DataLoss or InvalidArgument says what is wrong with the bytes; then the shard is of no
  // use. REQUIRES: nothing was folded yet.
  absl::Status RestoreSnapshot(std::string_view bytes);

  // Counters begin anew, as if nothing had been counted before: started is what is running now. For a state that had to
  // be built from a part of the log.
  void LoseCounters();

  // Questions about single runs: open ones first, then closed ones, the newest first.
  std::vector<RunInfo> FindRuns(const RunQuery& query) const;
  // nullptr: nothing is known of that day.
  const DayState* FindDay(std::string_view job, int32_t data_date) const;
  // What is known of jobs and their dates.
  ShardFacts CollectFacts(const FactsQuery& query) const;

  // Decisions, expected runs, cleanups (shard_orchestration.cc).
  // See WorkflowTable: whose decisions, expected runs and starts all come to this partition.
  void SetWorkflowHome(const WorkflowTable::IsHome& is_home, bool configured) {
    workflows_.SetHome(is_home, configured);
  }
  void DropWorkflowHome() { workflows_.DropHome(); }
  // Verdicts that stand and are to be written to the log; at most `limit`.
  std::vector<FinalVerdict> DueVerdicts(size_t limit);
  // Expected runs that are to be made from schedules and written to the log; at most so many days.
  std::vector<ExpectedDay> DaysToMake(size_t limit);
  std::vector<ExpectedInfo> FindExpected(const ScheduleQuery& query) const;
  std::vector<DayToCome> FindDaysToCome(const ScheduleQuery& query) const;
  // `subject`: of its expected runs; empty: of all.
  KnownSince KnownSinceOf(std::string_view subject) const;
  std::vector<WorkflowInfo> FindWorkflows(const WorkflowQuery& query) const;
  const std::optional<CleanupInfo>& newest_cleanup() const { return workflows_.newest_cleanup(); }
  const WorkflowTable& workflows() const { return workflows_; }

  uint32_t open_runs() const { return runs_.open_count(); }
  uint32_t closed_runs() const { return runs_.closed_count(); }
  uint32_t jobs() const { return jobs_.end(); }
  size_t record_bytes() const { return runs_.record_bytes(); }
  size_t text_bytes() const { return runs_.text_bytes(); }

 private:
  struct WheelStore {
    RunTable* runs;
    WheelPlace& place(uint32_t record) const { return runs->open(record).deadline; }
  };
  struct PhaseIndex;

  RunInfo InfoOfOpen(RunTable::Ref ref) const;
  RunInfo InfoOfClosed(RunTable::Ref ref) const;
  JobFacts FactsOf(uint32_t number, const FactsQuery& query) const;
  bool Holds(const codecs::RunFields& run) const;
  bool IsHistory(const codecs::Event& event, RunTable::Ref ref) const;
  int32_t DateOfStart(const JobPolicy& policy, RunTable::Ref ref, const codecs::Event& event) const;
  void ApplyHistory(uint32_t number, RunTable::Ref ref, const codecs::Event& event);
  // These say whether StartOf the run may be another now.
  bool ApplyLive(uint32_t number, const codecs::Hash128& id, RunTable::Ref ref, const codecs::Event& event);
  bool UpdateOpen(Job& job, RunTable::Ref ref, const codecs::Event& event);
  bool CloseOpen(uint32_t number, RunTable::Ref ref, const codecs::Event& event, bool history);
  bool UpdateClosed(uint32_t number, RunTable::Ref ref, const codecs::Event& event);
  void OpenRunFor(uint32_t number, const codecs::Hash128& id, const codecs::Event& event);
  void FinishClosing(uint32_t number, RunTable::Ref ref, const codecs::Event& event, const StartTime& start,
                     bool history);
  void CountFinished(uint32_t number, const ClosedRun& run, const codecs::Event& event, bool history);
  void CountOutcome(Job& job, codecs::Status status, codecs::Status before);
  void Correct(uint32_t number, codecs::Status from, codecs::Status to);
  void AddToPhase(Job& job, const codecs::Event& event, double seconds);

  // Verdicts of an open run at the watermark.
  void Judge(Job& job, OpenRun& run);
  void SetVerdicts(Job& job, OpenRun& run, bool stale, bool silent, bool timed_out);
  int64_t NextDue(const Job& job, const OpenRun& run) const;
  void ArmFor(const Job& job, RunTable::Ref ref);
  void Detach(Job& job, RunTable::Ref ref);

  // Starts of the job's open runs.
  void AddStart(Job& job, RunTable::Ref ref);
  static void HeapStarts(Job& job);
  bool IsCurrent(uint32_t job, const Start& start) const;
  void SweepStarts(uint32_t number, Job& job);
  int64_t OldestStart(uint32_t number, Job& job);

  void ApplyOther(const codecs::Event& event);
  // The run of this event, whose job has expected runs.
  void NoteStart(uint32_t expected, const codecs::Event& event);
  StartOfRun StartOf(RunTable::Ref ref, std::string_view run_id) const;
  void ExpectJob(uint32_t expected);
  void AdvanceWorkflows(int32_t log_day, int64_t log_time_us);
  void ExpectNoLonger(const std::vector<std::string>& jobs);
  std::string RunIdOf(const codecs::Hash128& run) const;

  void ForgetClosed();
  void ForgetOldestOpen();
  void ForgetOpen(RunTable::Ref ref);
  void ForgetJobs();
  void RemoveJob(uint32_t number);

  // A snapshot under way writes what these are about to change.
  void BeforeJobChange(uint32_t number);
  void BeforeOpenChange(RunTable::Ref ref);
  void BeforeClosedChange(RunTable::Ref ref);
  void WriteCommon(std::string* out) const;
  void WriteJob(uint32_t number, std::string* out) const;
  void WriteDay(uint32_t slot, std::string* out);
  void WriteWorkflows(std::string* out) const;
  void WriteSubject(uint32_t number, std::string* out);
  void WriteOpen(RunTable::Ref ref, std::string* out) const;
  void WriteClosed(RunTable::Ref ref, uint32_t ordinal, std::string* out) const;
  class Restorer;

  // What readers see of the job has changed.
  void MarkDirty(uint32_t number) {
    if (jobs_[number].listed != kListedForAll) ListChanged(number);
  }
  void ListChanged(uint32_t number);
  // When the job is stale unless it succeeds before.
  static int64_t StaleDue(const Job& job);
  void JudgeJob(uint32_t number, Job& job);
  // What is looked for in configured jobs only.
  void JudgeDates(uint32_t number, Job& job);
  void JudgeLength(Job& job);
  // At that time the job has to be judged again, although nothing is heard of it.
  void JudgeAgainAt(int64_t due_us) {
    if (due_us > watermark_us_) stale_jobs_due_us_ = std::min(stale_jobs_due_us_, due_us);
  }
  void JudgeAllJobs();
  void JudgeRunsAnew(uint32_t number);
  void FixPhase(Job& job, std::string_view phase);

  const ShardOptions options_;
  JobTable jobs_;
  RunTable runs_;
  WheelStore wheel_store_{&runs_};
  DeadlineWheel<WheelStore> wheel_{&wheel_store_};
  DayTable days_;
  WorkflowTable workflows_;
  LogClock log_clock_;
  NewJob on_new_job_;
  MovedJob moved_;

  // Of the record being folded.
  int64_t record_time_us_ = -1;
  TimestampKind record_kind_ = TimestampKind::kAppendTime;
  uint32_t log_s_ = 0;  // log time in whole seconds

  int64_t watermark_us_ = kNever;
  int64_t forgotten_until_us_ = INT64_MIN;  // events of unknown runs at or before it are history
  int64_t began_us_ = kNever;               // log time of the first record
  bool whole_log_ = false;                  // and none was before it
  int32_t log_day_ = INT32_MIN;
  bool new_log_day_ = false;               // the record being folded began it
  int64_t stale_jobs_due_us_ = INT64_MAX;  // no job's verdicts but windows change by time alone before
  int64_t judged_minute_ = INT64_MIN;      // windows were judged at a watermark in this minute

  std::vector<Correction> corrections_;
  std::vector<PhaseBlock> phases_;
  std::vector<std::shared_ptr<const PhaseLabels>> phase_labels_;
  std::unique_ptr<PhaseIndex> phase_index_;

  // What the copy that is published next lacks, and what the other one lacks.
  struct Changes {
    std::vector<uint32_t> jobs;  // Job::listed; one that went and came back may stand here twice
    bool corrections = false;
    bool phases = false;
  };
  // A snapshot under way: how far each table is written.
  struct SnapshotProgress {
    bool active = false;
    uint8_t mark = 0;  // of jobs, days and open runs that are written, or newer than the snapshot
    uint32_t next_job = 0, jobs_end = 0;
    uint32_t next_day = 0, days_end = 0;
    uint32_t next_subject = 0, subjects_end = 0;
    RunTable::Ref next_open = 0, open_end = 0;
    // Places behind the oldest closed run, which move as closed runs are forgotten.
    uint32_t next_closed = 0, closed_end = 0, closed_gone = 0;
    std::unordered_set<RunTable::Ref> closed_written;                 // ahead of their turn
    uint32_t jobs = 0, days = 0, open = 0, closed = 0, subjects = 0;  // written
    std::string early;                                                // written since the last piece
  };
  SnapshotProgress snapshot_;

  std::array<Changes, 2> changes_;
  static constexpr uint8_t kListedForAll = 3;  // Job::listed
  int next_copy_ = 1;
  LeftRight<ShardBlock> published_;
};

}  // namespace runledger::aggregators
