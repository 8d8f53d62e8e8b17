#include "http/point_reader.h"

#include <array>
#include <optional>
#include <utility>

#include "http/body_node.h"
#include "http/errors.h"
#include "http/internal/json_walk.h"
#include "http/internal/vector_reader.h"
#include "http/qdrant_operations.h"

namespace sightline::http {
namespace {

using pipeline::UpsertPoint;
using pipeline::WriteMode;

template <typename Visit>
Result<void> walk_text(const std::string& body, Visit visit) {
  const Place root;
  ondemand::parser parser;
  ondemand::document document;
  ondemand::object object;
  // The other reader passes over it; this version of simdjson does not.
  const std::size_t start = body.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  if (const auto error =
          parser.iterate(body.data() + start, body.size() - start, body.capacity() - start)
              .get(document)) {
    return root.failure(error, "an object");
  }
  if (const auto error = document.get_object().get(object)) {
    return root.failure(error, "an object");
  }
  SIGHTLINE_TRY_DO(visit(object, root));
  if (!document.current_location().error()) return root.unsound("trailing characters");
  return {};
}

/// Opens `body` for reading and calls `visit(ondemand::object)`.
template <typename Visit>
Result<void> walk_body(std::string& body, Visit visit) {
  if (body.capacity() < body.size() + simdjson::SIMDJSON_PADDING) {
    body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  }
  auto walked = walk_text(body, visit);
  if (!walked) return blame_text(std::move(walked).error(), body);
  return {};
}

/// Columns of PointsBatch, which come in any order.
struct Columns {
  std::optional<std::vector<PointId>> ids;
  struct Column {
    std::string name;
    std::vector<VectorInput> vectors;
  };
  std::optional<std::vector<Column>> vectors;
  std::optional<std::vector<Json>> payloads;
};

class BatchReader {
 public:
  /// PointInsertOperations, or (`vectors_only`) UpdateVectors.
  Result<PointBatch> read(ondemand::object object, const Place& place, bool vectors_only) {
    const auto visit = [&](std::string_view key, ondemand::value value,
                           const Place& at) -> Result<void> {
      if (!is_present(value)) return {};
      if (key == "points") {
        has_points_ = true;
        return walk_list(value, at, [&](ondemand::value point, const Place& place_of_point) {
          return read_point(point, place_of_point, vectors_only);
        });
      }
      if (key == "batch" && !vectors_only) return read_columns(value, at);
      if (key == "update_filter") return read_update_filter(value, at);
      if (key == "update_mode" && !vectors_only) return read_mode(value, at);
      if (key == "shard_key") return left_out("`shard_key` (custom sharding)");
      return skip(value, at);
    };
    SIGHTLINE_TRY_DO(walk_object(object, place, visit));
    if (columns_) SIGHTLINE_TRY_DO(join_columns(place));
    if (!has_points_) return place.malformed("missing field `points`");
    if (batch_.points.empty()) {
      if (vectors_only) return place.member("points").broken("must have at least 1 items");
      return invalid_argument("Wrong input: Empty update request");
    }
    return std::move(batch_);
  }

 private:
  Result<void> read_point(ondemand::value value, const Place& place, bool vectors_only) {
    UpsertPoint point;
    std::optional<PointId> id;
    std::optional<std::vector<VectorInput>> vectors;
    SIGHTLINE_TRY_DO(walk_object(
        value, place,
        [&](std::string_view key, ondemand::value member, const Place& at) -> Result<void> {
          if (key == "id") {
            SIGHTLINE_TRY(id, to_point_id(member, at));
          } else if (key == "vector" || key == "vectors") {  // as Qdrant takes both
            SIGHTLINE_TRY(vectors, reader_.read_vectors(member, at));
          } else if (key == "payload" && !vectors_only && is_present(member)) {
            SIGHTLINE_TRY(point.payload, read_payload(member, at));
          } else {
            return skip(member, at);
          }
          return {};
        }));
    if (!id) return place.malformed("missing field `id`");
    if (!vectors) return place.malformed("missing field `vector`");
    if (vectors_only && vectors->empty()) {
      return place.member("vector").broken("must specify vectors to update for point");
    }
    point.id = *id;
    for (VectorInput& input : *vectors) add_vector(point, std::move(input));
    batch_.points.push_back(std::move(point));
    return {};
  }

