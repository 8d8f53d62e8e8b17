// index/kmeans.h: k-means through matrix products, for IVF centroids and PQ codebooks.
//
// Lloyd's algorithm with ||x||^2 - 2 x C^T + ||c||^2 computed by BLAS in blocks of rows: FAISS's
// own loops collapse when another job holds a core (OpenMP barriers). Start: k-means++
// (Arthur & Vassilvitskii 2007) or random rows. Empty clusters split the largest ones
// (faiss/Clustering.cpp does the same).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/result.h"

namespace sightline::index {

struct KMeansOptions {
  std::size_t num_clusters = 0;  ///< 1..rows
  std::size_t num_iterations = 10;
  enum class Start { kRandom, kPlusPlus } start = Start::kRandom;
  /// Rows of a mini-batch (Sculley 2010); 0: every iteration reads all rows.
  std::size_t batch_rows = 0;
  bool spherical = false;  ///< Centroids are scaled to norm 1 (inner product).
  std::uint64_t seed = 1;  ///< Same rows, options, seed and CPU level: the same centroids.
  /// Called after each iteration with 1..num_iterations and the mean squared distance.
  std::function<void(std::size_t iteration, double mean_distance)> progress;
};

/// Nearest centroids of rows. Thread-safety: const methods may run on many threads at once.
class CentroidSearch {
 public:
  /// `centroids` [num, dim] row-major, borrowed. `inner_product`: nearest by largest product.
  CentroidSearch(std::span<const float> centroids, std::size_t dim, bool inner_product);
  /// labels[i]: nearest centroid of row i (ties: the lower); distances (may be empty): squared L2,
  /// or the negated product. `rows` [n, dim]. Runs on the calling thread alone.
  void assign(std::span<const float> rows, std::span<std::uint32_t> labels,
              std::span<float> distances = {}) const;
  /// The `num` nearest of one row, nearest first.
  std::vector<std::pair<float, std::uint32_t>> nearest(std::span<const float> row,
                                                       std::size_t num) const;

 private:
  std::span<const float> centroids_;
  std::size_t dim_;
  bool inner_product_;
  std::vector<float> half_norms_;  // ||c||^2 / 2
};

/// rows [n, dim] row-major. pool: blocks of rows run on its workers as kBuild tasks (null: the
/// calling thread alone); must not be called from one of its workers then.
/// returns   [num_clusters, dim].
/// errors    kInvalidArgument: fewer rows than clusters, dim 0; kCancelled, kDeadlineExceeded:
///           checked between blocks.
Result<std::vector<float>> kmeans(std::span<const float> rows, std::size_t dim,
                                  const KMeansOptions& options, ComputePool* pool,
                                  const Deadline& deadline);

/// Codebooks of a product quantiser (Jegou et al. 2011): [num_subvectors, 256, dim /
/// num_subvectors] in FAISS's order (ProductQuantizer::centroids), 8 bits a code. errors
/// kInvalidArgument: dim is not a multiple of num_subvectors; fewer than 256 rows.
Result<std::vector<float>> train_product_quantizer(std::span<const float> rows, std::size_t dim,
                                                   std::size_t num_subvectors,
                                                   std::size_t num_iterations, std::uint64_t seed,
                                                   ComputePool* pool, const Deadline& deadline);
/// codes [n, num_subvectors] of rows [n, dim]. On the calling thread alone.
void encode_product_quantizer(std::span<const float> codebooks, std::size_t dim,
                              std::size_t num_subvectors, std::span<const float> rows,
                              std::span<std::uint8_t> codes);

}  // namespace sightline::index
