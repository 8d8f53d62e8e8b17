// index/internal/field_index_log.h: what changed in a field since its postings were made.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/result.h"
#include "index/shard.h"

namespace sightline::index {

/// Append-only, of bounded length, in blocks that never move; a reader sees the prefix that was
/// there when its view was made.
/// Thread-safety: one thread appends; visit() may run on any thread meanwhile, with a length that
/// was handed to it by a release/acquire pair after the last append of it. knows() belongs to the
/// appending thread.
template <typename Key>
class ChangeLog {
 public:
  /// All keys of a slot from here on.
  class Entry {
   public:
    Slot slot() const { return slot_; }
    /// The postings know values of the slot, which are no longer true.
    bool in_postings() const { return in_postings_; }
    bool has_keys() const { return has_keys_; }
    bool has_other() const { return has_other_; }  ///< An OtherValue.
    template <typename Test>
    bool any_key(const Test& test) const {
      return has_keys_ && (test(first_) || std::any_of(more_.begin(), more_.end(), test));
    }

   private:
    friend class ChangeLog<Key>;
    Slot slot_ = 0;
    std::atomic<std::uint32_t> replaced_at_{kNever32};  // position of the slot's next entry
    bool in_postings_ = false;
    bool has_keys_ = false;
    bool has_other_ = false;
    Key first_{};  // most slots have one: readers find it without a jump
    std::vector<Key> more_;
  };

  explicit ChangeLog(std::size_t capacity)
      : capacity_(capacity), blocks_((capacity + kBlockEntries - 1) / kBlockEntries) {
    SIGHTLINE_CHECK(capacity < kNever32);
  }

  std::uint32_t size() const { return size_; }
  bool full() const { return size_ == capacity_; }
  bool knows(Slot slot) const { return newest_.contains(slot); }
  std::uint64_t memory_bytes() const { return memory_bytes_; }

  void append(Slot slot, bool in_postings, std::vector<Key> keys, bool has_other) {
    SIGHTLINE_CHECK(!full());
    auto& block = blocks_[size_ / kBlockEntries];
    if (block == nullptr) {
      block = std::make_unique<Block>();
      memory_bytes_ += sizeof(Block);
    }
    for (const Key& key : keys) memory_bytes_ += key_bytes(key);
    Entry& added = (*block)[size_ % kBlockEntries];
    added.slot_ = slot;
    added.in_postings_ = in_postings;
    added.has_keys_ = !keys.empty();
    added.has_other_ = has_other;
    if (!keys.empty()) {
      added.first_ = std::move(keys.back());
      keys.pop_back();
      added.more_ = std::move(keys);
    }
    const auto [newest, is_new] = newest_.try_emplace(slot, size_);
    if (is_new) {
      memory_bytes_ += kMapEntryBytes;
    } else {
      entry(newest->second).replaced_at_.store(size_, std::memory_order_relaxed);
      newest->second = size_;
    }
    ++size_;
  }

  /// The newest entry of each slot among the first `length` entries, in order of change; every
  /// `step`th entry is looked at.
  template <typename Visit>
  void visit(std::uint32_t length, const Visit& visit, std::uint32_t step = 1) const {
    for (std::uint32_t i = 0; i < length; i += step) {
      const Entry& each = entry(i);
      // A later position may appear at any time; it says the same as none.
      if (each.replaced_at_.load(std::memory_order_relaxed) >= length) visit(each);
    }
  }

 private:
  static constexpr std::uint32_t kNever32 = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t kBlockEntries = 256;
  static constexpr std::uint64_t kMapEntryBytes = 40;
  using Block = std::array<Entry, kBlockEntries>;

  Entry& entry(std::uint32_t i) const { return (*blocks_[i / kBlockEntries])[i % kBlockEntries]; }
  static std::uint64_t key_bytes(const Key& key) {
    if constexpr (std::is_same_v<Key, std::string>) return sizeof(Key) + key.capacity();
    return sizeof(Key);
  }

  const std::size_t capacity_;
  std::vector<std::unique_ptr<Block>> blocks_;  // all there from the start, filled one by one
  // Of the appending thread:
  std::uint32_t size_ = 0;
  std::unordered_map<Slot, std::uint32_t> newest_;  // position
  std::uint64_t memory_bytes_ = 0;
};

}  // namespace sightline::index
