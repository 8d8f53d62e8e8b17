// core/compute_pool.h: the threads that compute.
//
// Short work (decoding one picture, scanning a block) runs on all workers, one thread each. Wide
// work (a forward pass, k-means) owns all cores: one unit at a time, on a thread of its own, and
// while one runs or waits for its turn, workers start only short work of higher urgency; what runs
// already finishes. Order within either kind is by Priority, then arrival.
//
// Wide is for latency, where one answer is waited for. Many independent batches (ingest) go through
// faster as short tasks, one batch on each worker: docs/decisions/0002-wide-units.md has the
// figures.
#pragma once

#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <type_traits>

namespace sightline {

/// Most urgent first (DESIGN: queries ahead of background builds).
enum class Priority { kQueryEncoding, kRerank, kDecode, kPrefill, kEnrich, kBuild };
inline constexpr std::size_t kNumPriorities = 6;

/// Cores that this process may use: its CPU affinity, within the quota of its control group.
std::size_t usable_cores();

struct ComputePoolOptions {
  std::size_t num_threads = 0;  ///< 0: one per core this process may use.
  /// Runs first in every thread of the pool: sets the per-thread counts of LibTorch, OpenMP,
  /// OpenBLAS (settings/library_setup.h). May be empty; must not throw.
  std::function<void()> init_thread;
  /// Runs in the wide thread before a unit, with the number of threads it may use, and with 1 after
  /// it. May be empty; must not throw.
  std::function<void(std::size_t num_threads)> set_width;
};

/// Thread-safety: all methods may be called from any thread; run_wide() and submit() from inside a
/// task too, but waiting inside a short task for another task can deadlock and is a mistake.
/// An exception thrown by a task reaches the holder of its future.
class ComputePool {
 public:
  /// Throws std::system_error if the system gives it no threads.
  explicit ComputePool(ComputePoolOptions options);
  ~ComputePool();  ///< Finishes what was submitted, then joins.
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  std::size_t num_threads() const;

  /// Queues short work; the future holds its result.
  template <typename F>
  auto submit(Priority priority, F&& task) {
    return enqueue<F>(false, priority, std::forward<F>(task));
  }
  /// Queues one wide unit (at most about 100 ms of work; split longer jobs).
  template <typename F>
  auto submit_wide(Priority priority, F&& task) {
    return enqueue<F>(true, priority, std::forward<F>(task));
  }
  /// submit_wide() and wait. Must not be called from a worker.
  template <typename F>
  auto run_wide(Priority priority, F&& task) {
    return submit_wide(priority, std::forward<F>(task)).get();
  }

 private:
  template <typename F>
  auto enqueue(bool wide, Priority priority, F&& task) {
    using R = std::invoke_result_t<std::decay_t<F>&>;
    auto packaged = std::make_shared<std::packaged_task<R()>>(std::forward<F>(task));
    auto future = packaged->get_future();
    push(wide, priority, [packaged] { (*packaged)(); });
    return future;
  }
  void push(bool wide, Priority priority, std::function<void()> task);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sightline
