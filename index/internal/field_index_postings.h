// index/internal/field_index_postings.h: the immutable part of a field index: which slots have a
// key.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/bitmap.h"
#include "core/result.h"
#include "index/internal/field_index_keys.h"
#include "index/internal/field_index_slots.h"
#include "index/shard.h"

namespace sightline::index {

/// A key with many slots has a bitmap of its own, which successors share until it changes; the
/// slots of the other keys lie end to end. Thread-safety: immutable.
template <typename Key>
class Postings {
 public:
  using View = KeyView<Key>;
  class Builder;
  /// Slots (ascending) that gain a key.
  struct Addition {
    View key;
    std::vector<Slot> slots;
  };

  Bitmap find(const Selection<Key>& selection) const;
  /// Pairs of selected key and slot, without looking at slots; where the selection has a check,
  /// its share is taken from a sample of the keys.
  std::uint64_t count(const Selection<Key>& selection) const;
  const Bitmap& members() const { return members_; }  ///< Slots that have a key.
  std::uint64_t num_members() const { return num_members_; }
  std::uint64_t memory_bytes() const { return memory_bytes_; }

  /// These postings, with all keys of the slots `stale` taken away and `additions` (ascending by
  /// key; views into something that outlives the call) made.
  std::shared_ptr<const Postings> merged(const Bitmap& stale,
                                         std::span<const Addition> additions) const;

 private:
  class Merge;
  struct Range {
    std::size_t begin, end;
  };
  template <typename Visit>
  static void visit_ranges(const KeyColumn<Key>& keys, const Selection<Key>& selection,
                           const Visit& visit);
  template <typename Weight>
  static std::uint64_t weigh(const KeyColumn<Key>& keys, const Selection<Key>& selection,
                             const Weight& weight);
  std::span<const Slot> rare_slots(std::size_t begin, std::size_t end) const {
    return std::span(rare_slots_)
        .subspan(rare_begins_[begin], rare_begins_[end] - rare_begins_[begin]);
  }

  // Slots of rare key i: rare_slots_[rare_begins_[i] .. rare_begins_[i + 1]), ascending.
  KeyColumn<Key> rare_keys_;
  std::vector<std::uint32_t> rare_begins_ = {0};
  std::vector<Slot> rare_slots_;

  KeyColumn<Key> common_keys_;
  std::vector<std::shared_ptr<const Bitmap>> common_;
  std::vector<std::uint64_t> common_begins_ = {0};  // sums of their counts

  Bitmap members_;
  std::uint64_t num_members_ = 0;
  std::uint64_t memory_bytes_ = 0;
};

/// Takes keys in ascending order, each once. Thread-safety: one thread.
template <typename Key>
class Postings<Key>::Builder {
 public:
  /// Room for the rare keys of `other` and `more`.
  void reserve(const Postings& other, std::size_t more) {
    reserve_column(made_->rare_keys_, other.rare_keys_, more);
    reserve_column(made_->rare_begins_, other.rare_begins_, more);
    reserve_column(made_->rare_slots_, other.rare_slots_, more);
  }
  void add(const View& key, std::span<const Slot> slots);  ///< Ascending.
  void add(const View& key, std::shared_ptr<const Bitmap> slots);
  /// The rare keys of `other` at these positions, as they are.
  void add_rare(const Postings& other, std::size_t begin, std::size_t end);
  std::shared_ptr<const Postings> finish();
  std::shared_ptr<const Postings> finish(Bitmap members);

 private:
  // A bitmap costs some 64 bytes for each block of 65,536 slots that it touches and 2 bytes a slot;
  // a rare slot costs 4 and its share of the key.
  static constexpr std::size_t kMinBitmap = 64;
  static constexpr std::size_t kMinPerBlock = 8;
  static bool is_worth_a_bitmap(std::span<const Slot> slots);

