#pragma once

#include <string>

#include "aggregators/shard.h"

namespace runledger::aggregators {

// The state of a shard as of now, written without a record between its pieces.
inline std::string SnapshotOf(Shard* shard) {
  std::string bytes;
  shard->BeginSnapshot();
  while (!shard->ContinueSnapshot(1 << 20, &bytes)) {
  }
  return bytes;
}

}  // namespace runledger::aggregators
