// index/internal/field_index_slots.h: many slots in any order become a bitmap.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "core/bitmap.h"
#include "index/shard.h"

namespace sightline::index {

/// Thread-safety: one thread.
class SlotCollector {
 public:
  void add(Slot slot) { slots_.push_back(slot); }
  void add(std::span<const Slot> slots) { slots_.insert(slots_.end(), slots.begin(), slots.end()); }
  void add(const Bitmap& slots) { bitmap_ |= slots; }
  /// The union of all that was added. Leaves the collector empty.
  Bitmap take();

 private:
  std::vector<Slot> slots_;
  Bitmap bitmap_;
};

/// Ascending, each once. A set of bits sorts faster than comparisons where at least every 64th slot
/// is there.
inline void sort_slots(std::vector<Slot>& slots) {
  if (slots.empty()) return;
  const std::size_t num_words = *std::max_element(slots.begin(), slots.end()) / 64 + std::size_t{1};
  if (slots.size() < num_words) {
    std::sort(slots.begin(), slots.end());
    slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
    return;
  }
  std::vector<std::uint64_t> words(num_words);
  for (const Slot slot : slots) words[slot / 64] |= std::uint64_t{1} << slot % 64;
  slots.clear();
  for (std::size_t i = 0; i < num_words; ++i) {
    for (std::uint64_t word = words[i]; word != 0; word &= word - 1) {
      slots.push_back(static_cast<Slot>(i * 64 + static_cast<unsigned>(std::countr_zero(word))));
    }
  }
}

inline Bitmap SlotCollector::take() {
  sort_slots(slots_);
  Bitmap result = Bitmap::from_sorted(slots_);
  result |= bitmap_;
  slots_.clear();
  bitmap_ = Bitmap();
  return result;
}

}  // namespace sightline::index
