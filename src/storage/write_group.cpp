#include "storage/internal/write_group.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <memory>
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
  batch_.mark();
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
    batch_.keep();
    num_overwritten_ += outcome_.num_updated + outcome_.num_deleted;
    return outcome_;
  }
  next_ = before;
  effects_.resize(num_effects);
  SIGHTLINE_TRY_DO(batch_.roll_back());
  return std::move(applied).error();
}

void WriteGroup::restart(const CollectionCounters& committed) {
  batch_.clear();
  effects_.clear();
  num_overwritten_ = 0;
  next_ = committed;
}

// --- the batch over the database ---------------------------------------------------------------

Result<void> WriteGroup::look_at_numbers() {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> ids(
      database_.handle()->NewIterator(options, database_.family(kIds)));
  ids->SeekForPrev(PointId(std::numeric_limits<std::uint64_t>::max()).encode());
  if (!ids->status().ok()) return database_.status_of(ids->status());
  largest_number_.reset();
  if (!ids->Valid()) return {};
  SIGHTLINE_TRY(const PointId id, PointId::decode(RocksDatabase::view(ids->key())));
  largest_number_ = id.number();
  return {};
}

Result<std::optional<Slot>> WriteGroup::find_slot(const PointId& id) {
  if (id.is_number() && (!largest_number_ || id.number() > *largest_number_))
    return std::optional<Slot>();
  SIGHTLINE_TRY(const auto value, batch_.get(kIds, id.encode()));
  if (!value) return std::optional<Slot>();
  SIGHTLINE_TRY(const Slot slot, decode_slot(*value));
  return std::optional<Slot>(slot);
}

Result<SlotRecord> WriteGroup::slot_record(Slot slot) {
  SIGHTLINE_TRY(const auto value, batch_.get(kSlots, encode_slot(slot)));
  if (!value) return corruption("slot " + std::to_string(slot) + " has no record");
  return decode_slot_record(*value);
}

Result<Json> WriteGroup::payload(Slot slot) {
  SIGHTLINE_TRY(const auto value, batch_.get(kPayload, encode_slot(slot)));
  if (!value) return Json::object();
  return decode_payload(*value);
}

Result<std::optional<SourceRow>> WriteGroup::source(std::string_view uri) {
  SIGHTLINE_TRY(const auto value, batch_.get(kSources, uri));
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
  return batch_.put(kSlots, encode_slot(slot), bytes);
}

Result<void> WriteGroup::erase_slot_record(Slot slot) {
  SIGHTLINE_TRY_DO(forget_digest(slot));
  return batch_.erase(kSlots, encode_slot(slot));
}

Result<void> WriteGroup::forget_digest(Slot slot) {
  SIGHTLINE_TRY(const auto bytes, batch_.get(kSlots, encode_slot(slot)));
  if (bytes) next_.slots_digest -= slot_digest(slot, *bytes);
  return {};
}

Result<void> WriteGroup::put_payload(Slot slot, const Json& old_payload, const Json& new_payload) {
  if (new_payload.empty() && old_payload.empty()) return {};
  const auto old_keys = index_keys(indexes_, slot, old_payload);
  const auto new_keys = index_keys(indexes_, slot, new_payload);
  std::vector<std::string> gone, added;
  std::set_difference(old_keys.begin(), old_keys.end(), new_keys.begin(), new_keys.end(),
                      std::back_inserter(gone));
  std::set_difference(new_keys.begin(), new_keys.end(), old_keys.begin(), old_keys.end(),
                      std::back_inserter(added));
  for (const std::string& key : gone) SIGHTLINE_TRY_DO(batch_.erase(kPayloadIndex, key));
  for (const std::string& key : added) SIGHTLINE_TRY_DO(batch_.put(kPayloadIndex, key, ""));
  if (new_payload.empty()) return batch_.erase(kPayload, encode_slot(slot));
  return batch_.put(kPayload, encode_slot(slot), encode_payload(new_payload));
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
  SIGHTLINE_TRY(const auto present, batch_.get(kSources, uri));
  if (!present) return {};
  if (uri.starts_with(kUploadScheme)) erased_uploads_.emplace_back(uri);
  --next_.num_sources;
  return batch_.erase(kSources, uri);
}

}  // namespace sightline::storage
