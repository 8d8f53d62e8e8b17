// index/shard_builder.h: rows -> the files of a sealed shard (docs/shard_format.md).
//
// Centroids and codebooks are trained by kmeans.h, graphs are linked by FAISS; the bytes are those
// of FAISS's own serialisation. Rows are gathered where they lie (memory or mapped files) and
// streamed out: beside training rows and eight bytes a row, nothing of the rows' size is held, but
// for HNSW, whose links are made in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/result.h"
#include "index/distance.h"
#include "index/file_writer.h"
#include "index/shard.h"
#include "index/shard_spec.h"

namespace sightline::index {

struct BuildOptions {
  std::size_t dim = 0;
  Distance distance = Distance::kInnerProduct;
  ShardSpec spec;  ///< Not automatic.
  std::uint64_t seed = 1;
  /// Sampled for k-means, 2 GB of rows at most; PQ codebooks see at most 65,536 of these.
  std::size_t train_rows_per_list = 64;
  /// recall@10 that the shard's own nprobe / ef_search / refine are calibrated to, on sampled rows
  /// of its own as queries against an exact scan.
  double target_recall = 0.95;
  /// 0 <= share <= 1 of the work, and what is being done ("training", "assigning", ...).
  std::function<void(double share, const char* stage)> progress;
  FileCalls* files = nullptr;  ///< What files are written with; null: the system's calls.
};

/// Writes a sealed shard into the new folder `folder` (made under another name beside it, synced
/// and renamed: after a crash it is whole or a "*.tmp" that may be removed).
/// Where the spec wants full vectors as fp16 and that does not suit them (numbers beyond 65504,
/// rows of tiny values, neighbours so near that rounding mixes them up) they stay float32, and a
/// line of the log says why.
///
/// rows      ascending by slot, each slot once, none rounded; at least 1.
/// pool      wide parts run as kBuild tasks of it; null: the calling thread alone. Must not be
///           called from one of its workers then.
/// deadline  checked between blocks; a stop leaves nothing behind.
/// errors    kInvalidArgument: spec, dim, rows; kAlreadyExists: `folder` is there;
///           kResourceExhausted: disk full or no memory; kIoError, kCancelled, kDeadlineExceeded.
Result<void> build_shard(const std::filesystem::path& folder, std::span<const RowRef> rows,
                         const BuildOptions& options, ComputePool* pool, const Deadline& deadline);

}  // namespace sightline::index
