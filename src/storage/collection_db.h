// storage/collection_db.h: one collection in RocksDB, read at a snapshot.
//
// What is written goes through CollectionWriter (collection_writer.h). Key layouts:
// docs/storage_format.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/indexed_value.h"
#include "core/json.h"
#include "core/mutex.h"
#include "core/point_id.h"
#include "core/result.h"
#include "storage/database.h"
#include "storage/records.h"

namespace sightline::storage {

class RocksDatabase;
struct IndexDefinition;

/// Counters that change with every commit; stored in `meta`.
struct CollectionCounters {
  Version commit = 0;  ///< Number of the last commit.
  Slot next_slot = 0;
  std::uint64_t num_points = 0;
  std::uint64_t num_sources = 0;
  /// Changes whenever a slot got another point (MovePointOp) or may get one (trim_slots()): what is
  /// known of slots from before is worth nothing then.
  std::uint64_t renumberings = 0;
  /// Sum of slot_digest() over all records of `slots`: tells a reader, and a writer on opening,
  /// that it sees all of them in their newest form.
  std::uint64_t slots_digest = 0;
};

/// One addend of CollectionCounters::slots_digest.
std::uint64_t slot_digest(Slot slot, std::string_view record_bytes);

/// A moment of the collection: reads through it see that moment. Thread-safety: immutable.
class CollectionSnapshot {
 public:
  virtual ~CollectionSnapshot() = default;
  virtual const CollectionCounters& counters() const = 0;
};
using SnapshotPtr = std::shared_ptr<const CollectionSnapshot>;

/// Thread-safety: reads may run on many threads at once, beside one writer. catch_up() must not run
/// beside reads.
class CollectionDb {
 public:
  /// Makes the database in `folder` (which must not hold one) with `config`, synced.
  static Result<std::unique_ptr<CollectionDb>> create(const std::filesystem::path& folder,
                                                      const Json& config,
                                                      const std::shared_ptr<SharedBudget>& budget);
  /// errors  kNotFound; kFailedPrecondition: a newer format; kCorruption names the file.
  static Result<std::unique_ptr<CollectionDb>> open(const std::filesystem::path& folder,
                                                    OpenMode mode,
                                                    const std::shared_ptr<SharedBudget>& budget);
  /// Makes a damaged database readable and writable again: what is whole is written into a new one
  /// that takes its place at once; the old one stays beside it as "FOLDER.damaged". A point of
  /// which its record, payload or a vector is lost is lost whole, with its source. Nothing is
  /// changed if nothing is damaged. Nobody may have it open. returns  what was lost, one line each,
  /// points first ("point 42: lost"). errors  kNotFound; kCorruption: its configuration is lost;
  /// kResourceExhausted, kIoError.
  static Result<std::vector<std::string>> repair(
      const std::filesystem::path& folder, const std::shared_ptr<SharedBudget>& budget = nullptr);
  ~CollectionDb();

  /// The newest; for a reader as of its last catch_up().
  Json config() const;
  bool is_writer() const;
  /// For a reader: the newest state the writer has committed. A reader may see a part of the newest
  /// commits only; visit_slots() tells.
  Result<void> catch_up();
  /// False for a reader whose collection was deleted since it was opened.
  bool is_current() const;

  /// The newest committed state. For a reader: what its last catch_up() saw.
  Result<SnapshotPtr> snapshot() const;

  Result<std::optional<Slot>> find_slot(const CollectionSnapshot& at, const PointId& id) const;
  Result<std::optional<SlotRecord>> slot_record(const CollectionSnapshot& at, Slot slot) const;
  /// An empty object where the point has none.
  Result<Json> payload(const CollectionSnapshot& at, Slot slot) const;
  /// Like payload(), in the order of `slots`.
  Result<std::vector<Json>> payloads(const CollectionSnapshot& at,
                                     std::span<const Slot> slots) const;
  Result<std::optional<VectorRow>> vector(const CollectionSnapshot& at, std::string_view name,
                                          Slot slot) const;
  Result<std::optional<std::string>> thumbnail(const CollectionSnapshot& at, Slot slot) const;
  Result<std::optional<SourceRow>> source(const CollectionSnapshot& at, std::string_view uri) const;
  /// The first slot, in order of slots, whose payload has this content hash.
  Result<std::optional<Slot>> find_content(const CollectionSnapshot& at,
                                           std::string_view content_hash) const;

