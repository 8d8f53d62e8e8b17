#include "pipeline/local_store.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <unordered_set>
#include <utility>

#include "core/log.h"
#include "pipeline/internal/collection_config.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxTopK = 10'000;
// How often a reader looks again when it has caught the writer in the middle of its files.
constexpr int kCatchUpTries = 100;
constexpr std::chrono::milliseconds kCatchUpPause{10};
// How long a write waits for reads to end before the database is opened again.
constexpr std::chrono::milliseconds kReopenPatience{5'000};

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

}  // namespace

// --- opening and closing -------------------------------------------------------------------------

Result<std::shared_ptr<LocalStore>> LocalStore::open(std::string name,
                                                     std::unique_ptr<storage::CollectionDb> db,
                                                     OpenDb open_db, const StoreOptions& options,
                                                     ComputePool& pool) {
  std::shared_ptr<LocalStore> store(
      new LocalStore(std::move(name), std::move(open_db), options, pool));
  SIGHTLINE_TRY_DO(store->start(std::move(db)));
  store->start_syncing();
  return store;
}

LocalStore::~LocalStore() { close(); }

void LocalStore::close() {
  stop_syncing();
  gate_.change([this] {
    if (writer_) {
      const auto synced = writer_->sync_log();
      if (!synced) log_warning("storage", synced.error().message);
    }
    closed_ = true;
    not_open_.reset();
    set_view(nullptr);  // its snapshot must go before the database
    writer_.reset();
    index_.reset();
    db_.reset();
  });
}

Result<void> LocalStore::start(std::unique_ptr<storage::CollectionDb> db) {
  db_ = std::move(db);
  SIGHTLINE_TRY(config_, config_from_json(db_->config()));
  // Rows that a writer has in memory stay; load() adds and ends what differs.
  if (!index_ || !db_->is_writer()) index_ = std::make_shared<LocalIndex>(name_, config_);
  if (db_->is_writer()) {
    SIGHTLINE_TRY(writer_, storage::CollectionWriter::create(*db_));
  }
  return load();
}

Result<void> LocalStore::start_over() {
  set_view(nullptr);
  writer_.reset();
  db_.reset();
  not_open_.reset();
  auto db = open_db_();
  auto started = db ? start(*std::move(db)) : Result<void>(db.error());
  if (!started) {
    set_view(nullptr);
    writer_.reset();
    db_.reset();
    not_open_ = started.error().with_context("collection \"" + name_ + "\" could not be reopened");
  }
  return started;
}

Result<void> LocalStore::reopen_after_failure() {
  const auto reopened = gate_.change_within(kReopenPatience, [this]() -> Result<void> {
    if (!must_reopen_ || closed_) return {};
    // Without room reading goes on as it is.
    if (db_) SIGHTLINE_TRY_DO(db_->check_room_to_reopen());
    SIGHTLINE_TRY_DO(start_over());
    must_reopen_ = false;
    return {};
  });
  if (reopened) return *reopened;
  return failed_precondition("collection \"" + name_ +
                             "\" must be opened again after a failed write, and is being read");
}

Result<void> LocalStore::load() {
  for (int attempt = 1;; ++attempt) {
    SIGHTLINE_TRY(const storage::SnapshotPtr snapshot, db_->snapshot());
    SIGHTLINE_TRY(const bool complete, index_->load(*db_, *snapshot));
    if (complete) return publish();
    if (db_->is_writer() || attempt == kCatchUpTries) {
      return corruption("collection \"" + name_ +
                        "\": the records of `slots` are not those of commit " +
                        std::to_string(snapshot->counters().commit));
    }
    // A log file went between the writer's list of tables and its list of logs; the next look sees
    // the table that holds its rows.
    std::this_thread::sleep_for(kCatchUpPause);
    SIGHTLINE_TRY_DO(db_->catch_up());
  }
}

Result<void> LocalStore::publish() {
  SIGHTLINE_TRY(storage::SnapshotPtr snapshot, db_->snapshot());
  auto fresh = std::make_shared<View>();
  fresh->version = snapshot->counters().commit;
  fresh->snapshot = std::move(snapshot);
  fresh->index = index_;
  fresh->shards = index_->shards();
  set_view(std::move(fresh));
  return {};
}

std::shared_ptr<const LocalStore::View> LocalStore::view() const {
  const MutexLock lock(view_mutex_);
  return view_;
}

