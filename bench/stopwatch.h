#pragma once

#include <time.h>

namespace runledger::bench {

inline double SecondsOf(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Wall time and processor time (user and system, of the whole process or of this thread) since it was made.
class Stopwatch {
 public:
  explicit Stopwatch(clockid_t cpu_clock = CLOCK_PROCESS_CPUTIME_ID) : cpu_clock_(cpu_clock) {}
  double wall_seconds() const { return SecondsOf(CLOCK_MONOTONIC) - wall_; }
  double cpu_seconds() const { return SecondsOf(cpu_clock_) - cpu_; }

 private:
  clockid_t cpu_clock_;
  double wall_ = SecondsOf(CLOCK_MONOTONIC);
  double cpu_ = SecondsOf(cpu_clock_);
};

}  // namespace runledger::bench
