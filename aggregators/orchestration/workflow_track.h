#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "aggregators/bytes.h"
#include "aggregators/orchestration/event_details.h"
#include "aggregators/orchestration/orchestration_block.h"
#include "aggregators/orchestration/run_verdict.h"
#include "aggregators/orchestration/workflow_policy.h"
#include "codecs/hash.h"

namespace runledger::aggregators {

// What an expected run says beside its time. Rows of one schedule mostly say the same, and share it.
struct ExpectedText {
  std::string workflow;  // of a job's expected run: the workflow that it names
  std::string reason;
  std::string priority;
  bool made = false;  // from the configuration, by runledger

  friend bool operator==(const ExpectedText&, const ExpectedText&) = default;
};

struct Expectation {
  static constexpr int32_t kNoDate = INT32_MIN;

  int64_t due_us = 0;
  int32_t date = kNoDate;  // days since 1970-01-01, in the schedule's own zone
  bool of_job = false;     // matched with starts of runs, else with decisions
  bool settled = false;    // log time has passed what could still change its verdict, or the log holds it
  bool final = false;      // the log holds the verdict: nothing changes it any more
  RunVerdict verdict = RunVerdict::kPending;  // if settled
  int64_t start_us = INT64_MIN;               // of what it is matched with; INT64_MIN: nothing
  codecs::Hash128 start{};                    // which run or decision that is
  std::shared_ptr<const ExpectedText> text;
  std::string explained_by;  // as the log has it
};

// Which expected runs are those of the newest day that was made from the configuration. They came in one record, all of
// them: what else was made for the day does not count.
struct MadeDay {
  static constexpr int32_t kNone = INT32_MIN;

  int32_t day = kNone;        // days since 1970-01-01, in the schedule's own zone
  std::string version;        // DayPlan::version
  int64_t at_us = INT64_MIN;  // when they were made

  friend bool operator==(const MadeDay&, const MadeDay&) = default;
};

struct Decision {
  int64_t time_us = 0;   // decision_time, else event time
  codecs::Hash128 id{};  // of the decision's id
  // What wins among several events of one decision: the greatest.
  int64_t event_us = 0;
  int64_t sequence = 0;
  uint64_t event_hash = 0;
  Action action = Action::kRun;
  bool taken = false;  // a settled verdict rests on it
  std::optional<int64_t> next_check_us;
  std::string decision_id, reason, priority, alert_level;
};

// One try of a run of a job that is expected.
struct StartOfRun {
  int64_t time_us = 0;
  codecs::Hash128 run{};  // (job, run id, attempt)
  uint64_t run_id = 0;    // the same for all tries: a second try is no second run of the schedule
  bool taken = false;
};

// Everything kept of one subject: a workflow, or a job that has expected runs of its own. Both stand in one name space:
// a subject and a tick make one expected run, whatever it is matched with.
//
// Expected runs are locked: the first row of a tick in the order of the log holds, and of a day those of whoever spoke
// first: of runs that were made from the configuration the first record, and then no rows of others; or the rows of
// others, and then none are made (docs/adr, 2026-11-22-days-made-from-a-schedule). Decisions and starts do not depend
// on the order: the greatest event of a decision holds, and a run's start is what its record says.
//
// A verdict settles in three steps. Until log time has passed tick + match_window + 5 min it is worked out anew from
// all that is known. Then it stands, and what it rests on is nobody else's: a function of the log. Once the log itself
// holds a verdict, that one is final.
//
// One thread. Time comes in.
class WorkflowTrack {
 public:
  static constexpr size_t kMostExpected = 20'000;
  static constexpr size_t kMostDecisions = 20'000;
  static constexpr size_t kMostStarts = 20'000;
  static constexpr int64_t kRecentUs = 24 * 60 * WorkflowPolicy::kMinuteUs;  // of the gauges
  // Days that were left out are made up for as long as this, and only if the schedule is the one of the last that was
  // made.
  static constexpr int32_t kMostDaysBack = 7;
  // A day of another schedule than the last one's, or a first one, is made whole up to this long after its time. Later
  // nobody knows since when the schedule is as it is: only what is still to come is expected.
  static constexpr int64_t kInTimeUs = 60 * WorkflowPolicy::kMinuteUs;

  // `known_since_us`: everything about the subject from this log time on is known.
  WorkflowTrack(std::string name, const WorkflowPolicy* policy, int64_t known_since_us);

  const std::string& name() const { return labels_->name; }
  const std::shared_ptr<const WorkflowLabels>& labels() const { return labels_; }
  const WorkflowPolicy& policy() const { return *policy_; }
  // The same settings in another place, or others: what is not settled is what these make it.
  void SetPolicy(const WorkflowPolicy* policy);

  // A record says that these are the runs of a day. False: the day has its own already.
  bool AddMadeDay(const MadeDay& day);
  // False: the tick has its row already, or the day is not that of whoever sent this.
  bool AddExpected(Expectation expected);
  // The runs of the earliest day that is to be made at this time: what is expected from the policy and not in the log.
  // REQUIRES: the policy has a plan.
  std::optional<ExpectedDay> DayToMake(int64_t watermark_us);
  // The runs of that day, if they are yet to be made. REQUIRES: the policy has a plan.
  std::optional<DayToCome> ToCome(int32_t day, int64_t watermark_us) const;
  // DayToMake() has none before this time.
  int64_t day_due_us() const { return day_due_us_; }
  void AddDecision(Decision decision);
  // False: no verdict changes by it.
  bool AddStart(const StartOfRun& start);
  // False: nothing is expected then, or it has its verdict already.
  bool ApplyVerdict(int64_t due_us, RunVerdict verdict, const VerdictDetails& details);
  // Made before anything was known of the log.
  bool since_unknown() const { return known_since_us_ == INT64_MIN; }
  void KnownSince(int64_t time_us) { known_since_us_ = starts_since_us_ = decisions_since_us_ = time_us; }
  // Starts are known from this log time on, if not from the first.
  void StartsKnownSince(int64_t time_us) { starts_since_us_ = std::max(known_since_us_, time_us); }