  /// `point` will be the next of the batch.
  void add_vector(UpsertPoint& point, VectorInput input) {
    if (input.inference) {
      batch_.pending.push_back(
          {batch_.points.size(), point.vectors.size(), *std::move(input.inference)});
    }
    point.vectors.push_back(std::move(input.vector));
  }

  static Result<Json> read_payload(ondemand::value value, const Place& place) {
    SIGHTLINE_TRY(Json payload, to_json(value, place));
    if (!payload.is_object()) return place.wrong_type("an object");
    if (payload.contains(kReservedKey)) return place.member(kReservedKey).broken(kReservedRule);
    return payload;
  }

  Result<void> read_columns(ondemand::value value, const Place& place) {
    columns_.emplace();
    return walk_object(
        value, place,
        [&](std::string_view key, ondemand::value member, const Place& at) -> Result<void> {
          if (key == "ids") {
            columns_->ids.emplace();
            return walk_list(member, at, [&](ondemand::value id, const Place& one) -> Result<void> {
              SIGHTLINE_TRY(columns_->ids->emplace_back(), to_point_id(id, one));
              return {};
            });
          }
          if (key == "vectors") return read_vector_columns(member, at);
          if (key == "payloads" && is_present(member)) {
            columns_->payloads.emplace();
            return walk_list(member, at,
                             [&](ondemand::value one, const Place& where) -> Result<void> {
                               Json& payload = columns_->payloads->emplace_back(Json::object());
                               if (is_present(one)) {
                                 SIGHTLINE_TRY(payload, read_payload(one, where));
                               }
                               return {};
                             });
          }
          return skip(member, at);
        });
  }

  /// A list of default vectors, or lists of vectors by name.
  Result<void> read_vector_columns(ondemand::value value, const Place& place) {
    columns_->vectors.emplace();
    const auto read_column = [&](std::string name, ondemand::value list,
                                 const Place& at) -> Result<void> {
      Columns::Column& column = columns_->vectors->emplace_back();
      column.name = std::move(name);
      return walk_list(list, at, [&](ondemand::value one, const Place& where) -> Result<void> {
        SIGHTLINE_TRY(column.vectors.emplace_back(), reader_.read_vector(column.name, one, where));
        return {};
      });
    };
    ondemand::json_type type{};
    if (const auto error = value.type().get(type)) return place.failure(error, "vectors");
    if (type == ondemand::json_type::array) return read_column("", value, place);
    return walk_object(value, place,
                       [&](std::string_view key, ondemand::value list, const Place& at) {
                         return read_column(std::string(key), list, at);
                       });
  }

  Result<void> join_columns(const Place& place) {
    const Place at = place.member("batch");
    if (has_points_) return place.malformed("has both `points` and `batch`");
    if (!columns_->ids) return at.malformed("missing field `ids`");
    if (!columns_->vectors) return at.malformed("missing field `vectors`");
    const std::size_t num_points = columns_->ids->size();
    const auto unequal = [&](std::string_view what, std::size_t size) {
      return at.broken("number of ids and " + std::string(what) + " must be equal (" +
                       std::to_string(num_points) + " != " + std::to_string(size) + ")");
    };
    for (const Columns::Column& column : *columns_->vectors) {
      if (column.vectors.size() != num_points) return unequal("vectors", column.vectors.size());
    }
    if (columns_->payloads && columns_->payloads->size() != num_points) {
      return unequal("payloads", columns_->payloads->size());
    }
    batch_.points.reserve(num_points);
    for (std::size_t i = 0; i < num_points; ++i) {
      UpsertPoint point;
      point.id = (*columns_->ids)[i];
      for (Columns::Column& column : *columns_->vectors) {
        add_vector(point, std::move(column.vectors[i]));
      }
      if (columns_->payloads) point.payload = std::move((*columns_->payloads)[i]);
      batch_.points.push_back(std::move(point));
    }
    has_points_ = true;
    columns_.reset();
    return {};
  }

