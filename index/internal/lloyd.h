// index/internal/lloyd.h: one run of k-means, step by step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/result.h"
#include "index/kmeans.h"

namespace sightline::index {

/// Calls work(i) for i < num_blocks: as kBuild tasks of `pool`, or in order on the calling thread.
/// Returns when none runs any more. errors  those of `work` (the lowest i's) and of `deadline`,
/// which is checked before each block.
Result<void> for_blocks(ComputePool* pool, std::size_t num_blocks, const Deadline& deadline,
                        const std::function<Result<void>(std::size_t)>& work);

/// Thread-safety: one thread. Results do not depend on the pool.
class Lloyd {
 public:
  Lloyd(std::size_t dim, const KMeansOptions& options);

  /// Picks the first centroids among `rows` [n, dim], n >= num_clusters.
  Result<void> start(std::span<const float> rows, ComputePool* pool, const Deadline& deadline);
  /// Gives each of `rows` to its nearest centroid and moves the centroids to the mean of their
  /// rows; of all rows ever given if the options ask for mini-batches. Returns the mean squared
  /// distance before the move.
  Result<double> iterate(std::span<const float> rows, ComputePool* pool, const Deadline& deadline);

  std::vector<float>& centroids() { return centroids_; }
  /// `count` different numbers below `n`, in random order.
  std::vector<std::uint32_t> draw(std::size_t count, std::size_t n);

 private:
  std::span<float> centroid(std::size_t i) { return std::span(centroids_).subspan(i * dim_, dim_); }
  /// `count` numbers below weights.size(), each with a chance by its weight; none if all are 0.
  std::vector<std::uint32_t> draw_by_weight(std::span<const float> weights, std::size_t count);
  Result<void> start_plus_plus(std::span<const float> rows, ComputePool* pool,
                               const Deadline& deadline);
  Result<void> move(std::span<const float> rows, std::span<const std::uint32_t> labels,
                    ComputePool* pool, const Deadline& deadline);
  void move_one(std::size_t cluster, std::span<const float> rows,
                std::span<const std::uint32_t> members);
  void split_empty();

  const std::size_t dim_;
  const KMeansOptions& options_;
  std::mt19937_64 random_;
  std::vector<float> centroids_;  // [num_clusters, dim]
  std::vector<double> weights_;   // rows that a centroid is the mean of
  std::size_t num_seen_ = 0;      // rows given to iterate()
};

}  // namespace sightline::index
