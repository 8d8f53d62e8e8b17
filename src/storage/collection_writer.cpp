#include "storage/collection_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/log.h"
#include "core/mutex.h"
#include "storage/internal/collection_families.h"
#include "storage/internal/index_keys.h"
#include "storage/internal/write_group.h"

namespace sightline::storage {
namespace {

/// Commits and overwritten points from which on old versions are given up; fewer than a quarter of
/// the points are not worth it either.
constexpr std::uint64_t kMinOldVersions = 4096;

/// An index of a large collection is filled in batches of this size.
constexpr std::size_t kFillBatchBytes = std::size_t{4} << 20;

std::string definition_key(const IndexedField& index) {
  return std::string(kPayloadIndexPrefix).append(index.path.text());
}

}  // namespace

class CollectionWriter::Impl {
 public:
  Impl(RocksDatabase& database, const CollectionCounters& counters,
       std::vector<IndexedField> indexes)
      : database_(database),
        committed_(counters),
        indexes_(std::move(indexes)),
        group_(database, counters, indexes_) {
    // Ids that cannot be read are no reason to refuse what does not need them.
    if (const auto looked = group_.look_at_numbers(); !looked)
      log_warning("storage", looked.error().message);
    move_floor();
  }

  Result<RequestOutcome> add(std::vector<Operation>& operations) { return group_.add(operations); }

  Result<std::vector<RowEffect>> commit(Sync sync) {
    const CollectionCounters next = group_.counters();
    auto written = put_counters(database_, group_.batch(), next);
    if (written) written = write(group_.batch(), sync);
    auto effects = group_.take_effects();
    if (written) {
      committed_ = next;
      num_old_versions_ += 1 + group_.num_overwritten();
      if (num_old_versions_ >= std::max(kMinOldVersions, next.num_points / 4)) move_floor();
    }
    abandon();
    if (!written) return std::move(written).error();
    return effects;
  }

  std::vector<RowEffect> take_effects() { return group_.take_effects(); }
  void abandon() { group_.restart(committed_); }
  std::vector<std::string> take_erased_uploads() { return group_.take_erased_uploads(); }

  Result<void> sync_log() {
    const MutexLock lock(log_mutex_);
    // Syncing a log that a write has failed on ends the process (an assertion of RocksDB's).
    if (failure_)
      return failure_->with_context("the log cannot be synced; an earlier write failed");
    const rocksdb::Status status = database_.db().FlushWAL(/*sync=*/true);
    if (!status.ok()) return database_.status_of(status);
    return {};
  }

  const CollectionCounters& counters() const { return committed_; }

  // --- commits of their own ----------------------------------------------------------------------

  Result<void> put_payload_index(std::string_view field, const IndexDefinition& definition) {
    SIGHTLINE_TRY(IndexedField wanted, indexed_field(field, definition.type));
    const auto present = find_index(wanted.path);
    const std::string key = definition_key(wanted);
    const std::string bytes = encode_definition(definition);
    rocksdb::WriteBatch batch;
    if (present != indexes_.end() && present->type == definition.type) {
      SIGHTLINE_TRY(const auto stored, database_.get(kMeta, key));
      if (stored == bytes) return {};
      SIGHTLINE_TRY_DO(put_into(batch, database_, kMeta, key, bytes));
      return commit_alone(batch);
    }
    SIGHTLINE_TRY_DO(fill_index(wanted, batch));
    if (present != indexes_.end()) SIGHTLINE_TRY_DO(erase_entries(*present, batch));
    SIGHTLINE_TRY_DO(put_into(batch, database_, kMeta, key, bytes));
    SIGHTLINE_TRY_DO(commit_alone(batch));
    if (present != indexes_.end()) indexes_.erase(present);
    indexes_.push_back(std::move(wanted));
    return {};
  }

  Result<bool> drop_payload_index(std::string_view field) {
    SIGHTLINE_TRY(const FieldPath path, FieldPath::parse(field));
    const auto present = find_index(path);
    if (present == indexes_.end()) return false;
    rocksdb::WriteBatch batch;
    SIGHTLINE_TRY_DO(erase_entries(*present, batch));
    SIGHTLINE_TRY_DO(checked(batch.Delete(database_.family(kMeta), definition_key(*present))));
    SIGHTLINE_TRY_DO(commit_alone(batch));
    indexes_.erase(present);
    return true;
  }

