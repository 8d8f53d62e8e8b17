// pipeline/internal/parallel_run.h: independent pieces of work that several threads share.
#pragma once

#include <cstddef>
#include <functional>

#include "core/compute_pool.h"
#include "core/result.h"

namespace sightline::pipeline {

/// Runs `work(i)` for each i below `count` on the calling thread and helpers of `pool`. The caller
/// works too and waits only for pieces that somebody has taken, never for a helper that has not
/// begun: so a pool worker may be the caller.
///
/// work     called on several threads at once, and not after this has returned.
/// returns  the failure of the lowest i that failed; nothing new is begun after one. An exception
///          is kInternal.
Result<void> run_in_parallel(std::size_t count, ComputePool& pool, Priority priority,
                             const std::function<Result<void>(std::size_t i)>& work);

}  // namespace sightline::pipeline
