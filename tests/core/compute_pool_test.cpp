#include "core/compute_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace sightline {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

/// What ran, in order.
class Trace {
 public:
  void add(std::string name) {
    const std::lock_guard lock(mutex_);
    names_.push_back(std::move(name));
  }
  std::vector<std::string> names() const {
    const std::lock_guard lock(mutex_);
    return names_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> names_;
};

/// Holds every worker of `pool` in a short task of the highest urgency until released, so that a
/// test can fill the queues first.
class Gate {
 public:
  explicit Gate(ComputePool& pool) : arrived_(static_cast<std::ptrdiff_t>(pool.num_threads())) {
    for (std::size_t i = 0; i < pool.num_threads(); ++i) {
      held_.push_back(pool.submit(Priority::kQueryEncoding, [this] {
        arrived_.count_down();
        open_.wait();
      }));
    }
    arrived_.wait();
  }
  void open() {
    open_.count_down();
    for (auto& future : held_) future.get();
  }

 private:
  std::latch arrived_, open_{1};
  std::vector<std::future<void>> held_;
};

TEST(UsableCores, IsAtLeastOne) {
  EXPECT_GE(usable_cores(), 1U);
  EXPECT_LE(usable_cores(), std::max(1U, std::thread::hardware_concurrency()));
  EXPECT_EQ(ComputePool({}).num_threads(), usable_cores());
}

TEST(ComputePool, ReturnsResults) {
  ComputePool pool({.num_threads = 3});
  EXPECT_EQ(pool.submit(Priority::kDecode, [] { return 6 * 7; }).get(), 42);
  EXPECT_EQ(pool.run_wide(Priority::kBuild, [] { return std::string("wide"); }), "wide");
  auto moved = pool.submit(Priority::kDecode,
                           [p = std::make_unique<int>(5)]() mutable { return std::move(p); });
  EXPECT_EQ(*moved.get(), 5);
}

TEST(ComputePool, ExceptionsReachTheFutureAndThePoolGoesOn) {
  ComputePool pool({.num_threads = 1});
  auto bad =
      pool.submit(Priority::kDecode, []() -> int { throw std::runtime_error("no picture"); });
  auto bad_wide = pool.submit_wide(Priority::kDecode, [] { throw std::logic_error("no batch"); });
  EXPECT_THROW(bad.get(), std::runtime_error);
  EXPECT_THROW(bad_wide.get(), std::logic_error);
  EXPECT_EQ(pool.submit(Priority::kDecode, [] { return 1; }).get(), 1);
  EXPECT_EQ(pool.run_wide(Priority::kDecode, [] { return 2; }), 2);
}

TEST(ComputePool, ShortTasksRunOnAllWorkersAtOnce) {
  ComputePool pool({.num_threads = 4});
  std::latch all_there(4);
  std::vector<std::future<void>> futures;
  for (int i = 0; i < 4; ++i) {
    futures.push_back(pool.submit(Priority::kDecode, [&] { all_there.arrive_and_wait(); }));
  }
  for (auto& future : futures) ASSERT_EQ(future.wait_for(20s), std::future_status::ready);
}

TEST(ComputePool, MostUrgentFirstThenByArrival) {
  ComputePool pool({.num_threads = 1});
  Trace trace;
  Gate gate(pool);
  std::vector<std::future<void>> futures;
  const auto add = [&](Priority priority, const std::string& name) {
    futures.push_back(pool.submit(priority, [&trace, name] { trace.add(name); }));
  };
  add(Priority::kBuild, "build");
  add(Priority::kDecode, "decode 1");
  add(Priority::kEnrich, "enrich");
  add(Priority::kDecode, "decode 2");
  add(Priority::kQueryEncoding, "query");
  add(Priority::kPrefill, "prefill");
  add(Priority::kRerank, "rerank");
  gate.open();
  for (auto& future : futures) future.get();
  EXPECT_THAT(trace.names(),
              ElementsAre("query", "rerank", "decode 1", "decode 2", "prefill", "enrich", "build"));
}

TEST(ComputePool, WideAndShortTakeTurnsByUrgencyWideFirstAmongEquals) {
  ComputePool pool({.num_threads = 1});
  Trace trace;
  Gate gate(pool);
  std::vector<std::future<void>> futures;
  futures.push_back(pool.submit(Priority::kQueryEncoding, [&] { trace.add("short query"); }));
  futures.push_back(pool.submit_wide(Priority::kBuild, [&] { trace.add("wide build"); }));
  futures.push_back(pool.submit(Priority::kBuild, [&] { trace.add("short build"); }));
  futures.push_back(pool.submit(Priority::kDecode, [&] { trace.add("short decode"); }));
  gate.open();
  for (auto& future : futures) future.get();
  // The wide unit may start as soon as the last more urgent short task has: those two overlap.
  const std::vector<std::string> names = trace.names();
  EXPECT_EQ(names.front(), "short query");
  EXPECT_EQ(names.back(), "short build");
}

TEST(ComputePool, OneWideUnitRunsAtATime) {
  ComputePool pool({.num_threads = 4});
  std::atomic<int> running{0}, most{0};
  std::vector<std::future<void>> futures;
  for (int i = 0; i < 50; ++i) {
    futures.push_back(pool.submit_wide(Priority::kDecode, [&] {
      const int now = ++running;
      int seen = most.load();
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      std::this_thread::sleep_for(100us);
      --running;
    }));
  }
  for (auto& future : futures) future.get();
  EXPECT_EQ(most.load(), 1);
}

TEST(ComputePool, DuringAWideUnitOnlyMoreUrgentShortWorkStarts) {
  ComputePool pool({.num_threads = 2});
  std::latch started(1), finish(1);
  std::atomic<bool> wide_done{false};
  auto wide = pool.submit_wide(Priority::kDecode, [&] {
    started.count_down();
    finish.wait();
    wide_done = true;
  });
  started.wait();
  auto equal = pool.submit(Priority::kDecode, [&] { return wide_done.load(); });
  auto lower = pool.submit(Priority::kBuild, [&] { return wide_done.load(); });
  auto higher = pool.submit(Priority::kRerank, [&] { return wide_done.load(); });
  EXPECT_FALSE(higher.get());
  EXPECT_EQ(equal.wait_for(20ms), std::future_status::timeout);
  finish.count_down();
  wide.get();
  EXPECT_TRUE(equal.get());
  EXPECT_TRUE(lower.get());
}

TEST(ComputePool, InitialisesEveryThreadAndSetsTheWidthAroundWideUnits) {
  std::mutex mutex;
  std::set<std::thread::id> initialised;
  static thread_local std::size_t width = 0;
  ComputePool pool({.num_threads = 3,
                    .init_thread =
                        [&] {
                          width = 1;
                          const std::lock_guard lock(mutex);
                          initialised.insert(std::this_thread::get_id());
                        },
                    .set_width = [](std::size_t n) { width = n; }});
  const auto state = [&] {
    const std::lock_guard lock(mutex);
    return std::pair(width, initialised.contains(std::this_thread::get_id()));
  };
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(pool.submit(Priority::kDecode, state).get(), std::pair(std::size_t{1}, true));
    EXPECT_EQ(pool.run_wide(Priority::kDecode, state), std::pair(std::size_t{3}, true));
  }
  EXPECT_THROW(pool.run_wide(Priority::kDecode, [] { throw std::runtime_error("x"); }),
               std::runtime_error);
  EXPECT_EQ(pool.submit(Priority::kDecode, state).get().first, 1U);
}

