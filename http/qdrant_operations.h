// http/qdrant_operations.h: parts that many of Qdrant's requests share, and writes that hold
// neither points nor vectors.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "core/filter.h"
#include "core/point_id.h"
#include "core/result.h"
#include "http/body_node.h"
#include "pipeline/collection_store.h"
#include "pipeline/point_query.h"

namespace sightline::http {

/// The facts of a picture in a payload: indexing alone writes them.
inline constexpr const char* kReservedKey = "_image";
inline constexpr std::string_view kReservedRule = "is reserved: only indexing a picture writes it";

// errors of all: those of BodyNode; kUnimplemented: `slice`, match `prefix`, shard keys.

Result<std::shared_ptr<const Filter>> read_filter(const BodyNode& filter);
/// The member `filter`; null if there is none.
Result<std::shared_ptr<const Filter>> find_filter(const BodyNode& body);

Result<PointId> read_point_id(const BodyNode& id);
Result<std::vector<PointId>> read_point_ids(const BodyNode& list);
Result<FieldPath> read_field_path(const BodyNode& path);

/// WithPayloadInterface; `absent`: what no such member means.
Result<pipeline::PayloadSelector> read_with_payload(const std::optional<BodyNode>& member,
                                                    bool absent);
/// WithVector, `with_vector` or `with_vectors` of `body`; absent: none.
Result<pipeline::VectorSelector> read_with_vector(const BodyNode& body);

struct OrderBy {
  FieldPath key;
  bool descending = false;
  std::optional<IndexedValue> start_from;  ///< int64, double, or a string: a date.
};
/// OrderByInterface.
Result<OrderBy> read_order_by(const BodyNode& order_by);

/// kUnimplemented if `body` has a shard_key.
Result<void> refuse_shard_key(const BodyNode& body);

/// Points of DeletePayload, SetPayload, DeleteVectors and PointsSelector: by `points` or `filter`.
/// `must_exist` is for ids.
Result<pipeline::PointSelector> read_selector(const BodyNode& body, bool must_exist);

/// An operation by its name in UpdateOperation: "delete", "set_payload", "overwrite_payload",
/// "delete_payload", "clear_payload", "delete_vectors".
Result<pipeline::WriteOp> read_write_op(std::string_view name, const BodyNode& body);

}  // namespace sightline::http
