// core/mutex.h: a mutex whose rules Clang checks (-Wthread-safety; on whenever Clang compiles us).
//
//   mutable Mutex mutex_;
//   std::size_t count_ GUARDED_BY(mutex_) = 0;      // read and written only while mutex_ is held
//   void grow() REQUIRES(mutex_);                   // called only while mutex_ is held
//
// See https://clang.llvm.org/docs/ThreadSafetyAnalysis.html. Other compilers see plain std::mutex.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define SIGHTLINE_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define SIGHTLINE_THREAD_ATTRIBUTE(x)
#endif

#ifndef GUARDED_BY
#define GUARDED_BY(mutex) SIGHTLINE_THREAD_ATTRIBUTE(guarded_by(mutex))
#endif
#ifndef REQUIRES
#define REQUIRES(mutex) SIGHTLINE_THREAD_ATTRIBUTE(requires_capability(mutex))
#endif

namespace sightline {

/// Not recursive.
class SIGHTLINE_THREAD_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() SIGHTLINE_THREAD_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() SIGHTLINE_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

/// Holds a Mutex from here to the end of the block.
class SIGHTLINE_THREAD_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) SIGHTLINE_THREAD_ATTRIBUTE(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() SIGHTLINE_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Wait in a loop over the condition: `while (!ready_) ready_changed_.wait(mutex_);`
class CondVar {
 public:
  void wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  /// Returns false once `end` has passed.
  bool wait_until(Mutex& mutex, std::chrono::steady_clock::time_point end) REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const bool in_time = condition_.wait_until(lock, end) == std::cv_status::no_timeout;
    lock.release();
    return in_time;
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace sightline
