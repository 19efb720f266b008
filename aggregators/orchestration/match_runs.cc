#include "aggregators/orchestration/match_runs.h"

#include <algorithm>
#include <cstddef>

namespace runledger::aggregators {
namespace {

// Starts within the bounds of one tick: [begin, end). Both rise from tick to tick, because all windows are alike.
struct Band {
  size_t begin;
  size_t end;
  size_t at;  // of its first state among those of all ticks
};

// What the ticks from one on can come to with the starts from one on.
struct Outcome {
  int32_t pairs = 0;
  int64_t distance_us = 0;

  bool BetterThan(const Outcome& other) const {
    return pairs != other.pairs ? pairs > other.pairs : distance_us < other.distance_us;
  }
};

enum class Choice : uint8_t { kPair, kPassStart, kPassTick };

std::vector<Band> Bands(std::span<const int64_t> expected, std::span<const int64_t> actual, MatchBounds bounds,
                        size_t* states) {
  std::vector<Band> bands;
  bands.reserve(expected.size());
  size_t begin = 0, end = 0;
  *states = 0;
  for (const int64_t tick : expected) {
    while (begin < actual.size() && actual[begin] < tick - bounds.before_us) ++begin;
    end = std::max(end, begin);
    while (end < actual.size() && actual[end] <= tick + bounds.after_us) ++end;
    bands.push_back({begin, end, *states});
    *states += end - begin + 1;
  }
  return bands;
}

std::vector<int32_t> Greedy(const std::vector<Band>& bands) {
  std::vector<int32_t> matched(bands.size(), kUnmatched);
  size_t next = 0;
  for (size_t i = 0; i < bands.size(); ++i) {
    next = std::max(next, bands[i].begin);
    if (next < bands[i].end) matched[i] = static_cast<int32_t>(next++);
  }
  return matched;
}

}  // namespace

// There is a best pairing in which no two pairs cross: uncrossing two of them keeps both within bounds and lengthens
// neither's sum. So ticks and starts are gone through together from the end, and of each tick only the states matter in
// which the next start is one of its own window.
std::vector<int32_t> MatchRuns(std::span<const int64_t> expected, std::span<const int64_t> actual, MatchBounds bounds) {
  size_t states = 0;
  const std::vector<Band> bands = Bands(expected, actual, bounds, &states);
  if (states - bands.size() > kMostPairs) return Greedy(bands);

  std::vector<Choice> choices(states);
  std::vector<Outcome> later(1), here;  // of the tick behind, and of this one, by start less the band's first
  Band behind{actual.size(), actual.size(), 0};
  for (size_t i = bands.size(); i-- > 0;) {
    const Band& band = bands[i];
    const auto from_next_tick = [&](size_t start) -> const Outcome& {
      return later[std::max(start, behind.begin) - behind.begin];
    };
    here.assign(band.end - band.begin + 1, {});
    for (size_t start = band.end + 1; start-- > band.begin;) {
      Outcome best = from_next_tick(start);
      Choice choice = Choice::kPassTick;
      if (start < band.end) {
        if (const Outcome& pass = here[start + 1 - band.begin]; !best.BetterThan(pass)) {
          best = pass;
          choice = Choice::kPassStart;
        }
        const int64_t distance_us = std::max(actual[start], expected[i]) - std::min(actual[start], expected[i]);
        Outcome pair = from_next_tick(start + 1);
        ++pair.pairs;
        pair.distance_us += distance_us;
        if (!best.BetterThan(pair)) {
          best = pair;
          choice = Choice::kPair;
        }
      }
      here[start - band.begin] = best;
      choices[band.at + start - band.begin] = choice;
    }
    std::swap(here, later);
    behind = band;
  }

  std::vector<int32_t> matched(expected.size(), kUnmatched);
  size_t start = 0;
  for (size_t i = 0; i < bands.size(); ++i) {
    const Band& band = bands[i];
    start = std::max(start, band.begin);
    while (choices[band.at + start - band.begin] == Choice::kPassStart) ++start;
    if (choices[band.at + start - band.begin] == Choice::kPair) matched[i] = static_cast<int32_t>(start++);
  }
  return matched;
}

}  // namespace runledger::aggregators
