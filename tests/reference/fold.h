#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "reference/event.h"
#include "reference/log_time.h"
#include "reference/policy.h"

namespace runledger::reference {

// Bounds of a partition's state: section `state` of the configuration.
struct FoldOptions {
  int64_t horizon_us = kDay;
  size_t closed_runs = 1'000'000;
  size_t open_runs = 2'000'000;
  int days = 30;
  int64_t forget_job_after_us = 90 * kDay;
  int64_t clock_step_us = kMinute;
};

// (run id, attempt) within a job.
using RunName = std::pair<std::string, int32_t>;

// How well a start is known, the better the greater, and the time.
struct Start {
  enum Class { kNone, kSeen, kEvent, kGiven };
  Class known = kNone;
  int64_t time_us = 0;
};

struct Run {
  bool open = true;
  Start start;
  std::optional<int32_t> date;  // the least one told
  // While open.
  int64_t last_event_us = 0;
  int64_t seen_log_s = 0;
  bool beats = false;
  // Once closed.
  Key key;  // of the greatest terminal
  Status status = Status::kRunning;
  std::optional<double> duration_s;  // as that terminal says
  int64_t closed_log_s = 0;
  bool in_windows = false;
};

struct Window {
  uint64_t good = 0;
  uint64_t all = 0;

  friend bool operator==(const Window&, const Window&) = default;
};

// Everything that is shown of one job. Times in microseconds.
struct JobView {
  bool live = false;  // false: only late_events is shown
  std::string phase;
  uint64_t started = 0, running = 0, forgotten = 0, late_events = 0, consecutive_failures = 0, duration_count = 0;
  std::map<Status, uint64_t> finished;  // all six
  std::map<std::pair<Status, Status>, uint64_t> corrected;
  double duration_sum_s = 0;
  std::optional<int64_t> oldest_running_start_us, last_start_us, last_success_us, last_failure_us;
  std::optional<double> last_duration_s;
  std::map<Status, std::string> exemplars;
  // With a watermark only.
  uint64_t stale = 0, silent = 0, timed_out = 0;
  std::array<Window, 4> windows;  // 1h, 24h, 7d, 30d
  bool job_stale = false;
};

inline constexpr std::array<double, 13> kBounds = {1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800};
struct PhaseView {
  std::array<uint64_t, kBounds.size() + 1> counts{};  // each bound's own, the last above all
  double sum_s = 0;
};

struct DayView {
  Status best = Status::kRunning;
  Status last_status = Status::kRunning;
  int64_t last_time_us = 0;
  size_t attempts = 0;  // 16: that many or more

  friend bool operator==(const DayView&, const DayView&) = default;
};

// Folds the records of one partition, in order. Keeps every run in a std::map and works everything out when asked.
class Fold {
 public:
  Fold(const FoldOptions& options, const Policies& policies);

  // `stamp_us`: the record's timestamp, below 0 if none; `by_broker`: LogAppendTime.
  void Add(int64_t stamp_us, bool by_broker, const std::vector<Event>& events);

  std::map<std::string, JobView> Jobs(std::optional<int64_t> watermark_us) const;
  const std::map<std::pair<std::string, std::string>, PhaseView>& Phases() const { return phases_; }
  std::map<std::pair<std::string, int32_t>, DayView> Days() const;
  // nullptr: not held.
  const Run* Find(const std::string& job, const RunName& run) const;
  size_t open_runs() const { return open_runs_; }
  size_t closed_runs() const { return closed_.size(); }
  std::optional<int64_t> log_time_us() const { return log_time_.now_us(); }
  const Policy& PolicyOf(const std::string& job) const { return policies_.Of(job); }

 private:
  struct Job {
    JobView shown;  // what does not depend on time
    std::map<RunName, Run> runs;
    std::vector<std::pair<int64_t, Status>> outcomes;  // of forgotten runs that are in the windows
    std::optional<int64_t> first_event_us;
    int64_t last_log_s = 0;
  };
  struct Day {
    std::tuple<int64_t, int, Status> last;  // time, goodness
    Status best = Status::kRunning;
    std::map<RunName, int> runs;
  };

  void Apply(const Event& event);
  bool IsHistory(const Event& event, bool known) const;
  void ApplyHistory(Job* job, Run* run, const Event& event);
  void ApplyLive(Job* job, Run* run, const Event& event);
  void Close(Job* job, Run* run, const Event& event, bool history);
  void Correct(Job* job, Run* run, const Event& event);
  void CountOutcome(Job* job, Status now, Status before);
  void CountDuration(Job* job, const Run& run, const Event& event, bool history);
  void AddDay(const Event& event);
  void Forget();
  void ForgetOpen(const std::string& job, const RunName& name, bool mark);
  void ForgetOldestOpen();
  void ForgetSilentJobs();
  JobView ViewOf(const std::string& name, const Job& job, std::optional<int64_t> watermark_us) const;

  const FoldOptions options_;
  const Policies policies_;
  LogTime log_time_;
  std::map<std::string, Job> jobs_;
  std::map<std::pair<std::string, std::string>, PhaseView> phases_;
  std::map<std::pair<std::string, int32_t>, Day> days_;
  std::deque<std::pair<std::string, RunName>> closed_;  // in the order in which they closed
  size_t open_runs_ = 0;
  std::optional<int64_t> mark_us_;  // events of unknown runs at or before it are history
  int64_t log_s_ = 0;
  std::optional<int64_t> log_day_;
  // Of the record being folded.
  int64_t stamp_us_ = -1;
  bool by_broker_ = true;
};

// The bucket of that width in which the time lies.
int64_t BucketOf(int64_t time_us, int64_t width_us);

}  // namespace runledger::reference
