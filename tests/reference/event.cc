#include "reference/event.h"

#include <map>

namespace runledger::reference {

const char* NameOf(Status status) {
  static constexpr const char* kNames[] = {"",        "running", "success", "no_data",
                                           "partial", "skipped", "failed",  "aborted"};
  return kNames[static_cast<size_t>(status)];
}

std::optional<Status> StatusOfWord(std::string_view word) {
  using enum Status;
  static const auto* const kWords = new std::map<std::string, Status, std::less<>>{// Ours.
                                                                                   {"running", kRunning},
                                                                                   {"success", kSuccess},
                                                                                   {"no_data", kNoData},
                                                                                   {"partial", kPartial},
                                                                                   {"skipped", kSkipped},
                                                                                   {"failed", kFailed},
                                                                                   {"aborted", kAborted},
                                                                                   {"stale_running_cleanup", kFailed},
                                                                                   // OpenLineage's event types.
                                                                                   {"start", kRunning},
                                                                                   {"complete", kSuccess},
                                                                                   {"fail", kFailed},
                                                                                   {"abort", kAborted},
                                                                                   // Airflow's task states.
                                                                                   {"restarting", kRunning},
                                                                                   {"upstream_failed", kSkipped},
                                                                                   // Dagster's run states.
                                                                                   {"started", kRunning},
                                                                                   {"starting", kRunning},
                                                                                   {"failure", kFailed},
                                                                                   {"canceled", kAborted},
                                                                                   // Prefect's state types and names.
                                                                                   {"completed", kSuccess},
                                                                                   {"crashed", kFailed},
                                                                                   {"cancelled", kAborted},
                                                                                   // dbt's node results.
                                                                                   {"pass", kSuccess},
                                                                                   {"warn", kPartial},
                                                                                   {"error", kFailed},
                                                                                   {"runtime_error", kFailed},
                                                                                   {"partial_success", kPartial},
                                                                                   // Plain words.
                                                                                   {"in_progress", kRunning},
                                                                                   {"heartbeat", kRunning},
                                                                                   {"succeeded", kSuccess},
                                                                                   {"successful", kSuccess},
                                                                                   {"done", kSuccess},
                                                                                   {"finished", kSuccess},
                                                                                   {"ok", kSuccess},
                                                                                   {"passed", kSuccess},
                                                                                   {"nodata", kNoData},
                                                                                   {"empty", kNoData},
                                                                                   {"partially_succeeded", kPartial},
                                                                                   {"partial_failure", kPartial},
                                                                                   {"skip", kSkipped},
                                                                                   {"errored", kFailed},
                                                                                   {"timeout", kFailed},
                                                                                   {"timed_out", kFailed},
                                                                                   {"killed", kAborted},
                                                                                   {"terminated", kAborted}};
  std::string normal(word);
  for (char& c : normal) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (c == '-' || c == ' ') c = '_';
  }
  const auto found = kWords->find(normal);
  if (found == kWords->end()) return std::nullopt;
  return found->second;
}

Key KeyOf(const Event& event) {
  int rank = 2;
  if (event.status == Status::kRunning)
    rank = 0;
  else if (event.own_close)
    rank = 1;
  return {rank, event.time_us, event.sequence, event.id};
}

}  // namespace runledger::reference
