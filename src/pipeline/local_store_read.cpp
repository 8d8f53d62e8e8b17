#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "pipeline/internal/collection_config.h"
#include "pipeline/internal/files.h"
#include "pipeline/internal/parallel_run.h"
#include "pipeline/local_store.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxTopK = 10'000;
// Above this number, points left out go into the bitmap of what is allowed.
constexpr std::size_t kFewExcluded = 64;
// Scrolling looks up the points of a filter one by one if it allows less than this share of all.
constexpr std::uint64_t kSparseShare = 8;

SourceRecord to_record(const storage::SourceRow& row) {
  SourceRecord record;
  record.uri = row.uri;
  record.size = row.size;
  record.mtime_ns = row.mtime_ns;
  record.content_hash = row.content_hash;
  record.payload_hash = row.payload_hash;
  record.id = row.id;
  record.skip_reason = row.skip_reason;
  record.skip_message = row.skip_message;
  return record;
}

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

ShardInfo describe(const std::string& vector_name, const index::Shard& shard) {
  ShardInfo info;
  info.vector_name = vector_name;
  info.type = "growing";
  info.num_rows = shard.num_rows();
  info.num_live = shard.num_live();
  info.memory_bytes = shard.memory_bytes();
  info.mapped_bytes = shard.mapped_bytes();
  if (const auto* sealed = dynamic_cast<const index::SealedShard*>(&shard)) {
    info.type = index::to_string(sealed->spec());
    info.nprobe = sealed->nprobe();
    info.ef_search = sealed->ef_search();
  }
  return info;
}

}  // namespace

/// What searches under one filter may find.
struct LocalStore::Allowed {
  std::optional<Bitmap> slots;  // nullopt: all
  std::uint64_t num_rows = 0;
  SearchPlan plan;  // as far as it is the filter's
};

Result<CollectionInfo> LocalStore::info() const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  const storage::CollectionCounters& counters = at->counters();
  CollectionInfo info;
  info.name = setup_.name;
  info.config = *at->config;
  info.num_points = counters.num_points;
  info.num_sources = counters.num_sources;
  info.commit_number = counters.commit;
  info.disk_bytes = db_->disk_bytes() + bytes_below(shards_folder());
  info.memory_bytes = db_->memory_bytes() + memory_bytes(*at.view);
  for (const auto& [field, type] : at->parts.payload_types) info.payload_indexes[field].type = type;
  for (const auto& [name, shards] : *at->parts.shards) {
    for (const auto& shard : shards.all) {
      if (shard == shards.growing && shard->num_rows() == 0) continue;
      info.shards.push_back(describe(name, *shard));
      info.mapped_bytes += shard->mapped_bytes();
    }
  }
  return info;
}

Result<void> LocalStore::check_request(const StoreView& at, const SearchRequest& request) const {
  if (!at.config->vectors.contains(request.vector_name))
    return invalid_argument(shown_name() + " has no " + shown_vector_name(request.vector_name));
  if (request.top_k < 1 || request.top_k > kMaxTopK) {
    return invalid_argument("top_k is " + std::to_string(request.top_k) + "; it must be 1.." +
                            std::to_string(kMaxTopK));
  }
  return {};
}

Result<LocalStore::Allowed> LocalStore::allowed_slots(const StoreView& at,
                                                      const SearchRequest& request,
                                                      const Deadline& deadline) const {
  const LiveSlots::View& rows = at.parts.with_vector.find(request.vector_name)->second;
  Allowed allowed;
  allowed.num_rows = rows.count();
  SearchPlan& plan = allowed.plan;
  plan.num_points = plan.num_estimated = plan.num_allowed = rows.count();
  if (request.filter == nullptr || request.filter->empty()) return allowed;

  plan.num_estimated = at.parts.payload.estimate(*request.filter, rows.count());
  SIGHTLINE_TRY(auto found, evaluate_filter(*db_, at, *request.filter, rows.slots(), deadline));
  for (const std::string& field : found.unindexed_fields)
    plan.warnings.push_back("field \"" + field + "\" has no index: payloads were read");
  plan.num_payloads_read = found.num_payloads_read;
  plan.num_allowed = allowed.num_rows = found.slots.count();
  allowed.slots = std::move(found.slots);
  return allowed;
}

