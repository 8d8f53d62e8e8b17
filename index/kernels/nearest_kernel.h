// index/kernels/nearest_kernel.h: the hot loop of assigning rows to their nearest centroids, one
// per CPU level. Products and running maxima in one go: no matrix of scores is ever written.
//
// Included by files built for one CPU level: it must stay free of inline code.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sightline::index {

struct KernelTable;

/// Centroids lie in panels of `width`: float [dim, width], aligned to 64 bytes, so that one vector
/// holds the same component of `lanes` centroids.
struct NearestKernel {
  const char* name;       ///< "generic", "avx2", "avx512"
  std::size_t width;      ///< Centroids in a panel, a multiple of `lanes`.
  std::size_t lanes;      ///< Maxima kept for a row; at most 16.
  std::size_t tile_rows;  ///< Rows are taken in groups of so many.

  /// score(row, c) = <row, c> - offset(c) of all rows and the panel's centroids, summed in the
  /// order of dim in float32, so that a row's scores do not depend on the rows beside it.
  ///
  /// rows      [num_rows, dim], a multiple of tile_rows.
  /// offsets   [width]; +infinity for a centroid that is not there. No score may be NaN.
  /// top       [num_rows, lanes]: lane l holds the best score of centroids l, l + lanes, ... seen
  ///           so far; raised where a score is greater.
  /// top_base  [num_rows, lanes]: where it was raised, `first` + the centroid's place in the panel,
  ///           less l.
  void (*raise)(const float* rows, std::size_t num_rows, std::size_t dim, const float* panel,
                const float* offsets, std::int32_t first, float* top, std::int32_t* top_base);
  /// labels[i]: the centroid with the best score of row i (ties: the lower), once `top` and
  /// `top_base` have seen all panels.
  void (*pick)(const float* top, const std::int32_t* top_base, std::size_t num_rows,
               std::uint32_t* labels);
};

/// The one of `level`'s name.
const NearestKernel& nearest_kernel(const KernelTable& level);

}  // namespace sightline::index
