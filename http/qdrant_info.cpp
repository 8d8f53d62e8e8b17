// The answers that tell of a collection, and the schemas of its payload indexes.
#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "http/errors.h"
#include "http/qdrant_settings.h"

namespace sightline::http {
namespace {

using namespace std::string_view_literals;
using pipeline::VectorKind;

/// What Qdrant's own defaults are, so that clients find every field they know.
const Json& default_settings() {
  static const Json kDefaults = {
      {"hnsw_config",
       {{"m", 16},
        {"ef_construct", 100},
        {"full_scan_threshold", 10'000},
        {"max_indexing_threads", 0},
        {"on_disk", false}}},
      {"optimizers_config",
       {{"deleted_threshold", 0.2},
        {"vacuum_min_vector_number", 1000},
        {"default_segment_number", 0},
        {"max_segment_size", nullptr},
        {"memmap_threshold", nullptr},
        {"indexing_threshold", 10'000},
        {"flush_interval_sec", 5},
        {"max_optimization_threads", nullptr},
        {"prevent_unoptimized", nullptr}}},
      {"wal_config",
       {{"wal_capacity_mb", 32}, {"wal_segments_ahead", 0}, {"wal_retain_closed", 1}}},
  };
  return kDefaults;
}

Json with_defaults(const Json& parameters, const char* key) {
  Json settings = default_settings().at(key);
  if (const auto given = parameters.find(key); given != parameters.end()) settings.update(*given);
  return settings;
}

Json optimizers_json(const Json& parameters) {
  Json settings = with_defaults(parameters, "optimizers_config");
  Json& threads = settings["max_optimization_threads"];
  if (threads == "auto") threads = nullptr;  // in answers a number or nothing
  return settings;
}

Json vector_json(const pipeline::VectorConfig& vector) {
  Json json = vector.parameters;
  if (vector.kind == VectorKind::kSparse) return json;
  json["size"] = vector.dim;
  json["distance"] = distance_name(vector.metric);
  if (vector.kind == VectorKind::kMulti) json["multivector_config"] = {{"comparator", "max_sim"}};
  if (!json.contains("model") && !vector.model.name.empty()) json["model"] = vector.model.name;
  return json;
}

Json params_json(const pipeline::CollectionConfig& config) {
  Json params = {{"vectors", Json::object()},
                 {"shard_number", 1},
                 {"replication_factor", 1},
                 {"write_consistency_factor", 1},
                 {"on_disk_payload", true}};
  for (const char* key :
       {"shard_number", "sharding_method", "replication_factor", "write_consistency_factor",
        "read_fan_out_factor", "read_fan_out_delay_ms", "on_disk_payload", "payload"}) {
    const auto given = config.parameters.find(key);
    if (given != config.parameters.end()) params[key] = *given;
  }
  for (const auto& [name, vector] : config.vectors) {
    if (vector.kind == VectorKind::kSparse) {
      params["sparse_vectors"][name] = vector_json(vector);
    } else if (name.empty()) {
      params["vectors"] = vector_json(vector);
    } else {
      params["vectors"][name] = vector_json(vector);
    }
  }
  return params;
}

Json config_json(const pipeline::CollectionConfig& config) {
  Json json = {{"params", params_json(config)},
               {"hnsw_config", with_defaults(config.parameters, "hnsw_config")},
               {"optimizer_config", optimizers_json(config.parameters)},
               {"wal_config", with_defaults(config.parameters, "wal_config")},
               {"quantization_config", config.parameters.value("quantization_config", Json())}};
  for (const char* key : {"strict_mode_config", "metadata"}) {
    const auto given = config.parameters.find(key);
    if (given != config.parameters.end()) json[key] = *given;
  }
  return json;
}

// Parameters of payload indexes, by type. What they ask for is Qdrant's own affair: kept and given
// back.

Result<void> check_flag(const BodyNode& value) {
  SIGHTLINE_TRY_DO(value.as_bool());
  return {};
}
Result<void> check_count(const BodyNode& value) {
  SIGHTLINE_TRY_DO(value.as_uint());
  return {};
}
Result<void> check_memory(const BodyNode& value) {
  constexpr std::array kWords = {"cold"sv, "cached"sv, "pinned"sv};
  SIGHTLINE_TRY_DO(value.as_word(kWords));
  return {};
}
Result<void> check_tokenizer(const BodyNode& value) {
  constexpr std::array kWords = {"prefix"sv, "whitespace"sv, "word"sv, "multilingual"sv};
  SIGHTLINE_TRY_DO(value.as_word(kWords));
  return {};
}
Result<void> check_language(const BodyNode& value) {
  constexpr std::array kWords = {
      "arabic"sv,   "azerbaijani"sv, "basque"sv,   "bengali"sv,   "catalan"sv,    "chinese"sv,
      "danish"sv,   "dutch"sv,       "english"sv,  "finnish"sv,   "french"sv,     "german"sv,
      "greek"sv,    "hebrew"sv,      "hinglish"sv, "hungarian"sv, "indonesian"sv, "italian"sv,
      "japanese"sv, "kazakh"sv,      "nepali"sv,   "norwegian"sv, "portuguese"sv, "romanian"sv,
      "russian"sv,  "slovene"sv,     "spanish"sv,  "swedish"sv,   "tajik"sv,      "turkish"sv};
  SIGHTLINE_TRY_DO(value.as_word(kWords));
  return {};
}
/// A language, or {"languages": [...], "custom": [...]}.
Result<void> check_stopwords(const BodyNode& value) {
  if (value.json().is_string()) return check_language(value);
  SIGHTLINE_TRY_DO(value.check_object());
  if (const auto languages = value.find("languages")) {
    SIGHTLINE_TRY_DO(languages->for_each(
        [](const BodyNode& language, std::size_t) { return check_language(language); }));
  }
  if (const auto custom = value.find("custom")) {
    auto words = custom->for_each([](const BodyNode& word, std::size_t) -> Result<void> {
      SIGHTLINE_TRY_DO(word.as_string());
      return {};
    });
    if (!words) return words;
  }
  return {};
}
Result<void> check_stemmer(const BodyNode& value) {
  constexpr std::array kWords = {"snowball"sv, "none"sv};
  SIGHTLINE_TRY(const BodyNode type, value.require("type"));
  SIGHTLINE_TRY(const std::size_t word, type.as_word(kWords));
  if (kWords[word] == "none") return {};
  SIGHTLINE_TRY(const BodyNode language, value.require("language"));
  constexpr std::array kLanguages = {"arabic"sv,     "armenian"sv,  "danish"sv,  "dutch"sv,
                                     "english"sv,    "finnish"sv,   "french"sv,  "german"sv,
                                     "greek"sv,      "hungarian"sv, "italian"sv, "norwegian"sv,
                                     "portuguese"sv, "romanian"sv,  "russian"sv, "spanish"sv,
                                     "swedish"sv,    "tamil"sv,     "turkish"sv};
  SIGHTLINE_TRY_DO(language.as_word(kLanguages));
  return {};
}

struct IndexParameter {
  std::string_view name;
  Result<void> (*check)(const BodyNode& value);
};
constexpr std::array kCommonParameters = std::to_array<IndexParameter>(
    {{"on_disk", check_flag}, {"memory", check_memory}, {"enable_hnsw", check_flag}});
constexpr std::array kKeywordParameters =
    std::to_array<IndexParameter>({{"is_tenant", check_flag}, {"prefix", check_flag}});
constexpr std::array kIntegerParameters = std::to_array<IndexParameter>(
    {{"lookup", check_flag}, {"range", check_flag}, {"is_principal", check_flag}});
constexpr std::array kOrderedParameters =
    std::to_array<IndexParameter>({{"is_principal", check_flag}});
constexpr std::array kUuidParameters = std::to_array<IndexParameter>({{"is_tenant", check_flag}});
constexpr std::array kTextParameters = std::to_array<IndexParameter>({
    {"tokenizer", check_tokenizer},
    {"min_token_len", check_count},
    {"max_token_len", check_count},
    {"lowercase", check_flag},
    {"ascii_folding", check_flag},
    {"phrase_matching", check_flag},
    {"stopwords", check_stopwords},
    {"stemmer", check_stemmer},
});

std::span<const IndexParameter> parameters_of(FieldType type) {
  switch (type) {
    case FieldType::kKeyword:
      return kKeywordParameters;
    case FieldType::kInteger:
      return kIntegerParameters;
    case FieldType::kFloat:
    case FieldType::kDatetime:
      return kOrderedParameters;
    case FieldType::kUuid:
      return kUuidParameters;
    case FieldType::kText:
      return kTextParameters;
    case FieldType::kBool:
    case FieldType::kGeo:
      return {};
  }
  return {};
}

Result<FieldType> read_type(const BodyNode& word) {
  constexpr std::array kWords = {"keyword"sv, "integer"sv, "float"sv,    "geo"sv,
                                 "text"sv,    "bool"sv,    "datetime"sv, "uuid"sv};
  SIGHTLINE_TRY(const std::size_t which, word.as_word(kWords));
  return parse_field_type(kWords[which]);
}

}  // namespace

Json collection_info_json(const pipeline::CollectionInfo& info) {
  std::uint64_t num_indexed = 0;
  for (const pipeline::ShardInfo& shard : info.shards) {
    if (shard.type != "growing") num_indexed += shard.num_live;
  }
  Json schema = Json::object();
  for (const auto& [field, index] : info.payload_indexes) {
    Json entry = {{"data_type", field_type_name(index.type)}, {"points", index.num_points}};
    if (!index.parameters.is_null()) entry["params"] = index.parameters;
    schema[field] = std::move(entry);
  }
  return {{"status", "green"},
          {"optimizer_status", "ok"},
          {"warnings", Json::array()},
          {"indexed_vectors_count", num_indexed},
          {"points_count", info.num_points},
          {"segments_count", info.shards.size()},
          {"config", config_json(info.config)},
          {"payload_schema", std::move(schema)},
          {"update_queue", {{"length", 0}}}};
}

Result<IndexRequest> read_field_schema(const BodyNode& schema) {
  IndexRequest request;
  if (schema.json().is_string()) {
    SIGHTLINE_TRY(request.type, read_type(schema));
    return request;
  }
  SIGHTLINE_TRY(const BodyNode type, schema.require("type"));
  SIGHTLINE_TRY(request.type, read_type(type));
  request.parameters = {{"type", type.json()}};
  const auto keep = [&](std::span<const IndexParameter> parameters) -> Result<void> {
    for (const IndexParameter& parameter : parameters) {
      const auto member = schema.find(parameter.name);
      if (!member) continue;
      SIGHTLINE_TRY_DO(parameter.check(*member));
      request.parameters[std::string(parameter.name)] = member->json();
    }
    return {};
  };
  SIGHTLINE_TRY_DO(keep(kCommonParameters));
  SIGHTLINE_TRY_DO(keep(parameters_of(request.type)));
  return request;
}

}  // namespace sightline::http
