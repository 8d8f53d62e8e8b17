#include "eval/recall.h"

#include <algorithm>
#include <unordered_set>

namespace sightline::eval {
namespace {

template <typename Point>
std::span<const Point> first(std::span<const Point> points, std::size_t k) {
  return points.first(std::min(k, points.size()));
}

double share(std::size_t num_right, std::size_t num_true) {
  if (num_true == 0) return 1;
  return static_cast<double>(std::min(num_right, num_true)) / static_cast<double>(num_true);
}

}  // namespace

double recall_at_k(std::span<const PointId> truth, std::span<const PointId> found, std::size_t k) {
  truth = first(truth, k);
  const std::unordered_set<PointId> wanted(truth.begin(), truth.end());
  std::unordered_set<PointId> right;
  for (const PointId& id : first(found, k)) {
    if (wanted.contains(id)) right.insert(id);
  }
  return share(right.size(), truth.size());
}

double recall_at_k(std::span<const pipeline::ScoredPoint> truth,
                   std::span<const pipeline::ScoredPoint> found, std::size_t k) {
  const auto nearest = first(truth, k);
  if (nearest.empty()) return 1;
  const float last_score = nearest.back().score;
  std::unordered_set<PointId> wanted;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    if (i < k || truth[i].score == last_score) wanted.insert(truth[i].id);
  }
  std::unordered_set<PointId> right;
  for (const auto& point : first(found, k)) {
    if (wanted.contains(point.id) || point.score == last_score) right.insert(point.id);
  }
  return share(right.size(), nearest.size());
}

}  // namespace sightline::eval
