#pragma once

#include <cstdint>

#include "runledger/v1/event.pb.h"

namespace runledger::bench {

// Rows of a platform of 500 jobs over 90 days: 4 events a run, about 36 filled columns, JSON among them.
struct PlatformRows {
  static constexpr int kJobs = 500;
  static constexpr int kDays = 90;
  static constexpr int kEventsPerRun = 4;
  static constexpr int64_t kFirstUs = 1'760'000'000'000'000;  // 2025-10-09
  static constexpr int64_t kDayUs = 86'400'000'000;

  // Event `step` (from 0; the last is the run's end) of run `number` of `runs`, which fill the 90 days.
  static void Fill(int64_t number, int step, int64_t runs, v1::Event* event);
};

}  // namespace runledger::bench
