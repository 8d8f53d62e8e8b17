#include "pipeline/internal/memory_budget.h"

#include <string>

namespace sightline::pipeline {
namespace {

std::string mebibytes(std::uint64_t bytes) {
  return std::to_string((bytes + (std::uint64_t{1} << 20) - 1) >> 20) + " MiB";
}

}  // namespace

void MemoryBudget::report(const void* store, std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  if (bytes == 0) {
    used_.erase(store);
  } else {
    used_[store] = bytes;
  }
}

Result<void> MemoryBudget::check(std::uint64_t need, std::string_view what) const {
  if (limit_ == 0) return {};
  std::uint64_t used = fixed_;
  {
    const MutexLock lock(mutex_);
    for (const auto& [store, bytes] : used_) used += bytes;
  }
  if (used + need <= limit_) return {};
  return Status{StatusCode::kResourceExhausted, std::string(what) + " needs " + mebibytes(need) +
                                                    " of memory; index.memory_bytes allows " +
                                                    mebibytes(limit_) + ", of which " +
                                                    mebibytes(used) + " are in use"};
}

}  // namespace sightline::pipeline