  Result<void> trim_slots(Slot next_slot) {
    const std::unique_ptr<rocksdb::Iterator> slots(
        database_.handle()->NewIterator({}, database_.family(kSlots)));
    slots->Seek(encode_slot(next_slot));
    SIGHTLINE_TRY_DO(checked(slots->status()));
    if (slots->Valid() || next_slot > committed_.next_slot)
      return corruption("a slot from " + std::to_string(next_slot) + " on is taken");
    CollectionCounters counters = committed_;
    counters.next_slot = next_slot;
    ++counters.renumberings;
    rocksdb::WriteBatch batch;
    return commit_alone(batch, counters);
  }

  Result<void> put_meta(std::string_view key, const Json& value) {
    rocksdb::WriteBatch batch;
    SIGHTLINE_TRY_DO(put_into(batch, database_, kMeta, key, dump_json(value)));
    return commit_alone(batch);
  }

 private:
  Result<void> checked(const rocksdb::Status& status) const {
    if (!status.ok()) return database_.status_of(status);
    return {};
  }

  Result<void> write(rocksdb::WriteBatch& batch, Sync sync) {
    rocksdb::WriteOptions options;
    options.sync = sync == Sync::kYes;
    const MutexLock lock(log_mutex_);
    if (failure_) return *failure_;
    const rocksdb::Status status = database_.db().Write(options, &batch);
    if (status.ok()) return {};
    failure_ = database_.status_of(status);
    return *failure_;
  }

  Result<void> commit_alone(rocksdb::WriteBatch& batch) { return commit_alone(batch, committed_); }
  Result<void> commit_alone(rocksdb::WriteBatch& batch, CollectionCounters counters) {
    SIGHTLINE_CHECK(group_.counters().commit == committed_.commit);  // The group is empty.
    ++counters.commit;
    SIGHTLINE_TRY_DO(put_counters(database_, batch, counters));
    SIGHTLINE_TRY_DO(write(batch, Sync::kYes));
    committed_ = counters;
    group_.restart(committed_);
    return {};
  }

  /// Whenever the oldest snapshot goes, RocksDB writes all tables of the last level anew whose rows
  /// are older, once, for nothing but smaller sequence numbers: a bulk load, whose snapshots come
  /// and go with its commits, would write every row one more time. A snapshot that stays until
  /// there are old versions to be rid of prevents it.
  void move_floor() {
    floor_ = std::make_unique<RocksSnapshot>(database_.handle(), database_.db().GetSnapshot(),
                                             committed_);
    num_old_versions_ = 0;
  }

  std::vector<IndexedField>::iterator find_index(const FieldPath& path) {
    return std::find_if(indexes_.begin(), indexes_.end(),
                        [&](const IndexedField& index) { return index.path == path; });
  }

  Result<void> erase_entries(const IndexedField& index, rocksdb::WriteBatch& batch) const {
    const std::string begin = index_prefix(index.path.text(), index.type);
    return checked(batch.DeleteRange(database_.family(kPayloadIndex), begin, end_of_prefix(begin)));
  }

  Result<bool> has_entries(const IndexedField& index) const {
    const std::string begin = index_prefix(index.path.text(), index.type);
    const std::unique_ptr<rocksdb::Iterator> entries(
        database_.handle()->NewIterator({}, database_.family(kPayloadIndex)));
    entries->Seek(begin);
    SIGHTLINE_TRY_DO(checked(entries->status()));
    return entries->Valid() && entries->key().starts_with(begin);
  }

