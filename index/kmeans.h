// index/kmeans.h: k-means for IVF centroids and PQ codebooks.
//
// Lloyd's algorithm over blocks of rows, each a task of the compute pool: FAISS's own loops
// collapse when another job holds a core (OpenMP barriers). The nearest centroid is found by matrix
// products fused with the running minimum (kernels/nearest_kernel.h): no distances are written, no
// BLAS with threads of its own is asked. Empty clusters split the largest ones
// (faiss/Clustering.cpp splits large ones at random).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/result.h"
#include "index/kernels/kernels.h"

namespace sightline::index {

struct KMeansOptions {
  std::size_t num_clusters = 0;  ///< 1..rows
  std::size_t num_iterations = 10;
  /// kRandom: different rows. kPlusPlus: each row with a chance by its squared distance from those
  /// chosen before (Arthur & Vassilvitskii 2007); takes about as long as an iteration.
  enum class Start { kRandom, kPlusPlus } start = Start::kRandom;
  /// Rows of a mini-batch (Sculley 2010), of which each iteration reads one; 0: every iteration
  /// reads all rows.
  std::size_t batch_rows = 0;
  bool spherical = false;  ///< Centroids are scaled to norm 1 (inner product).
  std::uint64_t seed = 1;  ///< Same rows, options, seed and CPU level: the same centroids.
  /// Called after each iteration with 1..num_iterations and the mean squared distance of the rows
  /// read from the centroids before they moved.
  std::function<void(std::size_t iteration, double mean_distance)> progress;
};

/// Nearest centroids of rows. Thread-safety: const methods may run on many threads at once.
class CentroidSearch {
 public:
  /// `centroids` [num, dim] row-major, num and dim at least 1, borrowed. `inner_product`: nearest
  /// by largest product.
  CentroidSearch(std::span<const float> centroids, std::size_t dim, bool inner_product,
                 const KernelTable& kernels = index::kernels());
  CentroidSearch(CentroidSearch&& other) noexcept;
  ~CentroidSearch();

  /// labels[i]: nearest centroid of row i (ties: the lower), found in float32 relative to the
  /// centroids' mean; distances (may be empty): squared L2, or the negated product. `rows` [n,
  /// dim]. A row farther than 1e15 times the centroids' spread, or not finite, gets some label.
  /// Runs on the calling thread alone. The first call makes a second copy of the centroids.
  void assign(std::span<const float> rows, std::span<std::uint32_t> labels,
              std::span<float> distances = {}) const;
  /// The `num` nearest of one row, nearest first (ties: the lower).
  std::vector<std::pair<float, std::uint32_t>> nearest(std::span<const float> row,
                                                       std::size_t num) const;

 private:
  struct Panels;

  const Panels& panels() const;
  float distance(const float* row, std::size_t centroid) const;

  std::span<const float> centroids_;
  std::size_t dim_;
  bool inner_product_;
  const KernelTable& kernels_;
  std::unique_ptr<Panels> panels_;  // made by the first assign()
};

/// rows [n, dim] row-major, finite. pool: blocks of rows run on its workers as kBuild tasks (null:
/// the calling thread alone); must not be called from one of its workers then.
/// returns   [num_clusters, dim], finite.
/// errors    kInvalidArgument: fewer rows than clusters, dim 0, 2^32 rows; kCancelled,
///           kDeadlineExceeded: checked between blocks.
Result<std::vector<float>> kmeans(std::span<const float> rows, std::size_t dim,
                                  const KMeansOptions& options, ComputePool* pool,
                                  const Deadline& deadline);

/// Codebooks of a product quantiser (Jegou et al. 2011): [num_subvectors, 256, dim /
/// num_subvectors] in FAISS's order (ProductQuantizer::centroids), 8 bits a code. Pool and deadline
/// as in kmeans().
/// errors    kInvalidArgument: dim is not a multiple of num_subvectors; fewer than 256 rows.
Result<std::vector<float>> train_product_quantizer(std::span<const float> rows, std::size_t dim,
                                                   std::size_t num_subvectors,
                                                   std::size_t num_iterations, std::uint64_t seed,
                                                   ComputePool* pool, const Deadline& deadline);
/// codes [n, num_subvectors] of rows [n, dim]. On the calling thread alone.
void encode_product_quantizer(std::span<const float> codebooks, std::size_t dim,
                              std::size_t num_subvectors, std::span<const float> rows,
                              std::span<std::uint8_t> codes);

}  // namespace sightline::index
