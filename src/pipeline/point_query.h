// pipeline/point_query.h: the universal query over a collection, in Qdrant's model: nearest,
// recommend, discover, context, fusion, order_by, sample, prefetches within prefetches, groups.
//
// Reference: Qdrant's documentation "Explore" and "Hybrid and multi-stage queries", and the schemas
// QueryRequest, Prefetch and QueryGroupsRequest of its OpenAPI description. Texts and pictures have
// become vectors before they come here. Where Qdrant leaves equal scores in any order, they are
// ordered by PointId here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/deadline.h"
#include "core/field_path.h"
#include "core/filter.h"
#include "core/indexed_value.h"
#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"
#include "pipeline/collection_store.h"

namespace sightline::pipeline {

using DenseInput = std::vector<float>;
struct SparseInput {
  std::vector<std::uint32_t> indices;  ///< Unique, in any order.
  std::vector<float> values;           ///< As many.
};
struct MultiInput {
  std::vector<std::vector<float>> rows;  ///< At least one, all of one dim.
};
/// What points are compared with: values, or the point whose vector it is. That point is left out
/// of the hits of the whole query, unless it was looked up in another collection.
using QueryInput = std::variant<PointId, DenseInput, SparseInput, MultiInput>;

// Below, s(x) is the likeness of a point to x: the inner product (kCosine: of unit rows; sparse
// vectors: over common indices; multi-vectors: MaxSim), for kEuclid the negated square of the
// distance, for kManhattan the negated distance. squash(x) is x / (1 + |x|).

/// Picks hits one by one, the first by s(query), then by
/// (1 - diversity) * s(query) - diversity * max s(those picked). Scores stay those of the search.
struct MmrOptions {
  float diversity = 0.5f;  ///< 0..1
  /// Nearest points to pick from, 0..10'000; absent: limit + offset.
  std::optional<std::size_t> candidates_limit;
};
struct NearestQuery {
  QueryInput input;
  std::optional<MmrOptions> mmr;
};

enum class RecommendStrategy {
  /// Nearest to mean(positive), with negatives 2 * mean(positive) - mean(negative). Of
  /// multi-vectors all rows, those of negatives negated.
  kAverageVector,
  /// With p = max s(positive), n = max s(negative): p > n: (1 + squash(p)) / 2, else
  /// -(1 + squash(n)) / 2.
  kBestScore,
  kSumScores,  ///< sum s(positive) - sum s(negative)
};
struct RecommendQuery {
  /// kAverageVector needs a positive, others any; ids of points without the vector do not count.
  std::vector<QueryInput> positive, negative;
  RecommendStrategy strategy = RecommendStrategy::kAverageVector;
};
struct ContextPair {
  QueryInput positive, negative;
};
/// Sum over pairs of the sign of s(positive) - s(negative), + (1 + squash(s(target))) / 2.
struct DiscoverQuery {
  QueryInput target;
  std::vector<ContextPair> context;  ///< May be empty.
};
/// Sum over pairs of squash(min(s(positive) - s(negative) - 2^-23, 0)).
struct ContextQuery {
  std::vector<ContextPair> pairs;  ///< May be empty: all score 0.
};
/// Points that have a number or date at `key` (with several values: once for each). Needs a payload
/// index of a type that has an order: integer, float, datetime. Score 1.
struct OrderByQuery {
  FieldPath key;
  bool descending = false;
  /// Values before it are left out. int64, double, or a string: a date.
  std::optional<IndexedValue> start_from;
};
/// Sum over prefetches of 1 / ((rank + 1) / weight + k - 1), ranks from 0; nothing at weight 0.
struct RrfFusion {
  std::size_t k = 2;           ///< At least 1. 2 is Qdrant's default (60 in the paper is 61 here).
  std::vector<float> weights;  ///< One per prefetch, not negative; empty: all 1.
};
/// Sum over prefetches of (score - lower) / (upper - lower), the limits 3 standard deviations (of
/// the sample) from the mean of the prefetch's scores; 0.5 if they are equal.
struct DbsfFusion {};
/// A random choice among the points, each time another, without order. Score 1; `offset` is
/// ignored unless there are prefetches.
struct SampleQuery {};

/// std::monostate: by id, score 1.
using QueryVariant = std::variant<std::monostate, NearestQuery, RecommendQuery, DiscoverQuery,
                                  ContextQuery, OrderByQuery, RrfFusion, DbsfFusion, SampleQuery>;

struct QueryParams {
  bool exact = false;  ///< As in SearchRequest, these three.
  std::size_t nprobe = 0;
  std::size_t ef_search = 0;
  /// Qdrant may leave out points that wait to be indexed; here nothing that was acknowledged is
  /// ever left out, and a scan of the few that wait costs little: without effect.
  bool indexed_only = false;
};

/// Where ids of a query are looked up.
struct LookupFrom {
  std::string collection;
  std::optional<std::string> vector_name;  ///< Absent: the query's `vector_name`.
};

/// What of a payload an answer holds.
struct PayloadSelector {
  enum class Kind { kNone, kAll, kInclude, kExclude } kind = Kind::kNone;
  std::vector<FieldPath> paths;  ///< Of kInclude and kExclude.
};
/// The part of `payload` that is chosen; of kNone an empty object. kInclude keeps the objects and
/// arrays on the way to what it names.
Json select_payload(const PayloadSelector& selector, Json payload);

struct VectorSelector {
  enum class Kind { kNone, kAll, kNames } kind = Kind::kNone;
  std::vector<std::string> names;  ///< Of kNames; those that a point lacks do not matter.
};

/// One query, or one prefetch of one.
struct PointQuery {
  /// If there are any, `query` scores again the points that they found (all of them together; the
  /// fusions: list by list), and must not be std::monostate. At most 64 deep.
  std::vector<PointQuery> prefetch;
  QueryVariant query;
  std::string vector_name;  ///< "using"; not with fusions.
  /// Null: all points. Holds for the prefetches too, all the way down.
  std::shared_ptr<const Filter> filter;
  QueryParams params;
  /// Hits of lower score are left out, at each level by its own. Scores are higher for better hits
  /// here (see flip_distance_thresholds()). Not with std::monostate and OrderByQuery.
  std::optional<float> score_threshold;
  std::size_t limit = 10;  ///< 1..10'000
  std::optional<LookupFrom> lookup_from;

