#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregators/orchestration/run_verdict.h"
#include "codecs/event.h"

namespace runledger::aggregators {

// What of the bodies other than run is kept beyond their keys. Read from Event::body_wire once an event is used; texts
// are cut to kMostText bytes, and replaced where they are no UTF-8.
inline constexpr size_t kMostText = 512;

enum class Action : uint8_t { kRun, kSkip, kAbort };
inline constexpr std::array<Action, 3> kAllActions = {Action::kRun, Action::kSkip, Action::kAbort};
std::string_view ActionName(Action action);
std::optional<Action> ActionFromName(std::string_view name);

struct DecisionDetails {
  std::string decision_id;       // the event's id where it has none
  int64_t decision_time_us = 0;  // the event's time where it has none
  std::optional<int64_t> next_check_time_us;
  std::string reason;
  std::string priority;
  std::string alert_level;
};
DecisionDetails ReadDecision(const codecs::Event& event);

struct ExpectedDetails {
  std::optional<int32_t> expected_date;  // days since 1970-01-01, in the schedule's own zone
  std::string reason;
  std::string priority;
  std::optional<int64_t> locked_at_us;
  std::string schedule_version;
};
ExpectedDetails ReadExpected(const codecs::Event& event);
// Its id says that runledger made it from the configuration.
bool IsMade(const codecs::Event& event);

struct VerdictDetails {
  std::string matched_run_id;
  std::optional<double> delay_seconds;
  std::string explained_by;
};
VerdictDetails ReadVerdict(const codecs::Event& event);

struct CleanupDetails {
  std::string cleanup_id;
  int64_t files_checked = -1;  // below 0: not told
  int64_t missing_files_found = -1;
  int64_t republished_count = -1;
  std::string missing_files;  // JSON, as it came
};
CleanupDetails ReadCleanup(const codecs::Event& event);

// How urgent a missing file is, by its age alone: more than 240 minutes, more than 120 minutes, or neither.
enum class Urgency : uint8_t { kCritical, kWarning, kRecent };
inline constexpr std::array<Urgency, 3> kAllUrgencies = {Urgency::kCritical, Urgency::kWarning, Urgency::kRecent};
std::string_view UrgencyName(Urgency urgency);  // "critical": label and API
Urgency UrgencyOf(double age_minutes);

// A verdict as the event that is written to the log: the same bytes whoever writes it of the same facts.
struct FinalVerdict {
  std::string subject;
  int64_t due_us = 0;
  RunVerdict verdict = RunVerdict::kMissing;
  int64_t stands_at_us = 0;  // event time
  std::string workflow;
  std::string job_name;
  std::string matched_run_id;                // of a workflow: the decision's id
  std::optional<int64_t> difference_us;      // start less tick
  std::string explained_by, action, reason;  // of a miss: the decision's id, and what it says
};
std::string EncodeVerdict(const FinalVerdict& verdict);

}  // namespace runledger::aggregators
