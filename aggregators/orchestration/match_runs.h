#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace runledger::aggregators {

// How far from its tick a start may lie and still be the tick's. Both bounds belong to the window.
struct MatchBounds {
  int64_t before_us = 0;
  int64_t after_us = 0;
};

inline constexpr int32_t kUnmatched = -1;

// Pairs expected times with actual ones: each with at most one, within the bounds; as many pairs as there can be, and
// of those pairings one with the least sum of distances. Among equals an earlier tick is rather paired than a later
// one, and with the earlier start. Both lists sorted, the earliest first; all times in microseconds. Returns for each
// expected time the index of its actual one, or kUnmatched. Time and memory grow with the number of (tick, start) pairs
// within bounds. Beyond kMostPairs of them, which no schedule comes near, each tick takes the earliest start that is
// left: as many pairs, not always the nearest ones.
std::vector<int32_t> MatchRuns(std::span<const int64_t> expected, std::span<const int64_t> actual, MatchBounds bounds);

inline constexpr size_t kMostPairs = size_t{1} << 22;

}  // namespace runledger::aggregators