  std::shared_ptr<Postings> made_ = std::make_shared<Postings>();
};

template <typename Key>
bool Postings<Key>::Builder::is_worth_a_bitmap(std::span<const Slot> slots) {
  if (slots.size() < kMinBitmap) return false;
  std::size_t num_blocks = 1;
  for (std::size_t i = 1; i < slots.size(); ++i) {
    num_blocks += slots[i] >> 16 != slots[i - 1] >> 16 ? 1 : 0;
  }
  return slots.size() >= kMinPerBlock * num_blocks;
}

template <typename Key>
void Postings<Key>::Builder::add(const View& key, std::span<const Slot> slots) {
  if (slots.empty()) return;
  if (is_worth_a_bitmap(slots)) {
    auto bitmap = std::make_shared<Bitmap>(Bitmap::from_sorted(slots));
    bitmap->optimize();
    add(key, std::move(bitmap));
    return;
  }
  made_->rare_keys_.push_back(key);
  made_->rare_slots_.insert(made_->rare_slots_.end(), slots.begin(), slots.end());
  SIGHTLINE_CHECK(made_->rare_slots_.size() <= std::numeric_limits<std::uint32_t>::max());
  made_->rare_begins_.push_back(static_cast<std::uint32_t>(made_->rare_slots_.size()));
}

template <typename Key>
void Postings<Key>::Builder::add(const View& key, std::shared_ptr<const Bitmap> slots) {
  const std::uint64_t count = slots->count();
  if (count < kMinBitmap / 2) {  // half, so that a key does not change sides with every merge
    add(key, slots->to_vector());
    return;
  }
  made_->common_keys_.push_back(key);
  made_->common_.push_back(std::move(slots));
  made_->common_begins_.push_back(made_->common_begins_.back() + count);
}

template <typename Key>
void Postings<Key>::Builder::add_rare(const Postings& other, std::size_t begin, std::size_t end) {
  if (begin == end) return;
  append_column(made_->rare_keys_, other.rare_keys_, begin, end);
  const auto shift =
      static_cast<std::uint32_t>(made_->rare_slots_.size()) - other.rare_begins_[begin];
  const std::span<const Slot> slots = other.rare_slots(begin, end);
  made_->rare_slots_.insert(made_->rare_slots_.end(), slots.begin(), slots.end());
  SIGHTLINE_CHECK(made_->rare_slots_.size() <= std::numeric_limits<std::uint32_t>::max());
  for (std::size_t i = begin + 1; i <= end; ++i) {
    made_->rare_begins_.push_back(other.rare_begins_[i] + shift);  // modulo 2^32
  }
}

template <typename Key>
std::shared_ptr<const Postings<Key>> Postings<Key>::Builder::finish() {
  SlotCollector members;
  members.add(made_->rare_slots_);
  for (const auto& bitmap : made_->common_) members.add(*bitmap);
  return finish(members.take());
}

template <typename Key>
std::shared_ptr<const Postings<Key>> Postings<Key>::Builder::finish(Bitmap members) {
  fit_column(made_->rare_keys_);
  fit_column(made_->rare_begins_);
  fit_column(made_->rare_slots_);
  members.optimize();
  made_->members_ = std::move(members);
  made_->num_members_ = made_->members_.count();

  std::uint64_t bytes = sizeof(Postings) + made_->members_.memory_bytes();
  bytes += column_bytes(made_->rare_keys_) + column_bytes(made_->rare_begins_) +
           column_bytes(made_->rare_slots_);
  bytes += column_bytes(made_->common_keys_) + column_bytes(made_->common_) +
           column_bytes(made_->common_begins_);
  for (const auto& bitmap : made_->common_) bytes += bitmap->memory_bytes();
  made_->memory_bytes_ = bytes;
  return std::move(made_);
}

/// Calls `visit` with the ranges of positions whose keys are selected, checks left aside.
template <typename Key>
template <typename Visit>
void Postings<Key>::visit_ranges(const KeyColumn<Key>& keys, const Selection<Key>& selection,
                                 const Visit& visit) {
  // First position in [begin, size) whose key is not before `key`, or is after it.
  const auto search = [&](std::size_t begin, const View& key, bool after) {
    std::size_t end = keys.size();
    while (begin < end) {
      const std::size_t middle = begin + (end - begin) / 2;
      const View at = keys[middle];
      if (at < key || (after && !(key < at))) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    return begin;
  };
  std::size_t begin = 0;
  for (const auto& interval : selection.intervals) {
    if (interval.first) begin = search(begin, View(*interval.first), false);
    const std::size_t end = interval.last ? search(begin, View(*interval.last), true) : keys.size();
    for (const Key& excluded : selection.excluded) {
      const std::size_t at = search(begin, View(excluded), false);
      if (at >= end) break;
      if (View(excluded) < View(keys[at])) continue;
      if (begin < at) visit(Range{begin, at});
      begin = at + 1;
    }
    if (begin < end) visit(Range{begin, end});
    begin = end;
  }
}

template <typename Key>
Bitmap Postings<Key>::find(const Selection<Key>& selection) const {
  SlotCollector found;
  visit_ranges(rare_keys_, selection, [&](Range range) {
    if (!selection.check) {
      found.add(rare_slots(range.begin, range.end));
      return;
    }
    for (std::size_t i = range.begin; i < range.end; ++i) {
      if (selection.check(rare_keys_[i])) found.add(rare_slots(i, i + 1));
    }
  });
  visit_ranges(common_keys_, selection, [&](Range range) {
    for (std::size_t i = range.begin; i < range.end; ++i) {
      if (!selection.check || selection.check(common_keys_[i])) found.add(*common_[i]);
    }
  });
  return found.take();
}

/// Sum of `weight` (begin, end: positions) over the selected keys.
template <typename Key>
template <typename Weight>
std::uint64_t Postings<Key>::weigh(const KeyColumn<Key>& keys, const Selection<Key>& selection,
                                   const Weight& weight) {
  constexpr std::size_t kSample = 256;
  std::uint64_t sum = 0;
  std::size_t num_keys = 0;
  visit_ranges(keys, selection, [&](Range range) {
    sum += weight(range.begin, range.end);
    num_keys += range.end - range.begin;
  });
  if (!selection.check || num_keys == 0) return sum;

  const std::size_t step = (num_keys + kSample - 1) / kSample;
  std::uint64_t sampled = 0, accepted = 0;
  std::size_t skip = step / 2;  // keys to pass over before the next one that is looked at
  visit_ranges(keys, selection, [&](Range range) {
    std::size_t i = range.begin;
    for (; range.end - i > skip; skip = step - 1) {
      i += skip;
      const std::uint64_t at = weight(i, i + 1);
      sampled += at;
      if (selection.check(keys[i])) accepted += at;
      ++i;
    }
    skip -= range.end - i;
  });
  return sampled == 0
             ? sum
             : static_cast<std::uint64_t>(static_cast<double>(sum) * static_cast<double>(accepted) /
                                          static_cast<double>(sampled));
}

template <typename Key>
std::uint64_t Postings<Key>::count(const Selection<Key>& selection) const {
  const auto rare = [&](std::size_t begin, std::size_t end) -> std::uint64_t {
    return rare_begins_[end] - rare_begins_[begin];
  };
  const auto common = [&](std::size_t begin, std::size_t end) -> std::uint64_t {
    return common_begins_[end] - common_begins_[begin];
  };
  return weigh(rare_keys_, selection, rare) + weigh(common_keys_, selection, common);
}

/// Walks old keys and additions in step.
template <typename Key>
class Postings<Key>::Merge {
 public:
  Merge(const Postings& old, const Bitmap& stale)
      : old_(old), stale_(stale), any_stale_(!stale.empty()) {}

  std::shared_ptr<const Postings> run(std::span<const Addition> additions) {
    builder_.reserve(old_, additions.size());
    SlotCollector gained;
    for (const Addition& addition : additions) {
      take_until(addition.key);
      add(addition.key, addition.slots);
      gained.add(addition.slots);
    }
    take_until(std::nullopt);
    Bitmap members = old_.members_;
    members -= stale_;
    members |= gained.take();
    return builder_.finish(std::move(members));
  }

 private:
  bool has_rare() const { return rare_ < old_.rare_keys_.size(); }
  bool has_common() const { return common_ < old_.common_keys_.size(); }
  View rare_key() const { return old_.rare_keys_[rare_]; }
  View common_key() const { return old_.common_keys_[common_]; }

  /// Takes the old keys before `limit`, or all that are left.
  void take_until(const std::optional<View>& limit) {
    while (has_common() && (!limit || common_key() < *limit)) {
      take_rare_until(common_key());
      add_common(common_key(), {});
    }
    take_rare_until(limit);
  }

  void take_rare_until(const std::optional<View>& limit) {
    const std::size_t end = limit ? find_rare(*limit) : old_.rare_keys_.size();
    if (!any_stale_) {
      builder_.add_rare(old_, rare_, end);
      rare_ = end;
    }
    while (rare_ < end) add_rare(rare_key(), {});
  }

  /// First position from rare_ on whose key is not before `key`; it is near.
  std::size_t find_rare(const View& key) const {
    const std::size_t size = old_.rare_keys_.size();
    std::size_t begin = rare_, step = 1;
    for (; begin + step <= size && View(old_.rare_keys_[begin + step - 1]) < key; step *= 2) {
      begin += step;
    }
    std::size_t end = std::min(size, begin + step);
    while (begin < end) {
      const std::size_t middle = begin + (end - begin) / 2;
      if (View(old_.rare_keys_[middle]) < key) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    return begin;
  }

  /// Adds `key`, which may be the next old one, with what it gains.
  void add(const View& key, std::span<const Slot> gained) {
    if (has_rare() && !(key < rare_key())) {
      add_rare(key, gained);
    } else if (has_common() && !(key < common_key())) {
      add_common(key, gained);
    } else {
      builder_.add(key, gained);
    }
  }

  void add_rare(const View& key, std::span<const Slot> gained) {
    const std::span<const Slot> had = old_.rare_slots(rare_, rare_ + 1);
    ++rare_;
    slots_.clear();
    for (const Slot slot : had) {
      if (!any_stale_ || !stale_.contains(slot)) slots_.push_back(slot);
    }
    const auto middle = static_cast<std::ptrdiff_t>(slots_.size());
    slots_.insert(slots_.end(), gained.begin(), gained.end());
    if (!gained.empty()) std::inplace_merge(slots_.begin(), slots_.begin() + middle, slots_.end());
    builder_.add(key, slots_);
  }

  void add_common(const View& key, std::span<const Slot> gained) {
    const std::shared_ptr<const Bitmap>& had = old_.common_[common_++];
    if (gained.empty() && (!any_stale_ || had->and_count(stale_) == 0)) {
      return builder_.add(key, had);
    }
    auto changed = std::make_shared<Bitmap>(*had);
    *changed -= stale_;
    *changed |= Bitmap::from_sorted(gained);
    changed->optimize();
    builder_.add(key, std::move(changed));
  }

  const Postings& old_;
  const Bitmap& stale_;
  const bool any_stale_;
  Builder builder_;
  std::size_t rare_ = 0, common_ = 0;  // positions of the next old keys
  std::vector<Slot> slots_;
};

template <typename Key>
std::shared_ptr<const Postings<Key>> Postings<Key>::merged(
    const Bitmap& stale, std::span<const Addition> additions) const {
  return Merge(*this, stale).run(additions);
}

}  // namespace sightline::index
