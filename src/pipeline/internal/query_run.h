// pipeline/internal/query_run.h: carries out plans of queries.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/deadline.h"
#include "core/result.h"
#include "pipeline/internal/fusion.h"
#include "pipeline/internal/query_node.h"
#include "pipeline/point_query.h"

namespace sightline::pipeline {

/// Thread-safety: one thread.
class QueryRun {
 public:
  /// Borrows the store.
  QueryRun(const CollectionStore& store, Deadline deadline) : store_(store), deadline_(deadline) {}

  /// Answer i is to plan i.
  Result<std::vector<PointAnswer>> run(std::span<const QueryPlan> plans);

 private:
  /// What a stage found.
  struct Found {
    std::vector<PointHit> hits;
    bool is_complete = false;        ///< Versions, payloads and vectors are there as asked for.
    bool is_without_offset = false;  ///< The hits left out at the top are left out already.
    SearchPlan plan;
  };

  void collect_searches(const QueryNode& node, const QueryPlan& plan);
  Result<void> search_leaves();
  Result<PointAnswer> answer(const QueryPlan& plan);

  Result<Found> find(const QueryNode& node, const QueryPlan& plan);
  /// Of the points that satisfy `filter`.
  Result<Found> find_among(const QueryNode& node, const QueryPlan& plan,
                           const std::shared_ptr<const Filter>& filter);
  Result<Found> fuse(const QueryNode& node, const QueryPlan& plan, std::vector<Found> lists) const;
  Result<Found> diversify(const QueryNode& node, const NearestStep& step, const QueryPlan& plan,
                          Found found) const;
  Result<Found> scan(const QueryNode& node, const ScanStep& step, const QueryPlan& plan,
                     std::shared_ptr<const Filter> filter) const;
  Result<Found> scroll(const QueryNode& node, const QueryPlan& plan,
                       std::shared_ptr<const Filter> filter) const;
  Result<void> complete(const PointQuery& query, std::vector<PointHit>& hits) const;

  static bool is_root(const QueryNode& node, const QueryPlan& plan) { return &node == &plan.root; }
  /// Hits wanted of a stage: a prefetch finds what the outermost query leaves out, too.
  static std::size_t limit_of(const QueryNode& node, const QueryPlan& plan);
  /// They are among so many.
  static std::size_t reach_of(const QueryNode& node, const QueryPlan& plan);
  static SearchRequest request_of(const QueryNode& node, const NearestStep& step,
                                  const QueryPlan& plan, std::shared_ptr<const Filter> filter);
  static Found from_search(const QueryNode& node, const QueryPlan& plan, SearchAnswer answer);

  const CollectionStore& store_;
  const Deadline deadline_;
  std::vector<SearchRequest> requests_;
  std::vector<SearchAnswer> answers_;
  std::map<const QueryNode*, std::size_t> places_;  // in both
};

}  // namespace sightline::pipeline
