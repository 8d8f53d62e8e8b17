#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <set>
#include <thread>

#include "tests/pipeline/local_store_fixture.h"

namespace sightline::pipeline {
namespace {

class LocalStoreThreads : public LocalStoreTest {
 protected:
  void SetUp() override {
    StoreOptions options;
    options.durability = Durability::kInterval;  // Many commits in little time.
    open(options);
    store_ = folder_->create_collection("c", config_of(2)).value();
  }
};

TEST_F(LocalStoreThreads, ABuildBesideSearchesMakesWay) {
  const auto nice = [] { return getpriority(PRIO_PROCESS, 0); };  // of the calling thread
  const int own = nice();
  if (own >= 15) GTEST_SKIP() << "there is no lower priority";
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 1; id <= 500; ++id)
    ops.emplace_back(point(id, {1, 0.01F * static_cast<float>(id)}));
  write(std::move(ops));
  ASSERT_TRUE(store_->set_index("", "IVF8,Flat", 0.9));
  const auto answer = search(near({1, 0}, 500));
  for (const bool beside_searches : {true, false}) {
    int lowest = own;
    OptimizeOptions options;
    options.force = true;
    options.beside_searches = beside_searches;
    options.progress = [&](double, std::string_view) { lowest = std::max(lowest, nice()); };
    const auto built = store_->optimize(options, Deadline::never());
    ASSERT_TRUE(built) << built.error().message;
    EXPECT_EQ(built->num_rows, 500U);
    EXPECT_EQ(lowest > own, beside_searches) << lowest;
    EXPECT_EQ(nice(), own);
    EXPECT_EQ(store_->info()->shards.at(0).type, "IVF8,Flat");
    SearchRequest all = near({1, 0}, 500);
    all.nprobe = 8;
    EXPECT_EQ(ids_of(search(all)), ids_of(answer));
  }
}

TEST_F(LocalStoreThreads, APointThatIsUpdatedIsFoundExactlyOnceByEverySearch) {
  write({point(1, {1, 0}, {{"n", 0}}), point(2, {0, 1}, {{"n", 0}})});
  std::atomic<bool> done{false};
  std::atomic<std::size_t> num_searches{0};
  std::vector<std::thread> searchers;
  for (int i = 0; i < 2; ++i) {
    searchers.emplace_back([&] {
      std::int64_t last = 0;
      while (!done) {
        const auto answer = store_->search(near({1, 1}), Deadline::never());
        ASSERT_TRUE(answer) << answer.error().message;
        const std::vector<ScoredPoint>& hits = answer->hits;
        ASSERT_EQ(hits.size(), 2U);
        std::set<std::string> ids;
        for (const ScoredPoint& hit : hits) ids.insert(hit.id.to_string());
        ASSERT_EQ(ids.size(), 2U);
        // Both were written by one commit, and the row agrees with the payload of that commit.
        ASSERT_EQ(hits[0].payload, hits[1].payload);
        const auto n = hits[0].payload["n"].get<std::int64_t>();
        ASSERT_GE(n, last);
        last = n;
        if (n > 0) {
          const float expected = n % 2 == 0 ? 1.0F : std::sqrt(0.5F);
          ASSERT_FLOAT_EQ(hits[0].score, expected) << n;
        }
        ++num_searches;
      }
    });
  }
  for (int n = 1; n <= 1500; ++n) {
    const std::vector<float> vector =
        n % 2 == 0 ? std::vector<float>{1, 1} : std::vector<float>{1, 0};
    write({point(1, vector, {{"n", n}}), point(2, vector, {{"n", n}})});
  }
  while (num_searches < 100) std::this_thread::yield();
  done = true;
  for (std::thread& thread : searchers) thread.join();
  EXPECT_EQ(store_->count().value(), 2U);
}

TEST_F(LocalStoreThreads, APointThatComesAndGoesIsFoundOnceOrNotAtAll) {
  std::atomic<bool> done{false};
  std::thread searcher([&] {
    while (!done) {
      const auto answer = store_->search(near({1, 1}), Deadline::never());
      ASSERT_TRUE(answer) << answer.error().message;
      const std::vector<ScoredPoint>& hits = answer->hits;
      ASSERT_LE(hits.size(), 1U);
      if (!hits.empty()) {
        ASSERT_TRUE(hits[0].payload.contains("n"));
      }
    }
  });
  for (int n = 1; n <= 500; ++n) {
    write({point(1, {1, 0}, {{"n", n}})});
    write({DeletePoint{PointId(1)}});
  }
  done = true;
  searcher.join();
}

TEST_F(LocalStoreThreads, WritersShareCommitsAndABadRequestFailsAlone) {
  constexpr std::uint64_t kWriters = 4, kWrites = 100;
  std::vector<std::thread> writers;
  std::atomic<std::uint64_t> num_refused{0};
  std::mutex mutex;
  std::set<std::uint64_t> commits;
  for (std::uint64_t writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      for (std::uint64_t n = 0; n < kWrites; ++n) {
        const std::uint64_t id = writer * kWrites + n;
        const bool bad = n % 5 == 3;
        // What is wrong shows only when the request is resolved, after its first operation.
        const auto result =
            bad ? store_->write({point(id, {1, 0}), PutSource{source("s", PointId(1'000'000))}})
                : store_->write({point(id, {1, 0}),
                                 PutSource{source("u" + std::to_string(id), PointId(id))}});
        ASSERT_EQ(result.has_value(), !bad);
        if (bad) {
          ++num_refused;
          continue;
        }
        // Visible from here on.
        const PointId own(id);
        ASSERT_TRUE(store_->get({&own, 1}, {}).value()[0].has_value());
        ASSERT_GE(store_->info()->commit_number, result->commit_number);
        const std::lock_guard lock(mutex);
        ASSERT_TRUE(commits.insert(result->commit_number).second);
      }
    });
  }
  for (std::thread& thread : writers) thread.join();
  EXPECT_EQ(num_refused, kWriters * kWrites / 5);
  const auto info = store_->info().value();
  EXPECT_EQ(info.num_points, kWriters * kWrites * 4 / 5);
  EXPECT_EQ(info.num_sources, info.num_points);
  EXPECT_EQ(info.commit_number, info.num_points);
  EXPECT_EQ(*commits.rbegin(), info.commit_number);
  reopen();
  EXPECT_EQ(store_->info()->num_points, info.num_points);
  EXPECT_EQ(search(near({1, 0}, 1000)).size(), info.num_points);
}

