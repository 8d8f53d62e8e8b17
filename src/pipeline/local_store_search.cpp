#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

#include "index/top_k.h"
#include "pipeline/internal/collection_config.h"
#include "pipeline/internal/parallel_run.h"
#include "pipeline/local_store.h"
#include "pipeline/vector_math.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxTopK = 10'000;
// Above this number, points left out go into the bitmap of what is allowed.
constexpr std::size_t kFewExcluded = 64;
// Vectors that are scored between two looks at the clock.
constexpr std::size_t kScoredBlock = 1024;

/// What is empty now has no row that a view of now can see.
index::ShardList with_rows(const index::ShardList& all) {
  index::ShardList shards;
  std::copy_if(all.begin(), all.end(), std::back_inserter(shards),
               [](const auto& shard) { return shard->num_rows() > 0; });
  return shards;
}

void fill_plan(SearchPlan& plan, const index::SearchStats& stats) {
  plan.num_scanned = stats.num_scanned;
  plan.num_refined = stats.num_refined;
  plan.num_lists = stats.num_lists;
  plan.num_widened = stats.num_widened;
  plan.strategy = stats.num_approximate == 0 ? "exact"
                  : stats.num_exact == 0     ? "approximate"
                                             : "mixed";
}

/// Rows of one vector name as of a view. Borrows everything.
class StoredRows final : public index::TrueRows {
 public:
  StoredRows(const storage::CollectionDb& db, const StoreView& at, const std::string& vector_name)
      : db_(db), at_(at), vector_name_(vector_name) {}

  bool read(index::Slot slot, index::Version version, std::span<float> values) const override {
    const auto row = db_.vector(*at_.snapshot, vector_name_, slot);
    if (!row || !*row || (*row)->version != version || (*row)->values.size() != values.size())
      return false;
    std::copy((*row)->values.begin(), (*row)->values.end(), values.begin());
    return true;
  }

 private:
  const storage::CollectionDb& db_;
  const StoreView& at_;
  const std::string& vector_name_;
};

}  // namespace

/// What searches under one filter may find.
struct LocalStore::Allowed {
  std::optional<Bitmap> slots;  // nullopt: all
  std::uint64_t num_rows = 0;
  SearchPlan plan;  // as far as it is the filter's
};

/// Which of the candidates are hits, and what is told of them.
struct LocalStore::HitRange {
  std::size_t top_k, offset;
  std::optional<float> score_threshold;
  const std::vector<PointId>& exclude;
  bool with_payload, with_version;

  template <typename Request>
  static HitRange of(const Request& request) {
    return {request.top_k,   request.offset,       request.score_threshold,
            request.exclude, request.with_payload, request.with_version};
  }
};

Result<void> LocalStore::check_request(const StoreView& at, std::string_view vector_name,
                                       std::size_t top_k) const {
  if (!at.config->vectors.contains(std::string(vector_name)))
    return invalid_argument(shown_name() + " has no " + shown_vector_name(vector_name));
  if (top_k < 1 || top_k > kMaxTopK) {
    return invalid_argument("top_k is " + std::to_string(top_k) + "; it must be 1.." +
                            std::to_string(kMaxTopK));
  }
  return {};
}

Result<LocalStore::Allowed> LocalStore::allowed_slots(const StoreView& at,
                                                      const std::string& vector_name,
                                                      const Filter* filter,
                                                      const Deadline& deadline) const {
  const LiveSlots::View& rows = at.parts.with_vector.find(vector_name)->second;
  Allowed allowed;
  allowed.num_rows = rows.count();
  SearchPlan& plan = allowed.plan;
  plan.num_points = plan.num_estimated = plan.num_allowed = rows.count();
  if (filter == nullptr || filter->empty()) return allowed;

  plan.num_estimated = at.parts.payload.estimate(*filter, rows.count());
  SIGHTLINE_TRY(auto found, evaluate_filter(*db_, at, *filter, rows.slots(), deadline));
  for (const std::string& field : found.unindexed_fields)
    plan.warnings.push_back("field \"" + field + "\" has no index: payloads were read");
  plan.num_payloads_read = found.num_payloads_read;
  plan.num_allowed = allowed.num_rows = found.slots.count();
  allowed.slots = std::move(found.slots);
  return allowed;
}

Result<Bitmap> LocalStore::without_excluded(const StoreView& at, const std::string& vector_name,
                                            const std::vector<PointId>& exclude,
                                            const Allowed& allowed) const {
  Bitmap slots =
      allowed.slots ? *allowed.slots : at.parts.with_vector.find(vector_name)->second.slots();
  for (const PointId& id : exclude) {
    SIGHTLINE_TRY(const auto slot, db_->find_slot(*at.snapshot, id));
    if (slot) slots.remove(*slot);
  }
  return slots;
}

