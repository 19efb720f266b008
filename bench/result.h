#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace runledger::bench {

// A figure for the table of bench/run --table: a line "name value" at the end of the file that RUNLEDGER_BENCH_RESULTS
// names. Without it nothing is written. bench/table.py knows the names.
inline void Record(const std::string& name, double value) {
  const char* path = std::getenv("RUNLEDGER_BENCH_RESULTS");
  if (path == nullptr) return;
  std::FILE* file = std::fopen(path, "a");
  if (file == nullptr) {
    std::perror(path);
    std::exit(1);
  }
  std::fprintf(file, "%s %.9g\n", name.c_str(), value);
  std::fclose(file);
}

// The upper one of the two in the middle if their number is even. REQUIRES: there is one.
inline double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace runledger::bench