TEST_F(LocalStoreThreads, DeletingACollectionWaitsForItsReaders) {
  for (std::uint64_t id = 0; id < 200; ++id) write({point(id, {1, 0}, {{"n", id}})});
  std::atomic<bool> done{false};
  std::thread searcher([&] {
    while (!done) {
      const auto answer = store_->search(near({1, 1}, 200), Deadline::never());
      if (!answer) {
        ASSERT_EQ(answer.error().code, StatusCode::kNotFound) << answer.error().message;
        continue;
      }
      ASSERT_EQ(answer->hits.size(), 200U);
    }
  });
  ASSERT_TRUE(folder_->delete_collection("c").value());
  auto again = folder_->create_collection("c", config_of(2));
  ASSERT_TRUE(again) << again.error().message;
  done = true;
  searcher.join();
  EXPECT_EQ(store_->write({point(1, {1, 0})}).error().code, StatusCode::kNotFound);
  EXPECT_EQ(store_->catch_up().error().code, StatusCode::kNotFound);
  EXPECT_EQ((*again)->count().value(), 0U);
  ASSERT_TRUE((*again)->write({point(1, {1, 0})}));
}

TEST_F(LocalStoreThreads, ALargeScanIsSharedWithThePoolAndGivesTheSameAnswer) {
  store_ = folder_->create_collection("wide", config_of(512)).value();
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < 6000; ++id) {
    std::vector<float> vector(512, 0.01F);
    vector[id % 512] = 1.0F + static_cast<float>(id) / 6000.0F;
    ops.emplace_back(point(id, std::move(vector)));
  }
  write(std::move(ops));
  std::vector<float> query(512, 0.0F);
  query[7] = 1;
  const auto hits = search(near(query, 11));
  ASSERT_EQ(hits.size(), 11U);
  for (std::size_t i = 0; i < hits.size(); ++i)
    EXPECT_EQ(hits[i].id.number() % 512, 7U) << hits[i].id.to_string();
  // The same from inside a worker, which cannot wait for the pool.
  auto inside = pool_.submit(Priority::kRerank,
                             [&] { return store_->search(near(query, 11), Deadline::never()); });
  EXPECT_EQ(ids_of(inside.get().value().hits), ids_of(hits));
}

}  // namespace
}  // namespace sightline::pipeline
