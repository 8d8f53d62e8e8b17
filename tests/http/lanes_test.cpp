#include "http/internal/lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <thread>
#include <vector>

namespace sightline::http::internal {
namespace {

void wait_until_idle(WorkQueue& queue, std::size_t num_threads) {
  while (queue.num_idle() < num_threads) std::this_thread::yield();
}

TEST(WorkQueue, TheThreadThatBecameIdleLastTakesTheNextTask) {
  constexpr std::size_t kThreads = 4;
  std::vector<std::thread::id> ran_on(5);
  WorkQueue queue(kThreads, 10);
  for (std::thread::id& id : ran_on) {
    wait_until_idle(queue, kThreads);
    EXPECT_TRUE(queue.try_post([&id] { id = std::this_thread::get_id(); }));
  }
  wait_until_idle(queue, kThreads);
  EXPECT_NE(ran_on.front(), std::thread::id());
  EXPECT_THAT(ran_on, testing::Each(ran_on.front()));
}

TEST(WorkQueue, AllThreadsWorkWhenThereIsWork) {
  std::latch all(4);  // passed by four tasks at once alone
  WorkQueue queue(4, 10);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.try_post([&all] { all.arrive_and_wait(); }));
  all.wait();
}

TEST(WorkQueue, MoreThanMayWaitAreRefused) {
  std::promise<void> goes_on, runs;
  WorkQueue queue(1, 2);  // ends before what its tasks hold
  EXPECT_TRUE(queue.try_post([&] {
    runs.set_value();
    goes_on.get_future().wait();
  }));
  runs.get_future().wait();
  EXPECT_TRUE(queue.try_post([] {}));
  EXPECT_FALSE(queue.is_full());
  EXPECT_TRUE(queue.try_post([] {}));
  EXPECT_TRUE(queue.is_full());
  EXPECT_FALSE(queue.try_post([] {}));
  goes_on.set_value();
}

TEST(WorkQueue, StoppingFinishesWhatWaits) {
  std::atomic<int> num_run{0};
  WorkQueue queue(3, 10'000);
  for (int i = 0; i < 5000; ++i) EXPECT_TRUE(queue.try_post([&num_run] { ++num_run; }));
  queue.stop();
  EXPECT_EQ(num_run, 5000);
  queue.stop();  // a second time does nothing
}

}  // namespace
}  // namespace sightline::http::internal
