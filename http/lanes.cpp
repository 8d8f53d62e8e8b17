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
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool WorkQueue::try_post(std::function<void()> task) {
  {
    MutexLock lock(mutex_);
    if (tasks_.size() >= max_waiting_) return false;
    tasks_.push_back(std::move(task));
    num_waiting_.store(tasks_.size(), std::memory_order_relaxed);
  }
  changed_.notify_one();
  return true;
}

void WorkQueue::work() {
  settings::set_up_thread();  // handlers compute, too: one thread of theirs is one core
  for (;;) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (tasks_.empty() && !ends_) changed_.wait(mutex_);
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
