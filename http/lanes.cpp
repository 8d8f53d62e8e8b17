#include "http/internal/lanes.h"

#include <utility>

#include "settings/library_setup.h"

namespace sightline::http::internal {

WorkQueue::WorkQueue(std::size_t num_threads, std::size_t max_waiting) : max_waiting_(max_waiting) {
  for (std::size_t i = 0; i < num_threads; ++i) threads_.emplace_back([this] { work(); });
}

void WorkQueue::stop() {
  {
    MutexLock lock(mutex_);
    ends_ = true;
    for (Idle* idle : idle_) idle->woken.notify_one();
    idle_.clear();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool WorkQueue::try_post(std::function<void()> task) {
  {
    MutexLock lock(mutex_);
    if (tasks_.size() >= max_waiting_) return false;
    tasks_.push_back(std::move(task));
    num_waiting_.store(tasks_.size(), std::memory_order_relaxed);
    if (!idle_.empty()) {
      idle_.back()->is_woken = true;
      idle_.back()->woken.notify_one();
      idle_.pop_back();
    }
  }
  return true;
}

std::size_t WorkQueue::num_idle() {
  const MutexLock lock(mutex_);
  return idle_.size();
}

void WorkQueue::wait_for_task(Idle& idle) {
  while (tasks_.empty() && !ends_) {
    idle.is_woken = false;
    idle_.push_back(&idle);
    while (!idle.is_woken && !ends_) idle.woken.wait(mutex_);
  }
}

void WorkQueue::work() {
  settings::set_up_thread();  // handlers compute, too: one thread of theirs is one core
  Idle idle;
  for (;;) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      wait_for_task(idle);
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
      num_waiting_.store(tasks_.size(), std::memory_order_relaxed);
    }
    num_running_.fetch_add(1, std::memory_order_relaxed);
    task();
    num_running_.fetch_sub(1, std::memory_order_relaxed);
  }
}

Lanes::Lanes(std::size_t query_threads, std::size_t write_threads, std::size_t long_threads,
             std::size_t max_waiting)
    : queues_{std::make_unique<WorkQueue>(query_threads, max_waiting),
              std::make_unique<WorkQueue>(write_threads, max_waiting),
              std::make_unique<WorkQueue>(long_threads, max_waiting)} {}

void Lanes::stop() {
  for (const auto& queue : queues_) queue->stop();
}

WorkQueue* Lanes::queue(Lane lane) const {
  switch (lane) {
    case Lane::kInline:
      return nullptr;
    case Lane::kQuery:
      return queues_[0].get();
    case Lane::kWrite:
      return queues_[1].get();
    case Lane::kLong:
      return queues_[2].get();
  }
  return nullptr;
}

}  // namespace sightline::http::internal
