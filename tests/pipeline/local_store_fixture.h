// tests/pipeline/local_store_fixture.h: data folders with a small collection.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/compute_pool.h"
#include "pipeline/collection_store.h"
#include "pipeline/data_folder.h"
#include "tests/support/temp_dir.h"

namespace sightline::pipeline {

inline CollectionConfig config_of(std::size_t dim, Metric metric = Metric::kCosine) {
  CollectionConfig config;
  config.vectors[""] = {dim, metric, {"checksum-1", "white", "a model", "/models/a", "fp32"}};
  return config;
}

inline UpsertPoint point(std::uint64_t id, std::vector<float> vector,
                         Json payload = Json::object()) {
  UpsertPoint upsert;
  upsert.id = PointId(id);
  upsert.vectors.push_back({"", std::move(vector)});
  upsert.payload = std::move(payload);
  return upsert;
}

inline SourceRecord source(std::string uri, std::optional<PointId> id = std::nullopt) {
  SourceRecord record;
  record.uri = std::move(uri);
  record.size = 5;
  record.mtime_ns = -7;
  record.content_hash = "sha256:00ff";
  record.payload_hash = "p";
  record.id = id;
  if (!id) {
    record.skip_reason = "corrupt";
    record.skip_message = "it is corrupt";
  }
  return record;
}

inline SearchRequest near(std::vector<float> vector, std::size_t top_k = 10) {
  SearchRequest request;
  request.vector = std::move(vector);
  request.top_k = top_k;
  return request;
}

inline std::vector<std::string> ids_of(const std::vector<ScoredPoint>& hits) {
  std::vector<std::string> ids;
  for (const ScoredPoint& hit : hits) ids.push_back(hit.id.to_string());
  return ids;
}

/// A data folder open for writing, with a collection "c" of 2 dimensions.
class LocalStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    open();
    auto made = folder_->create_collection("c", config_of(2));
    ASSERT_TRUE(made) << made.error().message;
    store_ = *made;
  }

  void open(const StoreOptions& options = {}) {
    auto opened = DataFolder::open(dir_ / "data", Access::kWrite, options, pool_);
    ASSERT_TRUE(opened) << opened.error().message;
    folder_ = *std::move(opened);
  }
  void reopen(const StoreOptions& options = {}) {
    store_.reset();
    folder_.reset();
    open(options);
    auto opened = folder_->open_collection("c");
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *opened;
  }

  WriteSummary write(std::vector<WriteOp> ops) {
    auto written = store_->write(std::move(ops));
    EXPECT_TRUE(written) << written.error().message;
    return written ? *written : WriteSummary{};
  }
  OptimizeSummary optimize(bool force = false) {
    OptimizeOptions options;
    options.force = force;
    const auto done = store_->optimize(options, Deadline::never());
    EXPECT_TRUE(done) << done.error().message;
    return done ? *done : OptimizeSummary{};
  }
  SearchAnswer ask(const SearchRequest& request) {
    auto answer = store_->search(request, Deadline::never());
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *std::move(answer) : SearchAnswer{};
  }
  std::vector<ScoredPoint> search(const SearchRequest& request) { return ask(request).hits; }
  std::optional<StoredPoint> get(const PointId& id, GetOptions options = {true, true}) {
    auto points = store_->get({&id, 1}, options);
    EXPECT_TRUE(points) << points.error().message;
    return points ? points->front() : std::nullopt;
  }

  testing_support::TempDir dir_;
  ComputePool pool_{{.num_threads = 2, .init_thread = {}, .set_width = {}}};
  std::unique_ptr<DataFolder> folder_;
  std::shared_ptr<CollectionStore> store_;
};

}  // namespace sightline::pipeline
