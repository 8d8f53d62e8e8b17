#include "pipeline/collection_store.h"

#include <array>
#include <utility>

namespace sightline::pipeline {
namespace {

constexpr std::array<std::pair<Metric, std::string_view>, 4> kMetrics{{
    {Metric::kCosine, "cosine"},
    {Metric::kDot, "dot"},
    {Metric::kEuclid, "euclid"},
    {Metric::kManhattan, "manhattan"},
}};
constexpr std::array<std::pair<VectorKind, std::string_view>, 3> kVectorKinds{{
    {VectorKind::kDense, "dense"},
    {VectorKind::kSparse, "sparse"},
    {VectorKind::kMulti, "multi"},
}};

}  // namespace

std::string_view vector_kind_name(VectorKind kind) {
  for (const auto& [value, name] : kVectorKinds)
    if (value == kind) return name;
  return "unknown";
}

Result<VectorKind> parse_vector_kind(std::string_view text) {
  for (const auto& [value, name] : kVectorKinds)
    if (name == text) return value;
  return invalid_argument("the kind of a vector is \"" + std::string(text) +
                          "\"; it must be dense, sparse or multi");
}

Result<std::shared_ptr<const CollectionConfig>> CollectionStore::config() const {
  SIGHTLINE_TRY(CollectionInfo all, info());
  return std::shared_ptr<const CollectionConfig>(
      std::make_shared<CollectionConfig>(std::move(all.config)));
}

std::string_view metric_name(Metric metric) {
  for (const auto& [value, name] : kMetrics)
    if (value == metric) return name;
  return "unknown";
}

Result<Metric> parse_metric(std::string_view text) {
  for (const auto& [value, name] : kMetrics)
    if (name == text) return value;
  return invalid_argument("metric is \"" + std::string(text) +
                          "\"; it must be cosine, dot, euclid or manhattan");
}

}  // namespace sightline::pipeline
