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

}  // namespace

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
