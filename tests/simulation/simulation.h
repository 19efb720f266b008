#pragma once

#include <cstdint>
#include <string>

#include "simulation/faults.h"

namespace runledger::simulation {

// What a seed was made of, or several together.
struct Figures {
  int64_t events = 0;
  int64_t rows = 0;
  int64_t letters = 0;
  int64_t scrapes = 0;
  int64_t kills = 0;
  int64_t faults = 0;
  int64_t partitions = 0;
  int64_t instances = 0;
};
inline constexpr int64_t Figures::*kFigures[] = {&Figures::events,     &Figures::rows,     &Figures::letters,
                                                 &Figures::scrapes,    &Figures::kills,    &Figures::faults,
                                                 &Figures::partitions, &Figures::instances};

// What one seed came to.
struct Outcome {
  std::string failure;  // empty: every promise was kept
  uint64_t digest = 0;  // of the course of events: equal for equal seeds
  FaultTable table;
  Figures figures;
};

// Runs one seed to its end. `trace`: the course of events goes to standard error.
Outcome Simulate(uint64_t seed, bool trace);
// From now on every seed has this warehouse, whatever it would choose: sqlite, streams or bigquery. Before the first.
void OnlyWarehouse(const std::string& name);

}  // namespace runledger::simulation
