#include "core/compute_pool.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/log.h"
#include "core/result.h"

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
  return std::max<std::size_t>(1, static_cast<std::size_t>(cores + 0.5));
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

  /// What a worker is to do next. Empty task: nothing may start now.
  struct Next {
    Task task;
    bool wide = false;
  };

  Next take() {
    const std::size_t wide_priority = wide.next_priority();
    const std::size_t short_priority = small.next_priority();
    if (!wide_running && wide_priority < kNumPriorities && wide_priority <= short_priority) {
      wide_running = true;
      running_wide_priority = wide_priority;
      return {wide.pop(wide_priority), true};
    }
    if (short_priority == kNumPriorities) return {};
    if (wide_running && short_priority >= running_wide_priority) return {};
    return {small.pop(short_priority), false};
  }

  bool drained() const {
    return num_running == 0 && wide.next_priority() == kNumPriorities &&
           small.next_priority() == kNumPriorities;
  }

  void run() {
    if (options.init_thread) options.init_thread();
    std::unique_lock lock(mutex);
    for (;;) {
      Next next;
      wake.wait(lock, [&] {
        next = take();
        return next.task || (stopping && drained());
      });
      if (!next.task) return;
      ++num_running;
      lock.unlock();
      execute(next);
      next.task = nullptr;  // what the task captured dies outside the lock
      lock.lock();
      --num_running;
      if (next.wide) wide_running = false;
      if (next.wide || stopping) wake.notify_all();
    }
  }

  void execute(const Next& next) {
    const bool set_width = next.wide && options.set_width;
    try {
      if (set_width) options.set_width(threads.size());
      next.task();
    } catch (const std::exception& e) {  // a task's own exceptions are in its future
      log(LogLevel::kError, "pool", std::string("a callback threw: ") + e.what());
    }
    if (set_width) options.set_width(1);
  }

  const ComputePoolOptions options;
  std::mutex mutex;
  std::condition_variable wake;
  TaskQueue small, wide;
  std::size_t num_running = 0;
  bool wide_running = false;
  std::size_t running_wide_priority = 0;
  bool stopping = false;
  std::vector<std::thread> threads;
};

ComputePool::ComputePool(ComputePoolOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {
  const std::size_t num_threads =
      impl_->options.num_threads != 0 ? impl_->options.num_threads : usable_cores();
  std::lock_guard lock(impl_->mutex);  // workers see the finished vector
  for (std::size_t i = 0; i < num_threads; ++i) {
    impl_->threads.emplace_back([impl = impl_.get()] { impl->run(); });
  }
}

ComputePool::~ComputePool() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

std::size_t ComputePool::num_threads() const { return impl_->threads.size(); }

void ComputePool::push(bool wide, Priority priority, std::function<void()> task) {
  {
    std::lock_guard lock(impl_->mutex);
    (wide ? impl_->wide : impl_->small).push(static_cast<std::size_t>(priority), std::move(task));
  }
  impl_->wake.notify_one();
}

}  // namespace sightline