Result<Bitmap> LocalStore::without_excluded(const StoreView& at, const SearchRequest& request,
                                            const Allowed& allowed) const {
  Bitmap slots = allowed.slots ? *allowed.slots
                               : at.parts.with_vector.find(request.vector_name)->second.slots();
  for (const PointId& id : request.exclude) {
    SIGHTLINE_TRY(const auto slot, db_->find_slot(*at.snapshot, id));
    if (slot) slots.remove(*slot);
  }
  return slots;
}

Result<SearchAnswer> LocalStore::search(const SearchRequest& request, Deadline deadline) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  SIGHTLINE_TRY_DO(check_request(*at.view, request));
  SIGHTLINE_TRY(const Allowed allowed, allowed_slots(*at.view, request, deadline));
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
    if (auto checked = check_request(*at.view, request); !checked)
      return named(std::move(checked).error(), i);
    const std::pair key(request.filter.get(), std::string_view(request.vector_name));
    auto known = filters.find(key);
    if (known == filters.end()) {
      auto evaluated = allowed_slots(*at.view, request, deadline);
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

Result<SearchAnswer> LocalStore::search_view(const StoreView& at, const SearchRequest& request,
                                             const Allowed& allowed,
                                             const Deadline& deadline) const {
  std::vector<float> vector = request.vector;
  auto prepared = prepare_vector(request.vector_name,
                                 at.config->vectors.find(request.vector_name)->second, vector);
  if (!prepared) return prepared.error().with_context("query");

  SearchAnswer answer;
  answer.plan = allowed.plan;
  const index::ShardList shards = with_rows(at.parts.shards->find(request.vector_name)->second.all);
  answer.plan.num_shards = shards.size();
  answer.plan.strategy = "empty";
  std::optional<Bitmap> fewer;
  if (request.exclude.size() > kFewExcluded) {
    SIGHTLINE_TRY(fewer, without_excluded(at, request, allowed));
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
  SIGHTLINE_TRY(answer.hits, to_hits(at, request, candidates, deadline));
  return answer;
}

Result<std::vector<ScoredPoint>> LocalStore::to_hits(
    const StoreView& at, const SearchRequest& request,
    const std::vector<index::Candidate>& candidates, const Deadline& deadline) const {
  const std::unordered_set<PointId> excluded(request.exclude.begin(), request.exclude.end());
  std::vector<ScoredPoint> hits;
  std::vector<storage::Slot> slots;
  std::size_t to_skip = request.offset;
  for (const index::Candidate& candidate : candidates) {
    const float score = -candidate.distance;
    if (request.score_threshold && score < *request.score_threshold) break;
    const PointId id = at.ids().get(candidate.slot);
    if (excluded.contains(id)) continue;
    if (to_skip > 0) {
      --to_skip;
      continue;
    }
    hits.push_back({id, score, Json::object()});
    slots.push_back(candidate.slot);
    if (hits.size() == request.top_k) break;
  }
  if (request.with_payload) {
    SIGHTLINE_TRY_DO(deadline.check("searching"));
    SIGHTLINE_TRY(auto payloads, db_->payloads(*at.snapshot, slots));
    for (std::size_t i = 0; i < hits.size(); ++i) hits[i].payload = std::move(payloads[i]);
  }
  return hits;
}

Result<StoredPoint> LocalStore::read_point(const StoreView& at, const PointId& id,
                                           storage::Slot slot, const GetOptions& options) const {
  SIGHTLINE_TRY(const auto record, db_->slot_record(*at.snapshot, slot));
  if (!record) return corruption(shown_name() + ": point " + id.to_string() + " has no record");
  StoredPoint point;
  point.id = id;
  point.version = record->version;
  if (options.with_payload) {
    SIGHTLINE_TRY(point.payload, db_->payload(*at.snapshot, slot));
  }
  if (options.with_vectors) {
    for (const auto& [name, version] : record->vectors) {
      SIGHTLINE_TRY(auto row, db_->vector(*at.snapshot, name, slot));
      if (!row) {
        return corruption(shown_name() + ": " + shown_vector_name(name) + " of point " +
                          id.to_string() + " is lost");
      }
      point.vectors.push_back({name, std::move(row->values)});
    }
  }
  return point;
}

Result<std::vector<std::optional<StoredPoint>>> LocalStore::get(std::span<const PointId> ids,
                                                                GetOptions options) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  std::vector<std::optional<StoredPoint>> points;
  points.reserve(ids.size());
  for (const PointId& id : ids) {
    SIGHTLINE_TRY(const auto slot, db_->find_slot(*at->snapshot, id));
    if (!slot) {
      points.emplace_back();
      continue;
    }
    SIGHTLINE_TRY(StoredPoint point, read_point(*at.view, id, *slot, options));
    points.emplace_back(std::move(point));
  }
  return points;
}

Result<Bitmap> LocalStore::matching_points(const StoreView& at, const Filter& filter,
                                           const Deadline& deadline) const {
  SIGHTLINE_TRY(auto found, evaluate_filter(*db_, at, filter, at.parts.points.slots(), deadline));
  return std::move(found.slots);
}

Result<std::vector<StoredPoint>> LocalStore::scroll(std::optional<PointId> from, std::size_t limit,
                                                    GetOptions options,
                                                    std::shared_ptr<const Filter> filter) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  std::vector<StoredPoint> points;
  if (limit == 0) return points;
  std::optional<Bitmap> wanted;
  if (filter != nullptr && !filter->empty()) {
    SIGHTLINE_TRY(wanted, matching_points(*at.view, *filter, Deadline::never()));
    if (wanted->count() * kSparseShare < at->counters().num_points) {
      return scroll_few(*at.view, *wanted, from, limit, options);
    }
  }
  std::optional<Status> failure;
  SIGHTLINE_TRY_DO(
      db_->visit_points(*at->snapshot, from, [&](const PointId& id, storage::Slot slot) {
        if (wanted && !wanted->contains(slot)) return true;
        auto point = read_point(*at.view, id, slot, options);
        if (!point) {
          failure = std::move(point).error();
          return false;
        }
        points.push_back(*std::move(point));
        return points.size() < limit;
      }));
  if (failure) return *failure;
  return points;
}

