// index/internal/row_filter.h: which rows of a sealed shard one query may find.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/bitmap.h"
#include "index/internal/shard_data.h"
#include "index/internal/tombstones.h"
#include "index/shard.h"

namespace sightline::index {

/// Row of `slot`, if it was sealed.
std::optional<std::size_t> find_row(const ShardData& data, Slot slot);

/// Rows of ascending slots, all of which were sealed; the next one is looked for from the last one.
/// Thread-safety: one thread.
class RowCursor {
 public:
  explicit RowCursor(std::span<const Slot> slots) : slots_(slots) {}
  std::size_t row_of(Slot slot);

 private:
  const std::span<const Slot> slots_;
  std::size_t row_ = 0;
};

/// Thread-safety: const methods may run on many threads at once.
class RowFilter {
 public:
  /// `tombstones` may be null: nothing is deleted. `newest`: highest version of a row of `data`.
  /// Borrows everything.
  RowFilter(const ShardData& data, const Tombstones* tombstones, Version newest,
            const ShardQuery& query);

  /// Whether the query has a filter that leaves out rows of this shard.
  bool filters() const { return filters_; }
  /// Whether any row may fail passes().
  bool checks() const { return filters_ || tombstones_ != nullptr || checks_versions_; }
  /// Whether an allowed row may fail passes().
  bool checks_visibility() const { return tombstones_ != nullptr || checks_versions_; }
  /// Rows whose slot is allowed, deleted ones included.
  std::uint64_t num_allowed() const { return num_allowed_; }
  /// Share of rows whose slot is allowed.
  double selectivity() const;
  /// Slots of these rows, ascending. Only with filters().
  std::vector<Slot> survivors() const;

  /// So many calls of passes() are likely to come: prepares for them where that pays.
  void expect(std::uint64_t num_tests);

  /// Whether `slot`, which was sealed, is allowed and its row visible to the query.
  bool passes(Slot slot) const { return (!filters_ || allows(slot)) && is_visible(slot); }
  bool is_visible(Slot slot) const {
    if (tombstones_ != nullptr && tombstones_->deleted_at(slot) <= read_version_) return false;
    return !checks_versions_ || was_inserted(slot);
  }
  /// Only with filters().
  bool allows(Slot slot) const {
    if (flat_.empty()) return allowed_->contains(slot);
    const std::size_t at = slot - data_.slots.front();
    return (flat_[at / 64] >> (at % 64) & 1) != 0;
  }

 private:
  bool was_inserted(Slot slot) const;

  const ShardData& data_;
  const Tombstones* const tombstones_;  // null: nothing is deleted
  const Version read_version_;
  const bool checks_versions_;
  const Bitmap* const allowed_;  // null: all
  const std::uint64_t num_allowed_;
  const bool filters_;
  std::vector<std::uint64_t> flat_;  // Survivors, a bit a slot from the first one; may be empty.
};

}  // namespace sightline::index
