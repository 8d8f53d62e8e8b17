// index/growing_shard.h: where new rows land: append-only blocks that never move, exact scan.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "index/kernels/kernels.h"
#include "index/shard.h"

namespace sightline::index {

/// Rows of one vector name in memory as float32. A put of a slot that is there adds a row and ends
/// the old one at the same version, so a reader at any version finds each slot at most once.
///
/// Thread-safety: put(), remove(), version_of(), live_slots() and live_rows() belong to one thread
/// at a time (the committer); search(), num_rows(), num_live() and memory_bytes() may run on any
/// thread meanwhile. What a search finds of a version is complete once that version was handed to
/// it by a release/acquire pair after the last put() and remove() of it (DESIGN.md, "Isolation").
class GrowingShard final : public Shard {
 public:
  static constexpr std::size_t kBlockRows = 1024;

  GrowingShard(std::size_t dim, Distance distance, const KernelTable& kernels = index::kernels());
  ~GrowingShard() override;
  GrowingShard(const GrowingShard&) = delete;
  GrowingShard& operator=(const GrowingShard&) = delete;

  /// Adds the row of `slot` as of `version`; `row` has dim floats. The versions of a slot do
  /// not decrease.
  void put(Slot slot, Version version, std::span<const float> row);
  void remove(Slot slot, Version version) override;
  std::optional<Version> version_of(Slot slot) const override;
  std::vector<Slot> live_slots() const;  ///< Ascending.
  std::vector<RowRef> live_rows() const override;
  std::size_t dim() const { return dim_; }

  /// Always exact.
  Result<std::vector<Candidate>> search(const ShardQuery& query, ComputePool* pool,
                                        const Deadline& deadline) const override;
  std::uint64_t num_rows() const override { return num_rows_.load(std::memory_order_acquire); }
  std::uint64_t num_live() const override { return num_live_.load(std::memory_order_relaxed); }
  std::uint64_t memory_bytes() const override {
    return memory_bytes_.load(std::memory_order_relaxed);
  }

 private:
  struct Block;
  // Two levels of pointers that are set once: readers follow them without a lock.
  static constexpr std::size_t kSegmentBlocks = 4096;
  static constexpr std::size_t kNumSegments = 1024;  // 2^32 rows
  struct Segment {
    std::array<std::atomic<Block*>, kSegmentBlocks> blocks{};
  };
  // Slot -> row + 1 of its live row, in pages; touched by the writing thread alone.
  static constexpr std::size_t kMapPage = 4096;
  using MapPage = std::array<std::uint32_t, kMapPage>;

  Block& block(std::size_t index) const;
  Block& add_block(std::size_t index);
  std::uint32_t& row_of(Slot slot);
  std::uint32_t find_row(Slot slot) const;
  class ScanOfBlocks;

  const std::size_t dim_;
  const Distance distance_;
  const KernelTable& kernels_;
  std::array<std::atomic<Segment*>, kNumSegments> segments_{};
  std::atomic<std::uint64_t> num_rows_{0};
  std::atomic<std::uint64_t> num_live_{0};
  std::atomic<std::uint64_t> memory_bytes_{0};
  std::vector<std::unique_ptr<MapPage>> rows_by_slot_;
};

}  // namespace sightline::index
