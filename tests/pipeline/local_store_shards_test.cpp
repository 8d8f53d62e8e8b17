// Growing shards become sealed ones, are merged, compacted and built anew, and no search notices.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include "core/checksum.h"
#include "core/json.h"
#include "tests/pipeline/local_store_fixture.h"
#include "tests/pipeline/store_script.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::size_t kDim = 8;

std::vector<float> vector_of(std::uint64_t number) { return script::vector_of(number, kDim); }

class LocalStoreShards : public LocalStoreTest {
 protected:
  static StoreOptions eager() {
    StoreOptions options;
    options.durability = Durability::kInterval;
    options.sealing.full_rows = 64;
    options.sealing.small_rows = 16;
    options.sealing.idle = std::chrono::milliseconds(20);
    options.sealing.bulk_rows = 1'000'000;
    return options;
  }
  static StoreOptions by_hand() {
    StoreOptions options = eager();
    options.sealing.in_background = false;
    return options;
  }

  void SetUp() override { make(by_hand()); }
  void make(const StoreOptions& options) {
    store_.reset();
    folder_.reset();
    open(options);
    store_ = folder_->create_collection("c" + std::to_string(num_made_++), config()).value();
    name_ = store_->info()->name;
  }
  static CollectionConfig config() {
    CollectionConfig config = config_of(kDim, Metric::kDot);
    config.vectors["b"] = {2, Metric::kEuclid, {}};
    return config;
  }
  void reopen(const StoreOptions& options) {
    store_.reset();
    folder_.reset();
    open(options);
    auto opened = folder_->open_collection(name_);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *opened;
  }

  void put(std::uint64_t first, std::uint64_t end, std::uint64_t salt = 0) {
    std::vector<WriteOp> ops;
    for (std::uint64_t id = first; id < end; ++id)
      ops.emplace_back(point(id, vector_of(id + salt), {{"n", id + salt}}));
    write(std::move(ops));
  }

