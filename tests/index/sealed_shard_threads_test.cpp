// A committer that deletes beside searchers: what ThreadSanitizer looks at.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "tests/index/shard_fixture.h"

namespace sightline::index {
namespace {

std::vector<TestShard> kinds() {
  std::vector<TestShard> all;
  for (const char* spec : {"Flat", "IVF16,Flat", "IVF16,SQ8", "IVF16,PQ8", "HNSW8"}) {
    TestShard kind;
    kind.spec = parse_shard_spec(spec).value();
    all.push_back(kind);
  }
  return all;
}

class SealedShardThreads : public testing::TestWithParam<TestShard> {};

TEST_P(SealedShardThreads, ASearchSeesWhatItsVersionHasDeletedAndNoMore) {
  constexpr std::size_t kRows = 1'500;  // Two pages of tombstones.
  const TestRows rows = clustered_rows(kRows, 24, 10, 1);
  const auto shard = make_sealed_shard(rows, GetParam());
  // Version v deletes the row order[v - 2].
  std::vector<std::size_t> order(kRows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937(3));
  std::vector<Version> deleted_at(test_slot(kRows));
  for (std::size_t i = 0; i < kRows; ++i) deleted_at[test_slot(order[i])] = i + 2;

  std::atomic<Version> published{1};
  std::atomic<std::uint64_t> num_searches{0};
  ComputePool pool({.num_threads = 2, .init_thread = {}, .set_width = {}});
  std::vector<std::thread> searchers;
  for (int thread = 0; thread < 3; ++thread) {
    searchers.emplace_back([&, thread] {
      std::mt19937 random(static_cast<unsigned>(thread));
      Version version = 1;
      while (version < kRows / 2 + 1) {
        version = published.load(std::memory_order_acquire);
        ShardQuery query;
        query.vector = rows[random() % kRows];
        query.read_version = version;
        query.k = thread == 0 ? kRows : 10;
        query.exact = thread == 1;
        const auto found = shard->search(query, &pool, Deadline::never());
        ASSERT_TRUE(found) << found.error().message;
        const std::size_t num_visible = kRows - (version - 1);
        ASSERT_EQ(found->size(), std::min(query.k, num_visible)) << "at version " << version;
        for (const Candidate& candidate : *found)
          ASSERT_GT(deleted_at[candidate.slot], version) << "slot " << candidate.slot;
        ++num_searches;
      }
    });
  }
  for (std::size_t i = 0; i < kRows / 2; ++i) {
    shard->remove(test_slot(order[i]), i + 2);
    published.store(i + 2, std::memory_order_release);
    while (num_searches < i / 4 && !HasFailure()) std::this_thread::yield();
  }
  for (std::thread& thread : searchers) thread.join();
  EXPECT_EQ(shard->num_live(), kRows - kRows / 2);
}

TEST_P(SealedShardThreads, WorkersOfThePoolMaySearchAllAtOnce) {
  TestRows rows = clustered_rows(6'000, 128, 10, 1);
  TestShard options = GetParam();
  options.nprobe = 16;
  const auto shard = make_sealed_shard(rows, options);
  const ShardList both = {shard, make_oracle(rows, [&] {
                            TestShard other = options;
                            other.first_slot = 100'000;
                            return other;
                          }())};
  ComputePool pool({.num_threads = 2, .init_thread = {}, .set_width = {}});
  ShardQuery query;
  query.vector = rows[5];
  const auto expected = search_shards(both, query, nullptr, Deadline::never()).value();
  std::vector<std::future<Result<std::vector<Candidate>>>> futures;
  for (int i = 0; i < 12; ++i) {
    futures.push_back(pool.submit(
        Priority::kRerank, [&] { return search_shards(both, query, &pool, Deadline::never()); }));
  }
  for (auto& future : futures) EXPECT_EQ(future.get().value(), expected);
}

INSTANTIATE_TEST_SUITE_P(Types, SealedShardThreads, testing::ValuesIn(kinds()),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace sightline::index
