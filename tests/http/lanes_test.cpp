#include "http/internal/lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <future>
#include <latch>
#include <thread>
#include <utility>
#include <vector>

#include "core/mutex.h"

namespace sightline::http::internal {
namespace {

void wait_until_idle(WorkQueue& queue, std::size_t num_threads) {
  while (queue.num_idle() < num_threads) std::this_thread::yield();
}

TEST(WorkQueue, TheThreadThatBecameIdleLastTakesTheNextTask) {
  constexpr std::size_t kThreads = 4;
  WorkQueue queue(kThreads, 10);
  std::vector<std::thread::id> ran_on(5);
  for (std::thread::id& id : ran_on) {
    wait_until_idle(queue, kThreads);
    EXPECT_TRUE(queue.try_post([&id] { id = std::this_thread::get_id(); }));
  }
  wait_until_idle(queue, kThreads);
  EXPECT_NE(ran_on.front(), std::thread::id());
  EXPECT_THAT(ran_on, testing::Each(ran_on.front()));
}

TEST(WorkQueue, AllThreadsWorkWhenThereIsWork) {
  WorkQueue queue(4, 10);
  std::latch all(4);  // passed by four tasks at once alone
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.try_post([&all] { all.arrive_and_wait(); }));
  all.wait();
}

TEST(WorkQueue, MoreThanMayWaitAreRefused) {
  WorkQueue queue(1, 2);
  std::promise<void> goes_on;
  std::promise<void> runs;
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

/// A loop of a test: what it is given, it hands on as Loop says.
class HandedLoop {
 public:
  explicit HandedLoop(WorkQueue& queue) : queue_(queue) {}

  void start() {
    queue_.start_loop([this] { return run(); });
  }
  void give(Task task) {
    const MutexLock lock(mutex_);
    given_.push_back(std::move(task));
    changed_.notify_one();
  }
  void end() { give(nullptr); }
  int num_kept() const { return num_kept_; }
  bool is_running() const { return num_running_ > 0; }

 private:
  Task run() {
    EXPECT_EQ(num_running_.fetch_add(1), 0) << "one thread at a time";
    for (;;) {
      Task task = next();
      if (!task) break;
      if (!queue_.try_keep()) {
        EXPECT_TRUE(queue_.try_post(std::move(task)));
        continue;
      }
      num_running_.fetch_sub(1);
      if (queue_.hand_over([this] { return run(); })) {
        ++num_kept_;
        return task;
      }
      num_running_.fetch_add(1);
      queue_.post_kept(std::move(task));
    }
    num_running_.fetch_sub(1);
    return nullptr;
  }
  Task next() {
    const MutexLock lock(mutex_);
    while (given_.empty()) changed_.wait(mutex_);
    Task task = std::move(given_.front());
    given_.pop_front();
    return task;
  }

  WorkQueue& queue_;
  std::atomic<int> num_running_{0}, num_kept_{0};
  Mutex mutex_;
  CondVar changed_;
  std::deque<Task> given_ GUARDED_BY(mutex_);
};

TEST(WorkQueue, AThreadOfALoopGoesOnWithATaskAndAnotherWithTheLoop) {
  WorkQueue queue(1, 10, 1);
  HandedLoop loop(queue);
  wait_until_idle(queue, 2);
  loop.start();
  std::vector<std::thread::id> ran_on(3);
  for (std::thread::id& id : ran_on) {
    wait_until_idle(queue, 1);
    std::promise<void> runs;
    loop.give([&] {
      id = std::this_thread::get_id();
      // Whoever is ready first takes the loop.
      while (!loop.is_running()) std::this_thread::yield();
      EXPECT_EQ(queue.running(), 1u);
      runs.set_value();
    });
    runs.get_future().wait();
  }
  EXPECT_EQ(loop.num_kept(), 3);
  EXPECT_EQ(ran_on[0], ran_on[2]);
  EXPECT_NE(ran_on[0], ran_on[1]) << "the two change places each time";
  loop.end();
  queue.stop();
}

TEST(WorkQueue, ALoopGoesOnWhileItsTasksWait) {
  constexpr int kTasks = 4;
  WorkQueue queue(kTasks, 10, 1);
  HandedLoop loop(queue);
  loop.start();
  std::latch all(kTasks);  // passed by four tasks at once alone
  for (int i = 0; i < kTasks; ++i) loop.give([&all] { all.arrive_and_wait(); });
  all.wait();
  loop.end();
  queue.stop();
}

TEST(WorkQueue, FinishWaitsForTasksButNotForLoops) {
  WorkQueue queue(2, 10'000, 2);
  HandedLoop first(queue), second(queue);
  first.start();
  second.start();
  std::atomic<int> num_run{0};
  std::latch given(2000);
  for (int i = 0; i < 1000; ++i) {
    for (HandedLoop* loop : {&first, &second}) {
      loop->give([&] {
        given.count_down();
        ++num_run;
      });
    }
  }
  given.wait();
  queue.finish();
  EXPECT_EQ(num_run, 2000);
  EXPECT_EQ(queue.running(), 0u);
  first.end();
  second.end();
  queue.stop();
}

}  // namespace
}  // namespace sightline::http::internal
