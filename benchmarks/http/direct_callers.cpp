#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <utility>

#include "benchmarks/http/load_callers.h"
#include "core/mutex.h"
#include "settings/library_setup.h"

namespace sightline::benchmarks {

using Clock = std::chrono::steady_clock;

/// The round that the threads work at; they wait at `begins` and `ends` with the thread that asks.
struct DirectCallers::Round {
  explicit Round(std::size_t num_threads)
      : begins(static_cast<std::ptrdiff_t>(num_threads) + 1),
        ends(static_cast<std::ptrdiff_t>(num_threads) + 1) {}

  std::barrier<> begins, ends;
  bool is_over = false;  // no more rounds
  std::atomic<std::size_t> next{0};
  std::size_t first = 0, end = 0;
  std::vector<double> latency_ms;
  std::atomic<bool> has_failed{false};
  Mutex mutex;
  std::exception_ptr failure GUARDED_BY(mutex);
};

DirectCallers::DirectCallers(std::size_t num_threads, std::function<void(std::size_t)> call)
    : call_(std::move(call)), round_(std::make_unique<Round>(num_threads)) {
  for (std::size_t i = 0; i < num_threads; ++i) threads_.emplace_back([this] { work(); });
}

DirectCallers::~DirectCallers() {
  round_->is_over = true;
  round_->begins.arrive_and_wait();
  for (std::thread& thread : threads_) thread.join();
}

void DirectCallers::work() {
  settings::set_up_thread();
  for (Round& round = *round_;;) {
    round.begins.arrive_and_wait();
    if (round.is_over) return;
    for (std::size_t i = round.next++; i < round.end && !round.has_failed; i = round.next++) {
      const auto start = Clock::now();
      try {
        call_(i);
      } catch (...) {
        const MutexLock lock(round.mutex);
        round.failure = std::current_exception();
        round.has_failed = true;
      }
      round.latency_ms[i - round.first] =
          std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    }
    round.ends.arrive_and_wait();
  }
}

RoundTimes DirectCallers::run(std::size_t first, std::size_t count) {
  Round& round = *round_;
  round.first = first;
  round.next = first;
  round.end = first + count;
  round.latency_ms.assign(count, 0);
  const auto start = Clock::now();
  round.begins.arrive_and_wait();
  round.ends.arrive_and_wait();
  RoundTimes times{std::chrono::duration<double>(Clock::now() - start).count(),
                   std::move(round.latency_ms)};
  const MutexLock lock(round.mutex);
  if (round.failure) std::rethrow_exception(round.failure);
  return times;
}

}  // namespace sightline::benchmarks
