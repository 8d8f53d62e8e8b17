// index/internal/parallel_scan.h: one scan that several threads share.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "core/compute_pool.h"
#include "core/result.h"

namespace sightline::index {

/// What one thread does of a scan. Thread-safety: one thread.
class ScanPart {
 public:
  virtual ~ScanPart() = default;
  virtual Result<void> scan(std::size_t chunk) = 0;
  /// Hands over what was found; after this part's last chunk, and never two parts at a time.
  virtual void finish() = 0;
};

/// Scans chunks 0 .. num_chunks on the calling thread and helpers of `pool` (may be null), at most
/// `max_threads` together. The caller works too and waits only for chunks that somebody has taken,
/// never for a helper that has not begun: so a pool worker may be the caller.
///
/// begin    makes the part of a thread; called on several threads at once, and not after this has
///          returned.
/// returns  the first failure, if a part had one; others stop then. An exception is kInternal.
Result<void> scan_in_parts(std::size_t num_chunks, std::size_t max_threads, ComputePool* pool,
                           Priority priority,
                           const std::function<std::unique_ptr<ScanPart>()>& begin);

}  // namespace sightline::index
