#include "pipeline/internal/parallel_run.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/mutex.h"

namespace sightline::pipeline {
namespace {

using Work = std::function<Result<void>(std::size_t i)>;

class SharedRun {
 public:
  SharedRun(std::size_t count, const Work& work) : count_(count), work_(work) {}

  // A helper that comes too late touches nothing but next_: what `work_` refers to may be gone.
  void help() {
    for (std::size_t i = next_++; i < count_; i = next_++) {
      Result<void> done;
      try {
        done = work_(i);
      } catch (const std::exception& e) {
        done = internal_error(std::string("a search: ") + e.what());
      }
      std::size_t num_done = 1;
      if (!done) {  // Nobody need begin the rest.
        const std::size_t next = next_.exchange(count_);
        if (next < count_) num_done += count_ - next;
      }
      const MutexLock lock(mutex_);
      if (!done && (!failure_ || i < failed_)) {
        failure_ = std::move(done).error();
        failed_ = i;
      }
      num_done_ += num_done;
      if (num_done_ == count_) all_done_.notify_all();
    }
  }

  Result<void> wait() {
    const MutexLock lock(mutex_);
    while (num_done_ != count_) all_done_.wait(mutex_);
    if (failure_) return *failure_;
    return {};
  }

 private:
  const std::size_t count_;
  const Work& work_;
  std::atomic<std::size_t> next_{0};

  Mutex mutex_;
  CondVar all_done_;
  std::size_t num_done_ GUARDED_BY(mutex_) = 0;
  std::size_t failed_ GUARDED_BY(mutex_) = 0;
  std::optional<Status> failure_ GUARDED_BY(mutex_);
};

}  // namespace

Result<void> run_in_parallel(std::size_t count, ComputePool& pool, Priority priority,
                             const Work& work) {
  const auto run = std::make_shared<SharedRun>(count, work);
  for (std::size_t i = 1; i < std::min(pool.num_threads(), count); ++i)
    pool.submit(priority, [run] { run->help(); });
  run->help();
  return run->wait();
}

}  // namespace sightline::pipeline
