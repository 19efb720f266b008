#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace runledger::aggregators {

// What readers see of one workflow, or of a job with a schedule of its own. Times are microseconds since the epoch,
// INT64_MIN if there is none.
struct WorkflowBlock {
  static constexpr int64_t kNoTime = std::numeric_limits<int64_t>::min();

  // Final verdicts that were read back from the log, by RunVerdict. Functions of the log's prefix; they never fall.
  std::array<uint64_t, 4> verdicts{};
  // As of the applied position: time of the newest decision, and of the newest one of each Action.
  int64_t last_evaluation_us = kNoTime;
  std::array<int64_t, 3> last_decision_us = {kNoTime, kNoTime, kNoTime};
  // Judged at the watermark; meaningless without one. Of expected runs whose tick was less than a day before it.
  uint64_t pending = 0;
  uint64_t overdue = 0;
  uint64_t missing = 0;            // no decision explains them
  uint64_t missing_explained = 0;  // a decision to skip or to abort does
  bool not_evaluated = false;      // no decision for longer than the limit
  bool has_evaluation_limit = false;
  bool at_home = true;  // false: its home is another partition, or not known: counted here, not judged
};

struct WorkflowLabels {
  std::string name;
};

// What readers see of decisions, expected runs and cleanups.
struct OrchestrationBlock {
  std::vector<WorkflowBlock> workflows;                       // by number
  std::vector<std::shared_ptr<const WorkflowLabels>> labels;  // nullptr: the slot is free
  std::array<uint64_t, 3> missing_files{};                    // of the newest cleanup, by Urgency
  int64_t cleanup_us = WorkflowBlock::kNoTime;                // when it was; none: no cleanup is known
  bool files_known = false;                                   // it says which files
  uint64_t dropped = 0;  // events about workflows beyond the number that is kept, since this state began
};

}  // namespace runledger::aggregators
