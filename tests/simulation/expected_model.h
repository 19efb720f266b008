#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aggregators/orchestration/orchestration_block.h"
#include "aggregators/orchestration/workflow_policy.h"
#include "reference/event.h"

namespace runledger::simulation {

// The workflows that instances expect something of. Each takes another schedule to be the right one, by its number:
// what the log says first must hold all the same.
std::shared_ptr<const aggregators::WorkflowPolicies> Workflows(int instance);
std::vector<std::string> WorkflowNames();
// One that somebody else plans, too.
inline constexpr char kPlannedByOthers[] = "planned";
// Every tick of one of the schedules, and nothing else. Microseconds since the epoch; rising.
bool IsWholeDay(const std::vector<int64_t>& ticks);
inline constexpr int64_t kVerdictStandsAfterUs = int64_t{15} * 60 * 1'000'000;  // its tick

// What expected runs and verdicts in a log come to, told plainly: of each day the first record, or the rows of others
// if they were there before; of each expected run the first verdict. Shares nothing with aggregators.
class ExpectedModel {
 public:
  // Events of one record, in the log's order. Reads those in protobuf.
  void Add(const std::vector<reference::Event>& events);
  // Ticks of a workflow that are held, rising; those of one day, for that is how long a simulation lasts.
  std::vector<int64_t> Ticks(const std::string& workflow) const;
  // Verdicts by word, as WorkflowBlock has them.
  using Verdicts = std::array<uint64_t, 4>;
  Verdicts CountOf(const std::string& workflow) const;
  bool HasVerdict(const std::string& workflow, int64_t due_us) const;
  // The first of WorkflowNames whose shown counts are not these, less those of `base`; empty: none.
  std::string DifferenceOf(const aggregators::OrchestrationBlock& shown, const ExpectedModel* base) const;

 private:
  struct Row {
    int32_t day = 0;
    bool made = false;
    bool has_verdict = false;
  };
  struct Workflow {
    std::map<int64_t, Row> rows;
    std::pair<std::string, int64_t> made_as;  // version and moment, of made_day
    int32_t made_day = INT32_MIN;
    Verdicts verdicts{};
  };
  std::map<std::string, Workflow> workflows_;
};

}  // namespace runledger::simulation
