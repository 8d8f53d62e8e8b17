#include "pipeline/point_query.h"

#include <algorithm>
#include <set>
#include <utility>

#include "pipeline/internal/query_node.h"
#include "pipeline/internal/query_run.h"

namespace sightline::pipeline {
namespace {

void add_collections(const PointQuery& query, std::set<std::string>& names) {
  if (query.lookup_from) names.insert(query.lookup_from->collection);
  for (const PointQuery& prefetch : query.prefetch) add_collections(prefetch, names);
}

}  // namespace

Json select_payload(const PayloadSelector& selector, Json payload) {
  switch (selector.kind) {
    case PayloadSelector::Kind::kNone:
      return Json::object();
    case PayloadSelector::Kind::kAll:
      return payload;
    case PayloadSelector::Kind::kInclude:
      return FieldPath::keep_only(payload, selector.paths);
    case PayloadSelector::Kind::kExclude:
      for (const FieldPath& path : selector.paths) path.remove_from(payload);
      return payload;
  }
  return payload;
}

Result<std::vector<PointAnswer>> run_point_queries(const QueryScope& scope,
                                                   std::span<const PointQuery> queries,
                                                   Deadline deadline) {
  SIGHTLINE_TRY(const auto config, scope.store.config());
  SIGHTLINE_TRY(const auto plans, QueryPlanner(scope, *config).plan(queries, deadline));
  return QueryRun(scope.store, deadline).run(plans);
}

std::vector<std::string> other_collections(const PointQuery& query, std::string_view own) {
  std::set<std::string> names;
  add_collections(query, names);
  names.erase(std::string(own));
  return {names.begin(), names.end()};
}

bool scores_are_distances(const PointQuery& query, const CollectionConfig& config) {
  const auto* recommend = std::get_if<RecommendQuery>(&query.query);
  const bool is_nearest =
      std::holds_alternative<NearestQuery>(query.query) ||
      (recommend != nullptr && recommend->strategy == RecommendStrategy::kAverageVector);
  const auto found = config.vectors.find(query.vector_name);
  return is_nearest && found != config.vectors.end() && is_distance(found->second.metric);
}

void flip_distance_thresholds(PointQuery& query, const CollectionConfig& config) {
  if (query.score_threshold && scores_are_distances(query, config))
    query.score_threshold = -*query.score_threshold;
  for (PointQuery& prefetch : query.prefetch) flip_distance_thresholds(prefetch, config);
}

}  // namespace sightline::pipeline
