// pipeline/picture_search.h: one call that finds pictures: a weighted mixture of words, pictures
// and points, or none; sorted, spread out or grouped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/deadline.h"
#include "core/json.h"
#include "core/result.h"
#include "pipeline/collection_store.h"
#include "pipeline/point_query.h"
#include "pipeline/point_scan.h"
#include "pipeline/query.h"
#include "pipeline/score_background.h"

namespace sightline::pipeline {

/// With a query and `sort`: so many of the best hits are sorted.
inline constexpr std::size_t kMaxSortedHits = 1000;

struct PictureQuery {
  /// Up to 64; none: browsing, all points by id or by `sort`.
  std::vector<QueryOperand> operands;
  std::shared_ptr<const Filter> filter;  ///< Null: all points.
  std::size_t limit = 10;                ///< Of hits; with `group_by` of groups.
  std::size_t offset = 0;                ///< Hits left out at the top; not with `group_by`.
  std::optional<PointId> from;           ///< Browsing by id: the first point.
  // Not when browsing:
  std::optional<float> score_threshold;
  double diversity = 0;  ///< 0..1, of MmrOptions.
  std::optional<FieldPath> group_by;
  std::size_t group_size = 3;
  QueryParams params;

  /// Not with `group_by`. With a query: of the best kMaxSortedHits.
  std::optional<SortOrder> sort;
  PayloadSelector with_payload{PayloadSelector::Kind::kAll, {}};
  bool with_vector = false;  ///< The default vector.
};

struct PictureHit {
  std::size_t rank = 0;  ///< From 1, over pages.
  PointId id;
  std::optional<float> score;   ///< Higher is better; none when browsing.
  std::optional<float> cosine;  ///< To the query; none under another metric.
  std::optional<bool> strong;   ///< Whether the score stands out; none without a background.
  std::string path;             ///< As in QueryHit, these three.
  std::size_t width = 0, height = 0;
  bool has_picture = false;
  std::string version;        ///< Tells the picture's content from other content; may be empty.
  Json payload;               ///< What was wanted of it; null: nothing.
  std::vector<float> vector;  ///< If it was wanted.
};
struct PictureGroup {
  Json key;
  std::vector<PictureHit> hits;
};

struct PictureAnswer {
  std::vector<PictureHit> hits;      ///< Best first.
  std::vector<PictureGroup> groups;  ///< Instead, with `group_by`.
  /// Points that could be hits, of all pages; none where it is not known.
  std::optional<std::uint64_t> total;
  std::optional<ScoreBackground> background;
  // Where the next page begins; both absent after the last.
  std::optional<std::size_t> next_offset;
  std::optional<PointId> next_from;
  std::map<std::string, double> timings_ms;  ///< "encode", "search", ..., "total"
  std::optional<SearchPlan> plan;            ///< Of a search of the index.
  std::vector<std::string> warnings;
};

/// Where pictures are looked for. All outlive the call.
struct PictureScope {
  std::string collection;
  const CollectionStore& store;
  const QueryPipeline& pipeline;  ///< Over `store`.
  ScoreBackgrounds* backgrounds;  ///< Null: no background.
};

/// errors  those of QueryPipeline::encode(), run_point_queries() and sorted_points();
///         kInvalidArgument: options that do not go together.
Result<PictureAnswer> search_pictures(const PictureScope& scope, const PictureQuery& query,
                                      const Deadline& deadline);

/// The facts of a stored point that hits show.
PictureHit to_picture_hit(StoredPoint point, const PayloadSelector& with_payload);

}  // namespace sightline::pipeline
