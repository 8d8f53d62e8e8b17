// core/vector_view.h: the kinds of vectors, and one that lies elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sightline {

enum class VectorKind {
  kDense,
  kSparse,  ///< Values at some of 2^32 indices. Compared by dot over the indices that both have.
  kMulti,   ///< Rows of `dim` floats. MaxSim: for each row of the query its best row, summed.
};

/// A vector of any kind. Borrows.
struct VectorView {
  VectorKind kind = VectorKind::kDense;
  std::span<const float> values;
  std::span<const std::uint32_t> indices = {};  ///< kSparse: ascending, one for each value.
  std::size_t num_rows = 1;                     ///< kMulti: rows, end to end in `values`.
};

}  // namespace sightline
