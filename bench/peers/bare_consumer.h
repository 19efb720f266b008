#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace runledger::bench {

// What reading a topic from its beginning to its end took: wall time and this process's processor time (user and
// system), from the assignment of the partitions until the last message is there.
struct Reading {
  double wall_seconds = 0;
  double cpu_seconds = 0;
  uint64_t messages = 0;
  uint64_t value_bytes = 0;
  uint64_t hash = 0;  // of what was looked at, so that looking is not left out
};

// What is looked at of a message: its size alone, or its headers and every byte of its value, as a program has to that
// tells from headers what a message is and then does something with it.
enum class Look { kSize, kWhole };

// librdkafka by itself, straight on its C interface: the least that reading a topic costs a program in C or C++. One
// queue a partition, taken in batches of 1,000 by `threads` threads that share out the partitions. No group is joined
// and nothing is committed. librdkafka's settings are its defaults, except that the end of a partition is reported.
absl::StatusOr<Reading> ReadBare(const std::string& brokers, const std::string& topic, int threads, Look look);

}  // namespace runledger::bench
