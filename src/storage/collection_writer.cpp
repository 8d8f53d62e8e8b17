#include "storage/collection_writer.h"

#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "core/mutex.h"
#include "storage/internal/collection_families.h"

namespace sightline::storage {
class CollectionWriter::Impl {
 public:
  Impl(RocksDatabase& database, const CollectionCounters& counters)
      : database_(database), committed_(counters), next_(counters) {}

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
    auto written = write(sync);
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

 private:
  Result<void> write(Sync sync) {
    SIGHTLINE_TRY_DO(put(kMeta, kCommitKey, encode_number(next_.commit)));
    SIGHTLINE_TRY_DO(put(kMeta, kNextSlotKey, encode_number(next_.next_slot)));
    SIGHTLINE_TRY_DO(put(kMeta, kNumPointsKey, encode_number(next_.num_points)));
    SIGHTLINE_TRY_DO(put(kMeta, kNumSourcesKey, encode_number(next_.num_sources)));
    SIGHTLINE_TRY_DO(put(kMeta, kSlotsDigestKey, encode_number(next_.slots_digest)));
    rocksdb::WriteOptions options;
    options.sync = sync == Sync::kYes;
    const MutexLock lock(log_mutex_);
    if (failure_) return *failure_;
    const rocksdb::Status status = database_.db().Write(options, batch_.GetWriteBatch());
    if (status.ok()) return {};
    failure_ = database_.status_of(status);
    return *failure_;
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
    const rocksdb::Status status = batch_.Put(database_.family(family), RocksDatabase::slice(key),
                                              RocksDatabase::slice(value));
    if (!status.ok()) return database_.status_of(status);
    return {};
  }

  Result<void> erase(Family family, std::string_view key) {
    const rocksdb::Status status =
        batch_.Delete(database_.family(family), RocksDatabase::slice(key));
    if (!status.ok()) return database_.status_of(status);
    return {};
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

  /// Payload and its indexes.
  Result<void> put_payload(Slot slot, const Json& old_payload, const Json& new_payload) {
    const std::string old_hash = content_hash_of(old_payload);
    const std::string new_hash = content_hash_of(new_payload);
    if (old_hash != new_hash) {
      if (!old_hash.empty()) {
        SIGHTLINE_TRY_DO(erase(kPayloadIndex, keyword_key(kContentHashField, old_hash, slot)));
      }
      if (!new_hash.empty()) {
        SIGHTLINE_TRY_DO(put(kPayloadIndex, keyword_key(kContentHashField, new_hash, slot), ""));
      }
    }
    if (new_payload.empty()) return erase(kPayload, encode_slot(slot));
    return put(kPayload, encode_slot(slot), encode_payload(new_payload));
  }

  Result<void> erase_source_row(std::string_view uri) {
    SIGHTLINE_TRY(const auto present, get(kSources, uri));
    if (!present) return {};
    --next_.num_sources;
    return erase(kSources, uri);
  }

  // --- operations --------------------------------------------------------------------------------

  Result<void> apply(UpsertOp& op) {
    SIGHTLINE_TRY(const auto found, find_slot(op.id));
    SlotRecord old_record;
    Json old_payload = Json::object();
    Slot slot = 0;
    if (found) {
      slot = *found;
      SIGHTLINE_TRY(old_record, slot_record(slot));
      SIGHTLINE_TRY(old_payload, payload(slot));
      // The point is replaced whole: its source goes, unless this request has put it.
      if (!old_record.source_uri.empty() && !ties_.contains(op.id))
        SIGHTLINE_TRY_DO(erase_source_row(old_record.source_uri));
      ++outcome_.num_updated;
    } else {
      if (next_.next_slot == std::numeric_limits<Slot>::max()) {
        return Status{StatusCode::kResourceExhausted,
                      "the collection has used all 2^32 slots; optimise it to number them anew"};
      }
      slot = next_.next_slot++;
      SIGHTLINE_TRY_DO(put(kIds, op.id.encode(), encode_slot(slot)));
      ++next_.num_points;
      ++outcome_.num_inserted;
    }

    SlotRecord record;
    record.id = op.id;
    record.version = next_.commit;
    if (const auto tie = ties_.find(op.id); tie != ties_.end()) record.source_uri = tie->second;
    for (VectorValue& vector : op.vectors) {
      record.vectors[vector.name] = next_.commit;
      SIGHTLINE_TRY_DO(
          put(kVectors, vector_key(vector.name, slot), encode_vector(next_.commit, vector.values)));
      effects_.push_back({RowEffect::Kind::kPut, std::move(vector.name), slot, next_.commit, op.id,
                          std::move(vector.values)});
    }
    for (const auto& [name, version] : old_record.vectors) {
      if (!record.vectors.contains(name)) SIGHTLINE_TRY_DO(remove_row(name, slot, op.id));
    }
    SIGHTLINE_TRY_DO(put_slot_record(slot, record));
    SIGHTLINE_TRY_DO(put_payload(slot, old_payload, op.payload));
    if (!op.thumbnail.empty()) return put(kBlobs, thumbnail_key(slot), op.thumbnail);
    if (found) return erase(kBlobs, thumbnail_key(slot));
    return {};
  }

  Result<void> remove_row(const std::string& name, Slot slot, const PointId& id) {
    SIGHTLINE_TRY_DO(erase(kVectors, vector_key(name, slot)));
    effects_.push_back({RowEffect::Kind::kRemove, name, slot, next_.commit, id, {}});
    return {};
  }

  Result<void> apply(OverwritePayloadOp& op) {
    SIGHTLINE_TRY(const auto slot, find_slot(op.id));
    if (!slot) return {};
    SIGHTLINE_TRY(SlotRecord record, slot_record(*slot));
    SIGHTLINE_TRY(Json old_payload, payload(*slot));
    const auto facts = old_payload.find(kImageKey);
    if (facts != old_payload.end() && !op.payload.contains(kImageKey))
      op.payload[std::string(kImageKey)] = *facts;
    record.version = next_.commit;
    ++outcome_.num_updated;
    SIGHTLINE_TRY_DO(put_slot_record(*slot, record));
    return put_payload(*slot, old_payload, op.payload);
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
  // Held while the log is written or synced.
  Mutex log_mutex_;
  std::optional<Status> failure_ GUARDED_BY(log_mutex_);
  // Of the request that is being resolved.
  RequestOutcome outcome_;
  std::map<PointId, std::string> ties_;  // point -> URI of the source put for it
};

CollectionWriter::CollectionWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CollectionWriter::~CollectionWriter() = default;

Result<std::unique_ptr<CollectionWriter>> CollectionWriter::create(CollectionDb& db) {
  SIGHTLINE_CHECK(db.is_writer());
  SIGHTLINE_TRY(const CollectionCounters counters, db.read_counters());
  return std::unique_ptr<CollectionWriter>(
      new CollectionWriter(std::make_unique<Impl>(*db.database_, counters)));
}

Result<RequestOutcome> CollectionWriter::add(std::vector<Operation>& operations) {
  return impl_->add(operations);
}
Result<std::vector<RowEffect>> CollectionWriter::commit(Sync sync) { return impl_->commit(sync); }
void CollectionWriter::abandon() { impl_->abandon(); }
Result<void> CollectionWriter::sync_log() { return impl_->sync_log(); }
const CollectionCounters& CollectionWriter::counters() const { return impl_->counters(); }

}  // namespace sightline::storage
