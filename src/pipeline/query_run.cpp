#include "pipeline/internal/query_run.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>

#include "pipeline/internal/mmr.h"

namespace sightline::pipeline {
namespace {

/// Of points without a score of their own, as on Qdrant's routes.
constexpr float kNoScore = 1;
constexpr std::size_t kMaxTopK = 10'000;

GetOptions options_for(const PointQuery& query) {
  GetOptions options{query.with_payload.kind != PayloadSelector::Kind::kNone, false};
  const VectorSelector& vectors = query.with_vectors;
  options.with_vectors = vectors.kind == VectorSelector::Kind::kAll || !vectors.names.empty();
  if (vectors.kind == VectorSelector::Kind::kNames) options.vector_names = vectors.names;
  return options;
}

PointHit to_hit(StoredPoint point, const GetOptions& options) {
  PointHit hit;
  hit.id = point.id;
  hit.version = point.version;
  hit.score = kNoScore;
  if (options.with_payload) hit.payload = std::move(point.payload);
  hit.vectors = std::move(point.vectors);
  return hit;
}

Ranking to_ranking(const std::vector<PointHit>& hits) {
  Ranking ranking;
  ranking.reserve(hits.size());
  for (const PointHit& hit : hits) ranking.push_back({hit.id, hit.score, hit.order_value});
  return ranking;
}

/// A number or date to order by; dates as their microseconds.
Result<std::optional<OrderValue>> start_of(const OrderByQuery& order) {
  if (!order.start_from) return std::optional<OrderValue>();
  if (const auto* number = std::get_if<std::int64_t>(&*order.start_from))
    return std::optional<OrderValue>(*number);
  if (const auto* number = std::get_if<double>(&*order.start_from))
    return std::optional<OrderValue>(*number);
  if (const auto* text = std::get_if<std::string>(&*order.start_from)) {
    if (const auto micros = parse_datetime(*text)) return std::optional<OrderValue>(*micros);
    return invalid_argument("start_from is \"" + *text + "\"; it must be a number or a date");
  }
  return invalid_argument("start_from must be a number or a date");
}

}  // namespace

std::size_t QueryRun::limit_of(const QueryNode& node, const QueryPlan& plan) {
  const std::size_t limit = node.query->limit;
  return is_root(node, plan) ? limit : std::min(limit + plan.root.query->offset, kMaxTopK);
}

std::size_t QueryRun::reach_of(const QueryNode& node, const QueryPlan& plan) {
  return limit_of(node, plan) + node.query->offset;
}

Result<std::vector<PointAnswer>> QueryRun::run(std::span<const QueryPlan> plans) {
  for (const QueryPlan& plan : plans) collect_searches(plan.root, plan);
  SIGHTLINE_TRY_DO(search_leaves());
  std::vector<PointAnswer> answers;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    auto one = answer(plans[i]);
    if (!one) {
      return plans.size() == 1 ? one.error()
                               : one.error().with_context("query " + std::to_string(i));
    }
    answers.push_back(*std::move(one));
  }
  return answers;
}

void QueryRun::collect_searches(const QueryNode& node, const QueryPlan& plan) {
  for (const QueryNode& prefetch : node.prefetch) collect_searches(prefetch, plan);
  const auto* nearest = std::get_if<NearestStep>(&node.step);
  if (nearest == nullptr || !node.prefetch.empty()) return;
  SearchRequest request = request_of(node, *nearest, plan, node.filter);
  if (request.top_k == 0) return;
  places_[&node] = requests_.size();
  requests_.push_back(std::move(request));
}

Result<void> QueryRun::search_leaves() {
  if (requests_.empty()) return {};
  SIGHTLINE_TRY(answers_, store_.search_batch(requests_, deadline_));
  return {};
}

SearchRequest QueryRun::request_of(const QueryNode& node, const NearestStep& step,
                                   const QueryPlan& plan, std::shared_ptr<const Filter> filter) {
  const PointQuery& query = *node.query;
  SearchRequest request;
  request.vector_name = query.vector_name;
  request.vector = step.vector.values;
  request.kind = step.vector.kind;
  request.indices = step.vector.indices;
  request.num_rows = step.vector.num_rows;
  request.top_k = limit_of(node, plan);
  request.offset = query.offset;
  if (step.mmr != nullptr) {
    request.top_k = std::min(step.mmr->candidates_limit.value_or(reach_of(node, plan)), kMaxTopK);
    request.offset = 0;
  }
  request.score_threshold = query.score_threshold;
  request.exclude = plan.exclude;
  request.filter = std::move(filter);
  request.exact = query.params.exact;
  request.nprobe = query.params.nprobe;
  request.ef_search = query.params.ef_search;
  const bool is_last = is_root(node, plan) && step.mmr == nullptr;
  const GetOptions options = options_for(query);
  request.with_version = is_last;
  request.with_payload = is_last && options.with_payload && !options.with_vectors;
  return request;
}

