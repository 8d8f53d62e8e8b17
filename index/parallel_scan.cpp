#include "index/internal/parallel_scan.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "core/mutex.h"

namespace sightline::index {
namespace {

class SharedScan {
 public:
  SharedScan(std::size_t num_chunks, const std::function<std::unique_ptr<ScanPart>()>& begin)
      : num_chunks_(num_chunks), begin_(begin) {}

  // Takes chunks until none is left. A helper that comes too late touches nothing but next_chunk_:
  // what `begin_` refers to may be gone.
  void work() {
    const std::size_t first = next_chunk_.fetch_add(1);
    if (first >= num_chunks_) return;
    std::size_t num_taken = 1;
    std::optional<Status> failure = scan_from(first, num_taken);
    if (failure) {  // Nobody need scan the rest.
      const std::size_t next = next_chunk_.exchange(num_chunks_);
      if (next < num_chunks_) num_taken += num_chunks_ - next;
    }
    const MutexLock lock(mutex_);
    if (failure && !failure_) failure_ = std::move(failure);
    num_done_ += num_taken;
    if (num_done_ == num_chunks_) done_.notify_all();
  }

  Result<void> wait() {
    const MutexLock lock(mutex_);
    while (num_done_ != num_chunks_) done_.wait(mutex_);
    if (failure_) return *failure_;
    return {};
  }

 private:
  std::optional<Status> scan_from(std::size_t chunk, std::size_t& num_taken) {
    try {
      const std::unique_ptr<ScanPart> part = begin_();
      while (true) {
        auto scanned = part->scan(chunk);
        if (!scanned) return std::move(scanned).error();
        chunk = next_chunk_.fetch_add(1);
        if (chunk >= num_chunks_) break;
        ++num_taken;
      }
      const MutexLock lock(mutex_);
      part->finish();
    } catch (const std::exception& e) {
      return internal_error(std::string("scan of a shard: ") + e.what());
    }
    return std::nullopt;
  }

  const std::size_t num_chunks_;
  const std::function<std::unique_ptr<ScanPart>()>& begin_;
  std::atomic<std::size_t> next_chunk_{0};

  Mutex mutex_;
  CondVar done_;
  std::size_t num_done_ GUARDED_BY(mutex_) = 0;  // chunks
  std::optional<Status> failure_ GUARDED_BY(mutex_);
};

}  // namespace

Result<void> scan_in_parts(std::size_t num_chunks, std::size_t max_threads, ComputePool* pool,
                           Priority priority,
                           const std::function<std::unique_ptr<ScanPart>()>& begin) {
  if (num_chunks == 0) return {};
  const auto scan = std::make_shared<SharedScan>(num_chunks, begin);
  if (pool != nullptr && pool->num_threads() > 1) {
    const std::size_t threads = std::min({pool->num_threads(), num_chunks, max_threads});
    for (std::size_t i = 1; i < threads; ++i) pool->submit(priority, [scan] { scan->work(); });
  }
  scan->work();
  return scan->wait();
}

}  // namespace sightline::index
