#include "storage/collection_writer.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "core/log.h"
#include "core/mutex.h"
#include "storage/internal/collection_families.h"
#include "storage/internal/index_keys.h"

namespace sightline::storage {
namespace {

/// An index of a large collection is filled in batches of this size.
constexpr std::size_t kFillBatchBytes = std::size_t{4} << 20;

std::string definition_key(const IndexedField& index) {
  return std::string(kPayloadIndexPrefix).append(index.path.text());
}

/// A payload is made, written and read by recursion: no key may make one of any depth.
constexpr auto kMaxKeyDepth = 64;

Result<FieldPath> parse_place(std::string_view key) {
  const auto depth =
      std::count_if(key.begin(), key.end(), [](char c) { return c == '.' || c == '['; });
  if (depth > kMaxKeyDepth) {
    return invalid_argument("payload key \"" + std::string(key.substr(0, 200)) + "\" is " +
                            std::to_string(depth) + " levels deep; it may be up to " +
                            std::to_string(kMaxKeyDepth));
  }
  return FieldPath::parse(key);
}

}  // namespace

class CollectionWriter::Impl {
 public:
  Impl(RocksDatabase& database, const CollectionCounters& counters,
       std::vector<IndexedField> indexes)
      : database_(database), committed_(counters), next_(counters), indexes_(std::move(indexes)) {}

  Result<RequestOutcome> add(std::vector<Operation>& operations) {
    const CollectionCounters before = next_;
    const std::size_t num_effects = effects_.size();
    batch_.SetSavePoint();
    ++next_.commit;
    outcome_ = RequestOutcome{};
    outcome_.commit = next_.commit;
    ties_.clear();
    Result<void> applied;
    for (Operation& operation : operations) {
      applied = std::visit([&](auto& op) { return apply(op); }, operation);
      if (!applied) break;
    }
    if (applied) applied = check_ties();
    if (applied) {
      batch_.PopSavePoint();
      return outcome_;
    }
    const rocksdb::Status undone = batch_.RollbackToSavePoint();
    next_ = before;
    effects_.resize(num_effects);
    if (!undone.ok()) return database_.status_of(undone);
    return std::move(applied).error();
  }

  Result<std::vector<RowEffect>> commit(Sync sync) {
    auto written = put_counters(database_, batch_, next_);
    if (written) written = write(*batch_.GetWriteBatch(), sync);
    auto effects = std::exchange(effects_, {});
    if (written) committed_ = next_;
    abandon();
    if (!written) return std::move(written).error();
    return effects;
  }

  void abandon() {
    batch_.Clear();
    effects_.clear();
    next_ = committed_;
  }

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