  /// Writes the entries of an index that is not defined yet; the last of them are left in `batch`.
  Result<void> fill_index(const IndexedField& index, rocksdb::WriteBatch& batch) {
    SIGHTLINE_TRY(const bool any_left, has_entries(index));
    if (any_left) SIGHTLINE_TRY_DO(erase_entries(index, batch));  // By a crash.
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> rows(
        database_.handle()->NewIterator(options, database_.family(kPayload)));
    std::vector<std::string> keys;
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
      SIGHTLINE_TRY(const Slot slot, decode_slot(RocksDatabase::view(rows->key())));
      const auto payload = decode_payload(RocksDatabase::view(rows->value()));
      if (!payload) return payload.error().with_context("slot " + std::to_string(slot));
      keys.clear();
      append_index_keys(index, slot, *payload, keys);
      for (const std::string& key : keys)
        SIGHTLINE_TRY_DO(put_into(batch, database_, kPayloadIndex, key, ""));
      if (batch.GetDataSize() < kFillBatchBytes) continue;
      SIGHTLINE_TRY_DO(write(batch, Sync::kNo));
      batch.Clear();
    }
    return checked(rows->status());
  }

  RocksDatabase& database_;
  CollectionCounters committed_;
  std::vector<IndexedField> indexes_;
  WriteGroup group_;
  std::unique_ptr<const RocksSnapshot> floor_;
  std::uint64_t num_old_versions_ = 0;  // since floor_
  // Held while the log is written or synced.
  Mutex log_mutex_;
  std::optional<Status> failure_ GUARDED_BY(log_mutex_);
};

CollectionWriter::CollectionWriter(CollectionDb& db, std::unique_ptr<Impl> impl)
    : db_(db), impl_(std::move(impl)) {}
CollectionWriter::~CollectionWriter() = default;

Result<std::unique_ptr<CollectionWriter>> CollectionWriter::create(CollectionDb& db) {
  SIGHTLINE_CHECK(db.is_writer());
  SIGHTLINE_TRY(const SnapshotPtr now, db.snapshot());
  SIGHTLINE_TRY(const auto types, db.payload_indexes(*now));
  SIGHTLINE_TRY(auto indexes, indexed_fields(types));
  auto impl = std::make_unique<Impl>(*db.database_, now->counters(), std::move(indexes));
  SIGHTLINE_TRY(auto definitions, db.definitions(*now));
  for (auto& [field, definition] : definitions) {
    if (std::exchange(definition.revision, kIndexRevision) == kIndexRevision) continue;
    const auto made = impl->put_payload_index(field, definition);
    if (made) continue;
    // A damaged payload costs the index, not the collection.
    if (made.error().code != StatusCode::kCorruption) return made.error();
    log_warning("storage", "the index of \"" + field + "\": " + made.error().message);
  }
  return std::unique_ptr<CollectionWriter>(new CollectionWriter(db, std::move(impl)));
}

Result<RequestOutcome> CollectionWriter::add(std::vector<Operation>& operations) {
  return impl_->add(operations);
}
std::vector<RowEffect> CollectionWriter::take_effects() { return impl_->take_effects(); }
Result<std::vector<RowEffect>> CollectionWriter::commit(Sync sync) { return impl_->commit(sync); }
Result<void> CollectionWriter::put_payload_index(std::string_view field, FieldType type,
                                                 const Json& parameters) {
  return impl_->put_payload_index(field, {type, kIndexRevision, parameters});
}
Result<bool> CollectionWriter::drop_payload_index(std::string_view field) {
  return impl_->drop_payload_index(field);
}
Result<void> CollectionWriter::put_shards(const Json& shards) {
  return impl_->put_meta(kShardsKey, shards);
}
Result<void> CollectionWriter::put_config(const Json& config) {
  SIGHTLINE_TRY_DO(impl_->put_meta(kConfigKey, config));
  db_.set_config(config);
  return {};
}
Result<void> CollectionWriter::trim_slots(Slot next_slot) { return impl_->trim_slots(next_slot); }
void CollectionWriter::abandon() { impl_->abandon(); }
std::vector<std::string> CollectionWriter::take_erased_uploads() {
  return impl_->take_erased_uploads();
}
Result<void> CollectionWriter::sync_log() { return impl_->sync_log(); }
const CollectionCounters& CollectionWriter::counters() const { return impl_->counters(); }

}  // namespace sightline::storage
