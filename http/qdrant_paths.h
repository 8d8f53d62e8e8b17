// http/qdrant_paths.h: what of Qdrant's API there is, as data: the routes, a test and
// docs/qdrant-compatibility.md are compared with it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace sightline::http {

enum class Support {
  kServed,
  kEchoed,   ///< Checked, kept and given back, without effect.
  kLeftOut,  ///< 501 that names the feature.
};
std::string_view support_name(Support support);  ///< "served", "echoed", "501"

/// One operation of Qdrant's OpenAPI description, with its parameters' names as they are there.
struct QdrantPath {
  Method method = Method::kGet;
  std::string_view path;
  Support support = Support::kServed;
  std::string_view note;  ///< Left out: the feature.
};
/// In the description's order; then the older forms that it no longer has.
std::span<const QdrantPath> qdrant_paths();

/// A part of requests.
struct QdrantFeature {
  std::string_view name;
  Support support = Support::kServed;
  std::string_view note;
};
std::span<const QdrantFeature> qdrant_features();

/// "/collections/{collection_name}/points" -> "/collections/{collection}/points"
std::string route_pattern(std::string_view qdrant_path);

/// The two tables as Markdown.
std::string qdrant_paths_markdown();
std::string qdrant_features_markdown();

}  // namespace sightline::http