TEST(ComputePool, WhatATaskHoldsIsFreedAfterIt) {
  ComputePool pool({.num_threads = 1});
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  pool.submit(Priority::kDecode, [held] {}).get();
  pool.submit_wide(Priority::kDecode, [held] {}).get();
  held.reset();
  // The future is ready a moment before the task is dropped; the next tasks come after that.
  pool.submit(Priority::kDecode, [] {}).get();
  pool.submit_wide(Priority::kDecode, [] {}).get();
  EXPECT_TRUE(watch.expired());
}

TEST(ComputePool, DestructionFinishesWhatWasSubmitted) {
  std::atomic<int> done{0};
  {
    ComputePool pool({.num_threads = 2});
    for (int i = 0; i < 50; ++i) {
      // A task that submits more while the pool is going away.
      (void)pool.submit(Priority::kBuild, [&] {
        (void)pool.submit_wide(Priority::kDecode, [&] {
          (void)pool.submit(Priority::kDecode, [&] { ++done; });
          ++done;
        });
        std::this_thread::sleep_for(50us);
        ++done;
      });
    }
  }
  EXPECT_EQ(done.load(), 150);
}

TEST(ComputePool, DestructionOfAnIdlePoolReturns) {
  for (int i = 0; i < 50; ++i) ComputePool({.num_threads = 1 + static_cast<std::size_t>(i) % 4});
}

#ifndef __SANITIZE_ADDRESS__  // its shadow counts, too
// It used to wait for ever for the threads that had started.
TEST(ComputePool, WithoutMemoryForItsThreadsItSaysSo) {
  const auto start = [] {
    alarm(30);
    const rlimit limit{std::size_t{512} << 20, std::size_t{512} << 20};
    setrlimit(RLIMIT_AS, &limit);
    try {
      const ComputePool pool({.num_threads = 500, .init_thread = {}, .set_width = {}});
    } catch (const std::system_error& e) {
      std::fputs(e.what(), stderr);
      std::_Exit(3);
    }
    std::_Exit(0);
  };
  EXPECT_EXIT(start(), testing::ExitedWithCode(3), "the 501 threads of the compute pool");
}
#endif

TEST(ComputePool, RandomMixtureFromManyThreadsLosesNothing) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    ComputePool pool({.num_threads = 1 + seed % 3});
    std::atomic<int> done{0};
    std::vector<std::thread> submitters;
    for (unsigned t = 0; t < 4; ++t) {
      submitters.emplace_back([&, t] {
        std::mt19937 random(seed * 10 + t);
        std::vector<std::future<int>> futures;
        for (int i = 0; i < 300; ++i) {
          const auto priority = static_cast<Priority>(random() % kNumPriorities);
          const auto task = [&done, i] {
            ++done;
            return i;
          };
          futures.push_back(random() % 3 == 0 ? pool.submit_wide(priority, task)
                                              : pool.submit(priority, task));
          if (random() % 10 == 0) {
            EXPECT_EQ(futures.back().get(), i);
            futures.pop_back();
          }
        }
        for (auto& future : futures) {
          ASSERT_EQ(future.wait_for(30s), std::future_status::ready) << "seed " << seed;
        }
      });
    }
    for (std::thread& thread : submitters) thread.join();
    EXPECT_EQ(done.load(), 1200) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sightline
