#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/internal/group_table.h"
#include "pipeline/internal/query_node.h"
#include "pipeline/point_query.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxHits = 10'000;

/// `a` * `b`, at most kMaxHits.
std::size_t product_of(std::size_t a, std::size_t b) {
  return b != 0 && a > kMaxHits / b ? kMaxHits : std::min(a * b, kMaxHits);
}

void widen(std::vector<PointQuery>& prefetches, std::size_t factor) {
  for (PointQuery& prefetch : prefetches) {
    prefetch.limit = product_of(prefetch.limit, factor);
    widen(prefetch.prefetch, factor);
  }
}

/// The id that a group's key is.
std::optional<PointId> id_of(const Json& key) {
  auto id = PointId::from_json(key);
  if (!id || (key.is_string() && id->is_number())) return std::nullopt;
  return *std::move(id);
}

/// One run_group_query().
class GroupRun {
 public:
  GroupRun(const QueryScope& scope, const GroupQuery& query, const Deadline& deadline)
      : scope_(scope),
        query_(query),
        deadline_(deadline),
        table_(query.group_by, query.limit, query.group_size) {}

  Result<GroupAnswer> run() {
    SIGHTLINE_TRY_DO(check());
    ask_ = query_.query;
    ask_.offset = 0;
    ask_.limit = product_of(query_.limit, query_.group_size);
    // The field decides the group; what was asked for is chosen at the end.
    ask_.with_payload = {PayloadSelector::Kind::kAll, {}};
    if (query_.query.with_payload.kind == PayloadSelector::Kind::kNone)
      ask_.with_payload = {PayloadSelector::Kind::kInclude, {query_.group_by}};
    SIGHTLINE_TRY_DO(ask_.prefetch.empty() ? fill_from_all() : fill_from_prefetched());

    GroupAnswer answer;
    answer.groups = table_.take();
    answer.scores_are_distances = scores_are_distances_;
    for (PointGroup& group : answer.groups) {
      for (PointHit& hit : group.hits) choose_payload(hit);
    }
    if (query_.with_lookup) SIGHTLINE_TRY_DO(look_up(*query_.with_lookup, answer.groups));
    return answer;
  }

 private:
  Result<void> check() const {
    if (query_.limit < 1 || query_.limit > kMaxHits) {
      return invalid_argument("limit is " + std::to_string(query_.limit) + "; it must be 1..10000");
    }
    if (query_.group_size < 1 || query_.group_size > kMaxHits) {
      return invalid_argument("group_size is " + std::to_string(query_.group_size) +
                              "; it must be 1..10000");
    }
    return {};
  }

  /// False: there were fewer than asked for, so there are no more.
  Result<bool> ask(const std::shared_ptr<const Filter>& filter, bool may_make) {
    PointQuery query = ask_;
    query.filter = all_of(query_.query.filter, filter);
    SIGHTLINE_TRY(auto answers, run_point_queries(scope_, {&query, 1}, deadline_));
    scores_are_distances_ = answers.front().scores_are_distances;
    const bool has_more = answers.front().hits.size() == query.limit;
    table_.add(std::move(answers.front().hits), may_make);
    return has_more;
  }

  /// First the groups: each round leaves out the values that are known. Then what they lack: each
  /// round fills a group at least, as it asks for as many points as are lacking.
  Result<void> fill_from_all() {
    bool has_more = true;
    const std::size_t limit = ask_.limit;
    for (bool is_first = true; has_more && !table_.has_all_groups(); is_first = false) {
      if (!is_first) ask_.limit = product_of(ask_.limit, 2);
      SIGHTLINE_TRY(has_more, ask(table_.others(), true));
      if (is_first && !has_more) return {};  // these were all points
    }
    ask_.limit = limit;
    has_more = true;
    while (has_more) {
      const auto filter = table_.missing();
      if (filter == nullptr) return {};
      SIGHTLINE_TRY(has_more, ask(filter, false));
    }
    return {};
  }

  /// Another filter would change what prefetches find, and with it the scores: one round alone.
  Result<void> fill_from_prefetched() {
    widen(ask_.prefetch, query_.limit);
    ask_.limit = kMaxHits;
    SIGHTLINE_TRY_DO(ask(table_.others(), true));
    return {};
  }

  void choose_payload(PointHit& hit) const {
    const PayloadSelector& selector = query_.query.with_payload;
    if (selector.kind == PayloadSelector::Kind::kNone) {
      hit.payload.reset();
    } else if (hit.payload && selector.kind != PayloadSelector::Kind::kAll) {
      hit.payload = select_payload(selector, *std::move(hit.payload));
    }
  }

  Result<void> look_up(const GroupLookup& lookup, std::vector<PointGroup>& groups) const {
    SIGHTLINE_TRY(const auto store, scope_.find_store(lookup.collection));
    std::vector<PointId> ids;
    std::vector<PointGroup*> owners;
    for (PointGroup& group : groups) {
      if (const auto id = id_of(group.key)) {
        ids.push_back(*id);
        owners.push_back(&group);
      }
    }
    GetOptions options{lookup.with_payload.kind != PayloadSelector::Kind::kNone, false};
    const VectorSelector& vectors = lookup.with_vectors;
    options.with_vectors = vectors.kind == VectorSelector::Kind::kAll || !vectors.names.empty();
    if (vectors.kind == VectorSelector::Kind::kNames) options.vector_names = vectors.names;
    SIGHTLINE_TRY(auto points, store->get(ids, options));
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (!points[i]) continue;
      points[i]->payload = select_payload(lookup.with_payload, std::move(points[i]->payload));
      owners[i]->lookup = std::move(points[i]);
    }
    return {};
  }

  const QueryScope& scope_;
  const GroupQuery& query_;
  const Deadline deadline_;
  GroupTable table_;
  PointQuery ask_;
  bool scores_are_distances_ = false;
};

}  // namespace

Result<GroupAnswer> run_group_query(const QueryScope& scope, const GroupQuery& query,
                                    Deadline deadline) {
  return GroupRun(scope, query, deadline).run();
}

}  // namespace sightline::pipeline
