// pipeline/internal/fusion.h: one ranking from several.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/point_id.h"
#include "pipeline/point_query.h"

namespace sightline::pipeline {

/// One point of a ranking, with what stages of a query pass on.
struct RankedPoint {
  PointId id;
  float score = 0;
  std::optional<OrderValue> order_value = {};
};
/// Best first; ties by id, unless it is in the order of a field.
using Ranking = std::vector<RankedPoint>;

/// Best first, ties by id.
void sort_best_first(Ranking& points);

/// As RrfFusion says; `weights` is empty or has one for each list. Thread-safety: pure.
Ranking fuse_rrf(std::span<const Ranking> lists, std::size_t k, std::span<const float> weights);
/// As DbsfFusion says. Thread-safety: pure.
Ranking fuse_dbsf(std::span<const Ranking> lists);

}  // namespace sightline::pipeline
