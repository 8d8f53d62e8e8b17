// pipeline/vector_math.h: vectors of all kinds: their rules, and how alike two are.
#pragma once

#include <optional>

#include "core/result.h"
#include "pipeline/collection_store.h"

namespace sightline::pipeline {

/// Brings `vector` into the form that the store keeps and compares: rows of kCosine get L2 norm 1
/// (a row of zeros stays one, with a cosine of 0 to all, as Qdrant has it), sparse values are
/// sorted by index, a dense vector becomes the one row of a kMulti name.
/// errors  kInvalidArgument: another kind or dim than the name's, no row, not finite, an index
///         given twice, indices and values of different lengths.
Result<void> prepare_vector(const VectorConfig& config, NamedVector& vector);

/// Score of `stored` for `query`, as search() gives it: higher is better, negated distances for
/// kEuclid and kManhattan. MaxSim under kEuclid sums squares of distances and takes the root of the
/// sum, as Qdrant does. Both as prepare_vector() leaves them. nullopt: sparse vectors that share no
/// index. Thread-safety: pure.
std::optional<float> similarity(const VectorConfig& config, const VectorView& query,
                                const VectorView& stored);

}  // namespace sightline::pipeline
