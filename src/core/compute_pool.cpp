#include "core/compute_pool.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "core/log.h"
#include "core/mutex.h"

namespace sightline {
namespace {

using Task = std::function<void()>;

/// Tasks of one kind: most urgent first, then by arrival.
class TaskQueue {
 public:
  void push(std::size_t priority, Task task) { tasks_[priority].push_back(std::move(task)); }

  /// Priority of the next task; kNumPriorities when there is none.
  std::size_t next_priority() const {
    std::size_t priority = 0;
    while (priority < kNumPriorities && tasks_[priority].empty()) ++priority;
    return priority;
  }

  Task pop(std::size_t priority) {
    Task task = std::move(tasks_[priority].front());
    tasks_[priority].pop_front();
    return task;
  }

 private:
  std::array<std::deque<Task>, kNumPriorities> tasks_;
};

/// Cores that the quota of the control group is worth, or nothing.
std::optional<std::size_t> cgroup_cores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");  // "max 100000" or "200000 100000"
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return std::nullopt;
  const double cores = std::strtod(quota.c_str(), nullptr) / period;
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(cores)));
}

}  // namespace

std::size_t usable_cores() {
  cpu_set_t set;
  std::size_t cores = std::thread::hardware_concurrency();
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    cores = static_cast<std::size_t>(CPU_COUNT(&set));
  if (const auto quota = cgroup_cores()) cores = std::min(cores, *quota);
  return std::max<std::size_t>(1, cores);
}

struct ComputePool::Impl {
  explicit Impl(ComputePoolOptions o) : options(std::move(o)) {}
  ~Impl() { join(); }

  /// Finishes what was submitted.
  void join() {
    {
      const MutexLock lock(mutex);
      stopping = true;
    }
    wake_short.notify_all();
    wake_wide.notify_all();
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }

  // Of the next wide unit and the next short task exactly one may start: the more urgent one, the
  // wide unit at equal urgency. A running wide unit counts like a queued one.
  bool short_may_start() const REQUIRES(mutex) {
    const std::size_t priority = small.next_priority();
    return priority < std::min(wide.next_priority(), running_wide);
  }
  bool wide_may_start() const REQUIRES(mutex) {
    const std::size_t priority = wide.next_priority();
    return priority < kNumPriorities && priority <= small.next_priority();
  }

  bool drained() const REQUIRES(mutex) {
    return num_running == 0 && wide.next_priority() == kNumPriorities &&
           small.next_priority() == kNumPriorities;
  }

  void run_short() {
    if (options.init_thread) options.init_thread();
    const MutexLock lock(mutex);
    for (;;) {
      while (!short_may_start() && !(stopping && drained())) wake_short.wait(mutex);
      if (!short_may_start()) return;
      Task task = small.pop(small.next_priority());
      if (wide_may_start()) wake_wide.notify_one();
      execute(std::move(task));
    }
  }

  // One thread runs all wide units: its OpenMP team is the only one that the pool ever has.
  void run_wide() {
    if (options.init_thread) options.init_thread();
    const MutexLock lock(mutex);
    for (;;) {
      while (!wide_may_start() && !(stopping && drained())) wake_wide.wait(mutex);
      if (!wide_may_start()) return;
      running_wide = wide.next_priority();
      execute([this, task = wide.pop(running_wide)]() mutable {
        if (options.set_width) options.set_width(num_threads);
        task();
        task = nullptr;
        if (options.set_width) options.set_width(1);
      });
      running_wide = kNumPriorities;
      wake_short.notify_all();
    }
  }

  /// Runs `task` without the lock; what it captured dies there too.
  void execute(Task task) REQUIRES(mutex) {
    ++num_running;
    mutex.unlock();
    try {
      task();
    } catch (const std::exception& e) {  // a task's own exceptions are in its future
      log(LogLevel::kError, "pool", std::string("set_width threw: ") + e.what());
    }
    task = nullptr;
    mutex.lock();
    --num_running;
    if (stopping && drained()) {
      wake_short.notify_all();
      wake_wide.notify_all();
    }
  }

  const ComputePoolOptions options;
  std::size_t num_threads = 0;
  std::vector<std::thread> threads;

  Mutex mutex;
  CondVar wake_short, wake_wide;
  TaskQueue small GUARDED_BY(mutex), wide GUARDED_BY(mutex);
  std::size_t num_running GUARDED_BY(mutex) = 0;
  // Priority of the running wide unit.
  std::size_t running_wide GUARDED_BY(mutex) = kNumPriorities;
  bool stopping GUARDED_BY(mutex) = false;
};

ComputePool::ComputePool(ComputePoolOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {
  Impl* const impl = impl_.get();
  impl->num_threads = impl->options.num_threads != 0 ? impl->options.num_threads : usable_cores();
  impl->threads.reserve(impl->num_threads + 1);
  try {
    impl->threads.emplace_back([impl] { impl->run_wide(); });
    for (std::size_t i = 0; i < impl->num_threads; ++i) {
      impl->threads.emplace_back([impl] { impl->run_short(); });
    }
  } catch (const std::system_error& e) {
    throw std::system_error(e.code(), "cannot start the " + std::to_string(impl->num_threads + 1) +
                                          " threads of the compute pool (limits: ulimit -u, -v)");
  }
}

ComputePool::~ComputePool() = default;

std::size_t ComputePool::num_threads() const { return impl_->num_threads; }

void ComputePool::push(bool wide, Priority priority, std::function<void()> task) {
  {
    const MutexLock lock(impl_->mutex);
    (wide ? impl_->wide : impl_->small).push(static_cast<std::size_t>(priority), std::move(task));
  }
  (wide ? impl_->wake_wide : impl_->wake_short).notify_one();
}

}  // namespace sightline
