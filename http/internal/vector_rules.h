// http/internal/vector_rules.h: whether a vector fits its collection, in Qdrant's words.
#pragma once

#include <cstddef>
#include <string>

#include "core/result.h"
#include "pipeline/collection_store.h"
#include "pipeline/point_query.h"

namespace sightline::http {

/// errors  kInvalidArgument: no vector of the collection is called `name`.
Result<void> check_vector_name(const pipeline::CollectionConfig& config, const std::string& name);

/// The same of every name that `selector` holds.
Result<void> check_selected(const pipeline::CollectionConfig& config,
                            const pipeline::VectorSelector& selector);

/// A vector given for the name `name`: of `dim` floats (of each row), whatever for sparse ones. One
/// dense vector may stand for a multi-vector.
/// errors  kInvalidArgument: unknown name, other kind, other dim.
Result<void> check_vector(const pipeline::CollectionConfig& config, const std::string& name,
                          pipeline::VectorKind kind, std::size_t dim);

/// Every vector that the query holds, prefetches included, and the names of those it asks for.
Result<void> check_inputs(const pipeline::CollectionConfig& config,
                          const pipeline::PointQuery& query);

}  // namespace sightline::http
