// pipeline/internal/collection_config.h: CollectionConfig as JSON, and its rules.
#pragma once

#include <string>
#include <string_view>

#include "core/json.h"
#include "core/result.h"
#include "index/distance.h"
#include "pipeline/collection_store.h"

namespace sightline::pipeline {

Json config_to_json(const CollectionConfig& config);
/// errors  kCorruption names the field.
Result<CollectionConfig> config_from_json(const Json& json);
/// dim 1..65536 (kSparse: none, and kDot), names of at most 255 bytes of UTF-8 without zero bytes,
/// an index that the vectors can have, target_recall 0.5..1, parameters that are objects.
/// errors  kInvalidArgument.
Result<void> validate_config(const CollectionConfig& config);

/// How `index` measures.
index::Distance distance_of(Metric metric);
/// For messages: "the default vector" or `vector "x"`.
std::string shown_vector_name(std::string_view name);
/// Without overlong forms, surrogates and code points above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace sightline::pipeline
