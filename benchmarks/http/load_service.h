// benchmarks/http/load_service.h: a server with its collections, in this process, with the defaults
// of `sightline serve`.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/compute_pool.h"
#include "http/keys.h"
#include "http/metrics.h"
#include "http/route.h"
#include "http/server.h"
#include "http/services.h"
#include "pipeline/data_folder.h"
#include "pipeline/encoder_host.h"
#include "pipeline/image_source.h"
#include "pipeline/job_board.h"
#include "settings/settings.h"
#include "tests/support/temp_dir.h"

namespace sightline::benchmarks {

inline constexpr std::size_t kVectorDim = 512;
inline constexpr std::size_t kBatchPoints = 100;

/// Collection of kVectorDim-d vectors from outside, with small payloads, ids from 1.
inline constexpr const char* kVectors = "vectors";
/// Collection of the embedded model's vectors, with payloads as indexing writes them, ids from 1.
inline constexpr const char* kPictures = "pictures";
/// Collection that is written to; empty_writes() makes it.
inline constexpr const char* kWrites = "writes";

/// Row `i` of clustered data of `dim` numbers, the same in every run: around one of 1000 centres,
/// with noise.
class ClusteredRows {
 public:
  explicit ClusteredRows(std::size_t dim);
  std::vector<float> row(std::size_t i) const;
  std::size_t dim() const { return dim_; }

 private:
  std::size_t dim_;
  std::vector<float> centres_, noise_;
};

/// Everything throws what goes wrong. Thread-safety: const methods may run on many threads at once.
class LoadService {
 public:
  /// Collections of `num_points` each, their shards built as background building would.
  explicit LoadService(std::size_t num_points);
  ~LoadService();

  int port() const;
  const http::Services& services() const { return *services_; }
  const ClusteredRows& rows() const { return rows_; }
  std::size_t num_points() const { return num_points_; }
  /// kWrites without a point, for kVectorDim-d vectors.
  void empty_writes();
  /// Points, shards, processor and the like, for the report.
  Json describe() const;

 private:
  void fill_vectors();
  void fill_pictures();

  const std::size_t num_points_;
  ClusteredRows rows_{kVectorDim};
  testing_support::TempDir temp_;
  settings::Settings settings_;
  std::unique_ptr<ComputePool> pool_;
  std::unique_ptr<pipeline::DataFolder> folder_;
  std::unique_ptr<pipeline::EncoderHost> encoders_;
  std::unique_ptr<pipeline::ImageSource> images_;
  std::unique_ptr<pipeline::JobBoard> jobs_;
  http::Metrics metrics_;
  std::unique_ptr<http::Services> services_;
  http::RouteTable routes_;
  std::unique_ptr<http::KeyRing> keys_;
  std::unique_ptr<http::Server> server_;  // ends first
};

}  // namespace sightline::benchmarks
