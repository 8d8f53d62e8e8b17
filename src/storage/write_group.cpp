#include "storage/internal/write_group.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sightline::storage {

Result<void> put_into(rocksdb::WriteBatchBase& batch, const RocksDatabase& database, Family family,
                      std::string_view key, std::string_view value) {
  const rocksdb::Status status =
      batch.Put(database.family(family), RocksDatabase::slice(key), RocksDatabase::slice(value));
  if (!status.ok()) return database.status_of(status);
  return {};
}

Result<RequestOutcome> WriteGroup::add(std::vector<Operation>& operations) {
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

void WriteGroup::restart(const CollectionCounters& committed) {
  batch_.Clear();
  effects_.clear();
  next_ = committed;
}

// --- the batch over the database ---------------------------------------------------------------

Result<std::optional<std::string>> WriteGroup::get(Family family, std::string_view key) {
  std::string value;
  const rocksdb::Status status =
      batch_.GetFromBatchAndDB(database_.handle(), rocksdb::ReadOptions(), database_.family(family),
                               RocksDatabase::slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return database_.status_of(status);
  return std::optional<std::string>(std::move(value));
}

Result<void> WriteGroup::put(Family family, std::string_view key, std::string_view value) {
  return put_into(batch_, database_, family, key, value);
}

Result<void> WriteGroup::erase(Family family, std::string_view key) {
  const rocksdb::Status status = batch_.Delete(database_.family(family), RocksDatabase::slice(key));
  if (!status.ok()) return database_.status_of(status);
  return {};
}

Result<std::optional<Slot>> WriteGroup::find_slot(const PointId& id) {
  SIGHTLINE_TRY(const auto value, get(kIds, id.encode()));
  if (!value) return std::optional<Slot>();
  SIGHTLINE_TRY(const Slot slot, decode_slot(*value));
  return std::optional<Slot>(slot);
}

Result<SlotRecord> WriteGroup::slot_record(Slot slot) {
  SIGHTLINE_TRY(const auto value, get(kSlots, encode_slot(slot)));
  if (!value) return corruption("slot " + std::to_string(slot) + " has no record");
  return decode_slot_record(*value);
}

Result<Json> WriteGroup::payload(Slot slot) {
  SIGHTLINE_TRY(const auto value, get(kPayload, encode_slot(slot)));
  if (!value) return Json::object();
  return decode_payload(*value);
}

Result<std::optional<SourceRow>> WriteGroup::source(std::string_view uri) {
  SIGHTLINE_TRY(const auto value, get(kSources, uri));
  if (!value) return std::optional<SourceRow>();
  SIGHTLINE_TRY(auto row, decode_source(uri, *value));
  return std::optional<SourceRow>(std::move(row));
}

Result<void> WriteGroup::put_slot_record(Slot slot, const SlotRecord& record) {
  SIGHTLINE_TRY_DO(forget_digest(slot));
  return add_slot_record(slot, record);
}

Result<void> WriteGroup::add_slot_record(Slot slot, const SlotRecord& record) {
  const std::string bytes = encode_slot_record(record);
  next_.slots_digest += slot_digest(slot, bytes);
  return put(kSlots, encode_slot(slot), bytes);
}

Result<void> WriteGroup::erase_slot_record(Slot slot) {
  SIGHTLINE_TRY_DO(forget_digest(slot));
  return erase(kSlots, encode_slot(slot));
}

Result<void> WriteGroup::forget_digest(Slot slot) {
  SIGHTLINE_TRY(const auto bytes, get(kSlots, encode_slot(slot)));
  if (bytes) next_.slots_digest -= slot_digest(slot, *bytes);
  return {};
}

Result<void> WriteGroup::put_payload(Slot slot, const Json& old_payload, const Json& new_payload) {
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

RowEffect& WriteGroup::add_effect(RowEffect::Kind kind, Slot slot, const PointId& id) {
  RowEffect& effect = effects_.emplace_back();
  effect.kind = kind;
  effect.slot = slot;
  effect.version = next_.commit;
  effect.id = id;
  return effect;
}

void WriteGroup::tell_payload(Slot slot, const PointId& id, Json&& payload) {
  RowEffect& effect = add_effect(RowEffect::Kind::kPayload, slot, id);
  if (!indexes_.empty()) effect.payload = std::move(payload);
}

Result<void> WriteGroup::erase_source_row(std::string_view uri) {
  SIGHTLINE_TRY(const auto present, get(kSources, uri));
  if (!present) return {};
  if (uri.starts_with(kUploadScheme)) erased_uploads_.emplace_back(uri);
  --next_.num_sources;
  return erase(kSources, uri);
}

}  // namespace sightline::storage