  // Of the outermost query alone.
  std::size_t offset = 0;  ///< Hits left out at the top; prefetches find so many more.
  PayloadSelector with_payload;
  VectorSelector with_vectors;
};

struct PointHit {
  PointId id;
  std::uint64_t version = 0;    ///< As in StoredPoint.
  float score = 0;              ///< Higher is better; distances are negated.
  std::optional<Json> payload;  ///< Absent: not asked for.
  std::vector<NamedVector> vectors;
  std::optional<OrderValue> order_value;  ///< Of OrderByQuery.
};
struct PointAnswer {
  std::vector<PointHit> hits;  ///< Best first.
  /// The scores are negated distances: Qdrant's routes turn their sign.
  bool scores_are_distances = false;
  SearchPlan plan;  ///< Of the outermost query where it is a search of the index; else empty.
};

/// The other collections that queries and groups speak of.
using StoreFinder = std::function<Result<std::shared_ptr<CollectionStore>>(std::string_view name)>;

/// Where queries are asked.
struct QueryScope {
  std::string collection;  ///< Name of `store`; a lookup in it is one in itself.
  const CollectionStore& store;
  StoreFinder find_store;
};

/// Answers all queries, answer i to query i. Leaves (what needs no prefetch) of all of them are
/// searched together: equal filters (the same object) are evaluated once. Each leaf sees every
/// write that was acknowledged before the call. What a later stage reads (vectors to score again,
/// payloads) is of its own moment: a point deleted in between is left out, one updated in between
/// is scored and shown as it then is.
///
/// errors  kInvalidArgument: a rule above is broken, unknown vector name, other dim or kind of
///         vector, no index to order by; kNotFound: a point or collection that does not exist or a
///         point without the vector asked for; those of CollectionStore. With several queries the
///         message says which.
Result<std::vector<PointAnswer>> run_point_queries(const QueryScope& scope,
                                                   std::span<const PointQuery> queries,
                                                   Deadline deadline);

/// Fetches for each group the point that its key is the id of.
struct GroupLookup {
  std::string collection;
  PayloadSelector with_payload{PayloadSelector::Kind::kAll, {}};
  VectorSelector with_vectors;
};
struct GroupQuery {
  /// `limit` and `offset` are not looked at.
  PointQuery query;
  FieldPath group_by;  ///< Strings and integers; a point with several values is in several groups.
  std::size_t group_size = 3;
  std::size_t limit = 10;  ///< Groups wanted.
  std::optional<GroupLookup> with_lookup;
};
struct PointGroup {
  Json key;  ///< String or integer.
  std::vector<PointHit> hits;
  std::optional<StoredPoint> lookup;  ///< Absent: not asked for, no such point, no id.
};
struct GroupAnswer {
  std::vector<PointGroup> groups;  ///< In the order of their first hits.
  bool scores_are_distances = false;
};
/// The best `limit` groups, each with its best hits. Searches get wider until the groups are full
/// or nothing is left. errors  those of run_point_queries().
Result<GroupAnswer> run_group_query(const QueryScope& scope, const GroupQuery& query,
                                    Deadline deadline);

/// Collections other than `own` that the query speaks of (lookup_from at any depth), each once.
std::vector<std::string> other_collections(const PointQuery& query, std::string_view own);
/// Whether the scores of `query` are distances: nearest and kAverageVector under kEuclid or
/// kManhattan.
bool scores_are_distances(const PointQuery& query, const CollectionConfig& config);
/// For Qdrant's routes, where a score_threshold under kEuclid and kManhattan is the largest
/// distance: turns the sign of those thresholds, at every depth.
void flip_distance_thresholds(PointQuery& query, const CollectionConfig& config);

}  // namespace sightline::pipeline
