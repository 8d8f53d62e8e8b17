#include "http/internal/lanes.h"

#include <utility>

#include "settings/library_setup.h"

namespace sightline::http::internal {

WorkQueue::WorkQueue(std::size_t num_threads, std::size_t max_waiting, std::size_t num_loops)
    : max_waiting_(max_waiting), places_(num_threads + num_loops) {
  for (Idle& place : places_) threads_.emplace_back([this, &place] { work(place); });
}

void WorkQueue::finish() {
  const MutexLock lock(mutex_);
  while (!tasks_.empty() || running() > 0) task_ended_.wait(mutex_);
}

void WorkQueue::stop() {
  {
    const MutexLock lock(mutex_);
    ends_ = true;
    for (Idle* idle : idle_) idle->woken.notify_one();
    idle_.clear();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool WorkQueue::try_post(Task task) {
  Idle* idle = nullptr;
  {
    const MutexLock lock(mutex_);
    if (tasks_.size() >= max_waiting_) return false;
    tasks_.push_back(std::move(task));
    num_waiting_.store(tasks_.size(), std::memory_order_relaxed);
    idle = take_idle();
  }
  wake(idle);
  return true;
}

void WorkQueue::start_loop(Loop loop) {
  Idle* idle = nullptr;
  {
    const MutexLock lock(mutex_);
    loops_.push_back(std::move(loop));
    idle = take_idle();
  }
  wake(idle);
}

bool WorkQueue::try_keep() {
  const MutexLock lock(mutex_);
  if (idle_.empty()) return false;
  count_running(+1);
  return true;
}

bool WorkQueue::hand_over(Loop loop) {
  Idle* idle = nullptr;
  {
    const MutexLock lock(mutex_);
    if (idle_.empty()) return false;
    loops_.push_back(std::move(loop));
    idle = take_idle();
  }
  wake(idle);
  return true;
}

void WorkQueue::post_kept(Task task) {
  Idle* idle = nullptr;
  {
    const MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
    num_waiting_.store(tasks_.size(), std::memory_order_relaxed);
    count_running(-1);
    idle = take_idle();
  }
  wake(idle);
}

std::size_t WorkQueue::num_idle() {
  const MutexLock lock(mutex_);
  return idle_.size();
}

WorkQueue::Idle* WorkQueue::take_idle() {
  if (idle_.empty()) return nullptr;
  Idle* idle = idle_.back();
  idle->is_woken = true;
  idle_.pop_back();
  return idle;
}

void WorkQueue::wake(Idle* idle) {
  if (idle != nullptr) idle->woken.notify_one();
}

void WorkQueue::wait_for_work(Idle& idle) {
  while (tasks_.empty() && loops_.empty() && !ends_) {
    idle.is_woken = false;
    idle_.push_back(&idle);
    while (!idle.is_woken && !ends_) idle.woken.wait(mutex_);
  }
}

void WorkQueue::count_running(std::ptrdiff_t change) {
  num_running_.fetch_add(static_cast<std::size_t>(change), std::memory_order_relaxed);
  if (change < 0) task_ended_.notify_all();
}

void WorkQueue::work(Idle& idle) {
  settings::set_up_thread();  // handlers compute, too: one thread of theirs is one core
  for (bool has_run = false;;) {
    Task task;
    Loop loop;
    {
      const MutexLock lock(mutex_);
      if (has_run) count_running(-1);
      wait_for_work(idle);
      if (!loops_.empty()) {
        loop = std::move(loops_.front());
        loops_.pop_front();
      } else if (!tasks_.empty()) {
        task = std::move(tasks_.front());
        tasks_.pop_front();
        num_waiting_.store(tasks_.size(), std::memory_order_relaxed);
        count_running(+1);
      } else {
        return;
      }
    }
    if (loop) task = loop();
    has_run = task != nullptr;
    if (has_run) task();
  }
}

Lanes::Lanes(std::size_t query_threads, std::size_t write_threads, std::size_t long_threads,
             std::size_t max_waiting, std::size_t num_loops)
    : queues_{std::make_unique<WorkQueue>(query_threads, max_waiting, num_loops),
              std::make_unique<WorkQueue>(write_threads, max_waiting),
              std::make_unique<WorkQueue>(long_threads, max_waiting)} {}

void Lanes::finish() {
  for (const auto& queue : queues_) queue->finish();
}

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
