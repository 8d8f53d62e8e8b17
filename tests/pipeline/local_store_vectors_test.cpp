// Sparse vectors, multi-vectors, points and collections without vectors, searches by a score.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "pipeline/vector_export.h"
#include "pipeline/vector_math.h"
#include "tests/pipeline/local_store_fixture.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

NamedVector sparse(std::vector<std::uint32_t> indices, std::vector<float> values) {
  return {"s", std::move(values), VectorKind::kSparse, std::move(indices)};
}
NamedVector multi(std::string name, std::vector<float> values, std::size_t num_rows) {
  return {std::move(name), std::move(values), VectorKind::kMulti, {}, num_rows};
}
UpsertPoint with(std::uint64_t id, std::vector<NamedVector> vectors,
                 Json payload = Json::object()) {
  UpsertPoint op;
  op.id = PointId(id);
  op.vectors = std::move(vectors);
  op.payload = std::move(payload);
  return op;
}
SearchRequest near(const NamedVector& query) {
  SearchRequest request;
  request.vector_name = query.name;
  request.vector = query.values;
  request.kind = query.kind;
  request.indices = query.indices;
  request.num_rows = query.num_rows;
  return request;
}
std::shared_ptr<const Filter> filter(const std::string& json) {
  return std::make_shared<const Filter>(parse_filter(parse_json(json, "filter").value()).value());
}

class LocalStoreVectors : public LocalStoreTest {
 protected:
  void SetUp() override {
    open();
    CollectionConfig config;
    config.vectors["d"] = {.dim = 2, .metric = Metric::kEuclid};
    config.vectors["s"] = {.metric = Metric::kDot, .kind = VectorKind::kSparse};
    config.vectors["m"] = {.dim = 2, .metric = Metric::kCosine, .kind = VectorKind::kMulti};
    config.vectors["e"] = {.dim = 1, .metric = Metric::kEuclid, .kind = VectorKind::kMulti};
    store_ = folder_->create_collection("c", config).value();
  }
  std::vector<std::pair<std::string, float>> scores(const SearchRequest& request) {
    std::vector<std::pair<std::string, float>> found;
    for (const ScoredPoint& hit : search(request))
      found.emplace_back(hit.id.to_string(), hit.score);
    return found;
  }
};

