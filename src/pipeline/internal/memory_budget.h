// pipeline/internal/memory_budget.h: anonymous memory that the stores of a data folder may take.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "core/mutex.h"
#include "core/result.h"

namespace sightline::pipeline {

/// Thread-safety: all methods may be called from any thread.
class MemoryBudget {
 public:
  /// `limit` of 0: none. `fixed`: taken whatever the stores do (RocksDB's cache).
  MemoryBudget(std::uint64_t limit, std::uint64_t fixed) : limit_(limit), fixed_(fixed) {}

  std::uint64_t limit() const { return limit_; }
  /// What a store takes now. 0 forgets it.
  void report(const void* store, std::uint64_t bytes);
  /// Whether `need` more bytes fit. errors  kResourceExhausted names need, use and limit.
  Result<void> check(std::uint64_t need, std::string_view what) const;

 private:
  const std::uint64_t limit_;
  const std::uint64_t fixed_;
  mutable Mutex mutex_;
  std::map<const void*, std::uint64_t> used_ GUARDED_BY(mutex_);
};

}  // namespace sightline::pipeline
