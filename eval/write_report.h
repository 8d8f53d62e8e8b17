// eval/write_report.h: how fast a collection takes writes, and what searches feel of a build.
//
// Everything is measured on a collection made for it, which is filled, indexed, searched, and built
// anew while it is searched. Searches come one after another from one thread, without payloads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/deadline.h"
#include "core/json.h"
#include "core/result.h"
#include "pipeline/collection_store.h"

namespace sightline::eval {

struct WriteReportOptions {
  std::size_t num_rows = 100'000;     ///< Written, at least 1.
  std::size_t rows_per_write = 1000;  ///< Of one acknowledged write.
  std::size_t k = 10;
  std::uint64_t seed = 1;  ///< Of the noise.
  /// A quiet collection is asked so many times; builds are repeated until as many searches have met
  /// one, or for a minute.
  std::size_t num_searches = 2000;
  /// 0 <= share <= 1, and what is being measured.
  std::function<void(double share, std::string_view stage)> progress;
};

struct Latency {
  std::size_t count = 0;
  double p50_ms = 0, p99_ms = 0, max_ms = 0;
};

struct WriteReport {
  std::size_t num_rows = 0, rows_per_write = 0, dim = 0;
  std::string index;                                     ///< VectorConfig::index
  std::vector<std::string> shard_types;                  ///< Different ones, sorted, once built.
  double load_seconds = 0;                               ///< Of the writes alone.
  double rows_per_second = 0, megabytes_per_second = 0;  ///< 10^6 bytes of vectors.
  Latency write;                  ///< Of one write, until it is acknowledged.
  Latency searchable;             ///< From there until a search has found the last of its rows.
  double searchable_seconds = 0;  ///< From the first write until a search has found the last row.
  double indexed_seconds = 0;     ///< From the first write until the index is built.
  Latency quiet, during_build;    ///< Searches of the built index.
  double build_seconds = 0;       ///< Of a build that meets searches, mean.
  /// p99 during a build by the quiet one; absent if no search met a build.
  std::optional<double> p99_ratio;
};

/// Fills `store`, whose default vector's rows are made of `samples`: each as it is, then again with
/// a little noise. `queries` are asked in turn. The store keeps what was written.
///
/// errors  kInvalidArgument: no samples or queries, of other dims, num_rows or rows_per_write 0;
///         kFailedPrecondition: the store is not empty; kInternal: a search did not find what was
///         acknowledged; those of the store; kCancelled.
Result<WriteReport> measure_writes(pipeline::CollectionStore& store,
                                   std::span<const std::vector<float>> samples,
                                   std::span<const std::vector<float>> queries,
                                   const WriteReportOptions& options, const Deadline& deadline);

Json to_json(const WriteReport& report);

}  // namespace sightline::eval
