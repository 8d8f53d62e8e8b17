#include "pipeline/local_store.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/pipeline/local_store_fixture.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(LocalStoreTest, FindsTheNearestBestFirstWithPayload) {
  const WriteSummary summary = write({point(1, {1, 0}, {{"name", "east"}}),
                                      point(2, {0, 1}, {{"name", "north"}}), point(3, {3, 3})});
  EXPECT_EQ(summary.num_inserted, 3U);
  EXPECT_EQ(summary.commit_number, 1U);
  const auto hits = search(near({2, 0}));
  ASSERT_THAT(ids_of(hits), ElementsAre("1", "3", "2"));
  EXPECT_FLOAT_EQ(hits[0].score, 1.0F);
  EXPECT_FLOAT_EQ(hits[1].score, std::sqrt(0.5F));
  EXPECT_FLOAT_EQ(hits[2].score, 0.0F);
  EXPECT_EQ(hits[0].payload["name"], "east");
  EXPECT_EQ(hits[1].payload, Json::object());
}

TEST_F(LocalStoreTest, ReopeningChangesNothing) {
  const Json payload = {{"big", std::numeric_limits<std::uint64_t>::max()},
                        {"small", std::numeric_limits<std::int64_t>::min()},
                        {"nested", {{"list", {1, 2.5, "x", nullptr, true}}}}};
  UpsertPoint with_uuid = point(0, {0, 1}, payload);
  with_uuid.id = *PointId::parse("936da01f-9abd-4d9d-80c7-02af85c822a8");
  with_uuid.thumbnail = "jpeg";
  write({point(7, {3, 4}), with_uuid});
  write({PutSource{source("file:///a", PointId(7))}, PutSource{source("file:///b")}});
  write({point(7, {4, 3}), PutSource{source("file:///a", PointId(7))}});
  const CollectionInfo before = *store_->info();
  const auto hits = search(near({1, 1}));
  reopen();
  const CollectionInfo after = *store_->info();
  EXPECT_EQ(after.num_points, 2U);
  EXPECT_EQ(after.num_sources, 2U);
  EXPECT_EQ(after.commit_number, before.commit_number);
  EXPECT_EQ(after.config.vectors.at("").model.checksum, "checksum-1");
  EXPECT_EQ(after.config.vectors.at("").dim, 2U);
  EXPECT_EQ(ids_of(search(near({1, 1}))), ids_of(hits));
  const auto stored = get(with_uuid.id);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->payload, payload);
  EXPECT_EQ(stored->version, 1U);
  EXPECT_EQ(store_->thumbnail(with_uuid.id).value(), "jpeg");
  const auto seven = get(PointId(7));
  ASSERT_TRUE(seven);
  EXPECT_EQ(seven->version, 3U);
  EXPECT_THAT(seven->vectors[0].values, ElementsAre(0.8F, 0.6F));
  const auto record = store_->find_source("file:///a").value();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->id, PointId(7));
  EXPECT_EQ(record->mtime_ns, -7);
}

TEST_F(LocalStoreTest, AnUpsertReplacesThePointWhole) {
  UpsertPoint first = point(1, {1, 0}, {{"a", 1}});
  first.thumbnail = "jpeg";
  write({first});
  const WriteSummary summary = write({point(1, {0, 1}, {{"b", 2}})});
  EXPECT_EQ(summary.num_updated, 1U);
  EXPECT_EQ(summary.num_inserted, 0U);
  const auto hits = search(near({0, 1}));
  ASSERT_EQ(hits.size(), 1U);
  EXPECT_FLOAT_EQ(hits[0].score, 1.0F);
  EXPECT_EQ(hits[0].payload, (Json{{"b", 2}}));
  EXPECT_EQ(store_->thumbnail(PointId(1)).error().code, StatusCode::kNotFound);
  EXPECT_EQ(store_->count().value(), 1U);
}

