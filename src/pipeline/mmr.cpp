#include "pipeline/internal/mmr.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace sightline::pipeline {

Result<std::vector<std::size_t>> pick_diverse(
    std::span<const float> relevance,
    const std::function<float(std::size_t a, std::size_t b)>& likeness, float diversity,
    std::size_t limit, const Deadline& deadline) {
  std::vector<std::size_t> left(relevance.size());
  std::iota(left.begin(), left.end(), std::size_t{0});
  // Of each candidate: its likeness to the most alike of the picked.
  std::vector<float> closest(relevance.size(), -std::numeric_limits<float>::infinity());
  std::vector<std::size_t> picked;
  while (picked.size() < limit && !left.empty()) {
    SIGHTLINE_TRY_DO(deadline.check("picking diverse hits"));
    auto best = left.begin();
    float best_value = -std::numeric_limits<float>::infinity();
    for (auto it = left.begin(); it != left.end(); ++it) {
      const float value = picked.empty()
                              ? relevance[*it]
                              : (1 - diversity) * relevance[*it] - diversity * closest[*it];
      if (value > best_value) {
        best = it;
        best_value = value;
      }
    }
    const std::size_t pick = *best;
    picked.push_back(pick);
    left.erase(best);
    for (const std::size_t other : left) {
      closest[other] = std::max(closest[other], likeness(other, pick));
    }
  }
  return picked;
}

}  // namespace sightline::pipeline
