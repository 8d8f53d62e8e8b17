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

using Task = std::function<void()>;
/// Waits for work of its own until there is no more, or until it has been handed over to another
/// thread. Returns what its thread does next; empty: it has ended.
using Loop = std::function<Task()>;

/// Threads with one bounded queue. The thread that became idle last takes the next task: what it
/// uses is still in the caches. Thread-safety: all methods may be called from any thread.
class WorkQueue {
 public:
  /// `num_loops` more threads are for as many loops.
  WorkQueue(std::size_t num_threads, std::size_t max_waiting, std::size_t num_loops = 0);
  ~WorkQueue() { stop(); }
  void finish();  ///< Waits until no task waits or runs.
  void stop();    ///< Finishes what waits, then joins; loops have to end by themselves.

  /// False: as many as may wait already do.
  bool try_post(Task task);
  void start_loop(Loop loop);

  // For a loop whose thread would rather run a task itself than wake another for it.
  /// Counts the task as running. False: no thread is idle that could go on with the loop.
  bool try_keep();
  /// An idle thread goes on with the loop, which returns its kept task now. False: none is idle
  /// any more.
  bool hand_over(Loop loop);
  void post_kept(Task task);  ///< Another thread runs the kept task after all.

  bool is_full() const { return waiting() >= max_waiting_; }
  std::size_t waiting() const { return num_waiting_.load(std::memory_order_relaxed); }
  std::size_t running() const { return num_running_.load(std::memory_order_relaxed); }
  std::size_t num_idle();  ///< Threads that wait for a task or a loop.

 private:
  /// Of a thread, for when it waits.
  struct Idle {
    CondVar woken;
    bool is_woken = false;
  };
  void work(Idle& idle);
  Idle* take_idle() REQUIRES(mutex_);
  /// Without the lock, for which the thread would have to wait again.
  static void wake(Idle* idle);
  void wait_for_work(Idle& idle) REQUIRES(mutex_);
  void count_running(std::ptrdiff_t change) REQUIRES(mutex_);

  const std::size_t max_waiting_;
  Mutex mutex_;
  std::deque<Task> tasks_ GUARDED_BY(mutex_);
  std::deque<Loop> loops_ GUARDED_BY(mutex_);   // that no thread runs
  std::vector<Idle*> idle_ GUARDED_BY(mutex_);  // the last one is woken first
  bool ends_ GUARDED_BY(mutex_) = false;
  CondVar task_ended_;
  std::atomic<std::size_t> num_waiting_{0}, num_running_{0};  // changed while mutex_ is held
  std::deque<Idle> places_;                                   // of each thread
  std::vector<std::thread> threads_;
};

/// The queues of the lanes that have threads.
class Lanes {
 public:
  /// The query lane has the threads of `num_loops` loops, too.
  Lanes(std::size_t query_threads, std::size_t write_threads, std::size_t long_threads,
        std::size_t max_waiting, std::size_t num_loops);
  /// Null for Lane::kInline.
  WorkQueue* queue(Lane lane) const;
  void finish();
  void stop();

 private:
  std::array<std::unique_ptr<WorkQueue>, 3> queues_;
};

}  // namespace sightline::http::internal
