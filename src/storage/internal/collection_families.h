// storage/internal/collection_families.h: column families of a collection, and keys of `meta`.
#pragma once

#include <cstddef>
#include <vector>

#include "storage/collection_db.h"
#include "storage/internal/rocksdb_database.h"

namespace sightline::storage {

enum Family : std::size_t {
  kIds,
  kSlots,
  kVectors,
  kPayload,
  kPayloadIndex,
  kSources,
  kBlobs,
  kMeta
};

inline std::vector<ColumnFamily> collection_families() {
  using Kind = ColumnFamily::Kind;
  return {{"ids", Kind::kSmall},     {"slots", Kind::kSmall},         {"vectors", Kind::kVectors},
          {"payload", Kind::kSmall}, {"payload_index", Kind::kSmall}, {"sources", Kind::kSmall},
          {"blobs", Kind::kBlobs},   {"meta", Kind::kSmall}};
}

inline constexpr std::string_view kFormatKey = "format";
inline constexpr std::string_view kConfigKey = "config";
inline constexpr std::string_view kShardsKey = "shards";
/// Followed by the field; the value is an IndexDefinition.
inline constexpr std::string_view kPayloadIndexPrefix = "payload_index:";
inline constexpr std::string_view kCommitKey = "commit";
inline constexpr std::string_view kNextSlotKey = "next_slot";
inline constexpr std::string_view kNumPointsKey = "num_points";
inline constexpr std::string_view kNumSourcesKey = "num_sources";
/// Absent: 0.
inline constexpr std::string_view kRenumberingsKey = "renumberings";
inline constexpr std::string_view kSlotsDigestKey = "slots_digest";

/// errors  kCorruption: one is lost or damaged.
Result<CollectionCounters> read_counters(const RocksDatabase& database,
                                         const rocksdb::Snapshot* snapshot);

Result<void> put_counters(const RocksDatabase& database, rocksdb::WriteBatchBase& batch,
                          const CollectionCounters& counters);

/// A snapshot of RocksDB (null for readers, whose state moves in catch_up() alone).
class RocksSnapshot final : public CollectionSnapshot {
 public:
  RocksSnapshot(rocksdb::DB* db, const rocksdb::Snapshot* snapshot, CollectionCounters counters)
      : db_(db), snapshot_(snapshot), counters_(counters) {}
  ~RocksSnapshot() override {
    if (snapshot_ != nullptr) db_->ReleaseSnapshot(snapshot_);
  }
  RocksSnapshot(const RocksSnapshot&) = delete;
  RocksSnapshot& operator=(const RocksSnapshot&) = delete;

  const CollectionCounters& counters() const override { return counters_; }
  const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  rocksdb::DB* db_;
  const rocksdb::Snapshot* snapshot_;
  CollectionCounters counters_;
};

}  // namespace sightline::storage
