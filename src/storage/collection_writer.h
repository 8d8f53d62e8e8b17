// storage/collection_writer.h: operations -> resolved effects -> one atomic batch.
//
// A group holds the requests of several callers. Each request that is sound becomes a commit of its
// own number; all go to RocksDB in one WriteBatch, so a crash leaves all of a request or nothing.
// The batch holds resolved effects (ids, slots, values), never conditions.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/indexed_value.h"
#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"
#include "storage/collection_db.h"

namespace sightline {
struct Filter;
}

namespace sightline::storage {

/// URIs of sources whose files the collection keeps itself.
inline constexpr std::string_view kUploadScheme = "sha256:";

/// As stored: normalised already where the metric asks for it; the rest as in VectorView.
struct VectorValue {
  std::string name;
  std::vector<float> values;
  VectorKind kind = VectorKind::kDense;
  std::vector<std::uint32_t> indices = {};
  std::size_t num_rows = 1;

  VectorView view() const { return {kind, values, indices, num_rows}; }
};

/// Inserts the point or replaces it whole, and its source with it unless the same request puts that
/// source for the point, before or after.
struct UpsertOp {
  PointId id;
  std::vector<VectorValue> vectors;
  Json payload;
  std::string thumbnail;  ///< Empty: none.
  enum class Mode { kUpsert, kInsertOnly, kUpdateOnly } mode = Mode::kUpsert;
  /// Of SlotRecord::version; another one, or no such point: no effect.
  std::optional<Version> expected_version;
  /// A point that exists and does not satisfy it, as of just before: no effect.
  std::shared_ptr<const Filter> update_filter = nullptr;
};
/// Keeps `_image` unless the new payload has one; vectors and thumbnail stay.
struct OverwritePayloadOp {
  PointId id;
  Json payload;
};
/// The point goes with its source.
struct DeletePointOp {
  PointId id;
};
/// With an id, ties the source to that point, which must exist at the end of the request. A point
/// has one source: a record it had under another URI goes. Without one, the point that the source
/// had is left without a source.
struct PutSourceOp {
  SourceRow source;
};
/// The source goes with its point.
struct DeleteSourceOp {
  std::string uri;
};
/// Merges key by key, into the object at `key` (a FieldPath; empty: the payload), which is made if
/// it is not there (FieldPath::merge_into). A null removes its key, as in Qdrant. `_image` stays.
struct SetPayloadOp {
  PointId id;
  Json payload;
  std::string key;
};
/// Removes what the FieldPaths name (FieldPath::remove_from); `_image` stays.
struct DeletePayloadKeysOp {
  PointId id;
  std::vector<std::string> keys;
};
/// Removes all but `_image`.
struct ClearPayloadOp {
  PointId id;
};
/// Replaces the named vectors; the others stay. A missing point is passed over.
struct UpdateVectorsOp {
  PointId id;
  std::vector<VectorValue> vectors;
  std::shared_ptr<const Filter> update_filter = nullptr;  ///< As in UpsertOp.
};
struct DeleteVectorsOp {
  PointId id;
  std::vector<std::string> names;
};
/// Fails the request, kNotFound, if there is no such point.
struct RequirePointOp {
  PointId id;
};
/// Gives the point in slot `from` the free slot `to`, below CollectionCounters::next_slot. It is
/// not touched by that: its version stays, those of its rows are new. Without effect if the point
/// is elsewhere by now. No other operation on the point may be in the group. It fails the request,
/// kCorruption, if `to` is not free or a row of the point is lost.
struct MovePointOp {
  PointId id;
  Slot from = 0, to = 0;
};
using Operation = std::variant<UpsertOp, OverwritePayloadOp, DeletePointOp, PutSourceOp,
                               DeleteSourceOp, SetPayloadOp, DeletePayloadKeysOp, ClearPayloadOp,
                               UpdateVectorsOp, DeleteVectorsOp, RequirePointOp, MovePointOp>;

/// What the indexes have to learn from a commit, in order.
struct RowEffect {
  /// kPut, kRemove: a row of `vector_name`. kPayload: the point was written whole or its payload
  /// was; told of a point without vectors too, after its rows. kGone: the slot is free: its payload
  /// (and its rows, told before) are gone.
  enum class Kind { kPut, kRemove, kPayload, kGone } kind = Kind::kPut;
  std::string vector_name;
  Slot slot = 0;
  Version version = 0;
  PointId id;                 ///< Who lives in the slot.
  std::vector<float> values;  ///< Of kPut, if the vector is kDense.
  Json payload;               ///< Of kPayload, if the collection has payload indexes; else null.
};

struct RequestOutcome {
  Version commit = 0;
  std::size_t num_inserted = 0, num_updated = 0, num_deleted = 0;
};

enum class Sync { kYes, kNo };

/// The one committer of a collection. Thread-safety: one thread at a time; sync_log() may run on
/// another beside it.
class CollectionWriter {
 public:
  /// `db` is open for writing and outlives the writer. Payload indexes of an older revision are
  /// made anew, each in a commit of its own: a scan of all payloads. One that cannot be, because a
  /// payload is damaged, is left out with a warning.
  static Result<std::unique_ptr<CollectionWriter>> create(CollectionDb& db);
  ~CollectionWriter();

  /// Resolves one request into the group. A request that fails leaves the group as it was.
  /// errors  kInvalidArgument: a source tied to a point that does not exist; kNotFound:
  ///         RequirePointOp; kCorruption, kIoError.
  Result<RequestOutcome> add(std::vector<Operation>& operations);
  /// What the indexes have to learn once the group is stored, if commit() is not to hand it over.
  std::vector<RowEffect> take_effects();
  /// Writes the group. On success hands over what the indexes have to learn. After a failure it is
  /// open whether the group is stored (whole or not at all): the writer takes nothing more, and the
  /// database must be opened again, which settles it.
  Result<std::vector<RowEffect>> commit(Sync sync);
  /// Defines a payload index (replacing one of another type) and fills it from all payloads, or
  /// removes one with its entries (false: there is none); a commit of its own, synced. The group
  /// must be empty. Nothing is done for an index that is there as asked; other `parameters` (see
  /// CollectionDb::payload_index_parameters()) replace the old ones.
  /// errors  kInvalidArgument: `field` is no FieldPath; kCorruption: a payload is damaged.
  Result<void> put_payload_index(std::string_view field, FieldType type,
                                 const Json& parameters = {});
  Result<bool> drop_payload_index(std::string_view field);
  /// Replaces the list of sealed shards (CollectionDb::shards()) or the configuration
  /// (CollectionDb::config()); a commit of its own, synced. The group must be empty.
  Result<void> put_shards(const Json& shards);
  Result<void> put_config(const Json& config);

  /// Lets slots from `next_slot` on be given out again. A commit of its own, synced. The group must
  /// be empty. errors  kCorruption: one of them is taken.
  Result<void> trim_slots(Slot next_slot);

  /// Forgets the group.
  void abandon();

  /// URIs of kUploadScheme whose records went since the last call; some may be there again, or
  /// still, where their request failed.
  std::vector<std::string> take_erased_uploads();

  /// Makes what was committed with Sync::kNo durable. Waits for a commit that is being written.
  Result<void> sync_log();
  const CollectionCounters& counters() const;  ///< Of the last successful commit.

 private:
  class Impl;
  CollectionWriter(CollectionDb& db, std::unique_ptr<Impl> impl);
  CollectionDb& db_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sightline::storage