  Result<void> put_payload_index(std::string_view field, FieldType type) {
    SIGHTLINE_TRY(IndexedField wanted, indexed_field(field, type));
    const auto present = find_index(wanted.path);
    if (present != indexes_.end() && present->type == type) return {};
    rocksdb::WriteBatch batch;
    SIGHTLINE_TRY_DO(fill_index(wanted, batch));
    if (present != indexes_.end()) SIGHTLINE_TRY_DO(erase_entries(*present, batch));
    SIGHTLINE_TRY_DO(put(batch, kMeta, definition_key(wanted), encode_definition({type})));
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

  Result<void> put_meta(std::string_view key, const Json& value) {
    rocksdb::WriteBatch batch;
    SIGHTLINE_TRY_DO(put(batch, kMeta, key, dump_json(value)));
    return commit_alone(batch);
  }

 private:
  Result<void> checked(const rocksdb::Status& status) const {
    if (!status.ok()) return database_.status_of(status);
    return {};
  }

  Result<void> put(rocksdb::WriteBatchBase& batch, Family family, std::string_view key,
                   std::string_view value) const {
    return checked(batch.Put(database_.family(family), RocksDatabase::slice(key),
                             RocksDatabase::slice(value)));
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

  Result<void> commit_alone(rocksdb::WriteBatch& batch) {
    SIGHTLINE_CHECK(next_.commit == committed_.commit);  // The group is empty.
    CollectionCounters counters = committed_;
    ++counters.commit;
    SIGHTLINE_TRY_DO(put_counters(database_, batch, counters));
    SIGHTLINE_TRY_DO(write(batch, Sync::kYes));
    committed_ = next_ = counters;
    return {};
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
      for (const std::string& key : keys) SIGHTLINE_TRY_DO(put(batch, kPayloadIndex, key, ""));
      if (batch.GetDataSize() < kFillBatchBytes) continue;
      SIGHTLINE_TRY_DO(write(batch, Sync::kNo));
      batch.Clear();
    }
    return checked(rows->status());
  }

  // --- the batch over the database ---------------------------------------------------------------

  Result<std::optional<std::string>> get(Family family, std::string_view key) {
    std::string value;
    const rocksdb::Status status =
        batch_.GetFromBatchAndDB(database_.handle(), rocksdb::ReadOptions(),
                                 database_.family(family), RocksDatabase::slice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return database_.status_of(status);
    return std::optional<std::string>(std::move(value));
  }

  Result<void> put(Family family, std::string_view key, std::string_view value) {
    return put(batch_, family, key, value);
  }

  /// Of what is never read through the batch: the batch keeps no index of it.
  Result<void> put_unread(Family family, std::string_view key, std::string_view value) {
    return put(*batch_.GetWriteBatch(), family, key, value);
  }

  Result<void> erase(Family family, std::string_view key) {
    return checked(batch_.Delete(database_.family(family), RocksDatabase::slice(key)));
  }

  Result<std::optional<Slot>> find_slot(const PointId& id) {
    SIGHTLINE_TRY(const auto value, get(kIds, id.encode()));
    if (!value) return std::optional<Slot>();
    SIGHTLINE_TRY(const Slot slot, decode_slot(*value));
    return std::optional<Slot>(slot);
  }

  Result<SlotRecord> slot_record(Slot slot) {
    SIGHTLINE_TRY(const auto value, get(kSlots, encode_slot(slot)));
    if (!value) return corruption("slot " + std::to_string(slot) + " has no record");
    return decode_slot_record(*value);
  }

  Result<Json> payload(Slot slot) {
    SIGHTLINE_TRY(const auto value, get(kPayload, encode_slot(slot)));
    if (!value) return Json::object();
    return decode_payload(*value);
  }

  Result<std::optional<SourceRow>> source(std::string_view uri) {
    SIGHTLINE_TRY(const auto value, get(kSources, uri));
    if (!value) return std::optional<SourceRow>();
    SIGHTLINE_TRY(auto row, decode_source(uri, *value));
    return std::optional<SourceRow>(std::move(row));
  }

  Result<void> put_slot_record(Slot slot, const SlotRecord& record) {
    SIGHTLINE_TRY_DO(forget_digest(slot));
    return add_slot_record(slot, record);
  }

  /// Of a slot that has none.
  Result<void> add_slot_record(Slot slot, const SlotRecord& record) {
    const std::string bytes = encode_slot_record(record);
    next_.slots_digest += slot_digest(slot, bytes);
    return put(kSlots, encode_slot(slot), bytes);
  }

  Result<void> erase_slot_record(Slot slot) {
    SIGHTLINE_TRY_DO(forget_digest(slot));
    return erase(kSlots, encode_slot(slot));
  }

  Result<void> forget_digest(Slot slot) {
    SIGHTLINE_TRY(const auto bytes, get(kSlots, encode_slot(slot)));
    if (bytes) next_.slots_digest -= slot_digest(slot, *bytes);
    return {};
  }

  /// Payload and its index entries.
  Result<void> put_payload(Slot slot, const Json& old_payload, const Json& new_payload) {
    const auto old_keys = index_keys(indexes_, slot, old_payload);
    const auto new_keys = index_keys(indexes_, slot, new_payload);
    std::vector<std::string> gone, added;
    std::set_difference(old_keys.begin(), old_keys.end(), new_keys.begin(), new_keys.end(),
                        std::back_inserter(gone));
    std::set_difference(new_keys.begin(), new_keys.end(), old_keys.begin(), old_keys.end(),
                        std::back_inserter(added));
    for (const std::string& key : gone) SIGHTLINE_TRY_DO(erase(kPayloadIndex, key));
    for (const std::string& key : added) SIGHTLINE_TRY_DO(put(kPayloadIndex, key, ""));
    if (new_payload.empty() && old_payload.empty()) return {};
    if (new_payload.empty()) return erase(kPayload, encode_slot(slot));
    return put(kPayload, encode_slot(slot), encode_payload(new_payload));
  }

  RowEffect& add_effect(RowEffect::Kind kind, Slot slot, const PointId& id) {
    RowEffect& effect = effects_.emplace_back();
    effect.kind = kind;
    effect.slot = slot;
    effect.version = next_.commit;
    effect.id = id;
    return effect;
  }

  void tell_payload(Slot slot, const PointId& id, Json&& payload) {
    RowEffect& effect = add_effect(RowEffect::Kind::kPayload, slot, id);
    if (!indexes_.empty()) effect.payload = std::move(payload);
  }

  Result<void> erase_source_row(std::string_view uri) {
    SIGHTLINE_TRY(const auto present, get(kSources, uri));
    if (!present) return {};
    --next_.num_sources;
    return erase(kSources, uri);
  }

  // --- operations --------------------------------------------------------------------------------

  static bool is_wanted(const UpsertOp& op, const std::optional<SlotRecord>& present) {
    if (op.mode == UpsertOp::Mode::kInsertOnly && present) return false;
    if (op.mode == UpsertOp::Mode::kUpdateOnly && !present) return false;
    return !op.expected_version || (present && present->version == *op.expected_version);
  }

  Result<Slot> new_slot(const PointId& id) {
    if (next_.next_slot == std::numeric_limits<Slot>::max()) {
      return Status{StatusCode::kResourceExhausted,
                    "the collection has used all 2^32 slots; optimise it to number them anew"};
    }
    const Slot slot = next_.next_slot++;
    SIGHTLINE_TRY_DO(put(kIds, id.encode(), encode_slot(slot)));
    ++next_.num_points;
    ++outcome_.num_inserted;
    return slot;
  }

  Result<void> apply(UpsertOp& op) {
    SIGHTLINE_TRY(const auto found, find_slot(op.id));
    std::optional<SlotRecord> old_record;
    if (found) {
      SIGHTLINE_TRY(old_record, slot_record(*found));
    }
    if (!is_wanted(op, old_record)) return {};
    Slot slot = 0;
    Json old_payload = Json::object();
    if (found) {
      slot = *found;
      SIGHTLINE_TRY(old_payload, payload(slot));
      // The point is replaced whole: its source goes, unless this request has put it.
      if (!old_record->source_uri.empty() && !ties_.contains(op.id))
        SIGHTLINE_TRY_DO(erase_source_row(old_record->source_uri));
      ++outcome_.num_updated;
    } else {
      SIGHTLINE_TRY(slot, new_slot(op.id));
    }

    SlotRecord record;
    record.id = op.id;
    record.version = next_.commit;
    if (const auto tie = ties_.find(op.id); tie != ties_.end()) record.source_uri = tie->second;
    for (VectorValue& vector : op.vectors) SIGHTLINE_TRY_DO(put_row(record, slot, vector));
    if (old_record) {
      for (const auto& [name, version] : old_record->vectors)
        if (!record.vectors.contains(name)) SIGHTLINE_TRY_DO(remove_row(name, slot, op.id));
    }
    SIGHTLINE_TRY_DO(found ? put_slot_record(slot, record) : add_slot_record(slot, record));
    SIGHTLINE_TRY_DO(put_payload(slot, old_payload, op.payload));
    tell_payload(slot, op.id, std::move(op.payload));
    if (!op.thumbnail.empty()) return put(kBlobs, thumbnail_key(slot), op.thumbnail);
    if (found) return erase(kBlobs, thumbnail_key(slot));
    return {};
  }

  Result<void> put_row(SlotRecord& record, Slot slot, VectorValue& vector) {
    record.vectors[vector.name] = next_.commit;
    SIGHTLINE_TRY_DO(put_unread(kVectors, vector_key(vector.name, slot),
                                encode_vector(next_.commit, vector.values)));
    RowEffect& effect = add_effect(RowEffect::Kind::kPut, slot, record.id);
    effect.vector_name = std::move(vector.name);
    effect.values = std::move(vector.values);
    return {};
  }

  Result<void> remove_row(const std::string& name, Slot slot, const PointId& id) {
    SIGHTLINE_TRY_DO(erase(kVectors, vector_key(name, slot)));
    add_effect(RowEffect::Kind::kRemove, slot, id).vector_name = name;
    return {};
  }

  Result<void> apply(UpdateVectorsOp& op) {
    SIGHTLINE_TRY(const auto slot, find_slot(op.id));
    if (!slot || op.vectors.empty()) return {};
    SIGHTLINE_TRY(SlotRecord record, slot_record(*slot));
    for (VectorValue& vector : op.vectors) SIGHTLINE_TRY_DO(put_row(record, *slot, vector));
    return put_touched(*slot, record);
  }

  Result<void> apply(DeleteVectorsOp& op) {
    SIGHTLINE_TRY(const auto slot, find_slot(op.id));
    if (!slot) return {};
    SIGHTLINE_TRY(SlotRecord record, slot_record(*slot));
    const std::size_t num_before = record.vectors.size();
    for (const std::string& name : op.names) {
      if (record.vectors.erase(name) > 0) SIGHTLINE_TRY_DO(remove_row(name, *slot, op.id));
    }
    if (record.vectors.size() == num_before) return {};
    return put_touched(*slot, record);
  }

  Result<void> put_touched(Slot slot, SlotRecord& record) {
    record.version = next_.commit;
    ++outcome_.num_updated;
    return put_slot_record(slot, record);
  }

  /// Changes the payload of a point, if it exists, by `edit(payload)`; `_image` is as before then.
  template <typename Edit>
  Result<void> edit_payload(const PointId& id, Edit edit) {
    SIGHTLINE_TRY(const auto slot, find_slot(id));
    if (!slot) return {};
    SIGHTLINE_TRY(const Json old_payload, payload(*slot));
    Json new_payload = old_payload;
    edit(new_payload);
    const auto facts = old_payload.find(kImageKey);
    if (facts != old_payload.end()) {
      new_payload[std::string(kImageKey)] = *facts;
    } else {
      new_payload.erase(std::string(kImageKey));
    }
    return replace_payload(*slot, id, old_payload, std::move(new_payload));
  }

  Result<void> replace_payload(Slot slot, const PointId& id, const Json& old_payload,
                               Json&& new_payload) {
    SIGHTLINE_TRY(SlotRecord record, slot_record(slot));
    SIGHTLINE_TRY_DO(put_touched(slot, record));
    SIGHTLINE_TRY_DO(put_payload(slot, old_payload, new_payload));
    tell_payload(slot, id, std::move(new_payload));
    return {};
  }

  Result<void> apply(OverwritePayloadOp& op) {
    SIGHTLINE_TRY(const auto slot, find_slot(op.id));
    if (!slot) return {};
    SIGHTLINE_TRY(const Json old_payload, payload(*slot));
    const auto facts = old_payload.find(kImageKey);
    if (facts != old_payload.end() && !op.payload.contains(kImageKey))
      op.payload[std::string(kImageKey)] = *facts;
    return replace_payload(*slot, op.id, old_payload, std::move(op.payload));
  }

  Result<void> apply(SetPayloadOp& op) {
    if (!op.payload.is_object()) {
      return invalid_argument(std::string("a payload to be set is a JSON ") +
                              op.payload.type_name() + "; it must be an object");
    }
    FieldPath place;  // The payload itself.
    if (!op.key.empty()) {
      SIGHTLINE_TRY(place, parse_place(op.key));
    }
    return edit_payload(op.id, [&](Json& payload) { place.merge_into(payload, op.payload); });
  }

  Result<void> apply(DeletePayloadKeysOp& op) {
    std::vector<FieldPath> places;
    for (const std::string& key : op.keys) {
      SIGHTLINE_TRY(places.emplace_back(), parse_place(key));
    }
    return edit_payload(op.id, [&](Json& payload) {
      for (const FieldPath& place : places) place.remove_from(payload);
    });
  }

  Result<void> apply(ClearPayloadOp& op) {
    return edit_payload(op.id, [](Json& payload) { payload = Json::object(); });
  }

  Result<void> apply(DeletePointOp& op) {
    SIGHTLINE_TRY(const auto slot, find_slot(op.id));
    if (!slot) return {};
    SIGHTLINE_TRY(const SlotRecord record, slot_record(*slot));
    SIGHTLINE_TRY(const Json old_payload, payload(*slot));
    for (const auto& [name, version] : record.vectors)
      SIGHTLINE_TRY_DO(remove_row(name, *slot, op.id));
    ties_.erase(op.id);
    SIGHTLINE_TRY_DO(put_payload(*slot, old_payload, Json::object()));
    if (!record.source_uri.empty()) SIGHTLINE_TRY_DO(erase_source_row(record.source_uri));
    SIGHTLINE_TRY_DO(erase(kBlobs, thumbnail_key(*slot)));
    SIGHTLINE_TRY_DO(erase_slot_record(*slot));
    SIGHTLINE_TRY_DO(erase(kIds, op.id.encode()));
    add_effect(RowEffect::Kind::kGone, *slot, op.id);
    --next_.num_points;
    ++outcome_.num_deleted;
    return {};
  }

  Result<void> apply(PutSourceOp& op) {
    const SourceRow& row = op.source;
    SIGHTLINE_TRY(const auto old_row, source(row.uri));
    if (!old_row) ++next_.num_sources;
    if (old_row && old_row->id && old_row->id != row.id)
      SIGHTLINE_TRY_DO(untie(*old_row->id, row.uri));
    if (row.id) {
      std::string& tie = ties_[*row.id];
      if (!tie.empty() && tie != row.uri) SIGHTLINE_TRY_DO(erase_source_row(tie));
      tie = row.uri;
      SIGHTLINE_TRY(const auto slot, find_slot(*row.id));
      if (slot) {
        SIGHTLINE_TRY(SlotRecord record, slot_record(*slot));
        if (record.source_uri != row.uri) {
          if (!record.source_uri.empty()) SIGHTLINE_TRY_DO(erase_source_row(record.source_uri));
          record.source_uri = row.uri;
          SIGHTLINE_TRY_DO(put_slot_record(*slot, record));
        }
      }
    }
    return put(kSources, row.uri, encode_source(row));
  }

  /// The point stays, without a source.
  Result<void> untie(const PointId& id, const std::string& uri) {
    if (const auto tie = ties_.find(id); tie != ties_.end() && tie->second == uri) ties_.erase(tie);
    SIGHTLINE_TRY(const auto slot, find_slot(id));
    if (!slot) return {};
    SIGHTLINE_TRY(SlotRecord record, slot_record(*slot));
    if (record.source_uri != uri) return {};
    record.source_uri.clear();
    return put_slot_record(*slot, record);
  }

  /// A source may be put before its point within a request, but not without it.
  Result<void> check_ties() {
    for (const auto& [id, uri] : ties_) {
      SIGHTLINE_TRY(const auto slot, find_slot(id));
      if (!slot) {
        return invalid_argument("source " + uri + " names point " + id.to_string() +
                                ", which does not exist");
      }
    }
    return {};
  }

  Result<void> apply(DeleteSourceOp& op) {
    SIGHTLINE_TRY(const auto row, source(op.uri));
    if (!row) return {};
    if (row->id) {
      DeletePointOp point{*row->id};
      SIGHTLINE_TRY_DO(apply(point));
    }
    return erase_source_row(op.uri);
  }

  RocksDatabase& database_;
  rocksdb::WriteBatchWithIndex batch_{rocksdb::BytewiseComparator(), 0, /*overwrite_key=*/true};
  CollectionCounters committed_, next_;
  std::vector<RowEffect> effects_;
  std::vector<IndexedField> indexes_;
  // Held while the log is written or synced.
  Mutex log_mutex_;
  std::optional<Status> failure_ GUARDED_BY(log_mutex_);
  // Of the request that is being resolved.
  RequestOutcome outcome_;
  std::map<PointId, std::string> ties_;  // point -> URI of the source put for it
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
  SIGHTLINE_TRY(const auto outdated, db.payload_indexes(*now, /*current=*/false));
  for (const auto& [field, type] : outdated) {
    const auto made = impl->put_payload_index(field, type);
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
Result<std::vector<RowEffect>> CollectionWriter::commit(Sync sync) { return impl_->commit(sync); }
Result<void> CollectionWriter::put_payload_index(std::string_view field, FieldType type) {
  return impl_->put_payload_index(field, type);
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
void CollectionWriter::abandon() { impl_->abandon(); }
Result<void> CollectionWriter::sync_log() { return impl_->sync_log(); }
const CollectionCounters& CollectionWriter::counters() const { return impl_->counters(); }

}  // namespace sightline::storage
