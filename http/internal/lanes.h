// http/internal/lanes.h: the threads that handlers run on.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/mutex.h"
#include "http/route.h"

namespace sightline::http::internal {

/// Threads with one bounded queue. The thread that became idle last takes the next task: what it
/// uses is still in the caches. Thread-safety: all methods may be called from any thread.
class WorkQueue {
 public:
  WorkQueue(std::size_t num_threads, std::size_t max_waiting);
  ~WorkQueue() { stop(); }
  void stop();  ///< Finishes what waits, then joins.

  /// False: as many as may wait already do.
  bool try_post(std::function<void()> task);
  bool is_full() const { return waiting() >= max_waiting_; }
  std::size_t waiting() const { return num_waiting_.load(std::memory_order_relaxed); }
  std::size_t running() const { return num_running_.load(std::memory_order_relaxed); }
  std::size_t num_idle();  ///< Threads that wait for a task.

 private:
  /// Of a thread that waits for a task.
  struct Idle {
    CondVar woken;
    bool is_woken = false;
  };
  void work();
  void wait_for_task(Idle& idle) REQUIRES(mutex_);

  const std::size_t max_waiting_;
  Mutex mutex_;
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  std::vector<Idle*> idle_ GUARDED_BY(mutex_);  // the last one is woken first
  bool ends_ GUARDED_BY(mutex_) = false;
  std::atomic<std::size_t> num_waiting_{0}, num_running_{0};
  std::vector<std::thread> threads_;
};

/// The queues of the lanes that have threads.
class Lanes {
 public:
  Lanes(std::size_t query_threads, std::size_t write_threads, std::size_t long_threads,
        std::size_t max_waiting);
  /// Null for Lane::kInline.
  WorkQueue* queue(Lane lane) const;
  void stop();

 private:
  std::array<std::unique_ptr<WorkQueue>, 3> queues_;
};

}  // namespace sightline::http::internal
