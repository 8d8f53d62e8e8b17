// http/qdrant_settings.h: settings of collections that Qdrant has and that change nothing here
// (HNSW links, quantization, write-ahead log, optimizers, replication): checked against the
// ranges of its OpenAPI description, kept with the collection, given back.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/indexed_value.h"
#include "core/json.h"
#include "core/result.h"
#include "http/body_node.h"
#include "pipeline/collection_store.h"

namespace sightline::http {

/// One vector name of a CreateCollection body.
struct VectorRequest {
  pipeline::VectorKind kind = pipeline::VectorKind::kDense;
  std::optional<std::size_t> dim;          ///< Absent: that of the model.
  std::optional<pipeline::Metric> metric;  ///< Absent: kCosine.
  std::string model;                       ///< Empty: vectors come from outside.
  Json parameters = Json::object();        ///< What VectorConfig::parameters will be.
};
struct CollectionRequest {
  std::map<std::string, VectorRequest> vectors;
  Json parameters = Json::object();  ///< What CollectionConfig::parameters will be.
};

/// Reads CreateCollection. As Qdrant does, it and the next one also take `quantization` and
/// `optimizer_config` for quantization_config and optimizers_config. errors  kInvalidArgument:
/// malformed, size and model missing; kValidation: a value outside its range; kUnimplemented: IDF,
/// custom sharding.
Result<CollectionRequest> read_create_collection(const BodyNode& body);

/// Reads UpdateCollection and applies it to `config`, whose parameters alone it changes.
/// errors  as above; kInvalidArgument: an unknown vector name.
Result<void> update_collection(const BodyNode& body, pipeline::CollectionConfig& config);

/// The schema CollectionInfo.
Json collection_info_json(const pipeline::CollectionInfo& info);

/// Type and parameters of CreateFieldIndex::field_schema.
struct IndexRequest {
  FieldType type = FieldType::kKeyword;
  Json parameters;  ///< null: the type alone was named.
};
Result<IndexRequest> read_field_schema(const BodyNode& schema);

std::string_view distance_name(pipeline::Metric metric);  ///< "Cosine", ...

}  // namespace sightline::http
