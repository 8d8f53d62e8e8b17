// Random operations against a model of plain maps, with reopening and a second handle that reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include "tests/pipeline/local_store_fixture.h"

namespace sightline::pipeline {
namespace {

struct ModelPoint {
  std::vector<float> vector;  // empty: none
  Json payload;
  std::string thumbnail;
  std::string uri;
};

class Model {
 public:
  void begin_request() { put_now.clear(); }
  void upsert(const UpsertPoint& op) {
    ModelPoint& old = points[op.id];
    // A source that the same request has put stays.
    const bool keeps_source = put_now.contains(op.id);
    if (!old.uri.empty() && !keeps_source) sources.erase(old.uri);
    old = {op.vectors.empty() ? std::vector<float>() : op.vectors[0].values, op.payload,
           op.thumbnail, keeps_source ? old.uri : ""};
  }
  void overwrite(const OverwritePayload& op) {
    const auto found = points.find(op.id);
    if (found == points.end()) return;
    Json payload = op.payload;
    if (!payload.contains("_image") && found->second.payload.contains("_image"))
      payload["_image"] = found->second.payload["_image"];
    found->second.payload = payload;
  }
  void erase(PointId id) {  // A copy: `id` may lie in what is erased.
    const auto found = points.find(id);
    if (found == points.end()) return;
    if (!found->second.uri.empty()) sources.erase(found->second.uri);
    put_now.erase(id);
    points.erase(found);
  }
  void put_source(const SourceRecord& record) {
    const auto old = sources.find(record.uri);
    if (old != sources.end() && old->second && old->second != record.id) {
      points[*old->second].uri.clear();
      put_now.erase(*old->second);
    }
    if (record.id) {
      put_now.insert(*record.id);
      ModelPoint& owner = points[*record.id];
      if (!owner.uri.empty() && owner.uri != record.uri) sources.erase(owner.uri);
      owner.uri = record.uri;
    }
    sources[record.uri] = record.id;
  }
  void erase_source(const std::string& uri) {
    const auto found = sources.find(uri);
    if (found == sources.end()) return;
    if (found->second) erase(*found->second);
    sources.erase(uri);
  }

