// One writer beside searchers, over the index alone: what ThreadSanitizer looks at.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "index/growing_shard.h"

namespace sightline::index {
namespace {

TEST(GrowingShardThreads, EverySlotIsFoundExactlyOnceWhileItIsUpdated) {
  constexpr Slot kSlots = 3;
  constexpr Version kVersions = 6'000;  // Many blocks.
  GrowingShard shard(2, Distance::kL2);
  std::atomic<Version> published{0};
  const auto write = [&](Version version) {
    // All slots of a version have its number as their first value.
    for (Slot slot = 0; slot < kSlots; ++slot) {
      const float row[] = {static_cast<float>(version), static_cast<float>(slot)};
      shard.put(slot, version, row);
    }
    published.store(version, std::memory_order_release);
  };
  write(1);
  ComputePool pool({.num_threads = 2, .init_thread = {}, .set_width = {}});
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> num_searches{0};
  std::vector<std::thread> searchers;
  for (int i = 0; i < 3; ++i) {
    searchers.emplace_back([&] {
      while (!done) {
        const Version version = published.load(std::memory_order_acquire);
        const float row[] = {static_cast<float>(version), 0};
        ShardQuery query;
        query.vector = row;
        query.read_version = version;
        const auto found = shard.search(query, &pool, Deadline::never());
        ASSERT_TRUE(found) << found.error().message;
        ASSERT_EQ(found->size(), kSlots) << "at version " << version;
        for (Slot slot = 0; slot < kSlots; ++slot) {
          ASSERT_EQ((*found)[slot].slot, slot);
          ASSERT_EQ((*found)[slot].distance, static_cast<float>(slot)) << "at version " << version;
        }
        ++num_searches;
      }
    });
  }
  for (Version version = 2; version <= kVersions; ++version) write(version);
  while (num_searches < 30) std::this_thread::yield();
  done = true;
  for (std::thread& thread : searchers) thread.join();
  EXPECT_EQ(shard.num_rows(), kSlots * kVersions);
}

TEST(GrowingShardThreads, WorkersOfThePoolMaySearchAllAtOnce) {
  GrowingShard shard(1024, Distance::kInnerProduct);
  std::vector<float> row(1024);
  for (Slot slot = 0; slot < 5'000; ++slot) {
    row[slot % 1024] = static_cast<float>(slot);
    shard.put(slot, 1, row);
  }
  ComputePool pool({.num_threads = 2, .init_thread = {}, .set_width = {}});
  const std::vector<float> ones(1024, 1.0F);
  ShardQuery query;
  query.vector = ones;
  query.k = 7;
  const auto expected = shard.search(query, nullptr, Deadline::never()).value();
  std::vector<std::future<Result<std::vector<Candidate>>>> futures;
  for (int i = 0; i < 12; ++i) {
    futures.push_back(pool.submit(Priority::kRerank,
                                  [&] { return shard.search(query, &pool, Deadline::never()); }));
  }
  for (auto& future : futures) EXPECT_EQ(future.get().value(), expected);
}

}  // namespace
}  // namespace sightline::index