  std::vector<std::string> types(const std::string& vector_name = "") {
    std::vector<std::string> types;
    const CollectionInfo info = store_->info().value();
    for (const ShardInfo& shard : info.shards)
      if (shard.vector_name == vector_name) types.push_back(shard.type);
    return types;
  }
  std::set<std::string> folders() {
    std::set<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(shards_folder(), error))
      names.insert(entry.path().filename().string());
    return names;
  }
  std::filesystem::path shards_folder() { return folder_->collection_folder(name_) / "shards"; }

  bool wait_until(const std::function<bool()>& is_so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  /// Ids 0..num_ids hold vector_of(id + salt(id)) and are found so by an exact search.
  void expect_all(std::uint64_t num_ids, const std::function<std::uint64_t(std::uint64_t)>& salt) {
    SearchRequest request = near(vector_of(12345), 10'000);
    request.exact = true;
    const auto hits = search(request);
    ASSERT_EQ(hits.size(), num_ids);
    std::set<std::uint64_t> seen;
    for (const ScoredPoint& hit : hits) {
      const std::uint64_t id = hit.id.number();
      ASSERT_TRUE(seen.insert(id).second) << id << " twice";
      ASSERT_EQ(hit.payload["n"], id + salt(id));
      const auto row = vector_of(id + salt(id)), query = vector_of(12345);
      double score = 0;
      for (std::size_t i = 0; i < kDim; ++i) score += double{row[i]} * double{query[i]};
      ASSERT_NEAR(hit.score, score, 1e-5) << id;
    }
  }
  void expect_all(std::uint64_t num_ids) {
    expect_all(num_ids, [](std::uint64_t) { return 0; });
  }

  std::string name_;
  int num_made_ = 0;
};

TEST_F(LocalStoreShards, AreSealedInTheBackground) {
  make(eager());
  put(0, 1000);
  ASSERT_TRUE(wait_until([&] {
    return types() == std::vector<std::string>{"Flat"} || types().size() == 8;
  })) << testing::PrintToString(types());
  expect_all(1000);
  const CollectionInfo info = *store_->info();
  for (const ShardInfo& shard : info.shards) EXPECT_EQ(shard.num_live, shard.num_rows);
  EXPECT_GT(info.mapped_bytes, 1000 * kDim * sizeof(float) - 1);
  reopen(eager());
  expect_all(1000);
}

TEST_F(LocalStoreShards, SmallOnesAreNotSealedInTheBackground) {
  make(eager());
  put(0, 15);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_THAT(types(), ElementsAre("growing"));
  EXPECT_THAT(folders(), IsEmpty());
}

TEST_F(LocalStoreShards, AFewPointsThatAreUpdatedAllTheTimeAreNotSealed) {
  make(eager());
  for (std::uint64_t n = 0; n < 500; ++n) put(0, 3, n);
  EXPECT_THAT(types(), ElementsAre("growing"));
  EXPECT_LT(store_->info()->shards[0].num_rows, 70U);
  expect_all(3, [](std::uint64_t) { return 499; });
  reopen(eager());
  expect_all(3, [](std::uint64_t) { return 499; });
}

TEST_F(LocalStoreShards, OptimiseSealsAndSaysWhatItDid) {
  put(0, 300);
  std::vector<double> shares;
  OptimizeOptions options;
  options.progress = [&](double share, std::string_view) { shares.push_back(share); };
  const auto summary = store_->optimize(options, Deadline::never()).value();
  EXPECT_EQ(summary.num_built, 1U);
  EXPECT_EQ(summary.num_rows, 300U);
  EXPECT_THAT(types(), ElementsAre("Flat"));
  ASSERT_FALSE(shares.empty());
  EXPECT_EQ(shares.back(), 1.0);
  for (const double share : shares) EXPECT_TRUE(share >= 0 && share <= 1) << share;
  expect_all(300);
  // Nothing is left to do, unless it must be.
  EXPECT_EQ(optimize().num_built, 0U);
  const auto before = folders();
  EXPECT_EQ(optimize(true).num_built, 1U);
  EXPECT_EQ(folders().size(), 1U);
  EXPECT_NE(folders(), before);
  expect_all(300);
  reopen(by_hand());
  EXPECT_THAT(types(), ElementsAre("Flat"));
  expect_all(300);
}

TEST_F(LocalStoreShards, UpdatesAndDeletesOfSealedRowsSurviveReopening) {
  put(0, 200);
  optimize();
  put(50, 60, 1000);
  write({DeletePoint{PointId(199)}, DeletePoint{PointId(198)}});
  const auto salt = [](std::uint64_t id) { return id >= 50 && id < 60 ? 1000 : 0; };
  expect_all(198, salt);
  EXPECT_THAT(types(), ElementsAre("Flat", "growing"));
  reopen(by_hand());
  expect_all(198, salt);
  EXPECT_EQ(store_->info()->shards[0].num_live, 188U);
  optimize();
  expect_all(198, salt);
  reopen(by_hand());
  expect_all(198, salt);
}

TEST_F(LocalStoreShards, DeleteCompactReopen) {
  make(eager());
  put(0, 64);
  ASSERT_TRUE(wait_until([&] { return types() == std::vector<std::string>{"Flat"}; }));
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 40; id < 64; ++id) ops.emplace_back(DeletePoint{PointId(id)});
  write(std::move(ops));
  EXPECT_TRUE(wait_until([&] {
    const auto info = store_->info();
    return info->shards.size() == 1 && info->shards[0].num_rows == 40;
  }));
  expect_all(40);
  reopen(eager());
  expect_all(40);
  // And when nothing is left.
  for (std::uint64_t id = 0; id < 40; ++id) write({DeletePoint{PointId(id)}});
  EXPECT_TRUE(wait_until([&] { return store_->info()->shards.empty() && folders().empty(); }));
  EXPECT_THAT(search(near(vector_of(1))), IsEmpty());
  put(0, 3);
  expect_all(3);
}

TEST_F(LocalStoreShards, AnUpsertThatLeavesAVectorOutEndsItsSealedRow) {
  for (std::uint64_t id = 0; id < 20; ++id) {
    UpsertPoint both = point(id, vector_of(id));
    both.vectors.push_back({"b", {static_cast<float>(id), 0}});
    write({both});
  }
  optimize();
  EXPECT_THAT(types("b"), ElementsAre("Flat"));
  write({point(7, vector_of(7))});
  write({DeleteVectors{{{PointId(8)}, nullptr}, {""}}});
  SearchRequest request = near({7, 0}, 3);
  request.vector_name = "b";
  EXPECT_THAT(ids_of(search(request)), ElementsAre("6", "8", "5"));
  EXPECT_EQ(search(near(vector_of(8), 100)).size(), 19U);
  reopen(by_hand());
  EXPECT_THAT(ids_of(search(request)), ElementsAre("6", "8", "5"));
  EXPECT_EQ(search(near(vector_of(8), 100)).size(), 19U);
  write({UpdateVectors{PointId(7), {{"b", {7, 0.5F}}}}});
  EXPECT_THAT(ids_of(search(request)), ElementsAre("7", "6", "8"));
}

