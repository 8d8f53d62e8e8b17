#include "pipeline/internal/query_node.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "pipeline/vector_math.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxLimit = 10'000;

std::string shown_vector_name(std::string_view name) {
  return name.empty() ? std::string("default vector") : "vector \"" + std::string(name) + "\"";
}

/// Calls `visit` with every input of a query (not of its prefetches).
template <typename Visit>
void for_each_input(const QueryVariant& query, Visit&& visit) {
  const auto visit_all = [&visit](const std::vector<QueryInput>& inputs) {
    for (const QueryInput& input : inputs) visit(input);
  };
  const auto visit_pairs = [&visit](const std::vector<ContextPair>& pairs) {
    for (const ContextPair& pair : pairs) {
      visit(pair.positive);
      visit(pair.negative);
    }
  };
  if (const auto* nearest = std::get_if<NearestQuery>(&query)) {
    visit(nearest->input);
  } else if (const auto* recommend = std::get_if<RecommendQuery>(&query)) {
    visit_all(recommend->positive);
    visit_all(recommend->negative);
  } else if (const auto* discover = std::get_if<DiscoverQuery>(&query)) {
    visit(discover->target);
    visit_pairs(discover->context);
  } else if (const auto* context = std::get_if<ContextQuery>(&query)) {
    visit_pairs(context->pairs);
  }
}

bool has_vectors(const QueryVariant& query) {
  return std::holds_alternative<NearestQuery>(query) ||
         std::holds_alternative<RecommendQuery>(query) ||
         std::holds_alternative<DiscoverQuery>(query) ||
         std::holds_alternative<ContextQuery>(query);
}

bool is_fusion(const QueryVariant& query) {
  return std::holds_alternative<RrfFusion>(query) || std::holds_alternative<DbsfFusion>(query);
}

Result<void> check_fusion_names_no_vector(const PointQuery& query) {
  if (query.vector_name.empty()) return {};
  return invalid_argument("Bad request: Fusion queries cannot be combined with the 'using' field.");
}

Result<void> check_rrf(const RrfFusion& fusion, std::size_t num_lists) {
  if (fusion.k < 1) return invalid_argument("rrf: k is 0; it must be at least 1");
  if (!fusion.weights.empty() && fusion.weights.size() != num_lists) {
    return invalid_argument("rrf: " + std::to_string(fusion.weights.size()) + " weights for " +
                            std::to_string(num_lists) + " prefetches; there must be one for each");
  }
  for (const float weight : fusion.weights) {
    if (!(weight >= 0) || !std::isfinite(weight)) {
      return invalid_argument("rrf: a weight is " + std::to_string(weight) +
                              "; it must not be negative");
    }
  }
  return {};
}

Result<void> check_examples(RecommendStrategy strategy, std::span<const QueryInput> positive,
                            std::span<const QueryInput> negative) {
  const bool is_average = strategy == RecommendStrategy::kAverageVector;
  if (!positive.empty() || (!is_average && !negative.empty())) return {};
  return invalid_argument(is_average ? "average_vector needs a positive example"
                                     : "recommend needs an example");
}

Result<void> check_mmr(const MmrOptions& mmr) {
  if (!(mmr.diversity >= 0 && mmr.diversity <= 1)) {
    return invalid_argument("mmr: diversity is " + std::to_string(mmr.diversity) +
                            "; it must be 0..1");
  }
  if (mmr.candidates_limit.value_or(0) > kMaxLimit) {
    return invalid_argument("mmr: candidates_limit is " + std::to_string(*mmr.candidates_limit) +
                            "; it must be 0..10000");
  }
  return {};
}

}  // namespace

std::shared_ptr<const Filter> all_of(std::shared_ptr<const Filter> a,
                                     std::shared_ptr<const Filter> b) {
  if (a == nullptr || a->empty()) return b;
  if (b == nullptr || b->empty()) return a;
  auto both = std::make_shared<Filter>();
  both->must = {std::move(a), std::move(b)};
  return both;
}

std::shared_ptr<const Filter> only_ids(std::vector<PointId> ids) {
  auto filter = std::make_shared<Filter>();
  filter->must.push_back(HasId{std::move(ids)});
  return filter;
}

std::shared_ptr<const Filter> without_ids(std::vector<PointId> ids) {
  if (ids.empty()) return nullptr;
  auto filter = std::make_shared<Filter>();
  filter->must_not.push_back(HasId{std::move(ids)});
  return filter;
}

Result<std::vector<QueryPlan>> QueryPlanner::plan(std::span<const PointQuery> queries,
                                                  const Deadline& deadline) {
  const auto named = [&](Status status, std::size_t i) {
    return queries.size() == 1 ? status : status.with_context("query " + std::to_string(i));
  };
  std::vector<QueryPlan> plans(queries.size());
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (auto checked = check(queries[i], true, 0); !checked)
      return named(std::move(checked).error(), i);
    std::set<PointId> exclude;
    collect(queries[i], exclude);
    plans[i].exclude.assign(exclude.begin(), exclude.end());
  }
  SIGHTLINE_TRY_DO(deadline.check("looking up points"));
  SIGHTLINE_TRY_DO(look_up());
  for (std::size_t i = 0; i < queries.size(); ++i) {
    auto made = node(queries[i], nullptr);
    if (!made) return named(std::move(made).error(), i);
    plans[i].root = *std::move(made);
  }
  return plans;
}

