// Shards that hold full vectors as fp16: what they are asked for stays exact, and no row is rounded
// twice.
#include <gmock/gmock.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/filter.h"
#include "core/json.h"
#include "tests/pipeline/local_store_fixture.h"
#include "tests/pipeline/store_script.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::read_file;

constexpr std::size_t kDim = 8;
const std::string kHalfPq = "IVF4,PQ4,Refine(SQfp16)", kHalfSq = "IVF4,SQ8,Refine(SQfp16)";

class RoundedRows : public LocalStoreTest {
 protected:
  static StoreOptions by_hand() {
    StoreOptions options;
    options.durability = Durability::kInterval;
    options.sealing.in_background = false;
    return options;
  }
  void SetUp() override {
    open(by_hand());
    store_ = folder_->create_collection("c", config_of(kDim, Metric::kDot)).value();
  }

  static std::vector<float> vector_of(std::uint64_t id) { return script::vector_of(id, kDim); }
  void put(CollectionStore& store, std::uint64_t first, std::uint64_t end, std::uint64_t salt = 0) {
    std::vector<WriteOp> ops;
    for (std::uint64_t id = first; id < end; ++id)
      ops.emplace_back(point(id, vector_of(id + salt), {{"n", id}}));
    ASSERT_TRUE(store.write(std::move(ops)));
  }
  OptimizeSummary seal(CollectionStore& store, const std::string& spec, bool force = false) {
    EXPECT_TRUE(store.set_index("", spec, 0.95));
    OptimizeOptions options;
    options.force = force;
    const auto done = store.optimize(options, Deadline::never());
    EXPECT_TRUE(done) << done.error().message;
    return done ? *done : OptimizeSummary{};
  }
  std::vector<std::string> types() {
    std::vector<std::string> types;
    const CollectionInfo info = store_->info().value();
    for (const ShardInfo& shard : info.shards) types.push_back(shard.type);
    return types;
  }
  /// A file of the one shard of a collection.
  std::string shard_file(const std::string& collection, const std::string& name) {
    const auto shards = folder_->collection_folder(collection) / "shards";
    std::vector<std::filesystem::path> folders;
    for (const auto& entry : std::filesystem::directory_iterator(shards))
      folders.push_back(entry.path());
    EXPECT_EQ(folders.size(), 1U);
    return read_file(folders.at(0) / name);
  }
  std::vector<ScoredPoint> exact(std::uint64_t query, std::size_t top_k,
                                 std::shared_ptr<const Filter> filter = nullptr) {
    SearchRequest request = near(vector_of(1'000'000 + query), top_k);
    request.exact = true;
    request.filter = std::move(filter);
    return search(request);
  }
  static std::vector<std::pair<std::string, float>> scores(const std::vector<ScoredPoint>& hits) {
    std::vector<std::pair<std::string, float>> scores;
    for (const ScoredPoint& hit : hits) scores.emplace_back(hit.id.to_string(), hit.score);
    return scores;
  }
  static std::shared_ptr<const Filter> every_third() {
    return std::make_shared<const Filter>(
        parse_filter(
            parse_json(R"({"must": [{"key": "third", "match": {"value": 1}}]})", "test").value())
            .value());
  }
};

TEST_F(RoundedRows, AreAskedForShownAndKept) {
  put(*store_, 0, 900);
  for (const std::string& spec : {kHalfPq, kHalfSq}) {
    seal(*store_, spec);
    EXPECT_THAT(types(), ElementsAre(spec));
    EXPECT_EQ(seal(*store_, spec).num_built, 0U);
  }
  EXPECT_EQ(shard_file("c", "vectors").size(), 192 + 900 * kDim * 2);
  reopen(by_hand());
  EXPECT_EQ(store_->info()->config.vectors.at("").index, kHalfSq);
  EXPECT_THAT(types(), ElementsAre(kHalfSq));

  ASSERT_TRUE(folder_->snapshot_collection("c", dir_ / "c.tar", nullptr, Deadline::never()));
  ASSERT_TRUE(folder_->restore_collection("copy", dir_ / "c.tar", nullptr, Deadline::never()));
  const auto copy = folder_->open_collection("copy").value();
  EXPECT_EQ(copy->info()->config.vectors.at("").index, kHalfSq);
  EXPECT_EQ(copy->info()->shards.at(0).type, kHalfSq);
  EXPECT_TRUE(shard_file("copy", "vectors") == shard_file("c", "vectors"));

  // Another precision alone is reason enough to build anew.
  EXPECT_EQ(seal(*store_, "IVF4,SQ8").num_built, 1U);
  EXPECT_THAT(types(), ElementsAre("IVF4,SQ8"));
  EXPECT_EQ(seal(*store_, kHalfSq).num_built, 1U);
  EXPECT_THAT(types(), ElementsAre(kHalfSq));
}

