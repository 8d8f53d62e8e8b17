// index/internal/visited_rows.h: which rows of a shard the walks through its graph have seen.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "core/mutex.h"

namespace sightline::index {

/// Serves one walk after the other. Thread-safety: one thread.
class VisitedRows {
 public:
  void begin(std::size_t num_rows) {
    if (marks_.size() < num_rows) marks_.resize(num_rows);
    if (++walk_ == 0) {
      std::fill(marks_.begin(), marks_.end(), std::uint8_t{0});
      walk_ = 1;
    }
  }
  /// Whether `row` was new.
  bool insert(std::size_t row) {
    if (marks_[row] == walk_) return false;
    marks_[row] = walk_;
    return true;
  }
  std::uint64_t memory_bytes() const { return marks_.capacity(); }

 private:
  std::vector<std::uint8_t> marks_;  // number of the last walk that saw a row
  std::uint8_t walk_ = 0;
};

/// As many of one shard as walks ran at once. Thread-safety: all methods.
class VisitedPool {
 public:
  using Lent = std::unique_ptr<VisitedRows, std::function<void(VisitedRows*)>>;

  /// Comes back when the result ends, which must not outlive this.
  Lent lend() {
    return Lent(take().release(), [this](VisitedRows* rows) { give_back(rows); });
  }
  /// Of those that are not lent.
  std::uint64_t memory_bytes() const {
    const MutexLock lock(mutex_);
    std::uint64_t bytes = 0;
    for (const auto& rows : free_) bytes += rows->memory_bytes();
    return bytes;
  }

 private:
  std::unique_ptr<VisitedRows> take() {
    const MutexLock lock(mutex_);
    if (free_.empty()) return std::make_unique<VisitedRows>();
    auto rows = std::move(free_.back());
    free_.pop_back();
    return rows;
  }
  void give_back(VisitedRows* rows) {
    const MutexLock lock(mutex_);
    free_.emplace_back(rows);
  }

  mutable Mutex mutex_;
  std::vector<std::unique_ptr<VisitedRows>> free_ GUARDED_BY(mutex_);
};

}  // namespace sightline::index
