// pipeline/internal/slot_ids.h: which point lives in a slot.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/point_id.h"
#include "index/shard.h"

namespace sightline::pipeline {

/// Slot -> PointId, 17 bytes each. What was set stays: where slots are numbered anew, later views
/// have another SlotIds.
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

}  // namespace sightline::pipeline
