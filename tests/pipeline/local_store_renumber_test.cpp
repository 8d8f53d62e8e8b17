// Optimising gives points the slots that others have left, and nothing but the slots changes.
#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "storage/collection_db.h"
#include "storage/internal/collection_families.h"
#include "tests/pipeline/local_store_fixture.h"
#include "tests/pipeline/store_script.h"

namespace sightline::pipeline {
namespace {

class LocalStoreRenumber : public LocalStoreTest {
 protected:
  static constexpr std::size_t kDim = 8;
  static std::vector<float> vector_of(std::uint64_t number) {
    return script::vector_of(number, kDim);
  }
  static StoreOptions options() {
    StoreOptions options;
    options.durability = Durability::kInterval;
    options.sealing.in_background = false;
    options.sealing.full_rows = 300;
    return options;
  }
  void SetUp() override {
    open(options());
    store_ = folder_->create_collection("c", config_of(kDim, Metric::kDot)).value();
    ASSERT_TRUE(store_->create_payload_index("n", FieldType::kInteger));
  }

  void put(std::uint64_t first, std::uint64_t end) {
    std::vector<WriteOp> ops;
    for (std::uint64_t id = first; id < end; ++id) {
      UpsertPoint upsert = point(id, vector_of(id), {{"n", id}, {"parity", id % 2}});
      upsert.thumbnail = "thumbnail of " + std::to_string(id);
      ops.emplace_back(std::move(upsert));
      ops.emplace_back(PutSource{source("file:///" + std::to_string(id), PointId(id))});
    }
    write(std::move(ops));
  }
  void remove(std::uint64_t first, std::uint64_t end, std::uint64_t step = 1) {
    std::vector<WriteOp> ops;
    for (std::uint64_t id = first; id < end; id += step) ops.emplace_back(DeletePoint{PointId(id)});
    write(std::move(ops));
  }

  storage::CollectionCounters counters() const {
    const auto db = storage::CollectionDb::open(
        folder_->collection_folder("c") / "db", storage::OpenMode::kRead,
        storage::SharedBudget::create({1 << 20, 1 << 20, 0}));
    EXPECT_TRUE(db) << db.error().message;
    return (*db)->snapshot().value()->counters();
  }