QueryPlanner::Place QueryPlanner::place_of(const PointQuery& query) const {
  if (!query.lookup_from) return {"", query.vector_name};
  const LookupFrom& from = *query.lookup_from;
  return {from.collection == scope_.collection ? "" : from.collection,
          from.vector_name.value_or(query.vector_name)};
}

Result<void> QueryPlanner::check(const PointQuery& query, bool is_root, std::size_t depth) const {
  if (depth > kMaxDepth) return invalid_argument("prefetches are more than 64 deep");
  if (query.limit < 1 || query.limit > kMaxLimit) {
    return invalid_argument("limit is " + std::to_string(query.limit) + "; it must be 1..10000");
  }
  if (!is_root && query.offset != 0) return invalid_argument("a prefetch has no offset");
  if (std::holds_alternative<std::monostate>(query.query)) {
    if (!query.prefetch.empty())
      return invalid_argument("a query is needed to merge the prefetches");
    if (query.score_threshold)
      return invalid_argument("score_threshold needs a query that gives scores");
  }
  if (std::holds_alternative<OrderByQuery>(query.query) && query.score_threshold)
    return invalid_argument("score_threshold does not go with order_by");
  if (is_fusion(query.query) && query.prefetch.empty()) {
    SIGHTLINE_TRY_DO(check_fusion_names_no_vector(query));
    return invalid_argument("a fusion needs prefetches");
  }
  if (has_vectors(query.query) && !config_.vectors.contains(query.vector_name)) {
    return invalid_argument("collection \"" + scope_.collection + "\" has no " +
                            shown_vector_name(query.vector_name));
  }
  if (const auto* rrf = std::get_if<RrfFusion>(&query.query))
    SIGHTLINE_TRY_DO(check_rrf(*rrf, query.prefetch.size()));
  const auto* nearest = std::get_if<NearestQuery>(&query.query);
  if (nearest != nullptr && nearest->mmr) SIGHTLINE_TRY_DO(check_mmr(*nearest->mmr));
  if (const auto* recommend = std::get_if<RecommendQuery>(&query.query)) {
    SIGHTLINE_TRY_DO(check_examples(recommend->strategy, recommend->positive, recommend->negative));
  }
  for (const PointQuery& prefetch : query.prefetch)
    SIGHTLINE_TRY_DO(check(prefetch, false, depth + 1));
  return {};
}

void QueryPlanner::collect(const PointQuery& query, std::set<PointId>& exclude) {
  const Place place = place_of(query);
  if (query.lookup_from) wanted_[place];  // has to be there, also if no id is looked up
  for_each_input(query.query, [&](const QueryInput& input) {
    const auto* id = std::get_if<PointId>(&input);
    if (id == nullptr) return;
    wanted_[place].insert(*id);
    if (place.collection.empty()) exclude.insert(*id);
  });
  for (const PointQuery& prefetch : query.prefetch) collect(prefetch, exclude);
}

Result<void> QueryPlanner::look_up() {
  for (const auto& [place, ids] : wanted_) {
    std::shared_ptr<CollectionStore> other;
    if (!place.collection.empty()) {
      SIGHTLINE_TRY(other, scope_.find_store(place.collection));
    }
    const CollectionStore& store = other ? *other : scope_.store;
    if (ids.empty()) continue;
    SIGHTLINE_TRY(const auto config, store.config());
    if (!config->vectors.contains(place.vector_name)) {
      return invalid_argument("Wrong input: Not existing vector name error: " + place.vector_name);
    }
    const std::vector<PointId> list(ids.begin(), ids.end());
    GetOptions options{false, true};
    options.vector_names = {place.vector_name};
    SIGHTLINE_TRY(auto points, store.get(list, options));
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (!points[i]) return not_found("No point with id " + list[i].to_string() + " found");
      if (!points[i]->vectors.empty())
        found_[{place, list[i]}] = std::move(points[i]->vectors.front());
    }
  }
  return {};
}

Result<NamedVector> QueryPlanner::resolve(const PointQuery& query, const QueryInput& input) const {
  NamedVector vector;
  if (const auto* id = std::get_if<PointId>(&input)) {
    const Place place = place_of(query);
    const auto found = found_.find({place, *id});
    if (found == found_.end()) {
      return not_found("Vector with name \"" + place.vector_name + "\" for point " +
                       id->to_string() + " not found");
    }
    vector = found->second;
  } else {
    SIGHTLINE_TRY(vector, to_vector(input));
  }
  vector.name = query.vector_name;
  return vector;
}

