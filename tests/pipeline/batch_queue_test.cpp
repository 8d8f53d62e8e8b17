#include "pipeline/internal/batch_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>

namespace sightline::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::ElementsAre;
using testing::Le;

/// Rows of one float, the length of the text; "bad" fails its batch. Remembers the batches and can
/// be held up.
class Encoder {
 public:
  Result<encoders::EmbeddingBatch> operator()(std::span<const BatchItem* const> items) {
    {
      std::lock_guard lock(mutex_);
      sizes_.push_back(items.size());
    }
    while (held) std::this_thread::sleep_for(1ms);
    if (std::ranges::any_of(items, [](const auto* item) { return *item->text == "bad"; }))
      return invalid_argument("a bad text");
    encoders::EmbeddingBatch rows(items.size(), 1);
    for (std::size_t i = 0; i < items.size(); ++i)
      rows.row(i)[0] = static_cast<float>(items[i]->text->size());
    return rows;
  }
  std::vector<std::size_t> sizes() const {
    std::lock_guard lock(mutex_);
    return sizes_;
  }
  std::atomic<bool> held{false};

 private:
  mutable std::mutex mutex_;
  std::vector<std::size_t> sizes_;
};

class BatchQueueTest : public testing::Test {
 protected:
  void make(BatchQueueOptions options) {
    queue_ = std::make_unique<BatchQueue>("texts", options,
                                          [this](auto items) { return encoder_(items); });
  }
  /// The rows of `texts`, or the failure.
  Result<std::vector<float>> encode(const std::vector<std::string>& texts,
                                    Deadline deadline = Deadline::never()) {
    std::vector<BatchItem> items;
    for (const std::string& text : texts) items.push_back({&text, {}, {}});
    SIGHTLINE_TRY_DO(queue_->encode(items, deadline));
    std::vector<float> rows;
    for (const BatchItem& item : items) rows.push_back(item.row.at(0));
    return rows;
  }
  void wait_until_waiting(std::uint64_t n) {
    while (queue_->statistics().waiting < n) std::this_thread::sleep_for(1ms);
  }
  /// Starts one caller and waits until its batch runs and is held up.
  std::thread hold_up() {
    encoder_.held = true;
    std::thread first([this] { EXPECT_TRUE(encode({"x"})); });
    while (encoder_.sizes().empty()) std::this_thread::sleep_for(1ms);
    return first;
  }

  Encoder encoder_;
  std::unique_ptr<BatchQueue> queue_;
};

TEST_F(BatchQueueTest, ALoneRequestDoesNotWait) {
  make({.max_wait = 10s});
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) EXPECT_THAT(*encode({"four"}), ElementsAre(4));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  EXPECT_EQ(queue_->statistics().batches, 20u);
}

TEST_F(BatchQueueTest, WhatGathersWhileABatchRunsIsOneBatch) {
  make({});
  std::thread first = hold_up();
  std::vector<std::thread> others;
  for (int i = 0; i < 6; ++i)
    others.emplace_back([this, i] {
      EXPECT_THAT(*encode({std::string(static_cast<std::size_t>(i), 'x')}), ElementsAre(i));
    });
  wait_until_waiting(6);
  encoder_.held = false;
  first.join();
  for (auto& thread : others) thread.join();
  EXPECT_THAT(encoder_.sizes(), ElementsAre(1, 6));
  EXPECT_EQ(queue_->statistics().items, 7u);
  EXPECT_EQ(queue_->statistics().waiting, 0u);
}

TEST_F(BatchQueueTest, ALargeRequestGoesInBatchesOfTheLimit) {
  make({.max_batch = 3});
  const auto rows = encode({"", "a", "aa", "aaa", "aaaa", "aaaaa", "aaaaaa"});
  EXPECT_THAT(*rows, ElementsAre(0, 1, 2, 3, 4, 5, 6));
  EXPECT_THAT(encoder_.sizes(), ElementsAre(3, 3, 1));
}

TEST_F(BatchQueueTest, OneBadTextDoesNotFailItsNeighbours) {
  make({});
  std::thread first = hold_up();
  std::thread good([this] { EXPECT_THAT(*encode({"good"}), ElementsAre(4)); });
  wait_until_waiting(1);
  std::thread bad([this] { EXPECT_EQ(encode({"bad"}).error().message, "a bad text"); });
  wait_until_waiting(2);
  encoder_.held = false;
  first.join();
  good.join();
  bad.join();
}

TEST_F(BatchQueueTest, TooManyWaitingIsOverloaded) {
  make({.max_waiting = 2});
  std::thread first = hold_up();
  std::thread second([this] { EXPECT_TRUE(encode({"a", "b"})); });
  wait_until_waiting(2);
  EXPECT_EQ(encode({"c"}).error().code, StatusCode::kOverloaded);
  EXPECT_EQ(queue_->statistics().refused, 1u);
  encoder_.held = false;
  first.join();
  second.join();
  EXPECT_TRUE(encode(std::vector<std::string>(100, "large, but alone")));
}

TEST_F(BatchQueueTest, WhoIsCalledOffLeavesTheQueue) {
  make({});
  std::thread first = hold_up();
  std::stop_source stop;
  std::thread second([&] {
    EXPECT_EQ(encode({"a"}, Deadline::never().with_stop(stop.get_token())).error().code,
              StatusCode::kCancelled);
  });
  EXPECT_EQ(encode({"b"}, Deadline::after(50ms)).error().code, StatusCode::kDeadlineExceeded);
  wait_until_waiting(1);
  stop.request_stop();
  second.join();
  EXPECT_EQ(queue_->statistics().waiting, 0u);
  encoder_.held = false;
  first.join();
  EXPECT_THAT(encoder_.sizes(), ElementsAre(1));
}

TEST_F(BatchQueueTest, ManyCallersGetTheirOwnRows) {
  make({.max_batch = 16, .max_wait = 1ms});
  std::atomic<int> num_wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 200; ++i) {
        const std::size_t a = (t * 7 + i) % 50, b = (t + i * 3) % 50;
        const auto rows = encode({std::string(a, 'x'), std::string(b, 'y')});
        if (!rows || *rows != std::vector<float>{static_cast<float>(a), static_cast<float>(b)})
          ++num_wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(num_wrong, 0);
  EXPECT_EQ(queue_->statistics().items, 16u * 200 * 2);
  EXPECT_THAT(encoder_.sizes(), Each(Le(16u)));
}

}  // namespace
}  // namespace sightline::pipeline