  std::map<PointId, ModelPoint> points;
  std::map<std::string, std::optional<PointId>> sources;
  std::set<PointId> put_now;  // points whose source this request has put
};

/// The store's answer from first principles: score, then id.
std::vector<std::pair<PointId, double>> nearest(const Model& model,
                                                const std::vector<float>& query) {
  std::vector<std::pair<PointId, double>> all;
  for (const auto& [id, point] : model.points) {
    if (point.vector.empty()) continue;
    double score = 0;
    for (std::size_t i = 0; i < query.size(); ++i)
      score += double{query[i]} * double{point.vector[i]};
    all.emplace_back(id, score);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return all;
}

class LocalStoreModel : public LocalStoreTest, public testing::WithParamInterface<unsigned> {
 protected:
  void SetUp() override {
    LocalStoreTest::SetUp();
    store_ = folder_->create_collection("d", config_of(4, Metric::kDot)).value();
  }

  PointId random_id() {
    const auto number = random_() % 40;
    if (number % 2 == 0) return PointId(number);
    Uuid uuid{};
    uuid[0] = static_cast<std::uint8_t>(number * 11);
    return PointId(uuid);
  }

  WriteOp random_op(Model& model) {
    const PointId id = random_id();
    switch (random_() % 9) {
      case 0:
      case 1:
      case 2:
      case 3: {
        UpsertPoint op;
        op.id = id;
        if (random_() % 8 != 0) {
          // Small whole numbers: sums are exact and ties are many.
          op.vectors.push_back({"", {}});
          for (int i = 0; i < 4; ++i)
            op.vectors[0].values.push_back(static_cast<float>(random_() % 3) - 1.0F);
        }
        op.payload = {{"n", random_()}};
        if (random_() % 2 == 0)
          op.payload["_image"] = {{"content_hash", "sha256:" + std::to_string(random_() % 9)}};
        if (random_() % 3 == 0) op.thumbnail = "jpeg" + std::to_string(random_());
        model.upsert(op);
        return op;
      }
      case 4: {
        OverwritePayload op{id, {{"m", random_()}}};
        model.overwrite(op);
        return op;
      }
      case 5:
        model.erase(id);
        return DeletePoint{id};
      case 6: {
        std::string uri = "u" + std::to_string(random_() % 30);
        model.erase_source(uri);
        return DeleteSource{uri};
      }
      default: {
        SourceRecord record = source("u" + std::to_string(random_() % 30));
        if (random_() % 3 != 0 && model.points.contains(id)) record = source(record.uri, id);
        model.put_source(record);
        return PutSource{record};
      }
    }
  }

  void compare(const CollectionStore& store, const Model& model) {
    const auto info = store.info();
    ASSERT_TRUE(info) << info.error().message;
    ASSERT_EQ(info->num_points, model.points.size());
    ASSERT_EQ(info->num_sources, model.sources.size());

    const auto points = store.scroll(std::nullopt, 1000, {true, true}).value();
    ASSERT_EQ(points.size(), model.points.size());
    auto expected = model.points.begin();
    for (const StoredPoint& stored : points) {
      const auto& [id, point] = *expected++;
      ASSERT_EQ(stored.id, id);
      ASSERT_EQ(stored.payload, point.payload);
      ASSERT_EQ(stored.vectors.size(), point.vector.empty() ? 0U : 1U);
      if (!point.vector.empty()) {
        ASSERT_EQ(stored.vectors[0].values, point.vector);
      }
      const auto thumbnail = store.thumbnail(id);
      ASSERT_EQ(thumbnail ? *thumbnail : "", point.thumbnail);
    }
    std::map<std::string, std::optional<PointId>> sources;
    ASSERT_TRUE(store.visit_sources("", [&](const SourceRecord& record) {
      sources[record.uri] = record.id;
      return true;
    }));
    ASSERT_EQ(sources, model.sources);

    std::vector<float> query;
    for (int i = 0; i < 4; ++i) query.push_back(static_cast<float>(random_() % 5) - 2.0F);
    const auto truth = nearest(model, query);
    SearchRequest request = near(query, 1 + random_() % 50);
    request.offset = random_() % 5;
    const auto hits = store.search(request, Deadline::never());
    ASSERT_TRUE(hits) << hits.error().message;
    const std::size_t available = truth.size() > request.offset ? truth.size() - request.offset : 0;
    ASSERT_EQ(hits->size(), std::min(available, request.top_k));
    for (std::size_t i = 0; i < hits->size(); ++i) {
      ASSERT_EQ((*hits)[i].id, truth[i + request.offset].first);
      ASSERT_EQ(double{(*hits)[i].score}, truth[i + request.offset].second);
      ASSERT_EQ((*hits)[i].payload, model.points.at((*hits)[i].id).payload);
    }
    for (int hash = 0; hash < 9; ++hash) {
      const std::string text = "sha256:" + std::to_string(hash);
      const auto found = store.find_content(text).value();
      const bool exists =
          std::any_of(model.points.begin(), model.points.end(), [&](const auto& entry) {
            return entry.second.payload.contains("_image") &&
                   entry.second.payload["_image"]["content_hash"] == text;
          });
      ASSERT_EQ(found.has_value(), exists);
      if (found) {
        ASSERT_EQ(model.points.at(*found).payload["_image"]["content_hash"], text);
      }
    }
  }

  std::mt19937 random_{GetParam()};
};

TEST_P(LocalStoreModel, AgreesAfterRandomOperations) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  auto reading = DataFolder::open(dir_ / "data", Access::kRead, {}, pool_);
  ASSERT_TRUE(reading) << reading.error().message;
  auto reader = (*reading)->open_collection("d");
  ASSERT_TRUE(reader) << reader.error().message;

  Model model;
  for (int round = 0; round < 150; ++round) {
    std::vector<WriteOp> ops;
    model.begin_request();
    for (std::size_t left = 1 + random_() % 6; left > 0; --left) ops.push_back(random_op(model));
    write(std::move(ops));
    if (round % 10 == 9) {
      ASSERT_NO_FATAL_FAILURE(compare(*store_, model)) << "round " << round;
      ASSERT_TRUE((*reader)->catch_up());
      ASSERT_NO_FATAL_FAILURE(compare(**reader, model)) << "reader, round " << round;
    }
    if (round % 50 == 49) {
      store_.reset();
      folder_.reset();
      open();
      store_ = folder_->open_collection("d").value();
      ASSERT_NO_FATAL_FAILURE(compare(*store_, model)) << "reopened, round " << round;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, LocalStoreModel, testing::Values(1U, 2U, 3U));

}  // namespace
}  // namespace sightline::pipeline