  // Settles what log time has passed. settles_at_us(): nothing settles before log time is greater.
  int64_t settles_at_us() const { return settles_at_us_; }
  void SettleUntil(int64_t log_time_us);

  // What became older than this goes, and what is beyond the bounds.
  void Forget(int64_t before_us);
  // False: that would change nothing.
  bool HasToForget(int64_t before_us) const;
  // Expected runs before that time may have gone, since there are so many; INT64_MIN: none has.
  int64_t ExpectedKeptFrom() const {
    return expected_.size() < kMostExpected - kMostExpected / 16 ? INT64_MIN : expected_.front().due_us;
  }
  size_t items() const { return expected_.size() + decisions_.size() + starts_.size(); }
  bool empty() const { return items() == 0; }
  bool has_job_runs() const { return job_runs_ > 0; }
  bool names_workflows() const { return names_workflows_; }
  void LoseCounters() { block_.verdicts = {}; }

  // Finds the other subjects that a job's expected runs name.
  using Others = std::function<const WorkflowTrack*(std::string_view name)>;
  // Works out the block at this watermark (kNever: none). changes_at_us(): time alone changes nothing before.
  const WorkflowBlock& Judge(int64_t watermark_us, const Others& others);
  // The same, for a question: what readers see is left as it is.
  WorkflowBlock BlockAt(int64_t watermark_us, const Others& others);
  const WorkflowBlock& block() const { return block_; }
  int64_t changes_at_us() const { return changes_at_us_; }
  void SetHome(bool at_home) {
    block_.at_home = at_home;
    changes_at_us_ = INT64_MIN;
  }
  bool at_home() const { return block_.at_home; }
  void Touch() { changes_at_us_ = INT64_MIN; }

  // Matches what is not settled; verdicts of single rows are as of this call.
  void Rematch();
  RunVerdict VerdictOf(const Expectation& expected, int64_t watermark_us) const;
  // The decision that explains why nothing started: the nearest one to skip or to abort within the window.
  const Decision* ExplanationOf(const Expectation& expected, const Others& others) const;
  const Decision* FindDecision(const codecs::Hash128& id) const;
  const std::vector<Expectation>& expected() const { return expected_; }
  const std::vector<Decision>& decisions() const { return decisions_; }
  // Actual times that an expected run could be matched with, sorted: starts of runs, or decisions to run.
  std::vector<int64_t> ActualTimes(bool of_job) const;
  // Of the newest decision that has one, else of the expected runs.
  const std::string& priority() const { return policy_->priority.empty() ? priority_ : policy_->priority; }

  // The least tick that has no final verdict and will get one; INT64_MAX: none.
  int64_t first_open_us() const { return first_open_us_; }

  void Write(ByteWriter* to) const;
  bool Restore(ByteReader* from);

  uint8_t mark = 0;         // the snapshot's own
  bool configured = false;  // stays though nothing is known of it

 private:
  struct Actual {
    int64_t time_us;
    codecs::Hash128 id;
    size_t index;
  };
  std::vector<Actual> Untaken(bool of_job, int64_t from_us) const;
  const Decision* NearestRefusal(int64_t due_us) const;
  void MatchKind(bool of_job);
  void Take(const Expectation& expected);
  bool IsComplete(const Expectation& expected) const;
  int64_t EvaluationDue() const;
  void FindOpen();
  WorkflowBlock Work(int64_t watermark_us, const Others& others, int64_t* changes_at_us) const;
  void NoteExpected(const Expectation& expected);
  int32_t DayOfRow(const Expectation& expected) const;
  // The first row of the day that is `made`, or is not; nullptr: there is none.
  const Expectation* FindOfDay(int32_t day, int64_t near_us, bool made) const;
  bool IsExpected(int64_t time_us) const;
  StartOfRun* FindStart(const codecs::Hash128& run);
  Decision* DecisionToChange(const codecs::Hash128& id);

  std::shared_ptr<const WorkflowLabels> labels_;
  const WorkflowPolicy* policy_;
  int64_t known_since_us_;
  int64_t starts_since_us_;
  int64_t decisions_since_us_;

  std::vector<Expectation> expected_;  // by tick
  std::vector<Decision> decisions_;    // by (time, id)
  std::vector<StartOfRun> starts_;     // by (time, run)
  std::shared_ptr<const ExpectedText> last_text_;
  MadeDay made_;
  int64_t day_due_us_ = INT64_MIN;
  // Where they stand, by the low half of their hashes.
  std::unordered_map<uint64_t, int64_t> decision_times_;
  std::unordered_map<uint64_t, int64_t> start_times_;
  std::string priority_;
  int64_t priority_time_us_ = INT64_MIN;  // of the decision that told it
  size_t job_runs_ = 0;                   // expected runs that are matched with starts
  size_t made_runs_ = 0;                  // expected runs that were made from the configuration
  bool names_workflows_ = false;

  bool dirty_ = false;  // the matching is not of the newest
  int64_t first_unsettled_us_ = INT64_MAX;
  int64_t settles_at_us_ = INT64_MAX;
  int64_t first_open_us_ = INT64_MAX;
  int64_t changes_at_us_ = INT64_MIN;
  WorkflowBlock block_;
};

}  // namespace runledger::aggregators
