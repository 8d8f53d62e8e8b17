#include "pipeline/picture_search.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <unordered_map>
#include <utility>

#include "pipeline/file_uri.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxHits = 10'000;  // as SearchRequest::top_k
/// MMR picks from so many nearest points for each hit wanted, within these bounds.
constexpr std::size_t kCandidatesPerHit = 5;
constexpr std::size_t kMinCandidates = 100, kMaxCandidates = 2000;

class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Result<void> check_query(const PictureQuery& query) {
  if (query.limit == 0 || query.group_size == 0) {
    return invalid_argument("limit and group_size must be at least 1");
  }
  if (query.offset + query.limit > kMaxHits + kMaxSortedHits) {
    return invalid_argument("offset + limit is " + std::to_string(query.offset + query.limit) +
                            "; it must be at most 11000");
  }
  if (query.sort && query.group_by) return invalid_argument("sort and group_by exclude each other");
  const bool browsing = query.operands.empty();
  if (browsing && (query.group_by || query.diversity > 0 || query.score_threshold)) {
    return invalid_argument("group_by, diversity and score_threshold need a query");
  }
  return {};
}

/// `filter`, and none of `ids`.
std::shared_ptr<const Filter> without(std::shared_ptr<const Filter> filter,
                                      const std::vector<PointId>& ids) {
  if (ids.empty()) return filter;
  Filter both;
  if (filter) both.must.emplace_back(std::move(filter));
  both.must_not.emplace_back(HasId{ids});
  return std::make_shared<const Filter>(std::move(both));
}

std::size_t size_fact(const Json& facts, const char* key) {
  const auto value = facts.find(key);
  return value != facts.end() && value->is_number_unsigned() ? value->get<std::size_t>() : 0;
}

/// The first digits of "sha256:HEX".
std::string version_of(const Json& facts) {
  constexpr std::string_view kPrefix = "sha256:";
  const auto hash = facts.find("content_hash");
  if (hash == facts.end() || !hash->is_string()) return {};
  const auto& text = hash->get_ref<const std::string&>();
  return text.starts_with(kPrefix) ? text.substr(kPrefix.size(), 12) : std::string();
}

std::vector<float> take_default_vector(std::vector<NamedVector>& vectors) {
  for (NamedVector& vector : vectors) {
    if (vector.name.empty()) return std::move(vector.values);
  }
  return {};
}

/// One call of search_pictures().
class PictureSearch {
 public:
  PictureSearch(const PictureScope& scope, const PictureQuery& query, const Deadline& deadline)
      : scope_(scope), query_(query), deadline_(deadline) {}

  Result<PictureAnswer> run() {
    SIGHTLINE_TRY_DO(check_query(query_));
    if (query_.operands.empty()) {
      SIGHTLINE_TRY_DO(query_.sort ? browse_sorted() : browse());
    } else {
      SIGHTLINE_TRY_DO(find());
    }
    double total = 0;
    for (const auto& [stage, ms] : answer_.timings_ms) total += ms;
    answer_.timings_ms["total"] = total;
    return std::move(answer_);
  }

 private:
  Result<void> browse() {
    Stopwatch watch;
    const GetOptions options{true, query_.with_vector, {""}};
    const std::size_t skipped = query_.from ? 0 : query_.offset;
    SIGHTLINE_TRY(auto points, scope_.store.scroll(query_.from, skipped + query_.limit + 1, options,
                                                   query_.filter));
    for (std::size_t i = skipped; i < points.size(); ++i) {
      if (i - skipped == query_.limit) {
        answer_.next_from = points[i].id;
        break;
      }
      add(std::move(points[i]));
    }
    SIGHTLINE_TRY_DO(count_all());
    answer_.timings_ms["search"] = watch.lap();
    return {};
  }

  Result<void> browse_sorted() {
    Stopwatch watch;
    SIGHTLINE_TRY(auto sorted,
                  sorted_points(scope_.store, *query_.sort, query_.filter, query_.offset,
                                query_.limit + 1, query_.with_vector, deadline_));
    for (StoredPoint& point : sorted.points) {
      if (answer_.hits.size() == query_.limit) {
        offer_next_offset();
        break;
      }
      add(std::move(point));
    }
    if (!sorted.used_index) warn_of_scan();
    SIGHTLINE_TRY_DO(count_all());
    answer_.timings_ms["sort"] = watch.lap();
    return {};
  }

