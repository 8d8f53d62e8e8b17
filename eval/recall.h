// eval/recall.h: how many of the true nearest neighbours were found.
#pragma once

#include <cstddef>
#include <span>

#include "core/point_id.h"
#include "pipeline/collection_store.h"

namespace sightline::eval {

/// Share of the first `k` of `truth` (each once, best first) that are among the first `k` of
/// `found`: 0..1. Their order is ignored, repeats count once. If there are fewer than k true
/// neighbours, the share of these; if there are none, 1.
double recall_at_k(std::span<const PointId> truth, std::span<const PointId> found, std::size_t k);

/// The same, where a found point that is as near as the k-th true neighbour is as good as it: its
/// score equals that one's, in `found` or in `truth`, which may go on after the k-th.
double recall_at_k(std::span<const pipeline::ScoredPoint> truth,
                   std::span<const pipeline::ScoredPoint> found, std::size_t k);

}  // namespace sightline::eval
