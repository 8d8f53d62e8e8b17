#include "pipeline/internal/collection_config.h"

#include <cstddef>
#include <utility>

#include "index/shard_spec.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxDim = 65'536;
constexpr std::size_t kMaxVectorNameBytes = 255;
constexpr double kLeastTargetRecall = 0.5;

}  // namespace

std::string shown_vector_name(std::string_view name) {
  return name.empty() ? std::string("the default vector") : "vector \"" + std::string(name) + "\"";
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xC2 ? 0
                               : first < 0xE0 ? 2
                               : first < 0xF0 ? 3
                               : first < 0xF5 ? 4
                                              : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    const auto second = length > 1 ? static_cast<unsigned char>(text[i + 1]) : 0;
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
        (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) {
      return false;
    }
    i += length;
  }
  return true;
}

index::Distance distance_of(Metric metric) {
  switch (metric) {
    case Metric::kCosine:
    case Metric::kDot:
      return index::Distance::kInnerProduct;
    case Metric::kEuclid:
      return index::Distance::kL2;
    case Metric::kManhattan:
      return index::Distance::kL1;
  }
  return index::Distance::kInnerProduct;
}

Json config_to_json(const CollectionConfig& config) {
  Json vectors = Json::object();
  for (const auto& [name, vector] : config.vectors) {
    vectors[name] = {{"dim", vector.dim},
                     {"metric", metric_name(vector.metric)},
                     {"index", vector.index},
                     {"target_recall", vector.target_recall},
                     {"model",
                      {{"checksum", vector.model.checksum},
                       {"alpha", vector.model.alpha},
                       {"name", vector.model.name},
                       {"path_hint", vector.model.path_hint},
                       {"precision", vector.model.precision}}}};
    if (vector.kind != VectorKind::kDense) vectors[name]["kind"] = vector_kind_name(vector.kind);
    if (!vector.parameters.empty()) vectors[name]["parameters"] = vector.parameters;
  }
  Json json = {{"vectors", std::move(vectors)}};
  if (!config.parameters.empty()) json["parameters"] = config.parameters;
  return json;
}

Result<CollectionConfig> config_from_json(const Json& json) {
  CollectionConfig config;
  try {
    for (const auto& [name, entry] : json.at("vectors").items()) {
      VectorConfig vector;
      vector.dim = entry.at("dim").get<std::size_t>();
      SIGHTLINE_TRY(vector.metric, parse_metric(entry.at("metric").get<std::string>()));
      // Collections of before there were sealed shards have neither.
      vector.index = entry.value("index", vector.index);
      vector.target_recall = entry.value("target_recall", vector.target_recall);
      if (const auto kind = entry.find("kind"); kind != entry.end()) {
        SIGHTLINE_TRY(vector.kind, parse_vector_kind(kind->get<std::string>()));
      }
      vector.parameters = entry.value("parameters", vector.parameters);
      const Json& model = entry.at("model");
      vector.model.checksum = model.at("checksum").get<std::string>();
      vector.model.alpha = model.at("alpha").get<std::string>();
      vector.model.name = model.at("name").get<std::string>();
      vector.model.path_hint = model.at("path_hint").get<std::string>();
      vector.model.precision = model.at("precision").get<std::string>();
      config.vectors.emplace(name, std::move(vector));
    }
    config.parameters = json.value("parameters", config.parameters);
  } catch (const Json::exception& e) {
    return corruption(std::string("the collection's configuration is damaged: ") + e.what());
  }
  return config;
}

namespace {

Result<void> validate_index(const std::string& name, const VectorConfig& vector) {
  const std::string context = "index of " + shown_vector_name(name);
  const auto spec = index::parse_shard_spec(vector.index);
  if (!spec) return spec.error().with_context(context);
  if (!spec->automatic) {
    const auto fits = index::check_shard_spec(*spec, vector.dim, distance_of(vector.metric));
    if (!fits) return fits.error().with_context(context);
  }
  if (vector.target_recall >= kLeastTargetRecall && vector.target_recall <= 1) return {};
  return invalid_argument("target_recall of " + shown_vector_name(name) + " is " +
                          std::to_string(vector.target_recall) + "; it must be 0.5..1");
}

/// What a vector of the kind may have.
Result<void> validate_kind(const std::string& name, const VectorConfig& vector) {
  const std::string shown = shown_vector_name(name);
  if (vector.kind == VectorKind::kSparse) {
    if (vector.dim != 0) return invalid_argument(shown + " is sparse, which has no dim");
    if (vector.metric != Metric::kDot)
      return invalid_argument(shown + " is sparse, which is compared by dot");
  } else if (vector.dim < 1 || vector.dim > kMaxDim) {
    return invalid_argument("dim of " + shown + " is " + std::to_string(vector.dim) +
                            "; it must be 1.." + std::to_string(kMaxDim));
  }
  if (vector.kind == VectorKind::kDense) return validate_index(name, vector);
  if (vector.index == "auto") return {};
  return invalid_argument(shown + " is " + std::string(vector_kind_name(vector.kind)) +
                          ", which has no index");
}

}  // namespace

Result<void> validate_config(const CollectionConfig& config) {
  if (!config.parameters.is_object())
    return invalid_argument("the parameters of a collection must be a JSON object");
  for (const auto& [name, vector] : config.vectors) {
    if (!vector.parameters.is_object()) {
      return invalid_argument("the parameters of " + shown_vector_name(name) +
                              " must be a JSON object");
    }
    if (name.size() > kMaxVectorNameBytes) {
      return invalid_argument("a vector name has " + std::to_string(name.size()) +
                              " bytes; it must have at most 255");
    }
    if (name.find('\0') != std::string::npos || !is_utf8(name))
      return invalid_argument("a vector name must be UTF-8 without zero bytes");
    SIGHTLINE_TRY_DO(validate_kind(name, vector));
  }
  return {};
}

}  // namespace sightline::pipeline