QueryRun::Found QueryRun::from_search(const QueryNode& node, const QueryPlan& plan,
                                      SearchAnswer answer) {
  const GetOptions options = options_for(*node.query);
  Found found;
  found.is_complete = is_root(node, plan) && !options.with_vectors;
  found.is_without_offset = true;
  found.plan = std::move(answer.plan);
  found.hits.reserve(answer.hits.size());
  for (ScoredPoint& point : answer.hits) {
    PointHit hit;
    hit.id = point.id;
    hit.version = point.version;
    hit.score = point.score;
    if (found.is_complete && options.with_payload) hit.payload = std::move(point.payload);
    found.hits.push_back(std::move(hit));
  }
  return found;
}

Result<PointAnswer> QueryRun::answer(const QueryPlan& plan) {
  const PointQuery& query = *plan.root.query;
  SIGHTLINE_TRY(Found found, find(plan.root, plan));
  if (!found.is_without_offset) {
    const auto left_out = static_cast<std::ptrdiff_t>(std::min(query.offset, found.hits.size()));
    found.hits.erase(found.hits.begin(), found.hits.begin() + left_out);
  }
  if (found.hits.size() > query.limit) found.hits.resize(query.limit);
  if (!found.is_complete) SIGHTLINE_TRY_DO(complete(query, found.hits));
  if (query.with_payload.kind != PayloadSelector::Kind::kAll) {
    for (PointHit& hit : found.hits) {
      if (hit.payload) hit.payload = select_payload(query.with_payload, *std::move(hit.payload));
    }
  }
  PointAnswer answer;
  answer.hits = std::move(found.hits);
  answer.plan = std::move(found.plan);
  answer.scores_are_distances = plan.root.config != nullptr &&
                                std::holds_alternative<NearestStep>(plan.root.step) &&
                                is_distance(plan.root.config->metric);
  return answer;
}

Result<QueryRun::Found> QueryRun::find(const QueryNode& node, const QueryPlan& plan) {
  SIGHTLINE_TRY_DO(deadline_.check("searching"));
  if (node.prefetch.empty()) return find_among(node, plan, node.filter);
  std::vector<Found> lists;
  for (const QueryNode& prefetch : node.prefetch) {
    SIGHTLINE_TRY(Found list, find(prefetch, plan));
    lists.push_back(std::move(list));
  }
  if (std::holds_alternative<const RrfFusion*>(node.step) ||
      std::holds_alternative<const DbsfFusion*>(node.step)) {
    return fuse(node, plan, std::move(lists));
  }
  std::unordered_set<PointId> ids;
  for (const Found& list : lists) {
    for (const PointHit& hit : list.hits) ids.insert(hit.id);
  }
  if (ids.empty()) return Found{};
  return find_among(node, plan, only_ids({ids.begin(), ids.end()}));
}

Result<QueryRun::Found> QueryRun::find_among(const QueryNode& node, const QueryPlan& plan,
                                             const std::shared_ptr<const Filter>& filter) {
  if (const auto* step = std::get_if<ScanStep>(&node.step)) return scan(node, *step, plan, filter);
  const auto* nearest = std::get_if<NearestStep>(&node.step);
  if (nearest == nullptr) return scroll(node, plan, filter);

  SearchAnswer answer;
  if (const auto place = places_.find(&node); place != places_.end()) {
    answer = std::move(answers_[place->second]);
  } else if (SearchRequest request = request_of(node, *nearest, plan, filter); request.top_k > 0) {
    request.exact = true;  // few points, whose exact scores are what is asked for
    SIGHTLINE_TRY(answer, store_.search(request, deadline_));
  }
  Found found = from_search(node, plan, std::move(answer));
  if (nearest->mmr == nullptr) return found;
  return diversify(node, *nearest, plan, std::move(found));
}

Result<QueryRun::Found> QueryRun::fuse(const QueryNode& node, const QueryPlan& plan,
                                       std::vector<Found> lists) const {
  std::vector<Ranking> rankings;
  for (const Found& list : lists) rankings.push_back(to_ranking(list.hits));
  const auto* rrf = std::get_if<const RrfFusion*>(&node.step);
  const Ranking fused = rrf ? fuse_rrf(rankings, (*rrf)->k, (*rrf)->weights) : fuse_dbsf(rankings);
  const PointQuery& query = *node.query;
  const std::size_t reach = reach_of(node, plan);
  Found found;
  for (const RankedPoint& point : fused) {
    if (found.hits.size() == reach) break;
    if (query.score_threshold && point.score < *query.score_threshold) break;
    PointHit hit;
    hit.id = point.id;
    hit.score = point.score;
    found.hits.push_back(std::move(hit));
  }
  return found;
}

