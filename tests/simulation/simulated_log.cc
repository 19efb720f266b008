#include "simulation/simulated_log.h"

#include <algorithm>

namespace runledger::simulation {

void SimulatedPartition::Append(tools::GeneratedRecord record, int64_t stamp_us, int64_t appended_us, int64_t gap) {
  StoredRecord& stored = records_.emplace_back();
  stored.offset = end_ + gap;
  stored.stamp_us = stamp_us / 1000 * 1000;  // brokers keep milliseconds
  stored.appended_us = appended_us;
  stored.record = std::move(record);
  for (const auto& [name, value] : stored.record.headers) stored.headers.push_back({name, value});
  end_ = stored.offset + 1;
}

size_t SimulatedPartition::Find(int64_t offset) const {
  const auto at = std::lower_bound(records_.begin(), records_.end(), offset,
                                   [](const StoredRecord& record, int64_t wanted) { return record.offset < wanted; });
  return static_cast<size_t>(at - records_.begin());
}

}  // namespace runledger::simulation