std::vector<QueryInput> QueryPlanner::present(const PointQuery& query,
                                              std::span<const QueryInput> examples) const {
  std::vector<QueryInput> present;
  const Place place = place_of(query);
  for (const QueryInput& example : examples) {
    const auto* id = std::get_if<PointId>(&example);
    if (id == nullptr || found_.contains({place, *id})) present.push_back(example);
  }
  return present;
}

Result<NamedVector> QueryPlanner::prepared(const PointQuery& query, const QueryInput& input) const {
  SIGHTLINE_TRY(NamedVector vector, resolve(query, input));
  SIGHTLINE_TRY_DO(prepare_vector(config_.vectors.at(query.vector_name), vector));
  return vector;
}

Result<std::vector<NamedVector>> QueryPlanner::prepared(const PointQuery& query,
                                                        std::span<const QueryInput> inputs) const {
  std::vector<NamedVector> vectors;
  for (const QueryInput& input : inputs) {
    SIGHTLINE_TRY(NamedVector vector, prepared(query, input));
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

Result<QueryStep> QueryPlanner::step_of(const PointQuery& query) const {
  const QueryVariant& variant = query.query;
  if (const auto* nearest = std::get_if<NearestQuery>(&variant)) {
    NearestStep step;
    SIGHTLINE_TRY(step.vector, prepared(query, nearest->input));
    if (nearest->mmr) step.mmr = &*nearest->mmr;
    return QueryStep(std::move(step));
  }
  if (const auto* recommend = std::get_if<RecommendQuery>(&variant)) {
    const auto positives = present(query, recommend->positive);
    const auto negatives = present(query, recommend->negative);
    SIGHTLINE_TRY_DO(check_examples(recommend->strategy, positives, negatives));
    if (recommend->strategy == RecommendStrategy::kAverageVector) {
      // As they were given: a longer example weighs more.
      const VectorConfig& config = config_.vectors.at(query.vector_name);
      std::vector<NamedVector> positive, negative;
      for (auto [inputs, vectors] :
           {std::pair(&positives, &positive), std::pair(&negatives, &negative)}) {
        SIGHTLINE_TRY_DO(prepared(query, *inputs));  // for its errors
        for (const QueryInput& input : *inputs) {
          SIGHTLINE_TRY(NamedVector vector, resolve(query, input));
          vectors->push_back(std::move(vector));
        }
      }
      NearestStep step;
      step.vector = average_example(config, positive, negative);
      return QueryStep(std::move(step));
    }
    ScanStep step;
    step.examples.rule = recommend->strategy == RecommendStrategy::kBestScore
                             ? Examples::Rule::kBestScore
                             : Examples::Rule::kSumScores;
    SIGHTLINE_TRY(step.examples.positive, prepared(query, positives));
    SIGHTLINE_TRY(step.examples.negative, prepared(query, negatives));
    return QueryStep(std::move(step));
  }
  const auto* discover = std::get_if<DiscoverQuery>(&variant);
  const auto* context = std::get_if<ContextQuery>(&variant);
  if (discover != nullptr || context != nullptr) {
    ScanStep step;
    step.examples.rule = discover ? Examples::Rule::kDiscover : Examples::Rule::kContext;
    if (discover != nullptr) {
      SIGHTLINE_TRY(step.examples.target, prepared(query, {&discover->target, 1}));
    }
    for (const ContextPair& pair : discover ? discover->context : context->pairs) {
      SIGHTLINE_TRY(NamedVector positive, prepared(query, pair.positive));
      SIGHTLINE_TRY(NamedVector negative, prepared(query, pair.negative));
      step.examples.positive.push_back(std::move(positive));
      step.examples.negative.push_back(std::move(negative));
    }
    return QueryStep(std::move(step));
  }
  if (const auto* order = std::get_if<OrderByQuery>(&variant)) return QueryStep(order);
  if (const auto* rrf = std::get_if<RrfFusion>(&variant)) return QueryStep(rrf);
  if (const auto* dbsf = std::get_if<DbsfFusion>(&variant)) return QueryStep(dbsf);
  if (const auto* sample = std::get_if<SampleQuery>(&variant)) return QueryStep(sample);
  return QueryStep(ScrollStep{});
}

Result<QueryNode> QueryPlanner::node(const PointQuery& query,
                                     const std::shared_ptr<const Filter>& above) {
  if (is_fusion(query.query)) SIGHTLINE_TRY_DO(check_fusion_names_no_vector(query));
  QueryNode node;
  node.query = &query;
  node.filter = joined(above, query.filter);
  if (has_vectors(query.query)) node.config = &config_.vectors.at(query.vector_name);
  SIGHTLINE_TRY(node.step, step_of(query));
  for (const PointQuery& prefetch : query.prefetch) {
    SIGHTLINE_TRY(QueryNode made, this->node(prefetch, node.filter));
    node.prefetch.push_back(std::move(made));
  }
  return node;
}

std::shared_ptr<const Filter> QueryPlanner::joined(const std::shared_ptr<const Filter>& above,
                                                   const std::shared_ptr<const Filter>& own) {
  auto& known = joined_[{above.get(), own.get()}];
  if (known == nullptr) known = all_of(above, own);
  return known;
}

}  // namespace sightline::pipeline