TEST_F(LocalStoreVectors, SparseVectorsAreComparedByTheIndicesTheyShare) {
  write({with(1, {sparse({5, 4'294'967'295}, {1, 2})}), with(2, {sparse({9, 5}, {3, -1})}),
         with(3, {sparse({7}, {100})}), with(4, {sparse({}, {})}), with(5, {})});
  const auto query = near(sparse({9, 5}, {1, 2}));
  const auto check = [&] {
    EXPECT_THAT(scores(query), ElementsAre(Pair("1", 2), Pair("2", 1)));
    EXPECT_THAT(scores(near(sparse({6}, {1}))), IsEmpty());
    auto last = query;
    last.offset = 1;
    EXPECT_THAT(scores(last), ElementsAre(Pair("2", 1)));
    auto good = query;
    good.score_threshold = 1.5F;
    EXPECT_THAT(scores(good), ElementsAre(Pair("1", 2)));
    auto others = query;
    others.exclude = {PointId(1)};
    EXPECT_THAT(scores(others), ElementsAre(Pair("2", 1)));
    const auto stored = get(PointId(2))->vectors;
    ASSERT_EQ(stored.size(), 1U);
    EXPECT_EQ(stored[0].kind, VectorKind::kSparse);
    EXPECT_THAT(stored[0].indices, ElementsAre(5U, 9U)) << "sorted";
    EXPECT_THAT(stored[0].values, ElementsAre(-1.0F, 3.0F));
    EXPECT_THAT(get(PointId(4))->vectors.at(0).indices, IsEmpty());
    EXPECT_EQ(store_->count(filter(R"({"must": {"has_vector": "s"}})")).value(), 4U);
    EXPECT_EQ(store_->info()->num_vectors.at("s"), 4U);
  };
  check();
  reopen();
  check();
  EXPECT_EQ(store_->info()->config.vectors.at("s").kind, VectorKind::kSparse);
  write({UpdateVectors{PointId(3), {sparse({5}, {7})}}, DeleteVectors{{{PointId(2)}}, {"s"}},
         with(1, {})});
  EXPECT_THAT(scores(query), ElementsAre(Pair("3", 14)));
  EXPECT_EQ(store_->info()->num_vectors.at("s"), 2U);
  EXPECT_THAT(folder_->verify_collection("c", Deadline::never()).value(), IsEmpty());
}

TEST_F(LocalStoreVectors, MultiVectorsAreComparedByMaxSim) {
  write({with(1, {multi("m", {2, 0, 0, 3}, 2), multi("e", {0, 10}, 2)}),
         with(2, {multi("m", {1, 1}, 1), multi("e", {4}, 1)}),
         with(3, {NamedVector{"m", {-1, 0}}})});
  const auto check = [&] {
    const auto hits = scores(near(multi("m", {5, 0, 0, 1}, 2)));
    ASSERT_EQ(hits.size(), 3U);
    EXPECT_THAT(hits[0], Pair("1", 2));
    EXPECT_EQ(hits[1].first, "2");
    EXPECT_NEAR(hits[1].second, std::sqrt(2.0), 1e-6);
    EXPECT_THAT(hits[2], Pair("3", -1));
    EXPECT_EQ(scores(near(NamedVector{"m", {0, 4}})).at(0), std::pair(std::string("1"), 1.0F))
        << "a dense query is one row";
    // The root of the sum of squares: (0 - 1)^2 + (10 - 9)^2, (4 - 1)^2 + (4 - 9)^2.
    const auto far = scores(near(multi("e", {1, 9}, 2)));
    ASSERT_EQ(far.size(), 2U);
    EXPECT_NEAR(far[0].second, -std::sqrt(2.0), 1e-6);
    EXPECT_NEAR(far[1].second, -std::sqrt(34.0), 1e-5);
    const auto stored = get(PointId(1), {false, true, {"m"}})->vectors;
    ASSERT_EQ(stored.size(), 1U) << "only what is asked for";
    EXPECT_EQ(stored[0].num_rows, 2U);
    EXPECT_THAT(stored[0].values, ElementsAre(1, 0, 0, 1)) << "rows of norm 1";
  };
  check();
  reopen();
  check();
}

TEST_F(LocalStoreVectors, WhatBreaksARuleIsRefused) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::pair<NamedVector, const char*>> cases = {
      {sparse({1, 1}, {1, 2}), "index 1 twice"},
      {sparse({3, 1, 3}, {1, 2, 3}), "index 3 twice"},
      {sparse({1}, {1, 2}), "1 indices and 2 values"},
      {sparse({1}, {kNan}), "not finite"},
      {{"s", {1, 2}}, "is sparse; a dense vector was given"},
      {{"d", {1, 2}, VectorKind::kSparse, {1, 2}}, "is dense; a sparse vector was given"},
      {multi("d", {1, 2}, 1), "is dense; a multi vector was given"},
      {multi("m", {}, 0), "no rows"},
      {multi("m", {1, 2, 3, 4}, 1), "has 4 dimensions; the collection takes 2"},
      {multi("m", {1, 2, 3}, 2), "different lengths"},
      {multi("m", {1, kNan}, 1), "not finite"}};
  for (const auto& [vector, message] : cases) {
    const auto written = store_->write({with(1, {vector})});
    ASSERT_FALSE(written) << message;
    EXPECT_EQ(written.error().code, StatusCode::kInvalidArgument);
    EXPECT_THAT(written.error().message, HasSubstr(message));
    const auto found = store_->search(near(vector), Deadline::never());
    ASSERT_FALSE(found) << message;
    EXPECT_THAT(found.error().message, HasSubstr(message));
  }
  EXPECT_EQ(store_->count().value(), 0U);
  const auto set = store_->set_index("s", "Flat", 0.9);
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().message, HasSubstr("has no index"));
  testing_support::TempDir target;
  const auto exported = export_collection(*store_, target / "export", nullptr, Deadline::never());
  ASSERT_FALSE(exported);
  EXPECT_THAT(exported.error().message, HasSubstr("an export holds dense vectors only"));
}

TEST_F(LocalStoreVectors, ConfigurationsAreChecked) {
  const auto refused = [&](VectorConfig vector) {
    CollectionConfig config;
    config.vectors["v"] = std::move(vector);
    const auto made = folder_->create_collection("bad", config);
    return made ? std::string("made") : made.error().message;
  };
  EXPECT_THAT(refused({.dim = 3, .metric = Metric::kDot, .kind = VectorKind::kSparse}),
              HasSubstr("has no dim"));
  EXPECT_THAT(refused({.metric = Metric::kCosine, .kind = VectorKind::kSparse}),
              HasSubstr("compared by dot"));
  EXPECT_THAT(refused({.dim = 0, .kind = VectorKind::kMulti}), HasSubstr("must be 1..65536"));
  EXPECT_THAT(refused({.dim = 2, .index = "Flat", .kind = VectorKind::kMulti}),
              HasSubstr("has no index"));
  EXPECT_THAT(refused({.dim = 2, .parameters = Json::array()}), HasSubstr("JSON object"));
  EXPECT_EQ(refused({.dim = 65536}), "made");
}

TEST_F(LocalStoreVectors, ACollectionMayHaveNoVectors) {
  const auto store = folder_->create_collection("bare", {}).value();
  ASSERT_TRUE(store->write({with(1, {}, {{"n", 1}}), with(2, {}, {{"n", 2}})}));
  EXPECT_EQ(store->count(filter(R"({"must": {"key": "n", "range": {"gt": 1}}})")).value(), 1U);
  EXPECT_EQ(store->search(near(NamedVector{"", {1}}), Deadline::never()).error().code,
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(store->optimize({}, Deadline::never()));
  EXPECT_EQ(store->scroll(std::nullopt, 10, {true, true})->size(), 2U);
}

TEST_F(LocalStoreVectors, SearchesByAScoreSeeEachPointOnce) {
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < 5000; ++id)
    ops.push_back(with(id, {{"d", {static_cast<float>(id), 1}}}, {{"even", id % 2 == 0}}));
  write(std::move(ops));
  ASSERT_TRUE(store_->optimize({.force = true}, Deadline::never()));
  write({with(7, {{"d", {7, 2}}}), DeletePoint{PointId(8)}});
  ScoredSearch request;
  request.vector_name = "d";
  request.score = [](const VectorView& stored) -> std::optional<float> {
    if (stored.values[0] < 3) return std::nullopt;
    if (stored.values[0] == 4) return std::numeric_limits<float>::quiet_NaN();
    return -stored.values[0] * stored.values[1];
  };
  request.top_k = 4;
  request.with_version = true;
  const auto found = store_->search_by(request, Deadline::never()).value();
  EXPECT_THAT(ids_of(found.hits), ElementsAre("3", "5", "6", "9"));
  EXPECT_EQ(found.hits[0].version, get(PointId(3))->version);
  EXPECT_EQ(found.plan.strategy, "exact");
  EXPECT_EQ(found.plan.num_scanned, 4999U);
  request.filter = filter(R"({"must": {"key": "even", "match": {"value": true}}})");
  request.offset = 1;
  EXPECT_THAT(ids_of(store_->search_by(request, Deadline::never())->hits),
              ElementsAre("10", "12", "14", "16"));
  request.top_k = 10'000;
  request.offset = 0;
  request.filter = nullptr;
  request.score = [](const VectorView&) { return 1.0F; };
  EXPECT_EQ(store_->search_by(request, Deadline::never())->hits.size(), 4999U);
  request.score = nullptr;
  EXPECT_FALSE(store_->search_by(request, Deadline::never()));
  request.score = [](const VectorView&) { return 1.0F; };
  EXPECT_EQ(store_->search_by(request, Deadline::after(std::chrono::milliseconds(0))).error().code,
            StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace sightline::pipeline
