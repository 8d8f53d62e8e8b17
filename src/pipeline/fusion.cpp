#include "pipeline/internal/fusion.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace sightline::pipeline {
namespace {

/// Adds up what lists say of the same point.
class ScoreSums {
 public:
  void add(const PointId& id, float score) {
    const auto [at, is_new] = places_.try_emplace(id, points_.size());
    if (is_new) {
      points_.push_back({id, score});
    } else {
      points_[at->second].score += score;
    }
  }
  Ranking take() {
    sort_best_first(points_);
    return std::move(points_);
  }

 private:
  std::unordered_map<PointId, std::size_t> places_;
  Ranking points_;
};

struct Limits {
  double lower = 0, upper = 0;
};
/// 3 standard deviations of the sample to either side of the mean.
Limits limits_of(const Ranking& list) {
  if (list.size() < 2) return {};
  const double n = static_cast<double>(list.size());
  double mean = 0, squares = 0;
  for (const RankedPoint& point : list) mean += point.score / n;
  for (const RankedPoint& point : list) squares += (point.score - mean) * (point.score - mean);
  const auto [least, most] = std::minmax_element(
      list.begin(), list.end(),
      [](const RankedPoint& a, const RankedPoint& b) { return a.score < b.score; });
  if (least->score == most->score) return {};  // rounding could leave a tiny deviation
  const double reach = 3 * std::sqrt(squares / (n - 1));
  return {mean - reach, mean + reach};
}

}  // namespace

void sort_best_first(Ranking& points) {
  std::sort(points.begin(), points.end(), [](const RankedPoint& a, const RankedPoint& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
}

Ranking fuse_rrf(std::span<const Ranking> lists, std::size_t k, std::span<const float> weights) {
  ScoreSums sums;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const float weight = weights.empty() ? 1.0f : weights[i];
    float rank = 0;
    for (const RankedPoint& point : lists[i]) {
      ++rank;
      sums.add(point.id, weight > 0 ? 1.0f / (rank / weight + static_cast<float>(k) - 1.0f) : 0.0f);
    }
  }
  return sums.take();
}

Ranking fuse_dbsf(std::span<const Ranking> lists) {
  ScoreSums sums;
  for (const Ranking& list : lists) {
    const auto [lower, upper] = limits_of(list);
    for (const RankedPoint& point : list) {
      sums.add(point.id,
               lower == upper ? 0.5f : static_cast<float>((point.score - lower) / (upper - lower)));
    }
  }
  return sums.take();
}

}  // namespace sightline::pipeline