Result<SearchAnswer> LocalStore::search(const SearchRequest& request, Deadline deadline) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  SIGHTLINE_TRY_DO(check_request(*at.view, request.vector_name, request.top_k));
  SIGHTLINE_TRY(const Allowed allowed,
                allowed_slots(*at.view, request.vector_name, request.filter.get(), deadline));
  return search_view(*at.view, request, allowed, deadline);
}

Result<std::vector<SearchAnswer>> LocalStore::search_batch(std::span<const SearchRequest> requests,
                                                           Deadline deadline) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  const auto named = [&](Status status, std::size_t i) {
    return requests.size() == 1 ? status : status.with_context("query " + std::to_string(i));
  };
  // One evaluation for each filter and vector name.
  std::map<std::pair<const Filter*, std::string_view>, Allowed> filters;
  std::vector<const Allowed*> allowed(requests.size());
  std::vector<bool> is_first(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const SearchRequest& request = requests[i];
    if (auto checked = check_request(*at.view, request.vector_name, request.top_k); !checked)
      return named(std::move(checked).error(), i);
    const std::pair key(request.filter.get(), std::string_view(request.vector_name));
    auto known = filters.find(key);
    if (known == filters.end()) {
      auto evaluated = allowed_slots(*at.view, request.vector_name, request.filter.get(), deadline);
      if (!evaluated) return named(std::move(evaluated).error(), i);
      known = filters.emplace(key, *std::move(evaluated)).first;
      is_first[i] = true;
    }
    allowed[i] = &known->second;
  }
  std::vector<SearchAnswer> answers(requests.size());
  SIGHTLINE_TRY_DO(
      run_in_parallel(requests.size(), pool_, Priority::kQueryEncoding, [&](std::size_t i) {
        auto answer = search_view(*at.view, requests[i], *allowed[i], deadline);
        if (!answer) return Result<void>(named(std::move(answer).error(), i));
        answers[i] = *std::move(answer);
        if (!is_first[i]) answers[i].plan.num_payloads_read = 0;
        return Result<void>();
      }));
  return answers;
}

Result<SearchAnswer> LocalStore::search_by(const ScoredSearch& request, Deadline deadline) const {
  if (!request.score) return invalid_argument("a search by a score needs the score");
  SIGHTLINE_TRY(const Reading at, begin_read());
  SIGHTLINE_TRY_DO(check_request(*at.view, request.vector_name, request.top_k));
  SIGHTLINE_TRY(const Allowed allowed,
                allowed_slots(*at.view, request.vector_name, request.filter.get(), deadline));
  return score_all(*at.view, request, allowed, deadline);
}

Result<SearchAnswer> LocalStore::search_view(const StoreView& at, const SearchRequest& request,
                                             const Allowed& allowed,
                                             const Deadline& deadline) const {
  const VectorConfig& config = at.config->vectors.find(request.vector_name)->second;
  NamedVector query{request.vector_name, request.vector, request.kind, request.indices,
                    request.num_rows};
  auto prepared = prepare_vector(config, query);
  if (!prepared) return prepared.error();
  if (config.kind == VectorKind::kDense)
    return search_shards(at, request, query.values, allowed, deadline);

  ScoredSearch scored;
  scored.vector_name = request.vector_name;
  scored.score = [&config, view = query.view()](const VectorView& stored) {
    return similarity(config, view, stored);
  };
  scored.top_k = request.top_k;
  scored.offset = request.offset;
  scored.score_threshold = request.score_threshold;
  scored.exclude = request.exclude;
  scored.with_payload = request.with_payload;
  scored.with_version = request.with_version;
  return score_all(at, scored, allowed, deadline);
}

Result<SearchAnswer> LocalStore::search_shards(const StoreView& at, const SearchRequest& request,
                                               const std::vector<float>& vector,
                                               const Allowed& allowed,
                                               const Deadline& deadline) const {
  SearchAnswer answer;
  answer.plan = allowed.plan;
  const index::ShardList shards = with_rows(at.parts.shards->find(request.vector_name)->second.all);
  answer.plan.num_shards = shards.size();
  answer.plan.strategy = "empty";
  std::optional<Bitmap> fewer;
  if (request.exclude.size() > kFewExcluded) {
    SIGHTLINE_TRY(fewer, without_excluded(at, request.vector_name, request.exclude, allowed));
  }
  const std::uint64_t num_rows = fewer ? fewer->count() : allowed.num_rows;
  if (request.offset >= num_rows) return answer;

  index::SearchStats stats;
  index::ShardQuery query;
  query.vector = vector;
  query.read_version = at.version;
  query.allowed = fewer ? &*fewer : allowed.slots ? &*allowed.slots : nullptr;
  query.order = &at.ids();
  query.exact = request.exact;
  const StoredRows stored(*db_, at, request.vector_name);
  query.true_rows = &stored;
  query.nprobe = request.nprobe;
  query.ef_search = request.ef_search;
  if (request.is_stand_in && request.exclude.size() == 1) {
    SIGHTLINE_TRY(query.stand_in, db_->find_slot(*at.snapshot, request.exclude.front()));
  }
  query.stats = &stats;
  query.k = static_cast<std::size_t>(std::min<std::uint64_t>(
      num_rows, std::uint64_t{request.offset} + request.top_k + request.exclude.size()));
  SIGHTLINE_TRY(const auto candidates, index::search_shards(shards, query, &pool_, deadline));
  fill_plan(answer.plan, stats);
  SIGHTLINE_TRY(answer.hits, to_hits(at, HitRange::of(request), candidates, deadline));
  return answer;
}