TEST_F(RoundedRows, AreSearchedExactlyToTheLastBitWhereThatIsAsked) {
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < 3000; ++id)
    ops.emplace_back(point(id, vector_of(id), {{"third", id % 3}}));
  write(std::move(ops));
  ASSERT_TRUE(store_->create_payload_index("third", FieldType::kInteger));
  constexpr std::uint64_t kQueries = 30;
  std::map<std::uint64_t, std::vector<std::pair<std::string, float>>> all, some;
  for (std::uint64_t q = 0; q < kQueries; ++q) {
    all[q] = scores(exact(q, 1 + 10 * q));
    some[q] = scores(exact(q, 1 + 10 * q, every_third()));
  }
  for (const std::string& spec : {kHalfPq, kHalfSq}) {
    seal(*store_, spec);
    std::size_t num_differ = 0;
    for (std::uint64_t q = 0; q < kQueries; ++q) {
      EXPECT_EQ(scores(exact(q, 1 + 10 * q)), all[q]) << spec;
      EXPECT_EQ(scores(exact(q, 1 + 10 * q, every_third())), some[q]) << spec;
      const auto rounded = search(near(vector_of(1'000'000 + q)));
      for (const auto& [id, score] : scores(rounded)) {
        const PointId point_id(std::stoull(id));
        const auto row = get(point_id)->vectors.at(0).values;
        const auto query = vector_of(1'000'000 + q);
        double truth = 0;
        for (std::size_t i = 0; i < kDim; ++i) truth += double{row[i]} * double{query[i]};
        EXPECT_NEAR(score, truth, 1e-3);
        num_differ += std::abs(score - truth) > 1e-6 ? 1 : 0;
      }
    }
    EXPECT_GT(num_differ, kQueries);  // else they are not rounded
  }
}

TEST_F(RoundedRows, AreNeverWhatOtherRowsAreMadeOf) {
  const auto never_rounded =
      folder_->create_collection("never", config_of(kDim, Metric::kDot)).value();
  for (CollectionStore* store : {store_.get(), never_rounded.get()}) put(*store, 0, 900);
  seal(*store_, kHalfPq);
  const std::string vectors = shard_file("c", "vectors"), codes = shard_file("c", "index.faiss");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(seal(*store_, kHalfPq, /*force=*/true).num_removed, 1U);
    EXPECT_TRUE(shard_file("c", "vectors") == vectors);
    EXPECT_TRUE(shard_file("c", "index.faiss") == codes);
  }
  // Merged with rows that are still growing, then made into whatever there is.
  for (CollectionStore* store : {store_.get(), never_rounded.get()}) put(*store, 900, 1000);
  for (const std::string spec : {"IVF4,SQ8", "IVF4,PQ4", "IVF4,Flat", "HNSW8", "Flat"}) {
    for (const std::string& half : {kHalfPq, kHalfSq}) {
      seal(*store_, half);
      seal(*store_, spec, /*force=*/true);
      seal(*never_rounded, spec, /*force=*/true);
      EXPECT_EQ(types(), std::vector<std::string>{spec});
      EXPECT_TRUE(shard_file("c", "index.faiss") == shard_file("never", "index.faiss"))
          << half << ", " << spec;
      if (spec.ends_with("Q8") || spec.ends_with("PQ4")) {
        EXPECT_TRUE(shard_file("c", "vectors") == shard_file("never", "vectors")) << half;
      }
    }
  }
}

TEST_F(RoundedRows, MayEndWhileTheTruthIsReadForTheNextShard) {
  put(*store_, 0, 900);
  seal(*store_, kHalfPq);
  OptimizeOptions options;
  options.force = true;
  int num_told = 0;
  options.progress = [&](double, std::string_view stage) {
    if (stage != "reading rows" || num_told++ > 0) return;
    std::vector<WriteOp> ops;
    for (std::uint64_t id = 0; id < 900; id += 10) ops.emplace_back(DeletePoint{PointId(id)});
    write(std::move(ops));
    for (std::uint64_t id = 1; id < 900; id += 10) put(*store_, id, id + 1, /*salt=*/5000);
  };
  ASSERT_TRUE(store_->optimize(options, Deadline::never()));
  EXPECT_EQ(num_told, 1);
  const auto hits = exact(7, 10'000);
  EXPECT_EQ(hits.size(), 810U);
  std::map<std::string, float> found;
  for (const ScoredPoint& hit : hits)
    EXPECT_TRUE(found.emplace(hit.id.to_string(), hit.score).second);
  const auto query = vector_of(1'000'007);
  for (std::uint64_t id = 0; id < 900; ++id) {
    const auto at = found.find(std::to_string(id));
    ASSERT_EQ(at == found.end(), id % 10 == 0) << id;
    if (at == found.end()) continue;
    const auto row = vector_of(id + (id % 10 == 1 ? 5000 : 0));
    double score = 0;
    for (std::size_t i = 0; i < kDim; ++i) score += double{row[i]} * double{query[i]};
    EXPECT_NEAR(at->second, score, 1e-6) << id;
  }
  reopen(by_hand());
  EXPECT_EQ(scores(exact(7, 10'000)), scores(hits));
}

TEST_F(RoundedRows, AreNotMadeOfNumbersTooLargeNorIsThatTriedAgain) {
  put(*store_, 0, 500);
  std::vector<float> large(kDim, 1.0F);
  large[3] = 70'000;
  write({point(500, large)});
  const auto before = scores(exact(3, 20));
  EXPECT_EQ(seal(*store_, kHalfPq).num_built, 1U);
  EXPECT_THAT(types(), ElementsAre("IVF4,PQ4"));
  EXPECT_EQ(seal(*store_, kHalfPq).num_built, 0U);
  EXPECT_EQ(scores(exact(3, 20)), before);
  // Once it is gone they are, when the shard is made anew.
  write({DeletePoint{PointId(500)}});
  seal(*store_, kHalfPq, /*force=*/true);
  EXPECT_THAT(types(), ElementsAre(kHalfPq));
}

}  // namespace
}  // namespace sightline::pipeline
