// http/point_reader.h: bodies that hold points: read straight into the rows that are stored.
//
// simdjson walks the text once ("on demand"); a body of 100 MB takes no more memory beside itself
// than its rows and the positions of its tokens.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/filter.h"
#include "core/result.h"
#include "http/inference.h"
#include "pipeline/collection_store.h"

namespace sightline::http {

/// A vector that is made of a text or a picture before it can be written.
struct PendingVector {
  std::size_t point = 0, vector = 0;  ///< points[point].vectors[vector], empty until then.
  InferenceInput input;
};

/// PointInsertOperations (list or columns) or UpdateVectors.
struct PointBatch {
  std::vector<pipeline::UpsertPoint> points;  ///< For UpdateVectors without payloads.
  std::vector<PendingVector> pending;
  std::shared_ptr<const Filter> update_filter;
  pipeline::WriteMode mode = pipeline::WriteMode::kUpsert;
};
struct UpdateVectorsBatch {
  PointBatch batch;
};
/// An operation of UpdateOperations: points, vectors, or one that holds neither.
using UpdateOperation = std::variant<PointBatch, UpdateVectorsBatch, pipeline::WriteOp>;

// All three may enlarge the capacity of `body` (RequestBody has enough) and leave its text alone.
// errors  kInvalidArgument: no JSON or nested too deep, as read_json() says it; malformed, with the
//         path in the body; kValidation: columns of unequal length, rows of a multi-vector of
//         unequal or no length, sparse indices that repeat or are not as many as values;
//         kUnimplemented: shard keys, inference of objects.

/// errors  also kInvalidArgument "Empty update request".
Result<PointBatch> read_upsert(std::string& body);
Result<PointBatch> read_update_vectors(std::string& body);
Result<std::vector<UpdateOperation>> read_update_operations(std::string& body);

}  // namespace sightline::http