  /// All of `slots` in order of slot; returns the sum of their digests.
  Result<std::uint64_t> visit_slots(
      const CollectionSnapshot& at,
      const std::function<void(Slot, const SlotRecord&)>& visit) const;
  /// Rows of `slots` (ascending) under `name`. A row that is damaged or missing is handed over as
  /// kCorruption, and the visit goes on.
  Result<void> visit_vectors(
      const CollectionSnapshot& at, std::string_view name, std::span<const Slot> slots,
      const std::function<void(Slot, const Result<VectorRow>&)>& visit) const;
  /// Like visit_vectors(), for rows that are read again soon (`keep_cached`) or not; a damaged row,
  /// a missing one or a failed visit ends it. The row is valid during the visit.
  Result<void> read_vectors(const CollectionSnapshot& at, std::string_view name,
                            std::span<const Slot> slots, bool keep_cached,
                            const std::function<Result<void>(Slot, const VectorRow&)>& visit) const;
  /// In order of PointId, from `from` or the first.
  Result<void> visit_points(const CollectionSnapshot& at, const std::optional<PointId>& from,
                            const std::function<bool(const PointId&, Slot)>& visit) const;
  /// In order of URI.
  Result<void> visit_sources(const CollectionSnapshot& at, std::string_view prefix,
                             const std::function<bool(const SourceRow&)>& visit) const;

  /// Field -> type, as of `at`. Those that an older program made are left out until a writer has
  /// made them anew.
  Result<std::map<std::string, FieldType>> payload_indexes(const CollectionSnapshot& at) const;
  /// Field -> what put_payload_index() was given beside the type, if it was anything.
  Result<std::map<std::string, Json>> payload_index_parameters(const CollectionSnapshot& at) const;
  /// Entries of one field's index (named as payload_indexes() does), in order of value, then slot.
  Result<void> visit_payload_index(
      const CollectionSnapshot& at, std::string_view field, FieldType type,
      const std::function<void(const IndexedValue&, Slot)>& visit) const;
  /// Entries of one field's index in order of value, then slot (or the other way round), from a
  /// value on (itself included), until `visit` returns false. Without those of OtherValue.
  Result<void> visit_ordered(
      const CollectionSnapshot& at, std::string_view field, FieldType type, bool descending,
      const std::optional<IndexedValue>& from,
      const std::function<Result<bool>(const IndexedValue&, Slot)>& visit) const;
  /// Payloads of all points, in order of slot; points without one are left out.
  Result<void> visit_payloads(const CollectionSnapshot& at,
                              const std::function<bool(Slot, const Json&)>& visit) const;
  /// The list of sealed shards as `pipeline` wrote it; an empty object at first.
  Result<Json> shards(const CollectionSnapshot& at) const;

  /// A consistent copy (hard links where the file system allows) in the new folder `folder`,
  /// synced. errors  kAlreadyExists; kFailedPrecondition: opened for reading; kResourceExhausted,
  /// kIoError.
  Result<void> checkpoint(const std::filesystem::path& folder) const;
  /// Reads everything. Returns one line per damage: file or record, and what is wrong; ids of
  /// points that are lost with it where they can be told.
  Result<std::vector<std::string>> verify(const CollectionSnapshot& at) const;
  /// Of that, what checksums of whole files tell: one line per damaged file.
  Result<std::vector<std::string>> verify_files(const CollectionSnapshot& at) const;

  /// Room on the disk for what opening again writes. kResourceExhausted says what is missing.
  Result<void> check_room_to_reopen() const;

  std::uint64_t disk_bytes() const;
  std::uint64_t memory_bytes() const;  ///< Memtables and table readers, without the shared cache.

 private:
  friend class CollectionWriter;
  explicit CollectionDb(std::unique_ptr<RocksDatabase> database);
  Result<void> check_format();
  Result<void> read_meta();
  Result<std::map<std::string, IndexDefinition>> definitions(const CollectionSnapshot& at) const;
  void set_config(Json config);
  Result<VectorRow> existing_vector(const CollectionSnapshot& at, std::string_view name,
                                    Slot slot) const;

  std::unique_ptr<RocksDatabase> database_;
  CollectionCounters reader_counters_;
  mutable Mutex config_mutex_;
  Json config_ GUARDED_BY(config_mutex_);
};

}  // namespace sightline::storage
