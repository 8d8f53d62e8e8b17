// index/internal/tombstones.h: which rows of a sealed shard are deleted, and since when.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "index/shard.h"

namespace sightline::index {

/// Slot -> version it was deleted at, in pages that come with their first deletion.
///
/// Thread-safety: mark() by one thread at a time; the rest by any, without locks. What a reader
/// sees of a version is complete once that version was handed to it by a release/acquire pair
/// after the last mark() of it.
class Tombstones {
 public:
  /// For slots in [first, last].
  Tombstones(Slot first, Slot last);
  ~Tombstones();
  Tombstones(const Tombstones&) = delete;
  Tombstones& operator=(const Tombstones&) = delete;

  /// Does nothing for a slot that is marked: its row has ended.
  void mark(Slot slot, Version version);
  /// kNever if it was not.
  Version deleted_at(Slot slot) const {
    const Page* page = pages_[(slot - first_) / kPageSlots].load(std::memory_order_acquire);
    if (page == nullptr) return kNever;
    return (*page)[(slot - first_) % kPageSlots].load(std::memory_order_relaxed);
  }

  std::uint64_t count() const { return count_.load(std::memory_order_acquire); }
  std::uint64_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kPageSlots = 1024;
  using Page = std::array<std::atomic<Version>, kPageSlots>;

  const Slot first_;
  const std::size_t num_pages_;
  const std::unique_ptr<std::atomic<Page*>[]> pages_;
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> memory_bytes_;
};

}  // namespace sightline::index
