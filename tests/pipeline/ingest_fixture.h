// tests/pipeline/ingest_fixture.h: a data folder, a real tiny model and a folder for pictures.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/compute_pool.h"
#include "encoders/encoder.h"
#include "pipeline/data_folder.h"
#include "pipeline/ingest.h"
#include "tests/support/temp_dir.h"

namespace sightline::pipeline {

/// The real encoder, counting the pictures it is asked for.
class CountingEncoder final : public encoders::Encoder {
 public:
  explicit CountingEncoder(const encoders::Encoder& real) : real_(real) {}
  Result<encoders::EmbeddingBatch> encode_pixels(const image::PixelBatch& pixels, Deadline deadline,
                                                 encoders::Normalize normalize) const override {
    num_pictures += pixels.size();
    if (before_batch) before_batch();
    return real_.encode_pixels(pixels, deadline, normalize);
  }
  Result<encoders::EmbeddingBatch> encode_texts(std::span<const std::string> texts,
                                                Deadline deadline,
                                                encoders::Normalize normalize) const override {
    return real_.encode_texts(texts, deadline, normalize);
  }
  const encoders::EncoderInfo& info() const override { return real_.info(); }

  mutable std::atomic<std::size_t> num_pictures{0};
  std::function<void()> before_batch;

 private:
  const encoders::Encoder& real_;
};

/// tests/data/clip-vit-tiny, loaded once.
const encoders::Encoder& tiny_encoder();
/// Another model: tests/data/clip-vit-tiny-gelu.
const encoders::Encoder& other_encoder();

class IngestTest : public testing::Test {
 protected:
  IngestTest();
  ~IngestTest() override;

  /// Opens the data folder (again).
  void open(Access access = Access::kWrite);
  void close();

  IngestOptions options(std::vector<std::string> paths) const;
  IngestReport index(const IngestOptions& options);
  IngestReport index(const std::filesystem::path& path) { return index(options({path.string()})); }
  IngestReport index() { return index(pictures_.path()); }
  /// What index() would have returned.
  Result<IngestReport> try_index(const IngestOptions& options, std::stop_token stop = {});

  std::filesystem::path picture(const std::string& name, std::uint32_t seed);
  std::string path_of(const std::string& name) const { return (pictures_ / name).string(); }
  std::string uri_of(const std::string& name) const;
  PointId id_of(const std::string& uri) const;
  std::optional<StoredPoint> point(const PointId& id) const;
  std::optional<StoredPoint> point_of(const std::string& name) const {
    return point(id_of(uri_of(name)));
  }
  std::uint64_t count() const { return store_->count().value(); }
  std::vector<Json> skipped_lines() const;

  testing_support::TempDir data_;
  testing_support::TempDir pictures_;
  std::unique_ptr<ComputePool> pool_;
  std::unique_ptr<DataFolder> folder_;
  std::shared_ptr<CollectionStore> store_;
  CountingEncoder encoder_;
};

/// {"indexed": .., "unchanged": .., "skipped": {..}, "pruned": ..} of a report, for comparing.
Json counts(const IngestReport& report);

}  // namespace sightline::pipeline