TEST_F(LocalStoreTest, APointMayLeaveAVectorOut) {
  CollectionConfig config = config_of(2);
  config.vectors["aux"] = {3, Metric::kDot, {}};
  store_ = folder_->create_collection("two", config).value();
  UpsertPoint both = point(1, {1, 0});
  both.vectors.push_back({"aux", {1, 2, 3}});
  write({both, point(2, {0, 1})});
  SearchRequest request = near({1, 1, 1});
  request.vector_name = "aux";
  EXPECT_THAT(ids_of(search(request)), ElementsAre("1"));
  EXPECT_FLOAT_EQ(search(request)[0].score, 6.0F);
  write({point(1, {1, 0})});  // Replaced whole: "aux" is dropped.
  EXPECT_THAT(search(request), IsEmpty());
  EXPECT_EQ(search(near({1, 0})).size(), 2U);
  UpsertPoint none;
  none.id = PointId(3);
  write({none});
  EXPECT_EQ(store_->count().value(), 3U);
  EXPECT_EQ(search(near({1, 0})).size(), 2U);
}

TEST_F(LocalStoreTest, ADeletedPointIsGoneAndMayReturn) {
  write({point(1, {1, 0}), point(2, {0, 1})});
  EXPECT_EQ(write({DeletePoint{PointId(1)}, DeletePoint{PointId(99)}}).num_deleted, 1U);
  EXPECT_THAT(ids_of(search(near({1, 0}))), ElementsAre("2"));
  EXPECT_FALSE(get(PointId(1)));
  write({point(1, {1, 1})});
  EXPECT_THAT(ids_of(search(near({1, 0}))), ElementsAre("1", "2"));
  reopen();
  EXPECT_THAT(ids_of(search(near({1, 0}))), ElementsAre("1", "2"));
}

TEST_F(LocalStoreTest, OverwritingAPayloadKeepsVectorsThumbnailAndFacts) {
  UpsertPoint first = point(1, {1, 0}, {{"a", 1}, {"_image", {{"width", 3}}}});
  first.thumbnail = "jpeg";
  write({first});
  EXPECT_EQ(write({OverwritePayload{PointId(1), {{"b", 2}}},
                   OverwritePayload{PointId(5), Json::object()}})
                .num_updated,
            1U);
  auto stored = get(PointId(1));
  EXPECT_EQ(stored->payload, (Json{{"b", 2}, {"_image", {{"width", 3}}}}));
  EXPECT_EQ(stored->version, 2U);
  EXPECT_THAT(stored->vectors[0].values, ElementsAre(1.0F, 0.0F));
  EXPECT_EQ(store_->thumbnail(PointId(1)).value(), "jpeg");
  write({OverwritePayload{PointId(1), {{"_image", {{"width", 4}}}}}});
  EXPECT_EQ(get(PointId(1))->payload, (Json{{"_image", {{"width", 4}}}}));
}

TEST_F(LocalStoreTest, ContentIsFoundByHash) {
  const auto facts = [](std::string hash) {
    return Json{{"_image", {{"content_hash", std::move(hash)}}}};
  };
  write({point(1, {1, 0}, facts("sha256:aa")), point(2, {0, 1}, facts("sha256:aab"))});
  EXPECT_EQ(store_->find_content("sha256:aa").value(), PointId(1));
  EXPECT_EQ(store_->find_content("sha256:aab").value(), PointId(2));
  EXPECT_EQ(store_->find_content("sha256:a").value(), std::nullopt);
  EXPECT_EQ(store_->find_content("").value(), std::nullopt);
  write({OverwritePayload{PointId(1), {{"x", 1}}}});
  EXPECT_EQ(store_->find_content("sha256:aa").value(), PointId(1));
  write({point(1, {1, 0}, facts("sha256:cc"))});
  EXPECT_EQ(store_->find_content("sha256:aa").value(), std::nullopt);
  EXPECT_EQ(store_->find_content("sha256:cc").value(), PointId(1));
  write({DeletePoint{PointId(1)}});
  EXPECT_EQ(store_->find_content("sha256:cc").value(), std::nullopt);
}

struct MetricCase {
  std::string name;
  Metric metric;
  std::vector<std::string> order;
  std::vector<float> scores;
};
class LocalStoreMetric : public LocalStoreTest, public testing::WithParamInterface<MetricCase> {};