Result<std::vector<StoredPoint>> LocalStore::scroll_few(const StoreView& at, const Bitmap& slots,
                                                        const std::optional<PointId>& from,
                                                        std::size_t limit,
                                                        const GetOptions& options) const {
  std::vector<std::pair<PointId, storage::Slot>> found;
  for (const storage::Slot slot : slots.to_vector()) {
    const PointId id = at.ids().get(slot);
    if (!from || id >= *from) found.emplace_back(id, slot);
  }
  const auto end = found.begin() + static_cast<std::ptrdiff_t>(std::min(limit, found.size()));
  std::partial_sort(found.begin(), end, found.end());
  std::vector<StoredPoint> points;
  for (auto it = found.begin(); it != end; ++it) {
    SIGHTLINE_TRY(StoredPoint point, read_point(at, it->first, it->second, options));
    points.push_back(std::move(point));
  }
  return points;
}

Result<std::uint64_t> LocalStore::count(std::shared_ptr<const Filter> filter) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  if (filter == nullptr || filter->empty()) return at->counters().num_points;
  SIGHTLINE_TRY(const Bitmap found, matching_points(*at.view, *filter, Deadline::never()));
  return found.count();
}

Result<std::string> LocalStore::thumbnail(const PointId& id) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  SIGHTLINE_TRY(const auto slot, db_->find_slot(*at->snapshot, id));
  if (!slot) return not_found("there is no point " + id.to_string());
  SIGHTLINE_TRY(auto jpeg, db_->thumbnail(*at->snapshot, *slot));
  if (!jpeg) return not_found("point " + id.to_string() + " has no thumbnail");
  return *std::move(jpeg);
}

Result<std::optional<SourceRecord>> LocalStore::find_source(std::string_view uri) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  SIGHTLINE_TRY(const auto row, db_->source(*at->snapshot, uri));
  if (!row) return std::optional<SourceRecord>();
  return std::optional<SourceRecord>(to_record(*row));
}

Result<std::optional<PointId>> LocalStore::find_content(std::string_view content_hash) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  SIGHTLINE_TRY(const auto slot, db_->find_content(*at->snapshot, content_hash));
  if (!slot) return std::optional<PointId>();
  SIGHTLINE_TRY(const auto record, db_->slot_record(*at->snapshot, *slot));
  if (!record) return std::optional<PointId>();
  return std::optional<PointId>(record->id);
}

Result<void> LocalStore::visit_sources(
    std::string_view prefix, const std::function<bool(const SourceRecord&)>& visit) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  return db_->visit_sources(*at->snapshot, prefix,
                            [&](const storage::SourceRow& row) { return visit(to_record(row)); });
}

}  // namespace sightline::pipeline
