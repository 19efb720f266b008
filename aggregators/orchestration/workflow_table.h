#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregators/bytes.h"
#include "aggregators/orchestration/orchestration_block.h"
#include "aggregators/orchestration/workflow_answers.h"
#include "aggregators/orchestration/workflow_policy.h"
#include "aggregators/orchestration/workflow_track.h"
#include "codecs/event.h"

namespace runledger::aggregators {

// What a shard knows beside runs: decisions of controllers, expected runs, cleanups, and verdicts that were read back.
// Bounded: subjects by number, everything else by days of log time and by number. Pure; one thread.
class WorkflowTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kMostSubjects = 20'000;
  static constexpr size_t kMostItems = 1'000'000;  // expected runs, decisions and starts together

  // `days`: state.days.
  WorkflowTable(std::shared_ptr<const WorkflowPolicies> policies, int days);
  ~WorkflowTable();
  WorkflowTable(const WorkflowTable&) = delete;
  WorkflowTable& operator=(const WorkflowTable&) = delete;

  // Folds an event that is no run and no history. Returns the number of the job that is expected for the first time,
  // else kNone. REQUIRES: AdvanceTo was called.
  uint32_t Apply(const codecs::Event& event, int64_t log_time_us);
  // Of the job with this number: one of its runs starts, or its start is known better.
  void AddStart(uint32_t number, const StartOfRun& start);
  // The number of a job that is expected; kNone: none is.
  uint32_t FindJob(std::string_view name) const;

  // Settles what log time has passed: before what comes with that time is folded. settles_at_us(): nothing settles
  // before log time is greater.
  int64_t settles_at_us() const { return settles_at_us_; }
  void SettleUntil(int64_t log_time_us);
  // A new log day: old things go. Returns the jobs that are not expected any more.
  std::vector<std::string> AdvanceTo(int32_t log_day, int64_t log_time_us);
  // Other settings from now on. What is settled stays; a subject that they disable goes, and begins anew when it is
  // enabled again. Returns the jobs that are not expected any more.
  std::vector<std::string> SetPolicies(std::shared_ptr<const WorkflowPolicies> policies, int64_t log_time_us);
  void LoseCounters();
  // Of state that was not kept before.
  void KnownSince(int64_t log_time_us) { known_since_us_ = log_time_us; }

  // True if everything about a name comes to this partition. Without a call it does.
  using IsHome = std::function<bool(std::string_view name)>;
  // `configured`: those that the configuration names, and whose home is here, are missed here.
  void SetHome(const IsHome& is_home, bool configured);
  void DropHome() { is_home_ = nullptr; }

  // Judges at the watermark what has changed or is due; then Fill brings one of two published copies up to date.
  void Judge(int64_t watermark_us);
  void Fill(size_t copy, OrchestrationBlock* block);

  // Verdicts that stand at the watermark and are not in the log yet, the earliest tick of each subject first; at most
  // `limit`, none of a subject that has its home elsewhere.
  std::vector<DueVerdict> DueVerdicts(int64_t watermark_us, size_t limit);

  // Expected runs of workflows that the configuration names and gives a schedule, and whose home is here: of each the
  // earliest day that is to be made at the watermark and is not in the log; at most `limit`.
  std::vector<ExpectedDay> DaysToMake(int64_t watermark_us, size_t limit);

  // Answers; the matching is brought up to date.
  std::vector<ExpectedInfo> Schedule(const ScheduleQuery& query, int64_t watermark_us) const;
  // Of workflows whose home is here, in no order.
  std::vector<DayToCome> DaysToCome(const ScheduleQuery& query, int64_t watermark_us) const;
  std::vector<WorkflowInfo> Workflows(const WorkflowQuery& query, int64_t watermark_us) const;
  // What was expected of the subject (empty: of any) before that time may have gone; INT64_MIN: nothing was folded.
  int64_t KeptFrom(std::string_view subject) const;
  const std::optional<CleanupInfo>& newest_cleanup() const { return cleanup_; }

  // For snapshots, as DayTable has it: a subject is handed over before it changes for the first time since Mark.
  using NumberCallback = std::function<void(uint32_t number)>;
  void Mark(uint8_t mark, NumberCallback before_change);
  uint32_t end() const { return static_cast<uint32_t>(tracks_.size()); }
  // True if it is not written yet; then it is marked.
  bool TakeForSnapshot(uint32_t number);
  void WriteCommon(ByteWriter* to) const;
  bool RestoreCommon(ByteReader* from);
  void WriteSubject(uint32_t number, ByteWriter* to) const;
  // False: damaged.
  bool RestoreSubject(ByteReader* from);
  void FinishRestoring();

  size_t subjects() const { return used_; }
  size_t items() const { return items_; }
  bool exists(uint32_t number) const { return number < tracks_.size() && tracks_[number] != nullptr; }
  const WorkflowTrack& track(uint32_t number) const { return *tracks_[number]; }

 private:
  struct Index;

  uint32_t Find(std::string_view name) const;
  // kNone: disabled, or there are too many.
  uint32_t Intern(std::string_view name);
  uint32_t Add(std::string_view name, const WorkflowPolicy& policy);
  void Remove(uint32_t number);
  // Of the subject that is about to change.
  WorkflowTrack& ToChange(uint32_t number);
  void Changed(uint32_t number, size_t items_before);
  void MarkDirty(uint32_t number);
  void NoteChange() {
    changed_ = true;
    verdicts_due_us_ = INT64_MIN;
  }
  void FindNextSettling();
  void Trim();
  void ForgetOld(uint32_t number);
  void SetKnownSince(int64_t time_us);  // of subjects that do not know yet

  uint32_t ApplyExpected(const codecs::Event& event, int64_t log_time_us);
  void ApplyDecision(const codecs::Event& event);
  void ApplyVerdict(const codecs::Event& event);
  void ApplyCleanup(const codecs::Event& event);
  const WorkflowTrack* FindTrack(std::string_view name) const;
  void FindConfigured();

  std::shared_ptr<const WorkflowPolicies> policies_;
  const int days_;
  IsHome is_home_;
  bool misses_configured_ = false;  // subjects that the configuration names have their place in this topic

  std::vector<std::unique_ptr<WorkflowTrack>> tracks_;  // by number
  std::vector<uint32_t> free_;
  std::unique_ptr<Index> index_;
  size_t used_ = 0;
  size_t items_ = 0;
  std::optional<CleanupInfo> cleanup_;
  uint64_t dropped_ = 0;

  int64_t known_since_us_ = INT64_MIN;  // first log time; INT64_MIN: nothing was folded
  int32_t log_day_ = INT32_MIN;
  int32_t first_day_ = INT32_MIN;  // what is older has gone
  int64_t settles_at_us_ = INT64_MAX;

  bool watched_ = false;           // there was a watermark before there was a record
  bool changed_ = true;            // since the last Judge
  bool refusals_changed_ = false;  // likewise: a decision to skip or to abort may explain what another subject misses
  int64_t changes_at_us_ = INT64_MIN;
  // Up to it no verdict stands that the log does not hold, unless something changes: it is asked many times a second.
  int64_t verdicts_due_us_ = INT64_MIN;
  int64_t days_due_us_ = INT64_MIN;  // likewise of days that are to be made

  uint8_t mark_ = 0;
  NumberCallback before_change_;
  struct Dirty {
    std::vector<uint32_t> numbers;
    std::vector<bool> listed;
    bool common = true;
  };
  std::array<Dirty, 2> dirty_;
};

}  // namespace runledger::aggregators
