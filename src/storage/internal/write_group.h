// storage/internal/write_group.h: the requests of a group, resolved into one batch.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"
#include "storage/collection_writer.h"
#include "storage/internal/collection_families.h"
#include "storage/internal/index_keys.h"
#include "storage/internal/indexed_batch.h"

namespace sightline::storage {

/// Puts `key` into a batch of any kind. errors  those of RocksDB.
Result<void> put_into(rocksdb::WriteBatchBase& batch, const RocksDatabase& database, Family family,
                      std::string_view key, std::string_view value);

/// Thread-safety: one thread at a time.
class WriteGroup {
 public:
  /// `indexes` may change while the group is empty; both outlive the group.
  WriteGroup(RocksDatabase& database, const CollectionCounters& committed,
             const std::vector<IndexedField>& indexes)
      : database_(database), indexes_(indexes), batch_(database), next_(committed) {}

  /// Finds out above which number no point has its id, so that a load in ascending order looks none
  /// up. Once, before the first request; without it each id is looked up. errors  kCorruption: the
  /// last id cannot be read.
  Result<void> look_at_numbers();

  /// As CollectionWriter::add().
  Result<RequestOutcome> add(std::vector<Operation>& operations);
  /// Once the group is stored.
  const CollectionCounters& counters() const { return next_; }
  rocksdb::WriteBatch& batch() { return batch_.batch(); }
  std::vector<RowEffect> take_effects() { return std::exchange(effects_, {}); }
  /// Points that were there before.
  std::uint64_t num_overwritten() const { return num_overwritten_; }
  /// As CollectionWriter::take_erased_uploads().
  std::vector<std::string> take_erased_uploads() { return std::exchange(erased_uploads_, {}); }
  /// An empty group after `committed`.
  void restart(const CollectionCounters& committed);

 private:
  // The batch over the database.
  Result<std::optional<Slot>> find_slot(const PointId& id);
  Result<SlotRecord> slot_record(Slot slot);
  Result<Json> payload(Slot slot);
  Result<std::optional<SourceRow>> source(std::string_view uri);
  Result<void> put_slot_record(Slot slot, const SlotRecord& record);
  /// Of a slot that has none.
  Result<void> add_slot_record(Slot slot, const SlotRecord& record);
  Result<void> erase_slot_record(Slot slot);
  Result<void> forget_digest(Slot slot);
  /// Payload and its index entries.
  Result<void> put_payload(Slot slot, const Json& old_payload, const Json& new_payload);
  Result<void> erase_source_row(std::string_view uri);
  RowEffect& add_effect(RowEffect::Kind kind, Slot slot, const PointId& id);
  void tell_payload(Slot slot, const PointId& id, Json&& payload);

  Result<void> apply(UpsertOp& op);
  Result<void> apply(OverwritePayloadOp& op);
  Result<void> apply(DeletePointOp& op);
  Result<void> apply(PutSourceOp& op);
  Result<void> apply(DeleteSourceOp& op);
  Result<void> apply(SetPayloadOp& op);
  Result<void> apply(DeletePayloadKeysOp& op);
  Result<void> apply(ClearPayloadOp& op);
  Result<void> apply(UpdateVectorsOp& op);
  Result<void> apply(DeleteVectorsOp& op);
  Result<void> apply(RequirePointOp& op);
  Result<void> apply(MovePointOp& op);

  Result<VectorValue> stored_vector(const std::string& name, Slot slot, Version version) const;
  Result<Slot> new_slot(const PointId& id);
  Result<void> put_row(SlotRecord& record, Slot slot, VectorValue& vector);
  Result<void> remove_row(const std::string& name, Slot slot, const PointId& id);
  Result<void> put_touched(Slot slot, SlotRecord& record);
  /// Changes the payload of a point, if it exists, by `edit(payload)`; `_image` is as before then.
  template <typename Edit>
  Result<void> edit_payload(const PointId& id, Edit edit);
  Result<void> replace_payload(Slot slot, const PointId& id, const Json& old_payload,
                               Json&& new_payload);
  /// The point stays, without a source.
  Result<void> untie(const PointId& id, const std::string& uri);
  /// A source may be put before its point within a request, but not without it.
  Result<void> check_ties();

  RocksDatabase& database_;
  const std::vector<IndexedField>& indexes_;
  IndexedBatch batch_;
  CollectionCounters next_;
  /// No point has a larger number for its id; nullopt: none has a number.
  std::optional<std::uint64_t> largest_number_ = std::numeric_limits<std::uint64_t>::max();
  std::vector<RowEffect> effects_;
  std::uint64_t num_overwritten_ = 0;
  std::vector<std::string> erased_uploads_;
  // Of the request that is being resolved.
  RequestOutcome outcome_;
  std::map<PointId, std::string> ties_;  // point -> URI of the source put for it
};

}  // namespace sightline::storage
