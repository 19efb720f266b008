#include "simulation/faults.h"

#include <cstdio>

namespace runledger::simulation {

const char* NameOf(Fault fault) {
  static constexpr std::array<const char*, kFaults> kNames = {"pause",
                                                              "stop",
                                                              "join",
                                                              "commit lost",
                                                              "commit unanswered",
                                                              "coordinator gone",
                                                              "leader silent",
                                                              "slow fetch",
                                                              "slow writes",
                                                              "warehouse down",
                                                              "warehouse full",
                                                              "bad rows",
                                                              "letters down",
                                                              "letters unanswered",
                                                              "slow store",
                                                              "snapshot torn",
                                                              "snapshot missing",
                                                              "snapshot foreign",
                                                              "snapshot newer",
                                                              "retention",
                                                              "clock step"};
  return kNames[static_cast<size_t>(fault)];
}

const char* NameOf(CrashPoint point) {
  static constexpr std::array<const char*, kCrashPoints> kNames = {
      "assigned",       "restoring",         "opening",          "opened",         "records",        "submitting",
      "written",        "committing",        "committed",        "sending letter", "letter written", "snapshot begun",
      "snapshot piece", "snapshot finished", "snapshot durable", "rows reading",   "revoking",       "released"};
  return kNames[static_cast<size_t>(point)];
}

void FaultTable::Add(const FaultTable& other) {
  for (size_t fault = 0; fault < kFaults; ++fault) {
    for (size_t point = 0; point < kCrashPoints; ++point) counts_[fault][point] += other.counts_[fault][point];
  }
}

int64_t FaultTable::zeros() const {
  int64_t zeros = 0;
  for (const auto& row : counts_) {
    for (const int64_t count : row) zeros += count == 0;
  }
  return zeros;
}

std::string FaultTable::ToText() const {
  std::string text = "killed at:\n";
  char cell[64];
  for (size_t point = 0; point < kCrashPoints; ++point) {
    std::snprintf(cell, sizeof cell, "  %2zu %s\n", point + 1, NameOf(static_cast<CrashPoint>(point)));
    text += cell;
  }
  std::snprintf(cell, sizeof cell, "%-20s", "fault");
  text += cell;
  for (size_t point = 0; point < kCrashPoints; ++point) {
    std::snprintf(cell, sizeof cell, "%6zu", point + 1);
    text += cell;
  }
  for (size_t fault = 0; fault < kFaults; ++fault) {
    std::snprintf(cell, sizeof cell, "\n%-20s", NameOf(static_cast<Fault>(fault)));
    text += cell;
    for (const int64_t count : counts_[fault]) {
      std::snprintf(cell, sizeof cell, "%6lld", static_cast<long long>(count));
      text += cell;
    }
  }
  return text + "\n";
}

}  // namespace runledger::simulation