TEST_F(LocalStoreShards, SearchesFindEveryPointOnceWhileItIsUpdatedAndSealed) {
  make(eager());
  constexpr std::uint64_t kIds = 40;
  put(0, kIds);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> num_searches{0};
  std::vector<std::thread> searchers;
  for (int i = 0; i < 2; ++i) {
    searchers.emplace_back([&] {
      std::int64_t last = 0;
      while (!done) {
        const auto answer = store_->search(near(vector_of(1), 100), Deadline::never());
        ASSERT_TRUE(answer) << answer.error().message;
        ASSERT_EQ(answer->hits.size(), kIds);
        std::set<std::uint64_t> seen;
        std::int64_t oldest = std::numeric_limits<std::int64_t>::max();
        for (const ScoredPoint& hit : answer->hits) {
          ASSERT_TRUE(seen.insert(hit.id.number()).second);
          oldest = std::min(oldest, hit.payload["n"].get<std::int64_t>() -
                                        static_cast<std::int64_t>(hit.id.number()));
        }
        ASSERT_GE(oldest, last) << "a search saw less than one before it";
        last = oldest;
        ++num_searches;
      }
    });
  }
  std::thread optimiser([&] {
    while (!done) {
      OptimizeOptions options;
      options.force = true;
      ASSERT_TRUE(store_->optimize(options, Deadline::never()));
    }
  });
  for (std::uint64_t n = 1; n <= 1000; ++n) put(0, kIds, n * 100);
  while (num_searches < 100) std::this_thread::yield();
  done = true;
  for (std::thread& thread : searchers) thread.join();
  optimiser.join();
  expect_all(kIds, [](std::uint64_t) { return 100'000; });
  reopen(eager());
  expect_all(kIds, [](std::uint64_t) { return 100'000; });
}

TEST_F(LocalStoreShards, TheStructureIsWhatTheCollectionAsksFor) {
  put(0, 600);
  optimize();
  const auto plan_of = [&](bool exact) {
    SearchRequest request = near(vector_of(3), 5);
    request.exact = exact;
    return ask(request).plan;
  };
  EXPECT_EQ(plan_of(false).strategy, "exact");
  ASSERT_TRUE(store_->set_index("", "IVF8,Flat", 0.9));
  EXPECT_THAT(types(), ElementsAre("Flat"));
  optimize();
  EXPECT_THAT(types(), ElementsAre("IVF8,Flat"));
  EXPECT_GT(store_->info()->shards[0].nprobe, 0U);
  EXPECT_EQ(plan_of(false).strategy, "approximate");
  EXPECT_EQ(plan_of(true).strategy, "exact");
  expect_all(600);
  EXPECT_EQ(optimize().num_built, 0U);
  reopen(by_hand());
  EXPECT_EQ(store_->info()->config.vectors.at("").index, "IVF8,Flat");
  EXPECT_EQ(store_->info()->config.vectors.at("").target_recall, 0.9);
  EXPECT_THAT(types(), ElementsAre("IVF8,Flat"));
  put(600, 610);
  EXPECT_EQ(plan_of(false).strategy, "mixed");
  for (const char* spec : {"HNSW8", "IVF4,SQ8", "IVF4,PQ4", "Flat"}) {
    ASSERT_TRUE(store_->set_index("", spec, 0.95)) << spec;
    optimize(true);
    EXPECT_THAT(types(), ElementsAre(spec));
    expect_all(610);
    EXPECT_EQ(optimize().num_built, 0U) << spec;
  }
  SearchRequest probe = near(vector_of(3), 5);
  ASSERT_TRUE(store_->set_index("", "IVF8,Flat", 0.9));
  optimize();
  probe.nprobe = 3;
  EXPECT_EQ(ask(probe).plan.num_lists, 3U);
}

TEST_F(LocalStoreShards, BadStructuresAreRefused) {
  const auto error_of = [&](std::string_view name, std::string_view spec, double recall) {
    const auto set = store_->set_index(name, spec, recall);
    return set ? std::string("none") : set.error().message;
  };
  EXPECT_THAT(error_of("x", "auto", 0.9), HasSubstr("no vector \"x\""));
  EXPECT_THAT(error_of("", "IVF,PQ3", 0.9), HasSubstr("PQ3"));
  EXPECT_THAT(error_of("", "LSH", 0.9), HasSubstr("LSH"));
  EXPECT_THAT(error_of("", "auto", 0.4), HasSubstr("target_recall"));
  EXPECT_EQ(store_->info()->config.vectors.at("").index, "auto");
  CollectionConfig bad = config();
  bad.vectors[""].index = "IVF,PQ3";
  EXPECT_EQ(folder_->create_collection("bad", bad).error().code, StatusCode::kInvalidArgument);
  bad.vectors[""].index = "auto";
  bad.vectors["b"] = {2, Metric::kManhattan, {}};
  bad.vectors["b"].index = "HNSW32";
  EXPECT_THAT(folder_->create_collection("bad", bad).error().message, HasSubstr("manhattan"));
}

TEST_F(LocalStoreShards, AnOptimiseThatIsCalledOffLeavesASoundState) {
  put(0, 500);
  ASSERT_TRUE(store_->set_index("", "IVF16,Flat", 0.95));
  std::stop_source stop;
  OptimizeOptions options;
  options.progress = [&](double, std::string_view) { stop.request_stop(); };
  const auto called_off = store_->optimize(options, Deadline::never().with_stop(stop.get_token()));
  if (!called_off) {
    EXPECT_EQ(called_off.error().code, StatusCode::kCancelled);
  }
  EXPECT_EQ(store_->optimize({}, Deadline::after(std::chrono::milliseconds(0))).error().code,
            StatusCode::kDeadlineExceeded);
  expect_all(500);
  put(500, 510);
  optimize();
  EXPECT_EQ(folders().size(), types().size());
  EXPECT_THAT(types(), testing::Not(testing::Contains("growing")));
  expect_all(510);
}

TEST_F(LocalStoreShards, ABulkLoadIsSealedFlatAndTrainedAfterwards) {
  StoreOptions options = eager();
  options.sealing.bulk_rows = 10;
  options.sealing.idle = std::chrono::milliseconds(1500);
  make(options);
  ASSERT_TRUE(store_->set_index("", "IVF4,Flat", 0.9));
  for (std::uint64_t first = 0; first < 3000; first += 50) {
    put(first, first + 50);
    for (const std::string& type : types()) EXPECT_TRUE(type == "Flat" || type == "growing");
  }
  // A tail that is too small to be trained stays Flat.
  EXPECT_TRUE(wait_until([&] {
    const CollectionInfo info = store_->info().value();
    return std::any_of(info.shards.begin(), info.shards.end(), [](const ShardInfo& shard) {
      return shard.type == "IVF4,Flat" && shard.num_live > 2700;
    });
  })) << testing::PrintToString(types());
  expect_all(3000);
}

TEST_F(LocalStoreShards, MoreThanTheSurvivorsAreAllOfThem) {
  put(0, 500);
  for (const char* spec : {"Flat", "IVF8,Flat", "HNSW8"}) {
    ASSERT_TRUE(store_->set_index("", spec, 0.95));
    optimize(true);
    auto filter = std::make_shared<Filter>();
    filter->must.push_back(HasId{{PointId(3), PointId(77), PointId(401), PointId(9999)}});
    SearchRequest request = near(vector_of(3), 50);
    request.filter = filter;
    const SearchAnswer answer = ask(request);
    EXPECT_THAT(ids_of(answer.hits), UnorderedElementsAre("3", "77", "401")) << spec;
    EXPECT_EQ(answer.plan.num_allowed, 3U);
    EXPECT_EQ(answer.plan.num_points, 500U);
    request.exclude = {PointId(77)};
    EXPECT_EQ(search(request).size(), 2U);
    request.filter = nullptr;
    request.top_k = 1000;
    EXPECT_EQ(search(request).size(), 499U);
  }
}

// --- damage --------------------------------------------------------------------------------------

TEST_F(LocalStoreShards, AMissingShardIsReadFromTheDatabaseAndBuiltAnew) {
  put(0, 300);
  optimize();
  const auto folder = shards_folder() / *folders().begin();
  store_.reset();
  folder_.reset();
  std::filesystem::remove_all(folder);
  reopen(by_hand());
  expect_all(300);
  EXPECT_EQ(types().front(), "growing");
  optimize();
  EXPECT_THAT(types(), ElementsAre("Flat"));
  expect_all(300);
}

TEST_F(LocalStoreShards, AShardThatIsLostIsSealedPieceByPieceWhileItIsRead) {
  put(0, 1000);
  optimize();
  const auto folder = shards_folder() / *folders().begin();
  store_.reset();
  folder_.reset();
  std::filesystem::remove_all(folder);
  reopen(by_hand());
  expect_all(1000);
  const auto num_growing = std::ranges::count(types(), "growing");
  EXPECT_LE(num_growing, 5);
  EXPECT_EQ(std::ranges::count(types(), "Flat"), static_cast<long>(folders().size()));
  EXPECT_GE(folders().size(), 10U);
  reopen(by_hand());
  EXPECT_EQ(std::ranges::count(types(), "growing"), num_growing);
  expect_all(1000);
  // A reader cannot seal; it says what it lacks.
  store_.reset();
  folder_.reset();
  for (const auto& entry :
       std::filesystem::directory_iterator(dir_ / "data/collections" / name_ / "shards"))
    std::filesystem::remove_all(entry.path());
  StoreOptions options = by_hand();
  options.sealing.small_bytes = 0;
  options.cache_bytes = options.memtable_bytes = 1 << 20;
  options.index_memory_bytes = (1 << 20) + 1000;
  auto reading = DataFolder::open(dir_ / "data", Access::kRead, options, pool_).value();
  const auto opened = reading->open_collection(name_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, StatusCode::kResourceExhausted);
  EXPECT_THAT(opened.error().message, HasSubstr("that no shard of the index holds needs 1 MiB"));
}

TEST_F(LocalStoreShards, AShardOfANewerFormatIsBuiltAnew) {
  put(0, 100);
  optimize();
  const auto path = shards_folder() / *folders().begin() / "shard.json";
  store_.reset();
  folder_.reset();
  Json json = read_json_file(path).value();
  json["shard"]["format"] = 99;
  Checksum128 checksum;
  checksum.update(json["shard"].dump());
  json["checksum"] = checksum.hex();
  std::ofstream(path) << json.dump();
  reopen(by_hand());
  EXPECT_THAT(types(), testing::Each("growing"));
  expect_all(100);
  optimize();
  EXPECT_THAT(types(), ElementsAre("Flat"));
  expect_all(100);
}

TEST_F(LocalStoreShards, DamagedFilesAreNoticedAndBuiltAnew) {
  ASSERT_TRUE(store_->set_index("", "IVF4,Flat", 0.95));
  put(0, 300);
  optimize();
  store_.reset();
  folder_.reset();
  const testing_support::TempDir copies;
  std::vector<std::string> files;
  const auto original = dir_ / "data/collections" / name_ / "shards";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(original)) {
    if (entry.is_regular_file())
      files.push_back(std::filesystem::relative(entry.path(), original).string());
  }
  ASSERT_GE(files.size(), 2U);
  for (const std::string& file : files) {
    for (const bool cut : {false, true}) {
      SCOPED_TRACE(file + (cut ? " cut" : " flipped"));
      std::filesystem::remove_all(dir_ / "data2");
      std::filesystem::copy(dir_ / "data", dir_ / "data2",
                            std::filesystem::copy_options::recursive);
      const auto path = dir_ / "data2/collections" / name_ / "shards" / file;
      const auto size = std::filesystem::file_size(path);
      if (cut) {
        std::filesystem::resize_file(path, size / 2);
      } else {
        std::fstream bytes(path, std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekg(static_cast<std::streamoff>(size / 2));
        const char byte = static_cast<char>(bytes.get() ^ 0x10);
        bytes.seekp(static_cast<std::streamoff>(size / 2));
        bytes.put(byte);
      }
      {
        auto reading = DataFolder::open(dir_ / "data2", Access::kRead, by_hand(), pool_).value();
        const auto lines = reading->verify_collection(name_, Deadline::never()).value();
        EXPECT_EQ(lines.size(), 1U);
        store_ = reading->open_collection(name_).value();
        expect_all(300);
        store_.reset();
      }
      auto writing = DataFolder::open(dir_ / "data2", Access::kWrite, by_hand(), pool_).value();
      store_ = writing->open_collection(name_).value();
      expect_all(300);
      optimize();
      EXPECT_THAT(types(), ElementsAre("IVF4,Flat"));
      expect_all(300);
      EXPECT_THAT(writing->verify_collection(name_, Deadline::never()).value(), IsEmpty());
      store_.reset();
    }
  }
}

TEST_F(LocalStoreShards, WhatBuildsLeftIsRemovedByTheNextWriter) {
  put(0, 300);
  optimize();
  const auto used = folders();
  store_.reset();
  folder_.reset();
  const auto shards = dir_ / "data/collections" / name_ / "shards";
  std::filesystem::create_directories(shards / "000099.tmp");
  std::filesystem::copy(shards / *used.begin(), shards / "000098",
                        std::filesystem::copy_options::recursive);
  {
    auto reading = DataFolder::open(dir_ / "data", Access::kRead, {}, pool_).value();
    store_ = reading->open_collection(name_).value();
    expect_all(300);
    store_.reset();
  }
  EXPECT_TRUE(std::filesystem::exists(shards / "000098"));
  reopen(by_hand());
  EXPECT_EQ(folders(), used);
  expect_all(300);
  // A listed number is not used again: a reader may have its shard open.
  optimize(true);
  EXPECT_EQ(folders().size(), 1U);
  EXPECT_GT(folders(), used);
}

// --- memory --------------------------------------------------------------------------------------

TEST_F(LocalStoreShards, AWriteBeyondTheMemoryBudgetIsRefusedBeforehand) {
  StoreOptions options = by_hand();
  options.sealing = {.in_background = false};
  options.cache_bytes = options.memtable_bytes = std::uint64_t{8} << 20;
  options.index_memory_bytes = std::uint64_t{24} << 20;
  make(options);
  CollectionConfig wide = config_of(1024, Metric::kDot);
  store_ = folder_->create_collection("wide", wide).value();
  std::optional<Status> refused;
  std::uint64_t num_written = 0;
  for (; num_written < 8000 && !refused; num_written += refused ? 0 : 100) {
    std::vector<WriteOp> ops;
    for (std::uint64_t id = num_written; id < num_written + 100; ++id)
      ops.emplace_back(point(id, script::vector_of(id, 1024)));
    if (const auto written = store_->write(std::move(ops)); !written) refused = written.error();
  }
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, StatusCode::kResourceExhausted);
  EXPECT_THAT(refused->message, HasSubstr("index.memory_bytes allows 24 MiB"));
  EXPECT_GT(num_written, 1000U);
  EXPECT_EQ(store_->count().value(), num_written);
  // Deleting and reading go on.
  write({DeletePoint{PointId(5)}});
  EXPECT_EQ(search(near(script::vector_of(1, 1024), 3)).size(), 3U);
  // A graph would hold all of it once more.
  ASSERT_TRUE(store_->set_index("", "HNSW32", 0.95));
  const auto optimised = store_->optimize({}, Deadline::never());
  ASSERT_FALSE(optimised);
  EXPECT_EQ(optimised.error().code, StatusCode::kResourceExhausted);
  EXPECT_THAT(optimised.error().message, HasSubstr("building HNSW32"));
  // Sealed rows are mapped.
  ASSERT_TRUE(store_->set_index("", "Flat", 0.95));
  optimize();
  ASSERT_TRUE(store_->write({point(100'000, script::vector_of(1, 1024))}));
}

TEST_F(LocalStoreShards, WritesWaitForFullShardsToBeSealed) {
  StoreOptions options = eager();
  options.sealing.full_rows = 1000;
  options.cache_bytes = options.memtable_bytes = std::uint64_t{8} << 20;
  options.index_memory_bytes = std::uint64_t{24} << 20;
  make(options);
  store_ = folder_->create_collection("wide", config_of(1024, Metric::kDot)).value();
  for (std::uint64_t first = 0; first < 12'000; first += 500) {
    std::vector<WriteOp> ops;
    for (std::uint64_t id = first; id < first + 500; ++id)
      ops.emplace_back(point(id, script::vector_of(id, 1024)));
    const auto written = store_->write(std::move(ops));
    ASSERT_TRUE(written) << written.error().message;
  }
  EXPECT_EQ(search(near(script::vector_of(1, 1024), 10'000)).size(), 10'000U);
}

}  // namespace
}  // namespace sightline::pipeline
