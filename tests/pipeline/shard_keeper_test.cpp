#include "pipeline/internal/shard_keeper.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "pipeline/internal/memory_budget.h"

namespace sightline::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

SealingOptions quick() {
  SealingOptions options;
  options.idle = 20ms;
  options.bulk_rows = 100;
  return options;
}

template <typename Condition>
bool wait_until(Condition is_so) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

/// Runs until it is called off.
Result<bool> endless(const Deadline& deadline) {
  while (true) {
    SIGHTLINE_TRY_DO(deadline.check("building"));
    std::this_thread::sleep_for(1ms);
  }
}

TEST(ShardKeeper, TakesStepsUntilNothingIsLeftAndLooksAgainAfterAWrite) {
  std::atomic<int> num_steps{0}, left{5};
  ShardKeeper keeper("c", quick(), [&](Activity, const Deadline&) -> Result<bool> {
    ++num_steps;
    return left > 0 && left-- > 0;
  });
  keeper.start();
  ASSERT_TRUE(wait_until([&] { return left == 0 && num_steps == 6; }));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(num_steps, 6);
  left = 1;
  keeper.note_write(1, false);
  ASSERT_TRUE(wait_until([&] { return left == 0; }));
  left = 1;
  keeper.note_write(1, true);
  ASSERT_TRUE(wait_until([&] { return left == 0; }));
}

TEST(ShardKeeper, TellsABulkLoadFromWritesAndFromRest) {
  std::mutex mutex;
  std::vector<Activity> seen;
  ShardKeeper keeper("c", quick(), [&](Activity activity, const Deadline&) -> Result<bool> {
    const std::lock_guard lock(mutex);
    seen.push_back(activity);
    return false;
  });
  const auto last = [&] {
    const std::lock_guard lock(mutex);
    return seen.empty() ? std::optional<Activity>() : seen.back();
  };
  keeper.start();
  ASSERT_TRUE(wait_until([&] { return last() == Activity::kIdle; }));
  const auto keep_writing = [&](std::uint64_t num_rows, Activity until) {
    return wait_until([&] {
      keeper.note_write(num_rows, false);
      return last() == until;
    });
  };
  EXPECT_TRUE(keep_writing(1, Activity::kWriting));
  EXPECT_TRUE(keep_writing(200, Activity::kLoading));
  EXPECT_TRUE(wait_until([&] { return last() == Activity::kIdle; }));
}

TEST(ShardKeeper, APauseCallsOffTheStepThatRunsAndNoneBeginsUntilItEnds) {
  std::atomic<int> num_begun{0};
  ShardKeeper keeper("c", quick(), [&](Activity, const Deadline& deadline) {
    ++num_begun;
    return endless(deadline);
  });
  keeper.start();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(wait_until([&] { return num_begun > 0; }));
    auto pause = keeper.pause(Deadline::after(10s));
    ASSERT_TRUE(pause) << pause.error().message;
    num_begun = 0;
    keeper.note_write(1, true);
    std::this_thread::sleep_for(5ms);
    EXPECT_EQ(num_begun, 0);
  }
}

TEST(ShardKeeper, PausesComeOneAfterTheOtherAndGiveUpInTime) {
  ShardKeeper keeper("c", quick(),
                     [&](Activity, const Deadline&) -> Result<bool> { return false; });
  std::optional<ShardKeeper::Pause> first = keeper.pause(Deadline::never()).value();
  EXPECT_EQ(keeper.pause(Deadline::after(30ms)).error().code, StatusCode::kDeadlineExceeded);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(keeper.pause(Deadline::never().with_stop(stop.get_token())).error().code,
            StatusCode::kCancelled);
  std::atomic<int> num_inside{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto pause = keeper.pause(Deadline::never());
      ASSERT_TRUE(pause);
      EXPECT_EQ(++num_inside, 1);
      std::this_thread::sleep_for(2ms);
      --num_inside;
    });
  }
  first.reset();
  for (std::thread& thread : threads) thread.join();
}

TEST(ShardKeeper, StoppingCallsOffAStepAndWaitsForAPause) {
  std::atomic<bool> began{false};
  ShardKeeper keeper("c", quick(), [&](Activity, const Deadline& deadline) {
    began = true;
    return endless(deadline);
  });
  keeper.start();
  ASSERT_TRUE(wait_until([&] { return began.load(); }));
  std::atomic<bool> holds{false}, let_go{false};
  std::thread holder([&] {
    const auto pause = keeper.pause(Deadline::never());
    ASSERT_TRUE(pause);
    holds = true;
    EXPECT_TRUE(wait_until([&] { return keeper.is_stopping(); }));
    std::this_thread::sleep_for(10ms);
    let_go = true;
  });
  ASSERT_TRUE(wait_until([&] { return holds.load(); }));
  keeper.stop();
  EXPECT_TRUE(let_go);
  holder.join();
  EXPECT_EQ(keeper.pause(Deadline::never()).error().code, StatusCode::kNotFound);
}

TEST(ShardKeeper, AFailureIsTriedAgainLater) {
  std::atomic<int> num_steps{0};
  ShardKeeper keeper("c", quick(), [&](Activity, const Deadline&) -> Result<bool> {
    ++num_steps;
    return io_error("no luck");
  });
  keeper.start();
  ASSERT_TRUE(wait_until([&] { return num_steps == 1; }));
  keeper.note_write(1, false);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(num_steps, 1);
  // But full shards take memory.
  keeper.note_write(1, true);
  EXPECT_TRUE(wait_until([&] { return num_steps == 2; }));
}

TEST(MemoryBudget, IsOfAllStoresTogether) {
  MemoryBudget budget(10 << 20, 4 << 20);
  const int a = 0, b = 0;
  budget.report(&a, 2 << 20);
  EXPECT_TRUE(budget.check(4 << 20, "it"));
  budget.report(&b, 1 << 20);
  const auto refused = budget.check(4 << 20, "it");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, StatusCode::kResourceExhausted);
  EXPECT_EQ(
      refused.error().message,
      "it needs 4 MiB of memory; index.memory_bytes allows 10 MiB, of which 7 MiB are in use");
  budget.report(&a, 0);
  EXPECT_TRUE(budget.check(5 << 20, "it"));
  EXPECT_TRUE(MemoryBudget(0, 4).check(std::uint64_t{1} << 60, "it"));
}

}  // namespace
}  // namespace sightline::pipeline
