#include "reference/policy.h"

#include <algorithm>

namespace runledger::reference {

bool Matches(std::string_view pattern, std::string_view text) {
  // reached[i]: what of the pattern was read so far can stand for the first i letters.
  std::vector<bool> reached(text.size() + 1);
  reached[0] = true;
  for (const char letter : pattern) {
    std::vector<bool> next(text.size() + 1);
    for (size_t i = 0; i <= text.size(); ++i) {
      if (letter == '*') {
        next[i] = reached[i] || (i > 0 && next[i - 1]);
      } else {
        next[i] = i > 0 && reached[i - 1] && text[i - 1] == letter;
      }
    }
    reached = next;
  }
  return reached[text.size()];
}

const Policy& Policies::Of(std::string_view job) const {
  const Policy* best = &defaults;
  int64_t best_score = -1;
  for (const auto& [pattern, policy] : rules) {
    if (!Matches(pattern, job)) continue;
    const auto stars = std::count(pattern.begin(), pattern.end(), '*');
    const int64_t score = stars == 0 ? INT64_MAX : static_cast<int64_t>(pattern.size()) - stars;
    if (score > best_score) {
      best_score = score;
      best = &policy;
    }
  }
  return *best;
}

}  // namespace runledger::reference