void LocalStore::set_view(std::shared_ptr<const View> view) {
  const MutexLock lock(view_mutex_);
  view_.swap(view);  // The old one, and perhaps its snapshot, goes after the lock.
}

Result<LocalStore::Reading> LocalStore::begin_read() const {
  Reading reading{gate_.enter(), view()};
  if (!reading.view) {
    return not_open_ ? *not_open_ : not_found("collection \"" + name_ + "\" was deleted");
  }
  return reading;
}

Result<void> LocalStore::catch_up() {
  return gate_.change([this]() -> Result<void> {
    if (writer_) return {};
    if (closed_) return not_found("collection \"" + name_ + "\" was deleted");
    if (db_ && db_->is_current()) {
      const std::uint64_t before = view()->version;
      SIGHTLINE_TRY_DO(db_->catch_up());
      SIGHTLINE_TRY(const storage::SnapshotPtr snapshot, db_->snapshot());
      if (snapshot->counters().commit == before) return {};
      return load();
    }
    return start_over();  // Deleted meanwhile, and perhaps made again.
  });
}

// --- reading -------------------------------------------------------------------------------------

Result<CollectionInfo> LocalStore::info() const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  const storage::CollectionCounters& counters = at->counters();
  CollectionInfo info;
  info.name = name_;
  info.config = config_;
  info.num_points = counters.num_points;
  info.num_sources = counters.num_sources;
  info.commit_number = counters.commit;
  info.disk_bytes = db_->disk_bytes();
  info.memory_bytes = db_->memory_bytes() + at->index->memory_bytes();
  return info;
}

Result<std::vector<ScoredPoint>> LocalStore::search(const SearchRequest& request,
                                                    Deadline deadline) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  const auto config = config_.vectors.find(request.vector_name);
  if (config == config_.vectors.end()) {
    return invalid_argument("collection \"" + name_ + "\" has no " +
                            shown_vector_name(request.vector_name));
  }
  if (request.top_k < 1 || request.top_k > kMaxTopK) {
    return invalid_argument("top_k is " + std::to_string(request.top_k) + "; it must be 1.." +
                            std::to_string(kMaxTopK));
  }
  std::vector<float> vector = request.vector;
  auto prepared = prepare_vector(request.vector_name, config->second, vector);
  if (!prepared) return prepared.error().with_context("query");
  const std::uint64_t num_points = at->counters().num_points;
  if (request.offset >= num_points) return std::vector<ScoredPoint>();

  index::ShardQuery query;
  query.vector = vector;
  query.read_version = at->version;
  query.order = &at->index->ids();
  query.k = static_cast<std::size_t>(std::min<std::uint64_t>(
      num_points, std::uint64_t{request.offset} + request.top_k + request.exclude.size()));
  SIGHTLINE_TRY(
      const auto candidates,
      index::search_shards(at->shards->find(request.vector_name)->second, query, &pool_, deadline));

  const std::unordered_set<PointId> excluded(request.exclude.begin(), request.exclude.end());
  std::vector<ScoredPoint> hits;
  std::vector<storage::Slot> slots;
  std::size_t to_skip = request.offset;
  for (const index::Candidate& candidate : candidates) {
    const float score = -candidate.distance;
    if (request.score_threshold && score < *request.score_threshold) break;
    const PointId id = at->index->ids().get(candidate.slot);
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
    SIGHTLINE_TRY(auto payloads, db_->payloads(*at->snapshot, slots));
    for (std::size_t i = 0; i < hits.size(); ++i) hits[i].payload = std::move(payloads[i]);
  }
  return hits;
}

Result<StoredPoint> LocalStore::read_point(const View& at, const PointId& id, storage::Slot slot,
                                           const GetOptions& options) const {
  SIGHTLINE_TRY(const auto record, db_->slot_record(*at.snapshot, slot));
  if (!record) {
    return corruption("collection \"" + name_ + "\": point " + id.to_string() + " has no record");
  }
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
        return corruption("collection \"" + name_ + "\": " + shown_vector_name(name) +
                          " of point " + id.to_string() + " is lost");
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

Result<std::vector<StoredPoint>> LocalStore::scroll(std::optional<PointId> from, std::size_t limit,
                                                    GetOptions options) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  std::vector<StoredPoint> points;
  std::optional<Status> failure;
  if (limit == 0) return points;
  SIGHTLINE_TRY_DO(
      db_->visit_points(*at->snapshot, from, [&](const PointId& id, storage::Slot slot) {
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

Result<std::uint64_t> LocalStore::count() const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  return at->counters().num_points;
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