  using Versions = std::map<std::uint64_t, std::uint64_t>;  // of points, by id
  static Versions versions_of(const CollectionStore& store) {
    Versions versions;
    const auto points = store.scroll(std::nullopt, 100'000, {true, true}, nullptr);
    EXPECT_TRUE(points) << points.error().message;
    if (!points) return versions;
    for (const StoredPoint& point : *points) {
      const std::uint64_t id = point.id.number();
      versions[id] = point.version;
      EXPECT_EQ(point.payload, (Json{{"n", id}, {"parity", id % 2}}));
      EXPECT_EQ(point.vectors.at(0).values, vector_of(id));
    }
    return versions;
  }
  /// `versions`, in every way in which points can be asked for.
  static void expect_all(const CollectionStore& store, const Versions& versions) {
    EXPECT_EQ(versions_of(store), versions);
    SearchRequest all = near(vector_of(12345), 10'000);
    all.exact = true;
    const auto answer = store.search(all, Deadline::never());
    ASSERT_TRUE(answer) << answer.error().message;
    std::set<std::uint64_t> found;
    for (const ScoredPoint& hit : answer->hits) {
      const std::uint64_t id = hit.id.number();
      EXPECT_TRUE(found.insert(id).second) << id << " twice";
      EXPECT_TRUE(versions.contains(id)) << id;
      EXPECT_EQ(hit.payload["n"], id);
    }
    EXPECT_EQ(found.size(), versions.size());
    for (const auto& [id, version] : versions) {
      if (id % 7 != 0) continue;
      EXPECT_EQ(store.thumbnail(PointId(id)).value(), "thumbnail of " + std::to_string(id));
      EXPECT_EQ(store.find_source("file:///" + std::to_string(id)).value()->id, PointId(id));
      const Json by_number = {{"key", "n"}, {"match", {{"value", id}}}};
      SearchRequest one = all;
      one.filter =
          std::make_shared<Filter>(parse_filter(Json{{"must", Json::array({by_number})}}).value());
      EXPECT_EQ(store.count(one.filter).value(), 1U);
      const auto hit = store.search(one, Deadline::never());
      ASSERT_TRUE(hit) << hit.error().message;
      ASSERT_EQ(hit->hits.size(), 1U);
      EXPECT_EQ(hit->hits[0].id, PointId(id));
    }
  }
};

TEST_F(LocalStoreRenumber, NothingButTheSlotsChanges) {
  put(0, 2000);
  ASSERT_TRUE(optimize().num_built);
  remove(0, 2000, 3);
  remove(1000, 1200);
  put(2000, 2100);
  auto versions = versions_of(*store_);
  const std::uint64_t most = 2100 - versions.size();

  auto reading = DataFolder::open(dir_ / "data", Access::kRead, {}, pool_);
  ASSERT_TRUE(reading) << reading.error().message;
  const auto reader = (*reading)->open_collection("c").value();
  expect_all(*reader, versions);

  const OptimizeSummary done = optimize();
  EXPECT_GT(done.num_moved, 0U);
  EXPECT_LE(done.num_moved, most);
  expect_all(*store_, versions);
  expect_all(*reader, versions);  // as of its moment
  ASSERT_TRUE(reader->catch_up());
  expect_all(*reader, versions);
  EXPECT_EQ(optimize().num_moved, 0U);
  EXPECT_EQ(counters().next_slot, versions.size());

  // Slots that points have left are given out again; the reader follows.
  put(5000, 5300);
  remove(2050, 2060);
  put(1, 2);
  versions = versions_of(*store_);
  EXPECT_EQ(versions.size(), 2100 - most + 300 - 10);
  expect_all(*store_, versions);
  ASSERT_TRUE(reader->catch_up());
  expect_all(*reader, versions);
  reopen(options());
  expect_all(*store_, versions);
  EXPECT_THAT(folder_->verify_collection("c", Deadline::never()).value(), testing::IsEmpty());
}

TEST_F(LocalStoreRenumber, IsDoneWhereMuchIsFreeOrAtAnyRate) {
  put(0, 1000);
  remove(0, 150);
  EXPECT_EQ(optimize().num_moved, 0U);
  EXPECT_EQ(optimize(true).num_moved, 150U);
  EXPECT_EQ(optimize(true).num_moved, 0U);
  remove(800, 850);   // leaves 800 points
  remove(900, 1000);  // the last ones: nothing has to move far
  EXPECT_GT(optimize(true).num_moved, 0U);
  expect_all(*store_, versions_of(*store_));
  remove(0, 1000);
  EXPECT_EQ(optimize().num_moved, 0U);
  put(7, 9);
  expect_all(*store_, versions_of(*store_));
  EXPECT_EQ(store_->count(nullptr).value(), 2U);
}

TEST_F(LocalStoreRenumber, WithADamagedPointTheSlotsStayAsTheyAre) {
  put(0, 400);
  optimize();
  remove(0, 200);
  store_.reset();
  folder_.reset();
  {  // the vector of the last point is lost, which a shard has as well
    const auto database = storage::RocksDatabase::open(
        dir_ / "data/collections/c/db", storage::OpenMode::kWrite, storage::collection_families(),
        storage::SharedBudget::create({1 << 20, 1 << 20, 0}));
    ASSERT_TRUE(database) << database.error().message;
    ASSERT_TRUE(
        (*database)
            ->db()
            .Delete({}, (*database)->family(storage::kVectors), storage::vector_key("", 399))
            .ok());
  }
  open(options());
  store_ = folder_->open_collection("c").value();
  const OptimizeSummary done = optimize();
  EXPECT_EQ(done.num_moved, 0U);
  EXPECT_EQ(done.num_built, 1U);  // what is left of the shard
  EXPECT_EQ(search(near(vector_of(1), 1000)).size(), 200U);
  write({DeletePoint{PointId(399)}});
  EXPECT_EQ(optimize().num_moved, 199U);
  expect_all(*store_, versions_of(*store_));
}

TEST_F(LocalStoreRenumber, SearchesAndWritesGoOnMeanwhile) {
  constexpr std::uint64_t kStay = 1500;  // ids that are there all the time: odd ones
  put(0, 2 * kStay);
  remove(0, 2 * kStay, 2);
  std::atomic<bool> done{false};
  std::atomic<int> num_searches{0};
  std::thread searcher([&] {
    while (!done) {
      SearchRequest all = near(vector_of(777), 10'000);
      all.exact = true;
      const auto answer = store_->search(all, Deadline::never());
      ASSERT_TRUE(answer) << answer.error().message;
      std::set<std::uint64_t> found;
      std::size_t num_staying = 0;
      for (const ScoredPoint& hit : answer->hits) {
        const std::uint64_t id = hit.id.number();
        ASSERT_TRUE(found.insert(id).second) << id << " twice";
        ASSERT_EQ(hit.payload["n"], id);
        if (id < 2 * kStay && id % 2 == 1) ++num_staying;
      }
      ASSERT_EQ(num_staying, kStay);
      ++num_searches;
    }
  });
  std::thread writer([&] {
    for (std::uint64_t n = 0; !done; ++n) {
      const std::uint64_t first = 10'000 + 3 * (n % 50);
      ASSERT_TRUE(store_->write({point(first, vector_of(first), {{"n", first}}),
                                 point(first + 1, vector_of(first + 1), {{"n", first + 1}})}));
      ASSERT_TRUE(store_->write({DeletePoint{PointId(first)}}));
    }
  });
  std::uint64_t num_moved = 0;
  for (int round = 0; round < 6; ++round) {
    num_moved += optimize(true).num_moved;
    std::vector<WriteOp> ops;  // free slots among those that are taken
    for (std::uint64_t id = 20'000; id < 20'600; ++id)
      ops.emplace_back(point(id, vector_of(id), {{"n", id}}));
    EXPECT_TRUE(store_->write(std::move(ops)));
    remove(20'000, 20'600);
  }
  while (num_searches < 5) std::this_thread::yield();
  done = true;
  searcher.join();
  writer.join();
  EXPECT_GE(num_moved, kStay / 2);
  optimize(true);
  const auto left = store_->count(nullptr).value();
  reopen(options());
  EXPECT_EQ(store_->count(nullptr).value(), left);
}

}  // namespace
}  // namespace sightline::pipeline
