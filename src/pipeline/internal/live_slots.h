// pipeline/internal/live_slots.h: a set of slots, as it was at each published moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/bitmap.h"
#include "index/shard.h"

namespace sightline::pipeline {

/// A bitmap and an append-only log of the changes since; a view is the bitmap and a length of the
/// log. A full log becomes a new bitmap; views keep what they have.
/// Thread-safety: one thread at a time, but for views.
class LiveSlots {
 public:
  LiveSlots() { assign(Bitmap()); }

 private:
  struct Change {
    index::Slot slot;
    bool added;
  };
  struct Epoch {
    Bitmap base;
    std::unique_ptr<Change[]> log;  // entries are written before a view that covers them is made
  };

 public:
  /// Thread-safety: immutable, once handed over by a release/acquire pair.
  class View {
   public:
    View() = default;
    Bitmap slots() const;
    std::uint64_t count() const { return count_; }

   private:
    friend class LiveSlots;
    std::shared_ptr<const Epoch> epoch_;
    std::size_t log_length_ = 0;
    std::uint64_t count_ = 0;
  };

  void assign(Bitmap slots);
  /// False if it was there.
  bool add(index::Slot slot);
  /// False if it was not there.
  bool remove(index::Slot slot);
  bool contains(index::Slot slot) const { return slots_.contains(slot); }
  const Bitmap& slots() const { return slots_; }
  View view() const;

 private:
  void note(Change change);
  void begin_epoch();

  Bitmap slots_;  // base and log
  std::uint64_t count_ = 0;
  std::shared_ptr<Epoch> epoch_;
  std::size_t log_length_ = 0;
};

}  // namespace sightline::pipeline
