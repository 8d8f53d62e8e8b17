#include "pipeline/local_store.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "core/log.h"
#include "pipeline/internal/collection_config.h"
#include "pipeline/internal/files.h"

namespace sightline::pipeline {
namespace {

// How often a reader looks again when it has caught the writer in the middle of its files.
constexpr int kCatchUpTries = 100;
constexpr std::chrono::milliseconds kCatchUpPause{10};
// How often it does so for a shard that it cannot open, before it does without.
constexpr int kShardTries = 3;
// How long a write waits for reads to end before the database is opened again.
constexpr std::chrono::milliseconds kReopenPatience{5'000};

}  // namespace

// --- opening and closing -------------------------------------------------------------------------

LocalStore::LocalStore(LocalStoreSetup setup, ComputePool& pool)
    : setup_(std::move(setup)),
      pool_(pool),
      uploads_(setup_.folder / "uploads"),
      keeper_(setup_.name, setup_.options.sealing,
              [this](Activity activity, const Deadline& deadline) {
                return build_in_background(activity, deadline);
              }) {}

Result<std::shared_ptr<LocalStore>> LocalStore::open(LocalStoreSetup setup,
                                                     std::unique_ptr<storage::CollectionDb> db,
                                                     ComputePool& pool) {
  std::shared_ptr<LocalStore> store(new LocalStore(std::move(setup), pool));
  if (db->is_writer()) SIGHTLINE_TRY_DO(store->tidy_up(*db));
  SIGHTLINE_TRY_DO(store->start(std::move(db)));
  if (store->writer_) {
    store->sweep_uploads();
    store->start_syncing();
    store->keeper_.start();
  }
  return store;
}

LocalStore::~LocalStore() { close(); }

void LocalStore::close() {
  keeper_.stop();
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
    setup_.memory->report(this, 0);
  });
}

Result<void> LocalStore::start(std::unique_ptr<storage::CollectionDb> db) {
  db_ = std::move(db);
  // Rows that a writer has in memory stay; load() adds and ends what differs. Not so with slots
  // that another point may get now.
  if (!index_ || !db_->is_writer() || index_is_ahead_) {
    SIGHTLINE_TRY_DO(begin_index());
    index_is_ahead_ = false;
  }
  if (db_->is_writer()) {
    SIGHTLINE_TRY(writer_, storage::CollectionWriter::create(*db_));
  }
  SIGHTLINE_TRY_DO(load());
  if (!writer_ || !index_->list_changed()) return {};
  // Without it the warning comes again at the next opening: no reason to refuse this one.
  if (const auto stored = writer_->put_shards(index_->list()); !stored) {
    log_warning("storage", shown_name() + ": " + stored.error().message);
    return {};
  }
  index_->list_was_stored();
  return publish();
}

/// An empty one.
Result<void> LocalStore::begin_index() {
  SIGHTLINE_TRY(const CollectionConfig config, config_from_json(db_->config()));
  auto fresh =
      std::make_shared<LocalIndex>(setup_.name, shards_folder(), config, setup_.options.sealing);
  if (index_) fresh->replace(*index_);
  index_ = std::move(fresh);
  return {};
}

/// What builds and snapshots left that a crash ended, and shards that were replaced before one.
Result<void> LocalStore::tidy_up(const storage::CollectionDb& db) const {
  SIGHTLINE_TRY_DO(remove_folder(setup_.folder / kSnapshotFolder));
  SIGHTLINE_TRY(const storage::SnapshotPtr snapshot, db.snapshot());
  SIGHTLINE_TRY(const Json list, db.shards(*snapshot));
  const auto listed = listed_folders(list);
  SIGHTLINE_TRY(const auto present, names_in(shards_folder()));
  for (const std::string& name : present) {
    if (!listed.contains(name)) SIGHTLINE_TRY_DO(remove_folder(shards_folder() / name));
  }
  return {};
}

/// What cannot be told or removed now stays: no reason to refuse the opening.
void LocalStore::sweep_uploads() const {
  std::vector<std::string> named;
  auto swept = visit_sources(storage::kUploadScheme, [&](const SourceRecord& record) {
    if (auto hex = upload_hash(record.uri)) named.push_back(*std::move(hex));
    return true;
  });
  if (swept) swept = uploads_.sweep(named);
  if (!swept) log_warning("uploads", shown_name() + ": " + swept.error().message);
}

Result<void> LocalStore::start_over() {
  set_view(nullptr);
  writer_.reset();
  db_.reset();
  not_open_.reset();
  auto db = setup_.open_db();
  auto started = db ? start(*std::move(db)) : Result<void>(db.error());
  if (!started) {
    set_view(nullptr);
    writer_.reset();
    db_.reset();
    not_open_ = started.error().with_context(shown_name() + " could not be reopened");
  }
  return started;
}

/// A secondary instance of RocksDB that has followed its writer through flushes and reopenings may
/// show the end of a row, and not the row that took its place; one that is opened now does not.
Result<void> LocalStore::load_afresh() {
  SIGHTLINE_TRY(db_, setup_.open_db());
  auto loaded = load();
  if (!loaded) {
    set_view(nullptr);
    db_.reset();
    not_open_ = loaded.error().with_context(shown_name() + " could not catch up");
  }
  return loaded;
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
  return failed_precondition(shown_name() +
                             " must be opened again after a failed write, and is being read");
}