  Result<void> find() {
    Query encodable;
    encodable.operands = query_.operands;
    encodable.filter = query_.filter;
    encodable.top_k = query_.limit;
    SIGHTLINE_TRY(EncodedQuery encoded, scope_.pipeline.encode(encodable, deadline_));
    answer_.timings_ms = std::move(encoded.timings_ms);
    vector_ = std::move(encoded.request.vector);
    excluded_ = std::move(encoded.request.exclude);
    SIGHTLINE_TRY(const auto config, scope_.store.config());
    const auto vector = config->vectors.find("");
    is_cosine_ = vector != config->vectors.end() && vector->second.metric == Metric::kCosine;
    SIGHTLINE_TRY_DO(measure_background());

    Stopwatch watch;
    if (query_.group_by) {
      SIGHTLINE_TRY_DO(find_groups());
    } else if (query_.diversity > 0) {
      SIGHTLINE_TRY_DO(find_diverse());
    } else {
      SIGHTLINE_TRY_DO(find_nearest());
    }
    answer_.timings_ms["search"] = watch.lap();
    return query_.sort ? sort_hits() : Result<void>();
  }

  Result<void> measure_background() {
    if (scope_.backgrounds == nullptr || !is_cosine_) return {};
    Stopwatch watch;
    SIGHTLINE_TRY(answer_.background,
                  scope_.backgrounds->of(scope_.collection, scope_.store, vector_,
                                         scope_.pipeline.strong_spreads(), deadline_));
    answer_.timings_ms["background"] = watch.lap();
    return {};
  }

  /// Hits to ask for, and to leave out: all that are sorted afterwards, or the page.
  std::size_t wanted() const { return query_.sort ? kMaxSortedHits : query_.limit; }
  std::size_t skipped() const { return query_.sort ? 0 : query_.offset; }

  Result<void> find_nearest() {
    SearchRequest request;
    request.vector = vector_;
    request.offset = std::min(skipped(), kMaxHits);
    request.top_k = std::min(wanted() + 1, kMaxHits);
    request.score_threshold = query_.score_threshold;
    request.exclude = excluded_;
    request.filter = query_.filter;
    request.exact = query_.params.exact;
    request.nprobe = query_.params.nprobe;
    request.ef_search = query_.params.ef_search;
    SIGHTLINE_TRY(SearchAnswer found, scope_.store.search(request, deadline_));
    if (!query_.score_threshold) answer_.total = found.plan.num_allowed;
    take_plan(std::move(found.plan));
    if (found.hits.size() > wanted()) {
      found.hits.resize(wanted());
      if (!query_.sort) offer_next_offset();
    }
    SIGHTLINE_TRY(auto vectors, vectors_of(found.hits));
    for (ScoredPoint& hit : found.hits) {
      StoredPoint point{hit.id, 0, {}, std::move(hit.payload)};
      if (const auto at = vectors.find(hit.id); at != vectors.end()) {
        point.vectors.push_back({"", std::move(at->second)});
      }
      add(std::move(point), hit.score);
    }
    return {};
  }

  Result<std::unordered_map<PointId, std::vector<float>>> vectors_of(
      const std::vector<ScoredPoint>& hits) const {
    std::unordered_map<PointId, std::vector<float>> vectors;
    if (!query_.with_vector) return vectors;
    std::vector<PointId> ids;
    for (const ScoredPoint& hit : hits) ids.push_back(hit.id);
    SIGHTLINE_TRY(auto points, scope_.store.get(ids, {false, true, {""}}));
    for (auto& point : points) {
      if (point) vectors.emplace(point->id, take_default_vector(point->vectors));
    }
    return vectors;
  }

  PointQuery point_query() const {
    PointQuery query;
    query.query = NearestQuery{DenseInput(vector_), {}};
    query.filter = without(query_.filter, excluded_);
    query.params = query_.params;
    query.score_threshold = query_.score_threshold;
    query.with_payload = {PayloadSelector::Kind::kAll, {}};
    if (query_.with_vector) query.with_vectors = {VectorSelector::Kind::kNames, {""}};
    return query;
  }

  QueryScope query_scope() const { return {scope_.collection, scope_.store, {}}; }

  Result<void> find_diverse() {
    PointQuery query = point_query();
    query.offset = std::min(skipped(), kMaxHits);
    query.limit = std::min(wanted() + 1, kMaxHits - query.offset);
    const std::size_t candidates =
        std::clamp(kCandidatesPerHit * (query.offset + query.limit), kMinCandidates,
                   std::max(kMaxCandidates, query.offset + query.limit));
    std::get<NearestQuery>(query.query).mmr =
        MmrOptions{static_cast<float>(query_.diversity), std::min(candidates, kMaxHits)};
    if (query.limit == 0) return {};
    SIGHTLINE_TRY(auto answers, run_point_queries(query_scope(), {&query, 1}, deadline_));
    PointAnswer& found = answers[0];
    if (!found.plan.strategy.empty()) take_plan(std::move(found.plan));
    if (found.hits.size() > wanted()) {
      found.hits.resize(wanted());
      if (!query_.sort) offer_next_offset();
    }
    for (PointHit& hit : found.hits) add(std::move(hit));
    return {};
  }

