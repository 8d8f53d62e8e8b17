// index/kernels/kernel_table.h: the hot loops of one CPU level.
//
// Included by files built for one CPU level: it must stay free of inline code.
#pragma once

#include <cstddef>

namespace sightline::index {

/// All loops: `query` has `dim` floats, `row` has `dim` little-endian floats and may be unaligned
/// (a mapped file), any dim including 0; float32 accumulation in several partial sums, so levels
/// differ by rounding only.
struct KernelTable {
  const char* name;  ///< "generic", "avx2", "avx512"
  /// Sum of query[i] * row[i].
  float (*inner_product)(const float* query, const std::byte* row, std::size_t dim);
  /// Sum of (query[i] - row[i])^2.
  float (*l2_squared)(const float* query, const std::byte* row, std::size_t dim);
  /// Sum of |query[i] - row[i]|.
  float (*l1)(const float* query, const std::byte* row, std::size_t dim);
};

}  // namespace sightline::index