Result<SearchAnswer> LocalStore::score_all(const StoreView& at, const ScoredSearch& request,
                                           const Allowed& allowed, const Deadline& deadline) const {
  SearchAnswer answer;
  answer.plan = allowed.plan;
  answer.plan.strategy = "empty";
  SIGHTLINE_TRY(const Bitmap slots,
                without_excluded(at, request.vector_name, request.exclude, allowed));
  if (slots.empty()) return answer;
  SIGHTLINE_TRY(const auto candidates, best_of(at, request, slots.to_vector(), deadline));
  answer.plan.strategy = "exact";
  answer.plan.num_scanned = slots.count();
  SIGHTLINE_TRY(answer.hits, to_hits(at, HitRange::of(request), candidates, deadline));
  return answer;
}

/// The truth is read, in order of slot: what a shard holds may be rounded.
Result<std::vector<index::Candidate>> LocalStore::best_of(const StoreView& at,
                                                          const ScoredSearch& request,
                                                          const std::vector<storage::Slot>& slots,
                                                          const Deadline& deadline) const {
  const std::size_t k = static_cast<std::size_t>(
      std::min<std::uint64_t>(slots.size(), std::uint64_t{request.offset} + request.top_k));
  const std::size_t num_parts =
      std::clamp<std::size_t>(slots.size() / kScoredBlock, 1, 4 * pool_.num_threads());
  // Dense vectors are mostly searched through shards, and are not worth the cache.
  const bool keep_cached =
      at.config->vectors.find(request.vector_name)->second.kind != VectorKind::kDense;
  std::vector<index::TopK> best(num_parts, index::TopK(k, &at.ids()));
  const auto score_part = [&](std::size_t part) -> Result<void> {
    const std::size_t first = part * slots.size() / num_parts;
    const std::size_t end = (part + 1) * slots.size() / num_parts;
    std::size_t num_scored = 0;
    const auto visit = [&](storage::Slot slot, const storage::VectorRow& row) -> Result<void> {
      if (num_scored++ % kScoredBlock == 0) SIGHTLINE_TRY_DO(deadline.check("searching"));
      const auto score = request.score(row.view());
      if (score && !std::isnan(*score)) best[part].offer({-*score, slot});
      return {};
    };
    return db_->read_vectors(*at.snapshot, request.vector_name,
                             std::span(slots).subspan(first, end - first), keep_cached, visit);
  };
  SIGHTLINE_TRY_DO(run_in_parallel(num_parts, pool_, Priority::kQueryEncoding, score_part));
  for (std::size_t part = 1; part < num_parts; ++part) best[0].merge(best[part]);
  return best[0].take_sorted();
}

Result<std::vector<ScoredPoint>> LocalStore::to_hits(
    const StoreView& at, const HitRange& range, const std::vector<index::Candidate>& candidates,
    const Deadline& deadline) const {
  const std::unordered_set<PointId> excluded(range.exclude.begin(), range.exclude.end());
  std::vector<ScoredPoint> hits;
  std::vector<storage::Slot> slots;
  std::size_t to_skip = range.offset;
  for (const index::Candidate& candidate : candidates) {
    const float score = -candidate.distance;
    if (range.score_threshold && score < *range.score_threshold) break;
    const PointId id = at.ids().get(candidate.slot);
    if (excluded.contains(id)) continue;
    if (to_skip > 0) {
      --to_skip;
      continue;
    }
    hits.push_back({id, score, Json::object(), 0});
    slots.push_back(candidate.slot);
    if (hits.size() == range.top_k) break;
  }
  if (range.with_version) {
    for (std::size_t i = 0; i < hits.size(); ++i) {
      SIGHTLINE_TRY(const auto record, db_->slot_record(*at.snapshot, slots[i]));
      if (record) hits[i].version = record->version;
    }
  }
  if (range.with_payload) {
    SIGHTLINE_TRY_DO(deadline.check("searching"));
    SIGHTLINE_TRY(auto payloads, db_->payloads(*at.snapshot, slots));
    for (std::size_t i = 0; i < hits.size(); ++i) hits[i].payload = std::move(payloads[i]);
  }
  return hits;
}

}  // namespace sightline::pipeline