  Result<void> find_groups() {
    GroupQuery query;
    query.query = point_query();
    if (query_.diversity > 0) {
      std::get<NearestQuery>(query.query.query).mmr =
          MmrOptions{static_cast<float>(query_.diversity), kMaxCandidates};
    }
    query.group_by = *query_.group_by;
    query.group_size = query_.group_size;
    query.limit = query_.limit;
    SIGHTLINE_TRY(GroupAnswer found, run_group_query(query_scope(), query, deadline_));
    for (PointGroup& group : found.groups) {
      for (PointHit& hit : group.hits) add(std::move(hit));
      answer_.groups.push_back({std::move(group.key), std::exchange(answer_.hits, {})});
    }
    return {};
  }

  Result<void> sort_hits() {
    Stopwatch watch;
    std::vector<std::pair<std::optional<SortKey>, PictureHit>> keyed;
    for (std::size_t i = 0; i < answer_.hits.size(); ++i) {
      keyed.emplace_back(SortKey::of(payloads_[i], query_.sort->field), std::move(answer_.hits[i]));
    }
    answer_.hits.clear();
    std::ranges::stable_sort(keyed, [&](const auto& a, const auto& b) {
      if (!a.first || !b.first) return a.first.has_value() && !b.first.has_value();
      return query_.sort->descending ? *b.first < *a.first : *a.first < *b.first;
    });
    if (answer_.total && *answer_.total > keyed.size()) answer_.total = keyed.size();
    for (std::size_t i = query_.offset; i < keyed.size(); ++i) {
      if (answer_.hits.size() == query_.limit) {
        offer_next_offset();
        break;
      }
      answer_.hits.push_back(std::move(keyed[i].second));
      answer_.hits.back().rank = i + 1;
    }
    answer_.timings_ms["sort"] = watch.lap();
    return {};
  }

  void add(StoredPoint point, std::optional<float> score = {}) {
    if (query_.sort && score) payloads_.push_back(point.payload);
    PictureHit hit = to_picture_hit(std::move(point), query_.with_payload);
    hit.rank = skipped() + answer_.hits.size() + 1;
    hit.score = score;
    if (is_cosine_) hit.cosine = score;
    if (answer_.background && score) hit.strong = *score >= answer_.background->strong_from;
    answer_.hits.push_back(std::move(hit));
  }

  void add(PointHit hit) {
    const float score = hit.score;
    add(StoredPoint{hit.id, hit.version, std::move(hit.vectors),
                    hit.payload ? *std::move(hit.payload) : Json::object()},
        score);
  }

  void offer_next_offset() {
    const std::size_t next = query_.offset + query_.limit;
    if (next <= kMaxHits) answer_.next_offset = next;
  }

  void take_plan(SearchPlan plan) {
    answer_.warnings.insert(answer_.warnings.end(), plan.warnings.begin(), plan.warnings.end());
    answer_.plan = std::move(plan);
  }

  void warn_of_scan() {
    answer_.warnings.push_back("field \"" + query_.sort->field.text() +
                               "\" has no index with an order: payloads were read");
  }

  Result<void> count_all() {
    SIGHTLINE_TRY(answer_.total, scope_.store.count(query_.filter));
    return {};
  }

  const PictureScope& scope_;
  const PictureQuery& query_;
  const Deadline& deadline_;
  std::vector<float> vector_;
  std::vector<PointId> excluded_;
  bool is_cosine_ = false;
  std::vector<Json> payloads_;  // whole ones of the hits, to be sorted by
  PictureAnswer answer_;
};

}  // namespace

PictureHit to_picture_hit(StoredPoint point, const PayloadSelector& with_payload) {
  PictureHit hit;
  hit.id = point.id;
  const auto facts = point.payload.find("_image");
  if (facts != point.payload.end() && facts->is_object()) {
    const auto uri = facts->find("uri");
    if (uri != facts->end() && uri->is_string()) {
      const auto& text = uri->get_ref<const std::string&>();
      if (text.starts_with("file:")) hit.path = display_path(text);  // an upload has none
      hit.has_picture = true;
    }
    hit.version = version_of(*facts);
    hit.width = size_fact(*facts, "width");
    hit.height = size_fact(*facts, "height");
  }
  if (with_payload.kind != PayloadSelector::Kind::kNone) {
    hit.payload = select_payload(with_payload, std::move(point.payload));
  }
  hit.vector = take_default_vector(point.vectors);
  return hit;
}

Result<PictureAnswer> search_pictures(const PictureScope& scope, const PictureQuery& query,
                                      const Deadline& deadline) {
  try {
    return PictureSearch(scope, query, deadline).run();
  } catch (const std::exception& e) {
    return internal_error(std::string("search: ") + e.what());
  }
}

}  // namespace sightline::pipeline
