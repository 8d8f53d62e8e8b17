// pipeline/internal/batch_queue.h: the requests of many callers, put into batches.
//
// There is no thread of its own: one of the waiting callers leads. It takes what has gathered, runs
// it, hands out the rows, and passes the lead to whoever has waited longest.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/deadline.h"
#include "core/mutex.h"
#include "core/result.h"
#include "encoders/encoder.h"

namespace sightline::pipeline {

/// What one row is made from, and what became of it.
struct BatchItem {
  const std::string* text = nullptr;  ///< Of a queue of texts.
  std::span<const float> pixels;      ///< Of a queue of pictures.
  std::vector<float> row;
};

struct BatchQueueOptions {
  std::size_t max_batch = 64;
  std::chrono::milliseconds max_wait{2};
  std::size_t max_waiting = 4096;  ///< Items.
};

struct BatchQueueStatistics {
  std::uint64_t batches = 0, items = 0;
  std::uint64_t waiting = 0;
  std::uint64_t refused = 0;
  double seconds = 0;  ///< Wall time of running batches.
};

/// Thread-safety: all methods may be called from any thread that may wait for `run`.
class BatchQueue {
 public:
  /// Makes the rows of a batch, 1..max_batch items; called by one thread at a time.
  using Run =
      std::function<Result<encoders::EmbeddingBatch>(std::span<const BatchItem* const> items)>;

  /// `what`: for messages ("texts").
  BatchQueue(std::string what, BatchQueueOptions options, Run run);
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;

  /// Fills in the rows of `items`, in one batch or several, together with those of other callers.
  /// errors  kOverloaded: max_waiting items wait already; kDeadlineExceeded, kCancelled, noticed
  ///         within 20 ms, but a batch that runs is waited for; those of `run`, which is tried item
  ///         by item if it fails for a batch of several.
  Result<void> encode(std::span<BatchItem> items, const Deadline& deadline);

  BatchQueueStatistics statistics() const;

 private:
  /// Items of one caller that are in the queue or in a running batch.
  struct Call {
    explicit Call(const Deadline& d) : deadline(d) {}
    const Deadline& deadline;
    std::size_t num_left = 0;
    std::size_t num_running = 0;  ///< Of these: in the running batch.
    bool found_running = false;   ///< Another caller led when it came.
    std::optional<Status> failure;
    CondVar wake;
  };
  struct Waiting {
    BatchItem* item;
    Call* call;
    std::chrono::steady_clock::time_point since;
  };

  Result<void> wait_for(Call& call) REQUIRES(mutex_);
  /// Whether the batch that has gathered is to be run now; otherwise waits a little.
  bool may_begin(Call& leader) REQUIRES(mutex_);
  void run_batch() REQUIRES(mutex_);
  /// One failure per item, if any.
  std::vector<std::optional<Status>> run_items(std::span<const Waiting> batch) const;
  void leave(Call& call) REQUIRES(mutex_);  ///< Takes what is left of it out of the queue.
  void pass_lead() REQUIRES(mutex_);
  void note_time(std::size_t n, std::chrono::duration<double> time) REQUIRES(mutex_);

  const std::string what_;
  const BatchQueueOptions options_;
  const Run run_;

  mutable Mutex mutex_;
  std::deque<Waiting> queue_ GUARDED_BY(mutex_);
  Call* leader_ GUARDED_BY(mutex_) = nullptr;
  std::size_t batch_limit_ GUARDED_BY(mutex_);
  double seconds_per_item_ GUARDED_BY(mutex_) = 0;  // smoothed
  BatchQueueStatistics statistics_ GUARDED_BY(mutex_);
};

}  // namespace sightline::pipeline