TEST_P(LocalStoreMetric, OrdersAndScores) {
  const MetricCase& c = GetParam();
  store_ = folder_->create_collection("m", config_of(2, c.metric)).value();
  write({point(1, {3, 4}), point(2, {1, 0}), point(3, {-2, 0})});
  const auto hits = search(near({2, 0}));
  EXPECT_EQ(ids_of(hits), c.order);
  for (std::size_t i = 0; i < hits.size(); ++i) EXPECT_FLOAT_EQ(hits[i].score, c.scores[i]);
}
INSTANTIATE_TEST_SUITE_P(
    Metrics, LocalStoreMetric,
    testing::ValuesIn(std::vector<MetricCase>{
        {"Cosine", Metric::kCosine, {"2", "1", "3"}, {1, 0.6F, -1}},
        {"Dot", Metric::kDot, {"1", "2", "3"}, {6, 2, -4}},
        {"Euclid", Metric::kEuclid, {"2", "3", "1"}, {-1, -4, -std::sqrt(17.0F)}},
        {"Manhattan", Metric::kManhattan, {"2", "3", "1"}, {-1, -4, -5}},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(LocalStoreTest, TiesGoByPointIdWhateverTheOrderOfArrivalAndTheCut) {
  const PointId uuid = *PointId::parse("00000000-0000-0000-0000-000000000001");
  UpsertPoint last = point(0, {1, 0});
  last.id = uuid;
  write({last, point(9, {2, 0}), point(300, {1, 0})});
  write({point(4, {7, 0}), point(1, {0, 1})});
  const std::vector<std::string> all = {"4", "9", "300", uuid.to_string(), "1"};
  for (std::size_t top_k = 1; top_k <= 5; ++top_k) {
    SearchRequest request = near({1, 0}, top_k);
    const std::vector<std::string> first(all.begin(), all.begin() + static_cast<long>(top_k));
    EXPECT_EQ(ids_of(search(request)), first) << top_k;
    request.top_k = 1;
    request.offset = top_k - 1;
    EXPECT_THAT(ids_of(search(request)), ElementsAre(all[top_k - 1]));
  }
}

TEST_F(LocalStoreTest, OffsetThresholdAndExclusion) {
  write({point(1, {10, 0}), point(2, {10, 1}), point(3, {10, 2}), point(4, {0, 1})});
  SearchRequest request = near({1, 0}, 2);
  request.offset = 1;
  EXPECT_THAT(ids_of(search(request)), ElementsAre("2", "3"));
  request.exclude = {PointId(2), PointId(77)};
  EXPECT_THAT(ids_of(search(request)), ElementsAre("3", "4"));
  request.score_threshold = 0.5F;
  EXPECT_THAT(ids_of(search(request)), ElementsAre("3"));
  request.offset = 4;
  EXPECT_THAT(search(request), IsEmpty());
  request = near({1, 0}, 10'000);
  request.with_payload = false;
  EXPECT_EQ(search(request).size(), 4U);
}

TEST_F(LocalStoreTest, ScrollGoesByPointId) {
  UpsertPoint uuid = point(0, {1, 0});
  uuid.id = *PointId::parse("10000000-0000-0000-0000-000000000000");
  write({uuid, point(300, {1, 0}, {{"n", 300}}), point(2, {1, 0})});
  auto page = store_->scroll(std::nullopt, 2, {true, false}).value();
  ASSERT_EQ(page.size(), 2U);
  EXPECT_EQ(page[0].id, PointId(2));
  EXPECT_EQ(page[1].id, PointId(300));
  EXPECT_EQ(page[1].payload["n"], 300);
  EXPECT_THAT(page[1].vectors, IsEmpty());
  page = store_->scroll(PointId(301), 10, {false, true}).value();
  ASSERT_EQ(page.size(), 1U);
  EXPECT_EQ(page[0].id, uuid.id);
  EXPECT_THAT(page[0].vectors[0].values, ElementsAre(1.0F, 0.0F));
  EXPECT_THAT(store_->scroll(std::nullopt, 0, {}).value(), IsEmpty());
}

struct BadWrite {
  std::string name;
  WriteOp op;
  std::string message;
};
class LocalStoreBadWrite : public LocalStoreTest, public testing::WithParamInterface<BadWrite> {};

TEST_P(LocalStoreBadWrite, IsRefusedWhole) {
  const auto result = store_->write({point(1, {1, 0}), GetParam().op, point(2, {0, 1})});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(result.error().message, HasSubstr(GetParam().message));
  EXPECT_EQ(store_->count().value(), 0U);
  EXPECT_THAT(search(near({1, 0})), IsEmpty());
  write({point(1, {1, 0})});
  EXPECT_EQ(store_->count().value(), 1U);
  reopen();
  EXPECT_EQ(store_->count().value(), 1U);
}

UpsertPoint with_vector_name(std::string name) {
  UpsertPoint upsert = point(5, {1, 0});
  upsert.vectors[0].name = std::move(name);
  return upsert;
}
UpsertPoint with_two_default_vectors() {
  UpsertPoint upsert = point(5, {1, 0});
  upsert.vectors.push_back(upsert.vectors[0]);
  return upsert;
}
INSTANTIATE_TEST_SUITE_P(
    Cases, LocalStoreBadWrite,
    testing::ValuesIn(std::vector<BadWrite>{
        {"Dim", point(5, {1, 0, 0}), "has 3 dimensions; the collection takes 2"},
        {"Nan", point(5, {1, std::nanf("")}), "not finite"},
        {"Infinite", point(5, {std::numeric_limits<float>::infinity(), 0}), "not finite"},
        {"Name", with_vector_name("other"), "has no vector \"other\""},
        {"Twice", with_two_default_vectors(), "given twice"},
        {"Payload", point(5, {1, 0}, Json::array()), "is a JSON array; it must be an object"},
        {"Overwrite", OverwritePayload{PointId(5), 3}, "must be an object"},
        {"Source", PutSource{source("file:///a", PointId(55))}, "point 55, which does not exist"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(LocalStoreTest, BadSearchesAreRefused) {
  write({point(1, {1, 0})});
  const auto error_of = [&](const SearchRequest& request) {
    const auto result = store_->search(request, Deadline::never());
    return result ? std::string("none") : result.error().message;
  };
  EXPECT_THAT(error_of(near({1, 0, 0})), HasSubstr("3 dimensions; the collection takes 2"));
  EXPECT_THAT(error_of(near({1, 0}, 0)), HasSubstr("top_k is 0; it must be 1..10000"));
  EXPECT_THAT(error_of(near({1, 0}, 10'001)), HasSubstr("top_k is 10001"));
  SearchRequest request = near({1, 0});
  request.vector_name = "x";
  EXPECT_THAT(error_of(request), HasSubstr("no vector \"x\""));
  const auto late = store_->search(near({1, 0}), Deadline::after(std::chrono::milliseconds(0)));
  EXPECT_EQ(late.error().code, StatusCode::kDeadlineExceeded);
}

TEST_F(LocalStoreTest, ZerosHaveACosineOfZeroToAll) {
  write({point(1, {0, 0}), point(2, {1, 0}), point(3, {-1, 0})});
  reopen();
  EXPECT_THAT(store_->get({{PointId(1)}}, {false, true}).value()[0]->vectors[0].values,
              ElementsAre(0, 0));
  const auto hits = search(near({2, 0}));
  ASSERT_THAT(ids_of(hits), ElementsAre("2", "1", "3"));
  EXPECT_EQ(hits[1].score, 0);
  for (const ScoredPoint& hit : search(near({0, 0}))) EXPECT_EQ(hit.score, 0);
}

TEST_F(LocalStoreTest, RowsOfExtremeLengthKeepTheirDirection) {
  write({point(1, {1e-30F, 1e-30F}), point(2, {3e38F, 0})});
  const auto hits = search(near({1, 0}));
  ASSERT_THAT(ids_of(hits), ElementsAre("2", "1"));
  EXPECT_FLOAT_EQ(hits[0].score, 1.0F);
  EXPECT_FLOAT_EQ(hits[1].score, std::sqrt(0.5F));
}

TEST_F(LocalStoreTest, AnEmptyCollectionAnswersNothing) {
  EXPECT_THAT(search(near({1, 0})), IsEmpty());
  EXPECT_EQ(store_->count().value(), 0U);
  EXPECT_THAT(store_->scroll(std::nullopt, 5, {}).value(), IsEmpty());
  EXPECT_EQ(write({}).commit_number, 0U);
  EXPECT_EQ(store_->thumbnail(PointId(1)).error().code, StatusCode::kNotFound);
}

}  // namespace
}  // namespace sightline::pipeline