  Result<void> read_update_filter(ondemand::value value, const Place& place) {
    SIGHTLINE_TRY(const Json json, to_json(value, place));
    const std::string where = place.path();
    SIGHTLINE_TRY(batch_.update_filter, read_filter(BodyNode(json, where)));
    return {};
  }

  Result<void> read_mode(ondemand::value value, const Place& place) {
    constexpr std::array kModes = {std::pair("upsert", WriteMode::kUpsert),
                                   std::pair("insert_only", WriteMode::kInsertOnly),
                                   std::pair("update_only", WriteMode::kUpdateOnly)};
    SIGHTLINE_TRY(const std::string word, to_string(value, place));
    for (const auto& [name, mode] : kModes) {
      if (word != name) continue;
      batch_.mode = mode;
      return {};
    }
    return place.malformed("unknown variant `" + word +
                           "`, expected one of `upsert`, `insert_only`, `update_only`");
  }

  VectorReader reader_;
  PointBatch batch_;
  std::optional<Columns> columns_;
  bool has_points_ = false;
};

Result<PointBatch> read_batch(std::string& body, bool vectors_only) {
  PointBatch batch;
  SIGHTLINE_TRY_DO(
      walk_body(body, [&](ondemand::object object, const Place& place) -> Result<void> {
        SIGHTLINE_TRY(batch, BatchReader().read(object, place, vectors_only));
        return {};
      }));
  return batch;
}

Result<UpdateOperation> read_operation(ondemand::value value, const Place& place) {
  std::optional<UpdateOperation> operation;
  SIGHTLINE_TRY_DO(walk_object(
      value, place,
      [&](std::string_view key, ondemand::value member, const Place& at) -> Result<void> {
        if (!is_present(member)) return {};
        if (operation) return place.malformed("must be one operation");
        if (key == "upsert" || key == "update_vectors") {
          const bool vectors_only = key == "update_vectors";
          ondemand::object object;
          if (const auto error = member.get_object().get(object)) {
            return at.failure(error, "an object");
          }
          SIGHTLINE_TRY(PointBatch batch, BatchReader().read(object, at, vectors_only));
          if (vectors_only) {
            operation = UpdateVectorsBatch{std::move(batch)};
          } else {
            operation = std::move(batch);
          }
          return {};
        }
        SIGHTLINE_TRY(const Json json, to_json(member, at));
        const std::string where = at.path();
        SIGHTLINE_TRY(operation, read_write_op(key, BodyNode(json, where)));
        return {};
      }));
  if (!operation) return place.malformed("missing an operation");
  return *std::move(operation);
}

}  // namespace

Result<PointBatch> read_upsert(std::string& body) { return read_batch(body, false); }
Result<PointBatch> read_update_vectors(std::string& body) { return read_batch(body, true); }

Result<std::vector<UpdateOperation>> read_update_operations(std::string& body) {
  std::optional<std::vector<UpdateOperation>> operations;
  SIGHTLINE_TRY_DO(walk_body(body, [&](ondemand::object object, const Place& root) {
    return walk_object(
        object, root,
        [&](std::string_view key, ondemand::value value, const Place& place) -> Result<void> {
          if (key != "operations") return skip(value, place);
          operations.emplace();
          return walk_list(value, place, [&](ondemand::value one, const Place& at) -> Result<void> {
            SIGHTLINE_TRY(auto operation, read_operation(one, at));
            operations->push_back(std::move(operation));
            return {};
          });
        });
  }));
  if (!operations) return format_error("missing field `operations`");
  return *std::move(operations);
}

}  // namespace sightline::http
