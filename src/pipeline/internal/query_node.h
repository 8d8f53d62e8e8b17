// pipeline/internal/query_node.h: a PointQuery that is checked, with its ids looked up and the
// filters above it joined to its own.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "core/deadline.h"
#include "core/filter.h"
#include "core/result.h"
#include "pipeline/internal/query_scorer.h"
#include "pipeline/point_query.h"

namespace sightline::pipeline {

/// Nearest to `vector`, then perhaps by MMR.
struct NearestStep {
  NamedVector vector;
  const MmrOptions* mmr = nullptr;
};
struct ScanStep {
  Examples examples;
};
struct ScrollStep {};
/// What a PointQuery does once it needs no ids any more.
using QueryStep = std::variant<ScrollStep, NearestStep, ScanStep, const OrderByQuery*,
                               const RrfFusion*, const DbsfFusion*, const SampleQuery*>;

struct QueryNode {
  const PointQuery* query = nullptr;
  const VectorConfig* config = nullptr;  ///< Of NearestStep and ScanStep.
  QueryStep step;
  std::shared_ptr<const Filter> filter;  ///< With those above.
  std::vector<QueryNode> prefetch;
};
/// One query as a whole. Borrows the query and the configuration.
struct QueryPlan {
  QueryNode root;
  std::vector<PointId> exclude;  ///< Ascending.
};

/// Both; either may be null.
std::shared_ptr<const Filter> all_of(std::shared_ptr<const Filter> a,
                                     std::shared_ptr<const Filter> b);
std::shared_ptr<const Filter> only_ids(std::vector<PointId> ids);
std::shared_ptr<const Filter> without_ids(std::vector<PointId> ids);

/// Makes plans of queries asked at once. The same filters joined twice are one object.
/// Thread-safety: one thread.
class QueryPlanner {
 public:
  /// Borrows both.
  QueryPlanner(const QueryScope& scope, const CollectionConfig& config)
      : scope_(scope), config_(config) {}

  /// errors  those of run_point_queries(); with several queries the message says which.
  Result<std::vector<QueryPlan>> plan(std::span<const PointQuery> queries,
                                      const Deadline& deadline);

 private:
  struct Place {
    std::string collection;  ///< Empty: the searched one.
    std::string vector_name;
    auto operator<=>(const Place&) const = default;
  };
  Place place_of(const PointQuery& query) const;
  Result<void> check(const PointQuery& query, bool is_root, std::size_t depth) const;
  void collect(const PointQuery& query, std::set<PointId>& exclude);
  Result<void> look_up();
  Result<NamedVector> resolve(const PointQuery& query, const QueryInput& input) const;
  /// Without the ids of points that lack the vector.
  std::vector<QueryInput> present(const PointQuery& query,
                                  std::span<const QueryInput> examples) const;
  /// As the store keeps vectors of the name.
  Result<NamedVector> prepared(const PointQuery& query, const QueryInput& input) const;
  Result<std::vector<NamedVector>> prepared(const PointQuery& query,
                                            std::span<const QueryInput> inputs) const;
  Result<QueryStep> step_of(const PointQuery& query) const;
  Result<QueryNode> node(const PointQuery& query, const std::shared_ptr<const Filter>& above);
  std::shared_ptr<const Filter> joined(const std::shared_ptr<const Filter>& above,
                                       const std::shared_ptr<const Filter>& own);

  const QueryScope& scope_;
  const CollectionConfig& config_;
  std::map<Place, std::set<PointId>> wanted_;
  std::map<std::pair<Place, PointId>, NamedVector> found_;
  std::map<std::pair<const Filter*, const Filter*>, std::shared_ptr<const Filter>> joined_;
};

}  // namespace sightline::pipeline
