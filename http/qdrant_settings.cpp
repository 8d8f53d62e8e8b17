#include "http/qdrant_settings.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <utility>

#include "http/errors.h"

namespace sightline::http {
namespace {

using namespace std::string_view_literals;
using pipeline::Metric;
using pipeline::VectorKind;

constexpr double kNoLimit = std::numeric_limits<double>::infinity();
constexpr std::uint64_t kMaxDim = 65'536;

/// How a member of an object is checked; `value` is never null.
struct Rule {
  std::string_view name;
  Result<void> (*check)(const BodyNode& value, const Rule& rule) = nullptr;
  double min = 0, max = kNoLimit;                ///< Of numbers.
  std::span<const std::string_view> words = {};  ///< Of words.
  std::span<const Rule> members = {};            ///< Of objects.
  bool required = false;
};
using Rules = std::span<const Rule>;

Result<void> check_members(const BodyNode& object, Rules rules) {
  SIGHTLINE_TRY_DO(object.check_object());
  for (const Rule& rule : rules) {
    const auto member = object.find(rule.name);
    if (member) {
      SIGHTLINE_TRY_DO(rule.check(*member, rule));
    } else if (rule.required) {
      SIGHTLINE_TRY_DO(object.require(rule.name));
    }
  }
  return {};
}

Result<void> check_flag(const BodyNode& value, const Rule&) {
  SIGHTLINE_TRY_DO(value.as_bool());
  return {};
}
Result<void> check_count(const BodyNode& value, const Rule& rule) {
  const auto max = rule.max == kNoLimit ? std::numeric_limits<std::uint64_t>::max()
                                        : static_cast<std::uint64_t>(rule.max);
  SIGHTLINE_TRY_DO(value.as_uint(static_cast<std::uint64_t>(rule.min), max));
  return {};
}
Result<void> check_number(const BodyNode& value, const Rule& rule) {
  SIGHTLINE_TRY_DO(value.as_number(rule.min, rule.max));
  return {};
}
Result<void> check_word(const BodyNode& value, const Rule& rule) {
  SIGHTLINE_TRY_DO(value.as_word(rule.words));
  return {};
}
Result<void> check_object(const BodyNode& value, const Rule& rule) {
  return check_members(value, rule.members);
}
/// Any names; each value an object of `members`.
Result<void> check_map(const BodyNode& value, const Rule& rule) {
  return value.for_each_member([&rule](const BodyNode& member, const std::string&) {
    return check_members(member, rule.members);
  });
}
/// Exactly one of `members`.
Result<void> check_choice(const BodyNode& value, const Rule& rule) {
  SIGHTLINE_TRY_DO(value.check_object());
  std::string known;
  for (const Rule& member : rule.members) {
    if (value.find(member.name)) return check_members(value, rule.members);
    known.append(known.empty() ? "`" : ", `").append(member.name) += '`';
  }
  return value.malformed("must have one of " + known);
}

constexpr std::array kMemory = {"cold"sv, "cached"sv, "pinned"sv};
Result<void> check_pageable(const BodyNode& value, const Rule&) {
  SIGHTLINE_TRY(const std::size_t word, value.as_word(kMemory));
  if (kMemory[word] == "pinned") return value.invalid("`pinned` is for indexes alone");
  return {};
}
Result<void> check_threads(const BodyNode& value, const Rule& rule) {
  if (value.json() == "auto") return {};
  return check_count(value, rule);
}

constexpr Rule flag(std::string_view name) { return {name, check_flag}; }
constexpr Rule count(std::string_view name, double min = 0, double max = kNoLimit) {
  return {name, check_count, min, max};
}
constexpr Rule number(std::string_view name, double min, double max) {
  return {name, check_number, min, max};
}
constexpr Rule word(std::string_view name, std::span<const std::string_view> words,
                    bool required = false) {
  return {name, check_word, 0, 0, words, {}, required};
}
constexpr Rule object(std::string_view name, Rules members,
                      Result<void> (*check)(const BodyNode&, const Rule&) = check_object) {
  return {name, check, 0, 0, {}, members};
}

constexpr Rule kMemoryRule = word("memory", kMemory);

constexpr std::array kHnsw = {count("m"),
                              count("ef_construct", 4),
                              count("full_scan_threshold", 10),
                              count("max_indexing_threads"),
                              flag("on_disk"),
                              kMemoryRule,
                              count("payload_m"),
                              flag("inline_storage")};

constexpr std::array kScalarTypes = {"int8"sv};
constexpr std::array kCompressions = {"x4"sv, "x8"sv, "x16"sv, "x32"sv, "x64"sv};
constexpr std::array kEncodings = {"one_bit"sv, "two_bits"sv, "one_and_half_bits"sv};
constexpr std::array kQueryEncodings = {"default"sv, "binary"sv, "scalar4bits"sv, "scalar8bits"sv};
constexpr std::array kTurboBits = {"bits1"sv, "bits1_5"sv, "bits2"sv, "bits4"sv};
constexpr std::array kScalar = {word("type", kScalarTypes, true), number("quantile", 0.5, 1),
                                flag("always_ram"), kMemoryRule};
constexpr std::array kProduct = {word("compression", kCompressions, true), flag("always_ram"),
                                 kMemoryRule};
constexpr std::array kBinary = {flag("always_ram"), kMemoryRule, word("encoding", kEncodings),
                                word("query_encoding", kQueryEncodings)};
constexpr std::array kTurbo = {flag("always_ram"), kMemoryRule, word("bits", kTurboBits)};
constexpr std::array kQuantization = {object("scalar", kScalar), object("product", kProduct),
                                      object("binary", kBinary), object("turbo", kTurbo)};

constexpr std::array kWal = {count("wal_capacity_mb", 1), count("wal_segments_ahead"),
                             count("wal_retain_closed")};
constexpr std::array kOptimizers = {
    number("deleted_threshold", 0, 1), count("vacuum_min_vector_number", 100),
    count("default_segment_number"),   count("max_segment_size", 1),
    count("memmap_threshold"),         count("indexing_threshold"),
    count("flush_interval_sec"),       Rule{"max_optimization_threads", check_threads},
    flag("prevent_unoptimized")};
constexpr std::array kStrictMulti = {count("max_vectors", 1)};
constexpr std::array kStrictSparse = {count("max_length", 1)};
constexpr std::array kStrictMode = {flag("enabled"),
                                    count("max_query_limit", 1),
                                    count("max_timeout", 1),
                                    flag("unindexed_filtering_retrieve"),
                                    flag("unindexed_filtering_update"),
                                    count("search_max_hnsw_ef"),
                                    flag("search_allow_exact"),
                                    number("search_max_oversampling", -kNoLimit, kNoLimit),
                                    count("upsert_max_batchsize"),
                                    count("search_max_batchsize"),
                                    count("max_collection_vector_size_bytes"),
                                    count("read_rate_limit", 1),
                                    count("write_rate_limit", 1),
                                    count("max_collection_payload_size_bytes"),
                                    count("max_points_count", 1),
                                    count("filter_max_conditions"),
                                    count("condition_max_size"),
                                    object("multivector_config", kStrictMulti, check_map),
                                    object("sparse_config", kStrictSparse, check_map),
                                    count("max_payload_index_count"),
                                    count("max_resident_memory_percent", 1, 100)};
constexpr std::array kPayloadStorage = {Rule{"memory", check_pageable}};
constexpr std::array kShardingMethods = {"auto"sv, "custom"sv};

constexpr Rule kHnswRule = object("hnsw_config", kHnsw);
constexpr Rule kQuantizationRule = object("quantization_config", kQuantization, check_choice);
constexpr Rule kStrictModeRule = object("strict_mode_config", kStrictMode);
constexpr Rule kMetadataRule = object("metadata", {});
constexpr Rule kOptimizersRule = object("optimizers_config", kOptimizers);

/// What CreateCollection has beside its vectors.
constexpr std::array kCreateRules = {count("shard_number", 1, 4294967295.0),
                                     word("sharding_method", kShardingMethods),
                                     count("replication_factor", 1, 4294967295.0),
                                     count("write_consistency_factor", 1, 4294967295.0),
                                     flag("on_disk_payload"),
                                     object("payload", kPayloadStorage),
                                     kHnswRule,
                                     object("wal_config", kWal),
                                     kOptimizersRule,
                                     kQuantizationRule,
                                     kStrictModeRule,
                                     kMetadataRule};
/// UpdateCollection::params.
constexpr std::array kParamsDiff = {count("replication_factor", 1, 4294967295.0),
                                    count("write_consistency_factor", 1, 4294967295.0),
                                    count("read_fan_out_factor", 0, 4294967295.0),
                                    count("read_fan_out_delay_ms"),
                                    flag("on_disk_payload"),
                                    object("payload", kPayloadStorage)};

constexpr std::array kDatatypes = {"float32"sv, "uint8"sv, "float16"sv, "turbo4"sv};
constexpr std::array kComparators = {"max_sim"sv};
constexpr std::array kMultiVector = {word("comparator", kComparators, true)};
/// VectorParamsDiff but for its quantization.
constexpr std::array kVectorDiff = {kHnswRule, flag("on_disk"), Rule{"memory", check_pageable}};
/// What VectorParams has beside size, distance and kind.
constexpr std::array kVectorRules = {kHnswRule, kQuantizationRule, flag("on_disk"),
                                     Rule{"memory", check_pageable}, word("datatype", kDatatypes)};
constexpr std::array kSparseIndex = {count("full_scan_threshold"), flag("on_disk"), kMemoryRule,
                                     word("datatype", kDatatypes)};
constexpr std::array kModifiers = {"none"sv, "idf"sv, "bm25"sv};
constexpr std::array kSparse = {object("index", kSparseIndex), word("modifier", kModifiers)};

/// The members of `object` that `rules` name, nulls left out, checked.
Result<Json> keep(const BodyNode& object, Rules rules) {
  SIGHTLINE_TRY_DO(check_members(object, rules));
  Json kept = Json::object();
  for (const Rule& rule : rules) {
    const auto member = object.find(rule.name);
    if (!member) continue;
    if (rule.members.empty() || rule.check == check_map) {
      kept[std::string(rule.name)] = member->json();
    } else {
      SIGHTLINE_TRY(kept[std::string(rule.name)], keep(*member, rule.members));
    }
  }
  return kept;
}

constexpr std::array kDistances = {"Cosine"sv, "Dot"sv, "Euclid"sv, "Manhattan"sv};
constexpr std::array kMetrics = {Metric::kCosine, Metric::kDot, Metric::kEuclid,
                                 Metric::kManhattan};

Result<VectorRequest> read_vector(const BodyNode& node) {
  VectorRequest vector;
  if (const auto model = node.find("model")) {
    SIGHTLINE_TRY(vector.model, model->as_string());
    if (vector.model.empty()) return model->invalid("must be at least 1 characters");
  }
  const auto needs = [&](std::string_view key) -> Result<std::optional<BodyNode>> {
    const auto member = node.find(key);
    if (!member && vector.model.empty()) SIGHTLINE_TRY_DO(node.require(key));
    return member;
  };
  SIGHTLINE_TRY(const auto size, needs("size"));
  if (size) {
    SIGHTLINE_TRY(vector.dim, size->as_uint(1, kMaxDim));
  }
  SIGHTLINE_TRY(const auto distance, needs("distance"));
  if (distance) {
    SIGHTLINE_TRY(const std::size_t which, distance->as_word(kDistances));
    vector.metric = kMetrics[which];
  }
  if (const auto multi = node.find("multivector_config")) {
    SIGHTLINE_TRY_DO(check_members(*multi, kMultiVector));
    vector.kind = VectorKind::kMulti;
  }
  SIGHTLINE_TRY(vector.parameters, keep(node, kVectorRules));
  if (!vector.model.empty()) vector.parameters["model"] = vector.model;
  return vector;
}

/// Of sparse vectors: other modifiers than `none` are left out.
Result<void> refuse_modifier(const Json& parameters) {
  const std::string modifier = parameters.value("modifier", "none");
  return modifier == "none" ? Result<void>() : left_out("the `" + modifier + "` modifier");
}

Result<VectorRequest> read_sparse_vector(const BodyNode& node) {
  VectorRequest vector;
  vector.kind = VectorKind::kSparse;
  vector.metric = Metric::kDot;
  SIGHTLINE_TRY(vector.parameters, keep(node, kSparse));
  SIGHTLINE_TRY_DO(refuse_modifier(vector.parameters));
  return vector;
}

/// Whether `vectors` are the parameters of the one default vector, not names with parameters.
bool is_single_vector(const BodyNode& vectors) {
  for (const std::string_view key : {"size"sv, "distance"sv, "model"sv}) {
    const auto member = vectors.find(key);
    if (member && !member->json().is_object()) return true;
  }
  return false;
}

/// `body` with the names that Qdrant also takes for some settings turned into those of its
/// description.
Json with_described_names(const BodyNode& body) {
  Json renamed = body.json();
  for (const auto& [other, described] : {std::pair("quantization", "quantization_config"),
                                         std::pair("optimizer_config", "optimizers_config")}) {
    const auto found = renamed.find(other);
    if (found == renamed.end()) continue;
    Json value = std::move(*found);
    renamed.erase(found);
    if (!renamed.contains(described)) renamed[described] = std::move(value);
  }
  return renamed;
}

/// Of an object with members of any names: a null removes its member.
void merge_freely(Json& target, const Json& changes) {
  for (const auto& [key, value] : changes.items()) {
    if (value.is_null()) {
      target.erase(key);
    } else {
      target[key] = value;
    }
  }
}

/// Sets the members of `changes` in `target`, objects member by member as far as `rules` go.
void merge(Json& target, const Json& changes, Rules rules) {
  for (const auto& [key, value] : changes.items()) {
    const auto rule =
        std::ranges::find_if(rules, [&key = key](const Rule& r) { return r.name == key; });
    const bool whole = rule == rules.end() || rule->check != check_object;
    if (!whole && rule->members.empty()) {
      merge_freely(target.emplace(key, Json::object()).first.value(), value);
    } else if (whole || !target.contains(key)) {
      target[key] = value;
    } else {
      merge(target[key], value, rule->members);
    }
  }
}

/// `quantization_config`: a new one, or "Disabled".
Result<void> update_quantization(const BodyNode& body, Json& parameters) {
  const auto member = body.find("quantization_config");
  if (member && member->json() == "Disabled") {
    parameters.erase("quantization_config");
    return {};
  }
  SIGHTLINE_TRY(const Json kept, keep(body, std::array{kQuantizationRule}));
  parameters.update(kept);
  return {};
}

}  // namespace

std::string_view distance_name(Metric metric) {
  for (std::size_t i = 0; i < kMetrics.size(); ++i) {
    if (kMetrics[i] == metric) return kDistances[i];
  }
  return "";
}

Result<CollectionRequest> read_create_collection(const BodyNode& given) {
  CollectionRequest request;
  SIGHTLINE_TRY_DO(given.check_object());
  const Json described = with_described_names(given);
  const BodyNode body(described);
  if (const auto vectors = body.find("vectors")) {
    SIGHTLINE_TRY_DO(vectors->check_object());
    if (is_single_vector(*vectors)) {
      SIGHTLINE_TRY(request.vectors[""], read_vector(*vectors));
    } else {
      auto read = vectors->for_each_member(
          [&request](const BodyNode& vector, const std::string& name) -> Result<void> {
            SIGHTLINE_TRY_DO(vector.check_object());
            SIGHTLINE_TRY(request.vectors[name], read_vector(vector));
            return {};
          });
      if (!read) return std::move(read).error();
    }
  }
  if (const auto vectors = body.find("sparse_vectors")) {
    SIGHTLINE_TRY_DO(vectors->for_each_member(
        [&request](const BodyNode& vector, const std::string& name) -> Result<void> {
          if (request.vectors.contains(name)) {
            return invalid_argument("Wrong input: the vector name \"" + name +
                                    "\" is both dense and sparse");
          }
          SIGHTLINE_TRY(request.vectors[name], read_sparse_vector(vector));
          return {};
        }));
  }
  SIGHTLINE_TRY(request.parameters, keep(body, kCreateRules));
  if (request.parameters.value("sharding_method", "") == "custom") {
    return left_out("`sharding_method` custom (shard keys)");
  }
  return request;
}

Result<void> update_collection(const BodyNode& given, pipeline::CollectionConfig& config) {
  SIGHTLINE_TRY_DO(given.check_object());
  const Json described = with_described_names(given);
  const BodyNode body(described);
  const auto find = [&config](const std::string& name, bool sparse) -> Result<Json*> {
    const auto found = config.vectors.find(name);
    if (found == config.vectors.end() || (found->second.kind == VectorKind::kSparse) != sparse) {
      return invalid_argument("Wrong input: Not existing vector name error: " + name);
    }
    return &found->second.parameters;
  };
  if (const auto vectors = body.find("vectors")) {
    auto read = vectors->for_each_member(
        [&find](const BodyNode& diff, const std::string& name) -> Result<void> {
          SIGHTLINE_TRY(Json * parameters, find(name, false));
          SIGHTLINE_TRY(const Json kept, keep(diff, kVectorDiff));
          SIGHTLINE_TRY_DO(update_quantization(diff, *parameters));
          merge(*parameters, kept, kVectorDiff);
          return {};
        });
    if (!read) return std::move(read).error();
  }
  if (const auto vectors = body.find("sparse_vectors")) {
    SIGHTLINE_TRY_DO(vectors->for_each_member(
        [&find](const BodyNode& diff, const std::string& name) -> Result<void> {
          SIGHTLINE_TRY(Json * parameters, find(name, true));
          SIGHTLINE_TRY(const Json kept, keep(diff, kSparse));
          if (auto taken = refuse_modifier(kept); !taken) return taken;
          merge(*parameters, kept, kSparse);
          return {};
        }));
  }
  if (const auto params = body.find("params")) {
    SIGHTLINE_TRY(const Json kept, keep(*params, kParamsDiff));
    merge(config.parameters, kept, kParamsDiff);
  }
  SIGHTLINE_TRY_DO(update_quantization(body, config.parameters));
  constexpr std::array kOthers = {kHnswRule, kOptimizersRule, kStrictModeRule, kMetadataRule};
  SIGHTLINE_TRY(const Json kept, keep(body, kOthers));
  merge(config.parameters, kept, kOthers);
  return {};
}

}  // namespace sightline::http
