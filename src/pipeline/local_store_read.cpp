#include <algorithm>
#include <optional>
#include <utility>

#include "pipeline/internal/collection_config.h"
#include "pipeline/internal/files.h"
#include "pipeline/local_store.h"

namespace sightline::pipeline {
namespace {

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

bool is_asked(const GetOptions& options, const std::string& vector_name) {
  const auto& names = options.vector_names;
  return names.empty() || std::find(names.begin(), names.end(), vector_name) != names.end();
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
    index::ShardSpec spec = sealed->spec();
    spec.half_vectors = sealed->has_half_vectors();  // what is, not what was asked for
    info.type = index::to_string(spec);
    info.nprobe = sealed->nprobe();
    info.ef_search = sealed->ef_search();
  }
  return info;
}

}  // namespace

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
  SIGHTLINE_TRY(auto parameters, db_->payload_index_parameters(*at->snapshot));
  for (const auto& [field, type] : at->parts.payload_types) {
    info.payload_indexes[field] = {type, std::move(parameters[field]),
                                   at->parts.payload.count_members(field)};
  }
  for (const auto& [name, rows] : at->parts.with_vector) info.num_vectors[name] = rows.count();
  for (const auto& [name, shards] : *at->parts.shards) {
    for (const auto& shard : shards.all) {
      if (shard == shards.growing && shard->num_rows() == 0) continue;
      info.shards.push_back(describe(name, *shard));
      info.mapped_bytes += shard->mapped_bytes();
    }
  }
  return info;
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
      if (!is_asked(options, name)) continue;
      SIGHTLINE_TRY(auto row, db_->vector(*at.snapshot, name, slot));
      if (!row) {
        return corruption(shown_name() + ": " + shown_vector_name(name) + " of point " +
                          id.to_string() + " is lost");
      }
      point.vectors.push_back(
          {name, std::move(row->values), row->kind, std::move(row->indices), row->num_rows});
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

Result<std::optional<Bitmap>> LocalStore::wanted_points(const StoreView& at, const Filter* filter,
                                                        const Deadline& deadline) const {
  if (filter == nullptr || filter->empty()) return std::optional<Bitmap>();
  SIGHTLINE_TRY(Bitmap found, matching_points(at, *filter, deadline));
  return std::optional<Bitmap>(std::move(found));
}

Result<std::vector<StoredPoint>> LocalStore::scroll(std::optional<PointId> from, std::size_t limit,
                                                    GetOptions options,
                                                    std::shared_ptr<const Filter> filter) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  std::vector<StoredPoint> points;
  if (limit == 0) return points;
  SIGHTLINE_TRY(const std::optional<Bitmap> wanted,
                wanted_points(*at.view, filter.get(), Deadline::never()));
  if (wanted && wanted->count() * kSparseShare < at->counters().num_points)
    return scroll_few(*at.view, *wanted, from, limit, options);
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
