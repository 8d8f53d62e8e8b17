// index/kernels/kernel_table.h: the hot loops of one CPU level.
//
// Included by files built for one CPU level: it must stay free of inline code.
#pragma once

#include <cstddef>

namespace sightline::index {

/// All loops: rows and codes may be unaligned (a mapped file), any dim and number of rows including
/// 0; float32 accumulation in several partial sums, so levels differ by rounding only. What a loop
/// over many rows gives for one of them does not depend on the others.
struct KernelTable {
  const char* name;  ///< "generic", "avx2", "avx512"

  // One row of `dim` little-endian floats; `query` has `dim` floats.
  /// Sum of query[i] * row[i].
  float (*inner_product)(const float* query, const std::byte* row, std::size_t dim);
  /// Sum of (query[i] - row[i])^2.
  float (*l2_squared)(const float* query, const std::byte* row, std::size_t dim);
  /// Sum of |query[i] - row[i]|.
  float (*l1)(const float* query, const std::byte* row, std::size_t dim);

  // Many such rows, wherever they lie: they are fetched ahead of their use.
  /// sums[r]: the very bits that inner_product gives for rows[r].
  void (*inner_products)(const float* query, const std::byte* const* rows, std::size_t num_rows,
                         std::size_t dim, float* sums);
  /// sums[r]: the very bits that l2_squared gives for rows[r].
  void (*l2_squares)(const float* query, const std::byte* const* rows, std::size_t num_rows,
                     std::size_t dim, float* sums);

  // Many rows of `dim` little-endian fp16 values (IEEE 754 binary16), subnormal ones included.
  /// sums[r]: sum of query[i] * rows[r][i].
  void (*half_products)(const float* query, const std::byte* const* rows, std::size_t num_rows,
                        std::size_t dim, float* sums);
  /// sums[r]: sum of (query[i] - rows[r][i])^2.
  void (*half_squares)(const float* query, const std::byte* const* rows, std::size_t num_rows,
                       std::size_t dim, float* sums);

  // Codes of a scalar quantiser, one unsigned byte a dimension.
  /// sums[r]: sum of query[i] * codes[r][i].
  void (*sq8_products)(const float* query, const std::byte* const* codes, std::size_t num_rows,
                       std::size_t dim, float* sums);
  /// sums[r]: sum of (query[i] - scale[i] * codes[r][i])^2.
  void (*sq8_squares)(const float* query, const float* scale, const std::byte* const* codes,
                      std::size_t num_rows, std::size_t dim, float* sums);

  // A product quantiser: `num_parts` parts of `part_dim` dimensions, one unsigned byte a part.
  /// table[m * 256 + c]: product of part m of the query and word c of its codebook. `codebooks`
  /// [num_parts, part_dim, 256]: the words of a part side by side.
  void (*product_table)(const float* query, const float* codebooks, std::size_t num_parts,
                        std::size_t part_dim, float* table);
  /// The same with squared distances.
  void (*square_table)(const float* query, const float* codebooks, std::size_t num_parts,
                       std::size_t part_dim, float* table);
  /// sums[r]: sum of table[m * 256 + codes[r][m]].
  void (*table_sums)(const float* table, const std::byte* const* codes, std::size_t num_rows,
                     std::size_t num_parts, float* sums);
};

}  // namespace sightline::index