Result<void> LocalStore::load() {
  int num_unusable = 0;
  for (int attempt = 1;; ++attempt) {
    SIGHTLINE_TRY(const storage::SnapshotPtr snapshot, db_->snapshot());
    LocalIndex::LoadOptions options;
    options.do_without = db_->is_writer() || num_unusable == kShardTries;
    options.reserve = [this](std::uint64_t bytes) {
      return setup_.memory->check(
          bytes, "reading vectors of " + shown_name() + " that no shard of the index holds");
    };
    if (db_->is_writer()) {
      options.seal = [this](const ShardBuild& build) {
        return build_files(build, BuildEffort::kAllCores, /*target_recall=*/0, nullptr,
                           Deadline::never());
      };
    }
    const std::uint64_t renumberings = snapshot->counters().renumberings;
    // What a reader knows of slots is of the points that they had.
    if (std::exchange(renumberings_, renumberings) != renumberings && !db_->is_writer())
      SIGHTLINE_TRY_DO(begin_index());
    SIGHTLINE_TRY(const LocalIndex::Loaded loaded, index_->load(*db_, *snapshot, options));
    if (loaded == LocalIndex::Loaded::kYes) {
      SIGHTLINE_TRY(CollectionConfig config, config_from_json(db_->config()));
      config_ = std::make_shared<const CollectionConfig>(std::move(config));
      return publish();
    }
    if (db_->is_writer() || attempt == kCatchUpTries) {
      return corruption(shown_name() + ": the records of `slots` are not those of commit " +
                        std::to_string(snapshot->counters().commit));
    }
    // A log file went between the writer's list of tables and its list of logs (the next look sees
    // the table that holds its rows), or a shard was replaced since it was listed.
    if (loaded == LocalIndex::Loaded::kUnusable) ++num_unusable;
    std::this_thread::sleep_for(kCatchUpPause);
    SIGHTLINE_TRY(db_, setup_.open_db());
  }
}

Result<void> LocalStore::publish() {
  SIGHTLINE_TRY(storage::SnapshotPtr snapshot, db_->snapshot());
  auto fresh = std::make_shared<StoreView>();
  fresh->version = snapshot->counters().commit;
  fresh->snapshot = std::move(snapshot);
  fresh->config = config_;
  fresh->index = index_;
  fresh->parts = index_->view();
  setup_.memory->report(this, memory_bytes(*fresh));
  set_view(std::move(fresh));
  return {};
}

std::shared_ptr<const StoreView> LocalStore::view() const {
  const MutexLock lock(view_mutex_);
  return view_;
}

void LocalStore::set_view(std::shared_ptr<const StoreView> view) {
  const MutexLock lock(view_mutex_);
  view_.swap(view);  // The old one, and perhaps its snapshot, goes after the lock.
}

Result<LocalStore::Reading> LocalStore::begin_read() const {
  Reading reading{gate_.enter(), view()};
  if (!reading.view) {
    return not_open_ ? *not_open_ : not_found(shown_name() + " was deleted");
  }
  return reading;
}

Result<LocalStore::Reading> LocalStore::begin_change() {
  if (must_reopen_) SIGHTLINE_TRY_DO(reopen_after_failure());
  SIGHTLINE_TRY(Reading open, begin_read());
  if (!writer_) return failed_precondition(shown_name() + " was opened for reading");
  return open;
}

Result<void> LocalStore::catch_up() {
  return gate_.change([this]() -> Result<void> {
    if (writer_) return {};
    if (closed_) return not_found(shown_name() + " was deleted");
    if (db_ && db_->is_current()) {
      const std::uint64_t before = view()->version;
      SIGHTLINE_TRY_DO(db_->catch_up());
      SIGHTLINE_TRY(const storage::SnapshotPtr snapshot, db_->snapshot());
      if (snapshot->counters().commit == before) return {};
      return load_afresh();
    }
    return start_over();  // Deleted meanwhile, and perhaps made again.
  });
}

// --- the right to change -------------------------------------------------------------------------

LocalStore::Turn::Turn(LocalStore& store) : store_(store) {
  const MutexLock lock(store_.queue_mutex_);
  ++store_.num_turns_wanted_;
  while (store_.turn_taken_) store_.queue_wake_.wait(store_.queue_mutex_);
  --store_.num_turns_wanted_;
  store_.turn_taken_ = true;
}

LocalStore::Turn::~Turn() {
  {
    const MutexLock lock(store_.queue_mutex_);
    store_.turn_taken_ = false;
  }
  store_.queue_wake_.notify_all();
}

Result<void> LocalStore::catch_up_index() {
  if (!index_is_behind_) return {};
  SIGHTLINE_TRY_DO(load());
  index_is_behind_ = false;
  return {};
}

Status LocalStore::after_failure(Status status) {
  // A full disk may have room again. What is corrupt stays so: every write says it.
  switch (status.code) {
    case StatusCode::kIoError:
    case StatusCode::kResourceExhausted:
    case StatusCode::kPermissionDenied:
    case StatusCode::kInternal:
      must_reopen_ = true;
      break;
    default:
      break;
  }
  return status.with_context(shown_name());
}

Result<void> LocalStore::flush() {
  SIGHTLINE_TRY(const Reading open, begin_read());
  if (!writer_) return {};
  return writer_->sync_log();
}

}  // namespace sightline::pipeline
