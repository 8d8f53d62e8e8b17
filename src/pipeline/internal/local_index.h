// pipeline/internal/local_index.h: what a LocalStore keeps in memory of its database: the shards of
// each vector name, and which point lives in a slot. All of it is derived and can be built anew.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/point_id.h"
#include "core/result.h"
#include "index/growing_shard.h"
#include "index/shard.h"
#include "pipeline/collection_store.h"
#include "storage/collection_db.h"
#include "storage/collection_writer.h"

namespace sightline::pipeline {

/// Slot -> PointId, 17 bytes each. A slot never changes its point, so what was set stays.
/// Thread-safety: set() by one thread; get() and before() by any, of slots that were set before the
/// version they are visible at was published.
class SlotIds final : public index::SlotOrder {
 public:
  SlotIds() = default;
  ~SlotIds() override;
  SlotIds(const SlotIds&) = delete;
  SlotIds& operator=(const SlotIds&) = delete;

  /// Does nothing for a slot that is set.
  void set(index::Slot slot, const PointId& id);
  bool contains(index::Slot slot) const;
  PointId get(index::Slot slot) const;
  /// By PointId.
  bool before(index::Slot a, index::Slot b) const override;
  std::uint64_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

 private:
  enum class Kind : std::uint8_t { kNone, kNumber, kUuid };  // in the order of PointId
  static constexpr std::size_t kPageSlots = 4096;
  static constexpr std::size_t kBookPages = 1024;
  static constexpr std::size_t kNumBooks = 1024;
  struct Page {
    std::array<Uuid, kPageSlots> bytes;  // a number: 8 bytes, big-endian
    std::array<Kind, kPageSlots> kinds{};
  };
  struct Book {
    std::array<std::atomic<Page*>, kBookPages> pages{};
  };
  const Page* find_page(index::Slot slot) const;

  std::array<std::atomic<Book*>, kNumBooks> books_{};
  std::atomic<std::uint64_t> memory_bytes_{sizeof(*this)};
};

/// Shards by vector name at one moment.
using ShardTable = std::map<std::string, index::ShardList, std::less<>>;

/// Thread-safety: load() and apply() by one thread at a time; the rest by any.
class LocalIndex {
 public:
  LocalIndex(std::string collection_name, const CollectionConfig& config);

  /// Brings shards and ids to the state of `db` at `at`: on opening all rows, later the difference.
  /// A row that is damaged is left out and named in a warning.
  ///
  /// returns  false if `slots` does not add up to what `meta` says (a reader that has seen only
  ///          part of the writer's newest commits): nothing was changed then.
  Result<bool> load(const storage::CollectionDb& db, const storage::CollectionSnapshot& at);
  /// What a commit did, in order.
  void apply(std::span<const storage::RowEffect> effects);

  std::shared_ptr<const ShardTable> shards() const { return shards_; }
  const SlotIds& ids() const { return ids_; }
  std::uint64_t memory_bytes() const;

 private:
  struct WantedRow {
    index::Slot slot = 0;
    index::Version version = 0;
  };
  Result<void> load_rows(const storage::CollectionDb& db, const storage::CollectionSnapshot& at,
                         const std::string& vector_name, std::span<const WantedRow> wanted);

  const std::string collection_name_;
  std::map<std::string, std::shared_ptr<index::GrowingShard>, std::less<>> growing_;
  std::shared_ptr<const ShardTable> shards_;
  SlotIds ids_;
};

}  // namespace sightline::pipeline