Result<QueryRun::Found> QueryRun::diversify(const QueryNode& node, const NearestStep& step,
                                            const QueryPlan& plan, Found found) const {
  std::vector<PointId> ids;
  for (const PointHit& hit : found.hits) ids.push_back(hit.id);
  GetOptions options{false, true};
  options.vector_names = {node.query->vector_name};
  SIGHTLINE_TRY(auto points, store_.get(ids, options));
  std::vector<NamedVector> vectors;
  std::vector<PointHit> candidates;
  std::vector<float> relevance;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!points[i] || points[i]->vectors.empty()) continue;  // gone meanwhile
    vectors.push_back(std::move(points[i]->vectors.front()));
    candidates.push_back(std::move(found.hits[i]));
    relevance.push_back(likeness(*node.config, step.vector.view(), vectors.back().view()));
  }
  const auto alike = [&](std::size_t a, std::size_t b) {
    return likeness(*node.config, vectors[a].view(), vectors[b].view());
  };
  SIGHTLINE_TRY(const auto picked, pick_diverse(relevance, alike, step.mmr->diversity,
                                                reach_of(node, plan), deadline_));
  Found diverse;
  diverse.plan = std::move(found.plan);
  for (const std::size_t i : picked) diverse.hits.push_back(std::move(candidates[i]));
  return diverse;
}

Result<QueryRun::Found> QueryRun::scan(const QueryNode& node, const ScanStep& step,
                                       const QueryPlan& plan,
                                       std::shared_ptr<const Filter> filter) const {
  const PointQuery& query = *node.query;
  const GetOptions options = options_for(query);
  ScoredSearch search;
  search.vector_name = query.vector_name;
  search.score = [&config = *node.config, &examples = step.examples](const VectorView& stored) {
    return std::optional<float>(score_by_examples(config, examples, stored));
  };
  search.top_k = limit_of(node, plan);
  search.offset = query.offset;
  search.score_threshold = query.score_threshold;
  search.exclude = plan.exclude;
  search.filter = std::move(filter);
  search.with_version = is_root(node, plan);
  search.with_payload = is_root(node, plan) && options.with_payload && !options.with_vectors;
  SIGHTLINE_TRY(SearchAnswer answer, store_.search_by(search, deadline_));
  return from_search(node, plan, std::move(answer));
}

Result<QueryRun::Found> QueryRun::scroll(const QueryNode& node, const QueryPlan& plan,
                                         std::shared_ptr<const Filter> filter) const {
  const PointQuery& query = *node.query;
  Found found;
  found.is_complete = is_root(node, plan);
  const GetOptions options = found.is_complete ? options_for(query) : GetOptions{false, false};
  filter = all_of(std::move(filter), without_ids(plan.exclude));
  if (const auto* order = std::get_if<const OrderByQuery*>(&node.step)) {
    OrderedScroll request;
    request.key = (*order)->key.text();
    request.descending = (*order)->descending;
    SIGHTLINE_TRY(request.start_from, start_of(**order));
    request.limit = reach_of(node, plan);
    request.options = options;
    request.filter = std::move(filter);
    SIGHTLINE_TRY(auto points, store_.scroll_ordered(request, deadline_));
    for (OrderedPoint& point : points) {
      found.hits.push_back(to_hit(std::move(point.point), options));
      found.hits.back().order_value = point.value;
    }
    return found;
  }
  const bool is_sample = std::holds_alternative<const SampleQuery*>(node.step);
  found.is_without_offset = is_sample && node.prefetch.empty();
  const std::size_t limit = found.is_without_offset ? limit_of(node, plan) : reach_of(node, plan);
  auto points = is_sample ? store_.sample(limit, options, std::move(filter), deadline_)
                          : store_.scroll(std::nullopt, limit, options, std::move(filter));
  if (!points) return std::move(points).error();
  for (StoredPoint& point : *points) found.hits.push_back(to_hit(std::move(point), options));
  return found;
}

Result<void> QueryRun::complete(const PointQuery& query, std::vector<PointHit>& hits) const {
  std::vector<PointId> ids;
  for (const PointHit& hit : hits) ids.push_back(hit.id);
  const GetOptions options = options_for(query);
  SIGHTLINE_TRY(auto points, store_.get(ids, options));
  std::vector<PointHit> there;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    if (!points[i]) continue;  // deleted meanwhile
    PointHit hit = to_hit(*std::move(points[i]), options);
    hit.score = hits[i].score;
    hit.order_value = hits[i].order_value;
    there.push_back(std::move(hit));
  }
  hits = std::move(there);
  return {};
}

}  // namespace sightline::pipeline
