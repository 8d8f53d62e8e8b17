#include "codecs/decode_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "tests/support/fake_clock.h"

namespace sightline::codecs {
namespace {

using namespace std::chrono_literals;

TEST(DecodeBudget, LeasesAddUpAndComeBack) {
  DecodeBudget budget(100);
  auto first = budget.acquire(60);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->bytes(), 60u);
  {
    const auto second = budget.acquire(40);
    ASSERT_TRUE(second);
    EXPECT_EQ(budget.in_use(), 100u);
  }
  EXPECT_EQ(budget.in_use(), 60u);
  DecodeBudget::Lease moved = *std::move(first);
  moved.release();
  moved.release();
  EXPECT_EQ(moved.bytes(), 0u);
  EXPECT_EQ(budget.in_use(), 0u);
}

TEST(DecodeBudget, ACostAboveTheBudgetRunsAlone) {
  DecodeBudget budget(100);
  auto small = budget.acquire(1);
  ASSERT_TRUE(small);
  std::atomic<bool> running{false};
  std::jthread large([&] {
    const auto lease = budget.acquire(1000);
    running = lease.has_value();
    std::this_thread::sleep_for(50ms);
  });
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(running);
  small->release();
  while (!running) std::this_thread::yield();
  EXPECT_EQ(budget.in_use(), 1000u);
  const auto after = budget.acquire(1);
  ASSERT_TRUE(after);
  EXPECT_EQ(budget.in_use(), 1u);
}

TEST(DecodeBudget, LargeOnesAreNotOvertaken) {
  DecodeBudget budget(100);
  auto held = budget.acquire(50);
  ASSERT_TRUE(held);
  std::atomic<bool> large_ran{false}, small_ran_first{false};
  std::jthread large([&] {
    const auto lease = budget.acquire(95);  // the small one does not fit beside it
    large_ran = true;
  });
  std::this_thread::sleep_for(50ms);
  std::jthread small([&] {
    const auto lease = budget.acquire(10);  // would fit at once
    small_ran_first = !large_ran;
  });
  std::this_thread::sleep_for(50ms);
  held->release();
  large.join();
  small.join();
  EXPECT_TRUE(large_ran);
  EXPECT_FALSE(small_ran_first);
}

TEST(DecodeBudget, WaitingEndsWithDeadlineAndStop) {
  DecodeBudget budget(10);
  const auto held = budget.acquire(10);
  ASSERT_TRUE(held);

  testing_support::FakeClock clock;
  std::jthread mover([&] {
    std::this_thread::sleep_for(30ms);
    clock.advance(2s);
  });
  const auto late = budget.acquire(5, Deadline::after(1000ms, clock));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, StatusCode::kDeadlineExceeded);

  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(30ms);
    stop.request_stop();
  });
  const auto stopped = budget.acquire(5, Deadline::never().with_stop(stop.get_token()));
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, StatusCode::kCancelled);
  EXPECT_EQ(budget.in_use(), 10u);
}

TEST(DecodeBudget, ManyThreadsStayBelowTheLimit) {
  DecodeBudget budget(1000);
  std::atomic<std::uint64_t> now{0}, most{0};
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(t);
        for (int i = 0; i < 200; ++i) {
          const std::uint64_t bytes = 1 + random() % 600;
          const auto lease = budget.acquire(bytes);
          ASSERT_TRUE(lease);
          const std::uint64_t sum = now += bytes;
          std::uint64_t seen = most;
          while (sum > seen && !most.compare_exchange_weak(seen, sum)) continue;
          std::this_thread::sleep_for(20us);
          now -= bytes;
        }
      });
    }
  }
  EXPECT_LE(most, 1000u);
  EXPECT_GT(most, 600u);
  EXPECT_EQ(budget.in_use(), 0u);
}

}  // namespace
}  // namespace sightline::codecs
