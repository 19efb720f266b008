#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregators/published.h"
#include "reference/fold.h"
#include "simulation/simulated_log.h"
#include "simulation/truth.h"

namespace runledger::simulation {

// Where the state of a shard comes from: the offset at which its fold began, and, once its counters were lost, the
// offset at which they began anew. Goes with the snapshots.
struct Lineage {
  int64_t from = 0;
  std::optional<int64_t> counted_from;

  friend auto operator<=>(const Lineage&, const Lineage&) = default;
};

// Everything that was ever shown. Each shown block is compared, when all is over, with the reference's fold of the log
// up to its own position, judged at its own watermark; counters are watched as they are shown.
class Scrapes {
 public:
  Scrapes(reference::FoldOptions options, reference::Policies policies, int32_t partitions)
      : options_(options), policies_(std::move(policies)), shown_(static_cast<size_t>(partitions)) {}

  // A block was shown at the true time `now_us`, while this was the log. Returns what is wrong at once.
  std::string Show(int32_t partition, const std::string& who, const aggregators::ShardBlock& block,
                   const Lineage& lineage, int64_t now_us, const SimulatedPartition& log);
  // Counters of the partition may go back once: it was said.
  void OnStateLost(int32_t partition);
  // Compares all of it. Returns the first difference.
  std::string Compare(int32_t partition, const SimulatedPartition& log, const Truth& truth, bool by_broker);

  int64_t shown() const { return count_; }

 private:
  struct Shown {
    int64_t applied = 0;
    std::string who;
    std::shared_ptr<const aggregators::ShardBlock> block;
  };
  struct Partition {
    std::map<Lineage, std::vector<Shown>> by_lineage;
    // The last shown value of each counter; "runs_started job".
    std::map<std::string, double> counters;
  };

  const reference::FoldOptions options_;
  const reference::Policies policies_;
  std::vector<Partition> shown_;
  int64_t count_ = 0;
};

}  // namespace runledger::simulation
