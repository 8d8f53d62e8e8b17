#include "pipeline/internal/batch_queue.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace sightline::pipeline {
namespace {

using SteadyClock = std::chrono::steady_clock;

// How soon a caller notices that nobody wants its answer any more.
constexpr std::chrono::milliseconds kPoll{20};
// Wide units are to last no longer: others wait for them (core/compute_pool.h).
constexpr double kBatchSeconds = 0.1;
// Until it is known what an item costs.
constexpr std::size_t kFirstBatch = 8;

}  // namespace

BatchQueue::BatchQueue(std::string what, BatchQueueOptions options, Run run)
    : what_(std::move(what)),
      options_(options),
      run_(std::move(run)),
      batch_limit_(std::min(kFirstBatch, options.max_batch)) {}

Result<void> BatchQueue::encode(std::span<BatchItem> items, const Deadline& deadline) {
  if (items.empty()) return {};
  SIGHTLINE_TRY_DO(deadline.check("encoding " + what_));
  const MutexLock lock(mutex_);
  if (!queue_.empty() && queue_.size() + std::min(items.size(), options_.max_batch) >
                             std::max<std::size_t>(options_.max_waiting, 1)) {
    ++statistics_.refused;
    return Status{StatusCode::kOverloaded, std::to_string(queue_.size()) + " " + what_ +
                                               " wait to be encoded; the limit is " +
                                               std::to_string(options_.max_waiting)};
  }
  // A large request comes in pieces, so that others have their turn.
  Call call(deadline);
  while (!items.empty()) {
    const auto part = items.first(std::min(items.size(), options_.max_batch));
    items = items.subspan(part.size());
    call.num_left = part.size();
    call.found_running = leader_ != nullptr;
    const auto now = SteadyClock::now();
    for (BatchItem& item : part) queue_.push_back({&item, &call, now});
    // A leader that waits for company may have enough now.
    if (leader_ != nullptr && queue_.size() >= batch_limit_) leader_->wake.notify_one();
    SIGHTLINE_TRY_DO(wait_for(call));
  }
  return {};
}

Result<void> BatchQueue::wait_for(Call& call) {
  while (call.num_left > 0) {
    if (leader_ == nullptr) leader_ = &call;
    if (leader_ == &call) {
      if (may_begin(call)) {
        run_batch();
        leader_ = nullptr;
        if (call.num_left == 0 || call.failure) break;
        continue;
      }
    } else {
      call.wake.wait_until(mutex_, SteadyClock::now() + kPoll);
    }
    if (call.num_running > 0) continue;  // the batch holds its items
    if (call.failure) break;
    if (auto wanted = call.deadline.check("encoding " + what_); !wanted) {
      call.failure = std::move(wanted).error();
      break;
    }
  }
  if (leader_ == &call) leader_ = nullptr;
  leave(call);
  pass_lead();
  if (call.failure) return *call.failure;
  return {};
}

bool BatchQueue::may_begin(Call& leader) {
  if (queue_.size() >= batch_limit_ || !leader.found_running) return true;
  const auto begin = queue_.front().since + options_.max_wait;
  const auto now = SteadyClock::now();
  if (now >= begin) return true;
  leader.wake.wait_until(mutex_, std::min(begin, now + kPoll));
  return false;
}

void BatchQueue::run_batch() {
  std::vector<Waiting> batch;
  while (!queue_.empty() && batch.size() < batch_limit_) {
    const Waiting next = queue_.front();
    queue_.pop_front();
    batch.push_back(next);
    ++next.call->num_running;
  }
  mutex_.unlock();
  const auto start = SteadyClock::now();
  const std::vector<std::optional<Status>> failures = run_items(batch);
  const std::chrono::duration<double> time = SteadyClock::now() - start;
  mutex_.lock();

  note_time(batch.size(), time);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Call& call = *batch[i].call;
    --call.num_left;
    --call.num_running;
    if (failures[i] && !call.failure) call.failure = failures[i];
    // Under the lock: the call lives until its caller has it.
    if (call.num_running == 0 && (call.num_left == 0 || call.failure)) call.wake.notify_one();
  }
}

std::vector<std::optional<Status>> BatchQueue::run_items(std::span<const Waiting> batch) const {
  std::vector<const BatchItem*> items;
  for (const Waiting& waiting : batch) items.push_back(waiting.item);
  const auto run = [&](std::size_t first, std::size_t count) -> std::optional<Status> {
    try {
      const auto rows = run_(std::span<const BatchItem* const>(items).subspan(first, count));
      if (!rows) return rows.error();
      for (std::size_t i = 0; i < count; ++i) {
        const auto row = rows->row(i);
        batch[first + i].item->row.assign(row.begin(), row.end());
      }
      return std::nullopt;
    } catch (const std::exception& e) {
      return internal_error("encoding " + what_ + ": " + e.what());
    }
  };
  std::vector<std::optional<Status>> failures(batch.size(), run(0, batch.size()));
  if (!failures[0] || batch.size() == 1) return failures;
  // Whose fault it was: the others are not to suffer for it.
  for (std::size_t i = 0; i < batch.size(); ++i) failures[i] = run(i, 1);
  return failures;
}

void BatchQueue::leave(Call& call) {
  if (call.num_left == 0) return;
  std::erase_if(queue_, [&](const Waiting& waiting) { return waiting.call == &call; });
  call.num_left = 0;
}

void BatchQueue::pass_lead() {
  if (leader_ == nullptr && !queue_.empty()) queue_.front().call->wake.notify_one();
}

void BatchQueue::note_time(std::size_t n, std::chrono::duration<double> time) {
  ++statistics_.batches;
  statistics_.items += n;
  statistics_.seconds += time.count();
  const double seconds = time.count() / static_cast<double>(n);
  // The first batch also warms up caches and thread pools.
  seconds_per_item_ =
      seconds_per_item_ == 0 ? seconds / 2 : 0.8 * seconds_per_item_ + 0.2 * seconds;
  const double fit = kBatchSeconds / std::max(seconds_per_item_, 1e-6);
  batch_limit_ = std::clamp<std::size_t>(static_cast<std::size_t>(fit), 1, options_.max_batch);
}

BatchQueueStatistics BatchQueue::statistics() const {
  const MutexLock lock(mutex_);
  BatchQueueStatistics statistics = statistics_;
  statistics.waiting = queue_.size();
  return statistics;
}

}  // namespace sightline::pipeline
