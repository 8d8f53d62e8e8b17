// WriteGroup: what each operation does.
#include <algorithm>
#include <limits>
#include <utility>

#include "core/filter.h"
#include "storage/internal/write_group.h"

namespace sightline::storage {
namespace {

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

bool is_wanted(const UpsertOp& op, const std::optional<SlotRecord>& present) {
  if (op.mode == UpsertOp::Mode::kInsertOnly && present) return false;
  if (op.mode == UpsertOp::Mode::kUpdateOnly && !present) return false;
  return !op.expected_version || (present && present->version == *op.expected_version);
}

/// A null filter is satisfied.
bool satisfies(const std::shared_ptr<const Filter>& filter, const SlotRecord& record,
               const Json& payload) {
  if (filter == nullptr) return true;
  return matches(*filter, FilterSubject{record.id, payload, [&](std::string_view name) {
                                          return record.vectors.contains(std::string(name));
                                        }});
}

}  // namespace

Result<void> WriteGroup::apply(RequirePointOp& op) {
  SIGHTLINE_TRY(const auto slot, find_slot(op.id));
  if (slot) return {};
  return not_found("No point with id " + op.id.to_string() + " found");
}

Result<Slot> WriteGroup::new_slot(const PointId& id) {
  if (next_.next_slot == std::numeric_limits<Slot>::max()) {
    return Status{StatusCode::kResourceExhausted,
                  "the collection has used all 2^32 slots; optimise it to number them anew"};
  }
  const Slot slot = next_.next_slot++;
  if (id.is_number()) largest_number_ = std::max(largest_number_.value_or(0), id.number());
  SIGHTLINE_TRY_DO(batch_.put(kIds, id.encode(), encode_slot(slot)));
  ++next_.num_points;
  ++outcome_.num_inserted;
  return slot;
}

Result<void> WriteGroup::apply(UpsertOp& op) {
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
    if (!satisfies(op.update_filter, *old_record, old_payload)) return {};
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
  if (!op.thumbnail.empty()) return batch_.put(kBlobs, thumbnail_key(slot), op.thumbnail);
  if (found) return batch_.erase(kBlobs, thumbnail_key(slot));
  return {};
}

Result<void> WriteGroup::put_row(SlotRecord& record, Slot slot, VectorValue& vector) {
  record.vectors[vector.name] = next_.commit;
  const std::string key = vector_key(vector.name, slot);
  if (vector.kind == VectorKind::kDense) {
    const auto [head, values] = dense_row_parts(next_.commit, vector.values);
    SIGHTLINE_TRY_DO(batch_.put_parts(kVectors, key, {head, values}));
  } else {
    SIGHTLINE_TRY_DO(batch_.put(kVectors, key, encode_vector(next_.commit, vector.view())));
  }
  RowEffect& effect = add_effect(RowEffect::Kind::kPut, slot, record.id);
  effect.vector_name = std::move(vector.name);
  if (vector.kind == VectorKind::kDense) effect.values = std::move(vector.values);
  return {};
}

Result<void> WriteGroup::remove_row(const std::string& name, Slot slot, const PointId& id) {
  SIGHTLINE_TRY_DO(batch_.erase(kVectors, vector_key(name, slot)));
  add_effect(RowEffect::Kind::kRemove, slot, id).vector_name = name;
  return {};
}

Result<void> WriteGroup::apply(UpdateVectorsOp& op) {
  SIGHTLINE_TRY(const auto slot, find_slot(op.id));
  if (!slot || op.vectors.empty()) return {};
  SIGHTLINE_TRY(SlotRecord record, slot_record(*slot));
  if (op.update_filter != nullptr) {
    SIGHTLINE_TRY(const Json now, payload(*slot));
    if (!satisfies(op.update_filter, record, now)) return {};
  }
  for (VectorValue& vector : op.vectors) SIGHTLINE_TRY_DO(put_row(record, *slot, vector));
  return put_touched(*slot, record);
}

Result<void> WriteGroup::apply(DeleteVectorsOp& op) {
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

Result<void> WriteGroup::put_touched(Slot slot, SlotRecord& record) {
  record.version = next_.commit;
  ++outcome_.num_updated;
  return put_slot_record(slot, record);
}

template <typename Edit>
Result<void> WriteGroup::edit_payload(const PointId& id, Edit edit) {
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

Result<void> WriteGroup::replace_payload(Slot slot, const PointId& id, const Json& old_payload,
                                         Json&& new_payload) {
  SIGHTLINE_TRY(SlotRecord record, slot_record(slot));
  SIGHTLINE_TRY_DO(put_touched(slot, record));
  SIGHTLINE_TRY_DO(put_payload(slot, old_payload, new_payload));
  tell_payload(slot, id, std::move(new_payload));
  return {};
}

Result<void> WriteGroup::apply(OverwritePayloadOp& op) {
  SIGHTLINE_TRY(const auto slot, find_slot(op.id));
  if (!slot) return {};
  SIGHTLINE_TRY(const Json old_payload, payload(*slot));
  const auto facts = old_payload.find(kImageKey);
  if (facts != old_payload.end() && !op.payload.contains(kImageKey))
    op.payload[std::string(kImageKey)] = *facts;
  return replace_payload(*slot, op.id, old_payload, std::move(op.payload));
}

Result<void> WriteGroup::apply(SetPayloadOp& op) {
  if (!op.payload.is_object()) {
    return invalid_argument(std::string("a payload to be set is a JSON ") + op.payload.type_name() +
                            "; it must be an object");
  }
  FieldPath place;  // The payload itself.
  if (!op.key.empty()) {
    SIGHTLINE_TRY(place, parse_place(op.key));
  }
  return edit_payload(op.id, [&](Json& payload) { place.merge_into(payload, op.payload); });
}

Result<void> WriteGroup::apply(DeletePayloadKeysOp& op) {
  std::vector<FieldPath> places;
  for (const std::string& key : op.keys) {
    SIGHTLINE_TRY(places.emplace_back(), parse_place(key));
  }
  return edit_payload(op.id, [&](Json& payload) {
    for (const FieldPath& place : places) place.remove_from(payload);
  });
}

Result<void> WriteGroup::apply(ClearPayloadOp& op) {
  return edit_payload(op.id, [](Json& payload) { payload = Json::object(); });
}

Result<void> WriteGroup::apply(DeletePointOp& op) {
  SIGHTLINE_TRY(const auto slot, find_slot(op.id));
  if (!slot) return {};
  SIGHTLINE_TRY(const SlotRecord record, slot_record(*slot));
  SIGHTLINE_TRY(const Json old_payload, payload(*slot));
  for (const auto& [name, version] : record.vectors)
    SIGHTLINE_TRY_DO(remove_row(name, *slot, op.id));
  ties_.erase(op.id);
  SIGHTLINE_TRY_DO(put_payload(*slot, old_payload, Json::object()));
  if (!record.source_uri.empty()) SIGHTLINE_TRY_DO(erase_source_row(record.source_uri));
  SIGHTLINE_TRY_DO(batch_.erase(kBlobs, thumbnail_key(*slot)));
  SIGHTLINE_TRY_DO(erase_slot_record(*slot));
  SIGHTLINE_TRY_DO(batch_.erase(kIds, op.id.encode()));
  add_effect(RowEffect::Kind::kGone, *slot, op.id);
  --next_.num_points;
  ++outcome_.num_deleted;
  return {};
}

Result<void> WriteGroup::apply(MovePointOp& op) {
  SIGHTLINE_TRY(const auto slot, find_slot(op.id));
  if (slot != op.from) return {};
  SIGHTLINE_TRY(const auto taken, batch_.get(kSlots, encode_slot(op.to)));
  if (taken || op.to >= next_.next_slot)
    return corruption("slot " + std::to_string(op.to) + " is not free");
  SIGHTLINE_TRY(SlotRecord record, slot_record(op.from));
  SIGHTLINE_TRY_DO(erase_slot_record(op.from));
  for (const auto& [name, version] : std::exchange(record.vectors, {})) {
    SIGHTLINE_TRY(VectorValue vector, stored_vector(name, op.from, version));
    SIGHTLINE_TRY_DO(put_row(record, op.to, vector));
    SIGHTLINE_TRY_DO(remove_row(name, op.from, op.id));
  }
  SIGHTLINE_TRY_DO(add_slot_record(op.to, record));
  SIGHTLINE_TRY_DO(batch_.put(kIds, op.id.encode(), encode_slot(op.to)));
  SIGHTLINE_TRY(const auto thumbnail, database_.get(kBlobs, thumbnail_key(op.from)));
  if (thumbnail) {
    SIGHTLINE_TRY_DO(batch_.put(kBlobs, thumbnail_key(op.to), *thumbnail));
    SIGHTLINE_TRY_DO(batch_.erase(kBlobs, thumbnail_key(op.from)));
  }
  SIGHTLINE_TRY(Json moved, payload(op.from));
  SIGHTLINE_TRY_DO(put_payload(op.from, moved, Json::object()));
  SIGHTLINE_TRY_DO(put_payload(op.to, Json::object(), moved));
  tell_payload(op.to, op.id, std::move(moved));
  add_effect(RowEffect::Kind::kGone, op.from, op.id);
  ++next_.renumberings;
  return {};
}

/// Of the database alone.
Result<VectorValue> WriteGroup::stored_vector(const std::string& name, Slot slot,
                                              Version version) const {
  SIGHTLINE_TRY(const auto bytes, database_.get(kVectors, vector_key(name, slot)));
  const std::string where = "vector \"" + name + "\" of slot " + std::to_string(slot);
  if (!bytes) return corruption(where + " is lost");
  SIGHTLINE_TRY(VectorRow row, decode_vector(*bytes));
  if (row.version != version) return corruption(where + " is not that of its record");
  return VectorValue{name, std::move(row.values), row.kind, std::move(row.indices), row.num_rows};
}

Result<void> WriteGroup::apply(PutSourceOp& op) {
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
  return batch_.put(kSources, row.uri, encode_source(row));
}

Result<void> WriteGroup::untie(const PointId& id, const std::string& uri) {
  if (const auto tie = ties_.find(id); tie != ties_.end() && tie->second == uri) ties_.erase(tie);
  SIGHTLINE_TRY(const auto slot, find_slot(id));
  if (!slot) return {};
  SIGHTLINE_TRY(SlotRecord record, slot_record(*slot));
  if (record.source_uri != uri) return {};
  record.source_uri.clear();
  return put_slot_record(*slot, record);
}

Result<void> WriteGroup::check_ties() {
  for (const auto& [id, uri] : ties_) {
    SIGHTLINE_TRY(const auto slot, find_slot(id));
    if (!slot) {
      return invalid_argument("source " + uri + " names point " + id.to_string() +
                              ", which does not exist");
    }
  }
  return {};
}

Result<void> WriteGroup::apply(DeleteSourceOp& op) {
  SIGHTLINE_TRY(const auto row, source(op.uri));
  if (!row) return {};
  if (row->id) {
    DeletePointOp point{*row->id};
    SIGHTLINE_TRY_DO(apply(point));
  }
  return erase_source_row(op.uri);
}

}  // namespace sightline::storage
