// index/internal/calibrate.h: how far a shard must be searched to find what it should.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/result.h"
#include "index/internal/shard_data.h"
#include "index/kernels/kernels.h"

namespace sightline::index {

struct Calibration {
  std::size_t nprobe = 0, ef_search = 0, refine = 0;  ///< 0 where without meaning.
  double recall = 1;                                  ///< recall@10 measured with these.
  /// Of sampled rows the euclidean distance to about their nearest neighbours, the median; infinite
  /// if there are none.
  double neighbour_distance = std::numeric_limits<double>::infinity();
};

/// The smallest settings of `data`'s type that reach `target_recall` (0..1) at 10 hits; the largest
/// that are tried where none does. Queries are sampled rows, moved by noise of half the distance to
/// their neighbours; the row itself does not count as found, for no query of a user lies on a row
/// to which a graph's links were drawn.
///
/// Truth is an exact scan, which reads all rows once. What lists and codes find with any setting is
/// told by the ranks that the true neighbours' lists and codes have: two scans for each query at
/// most, whatever the data. Where these do not fall into clusters `nprobe` is a large part of the
/// lists.
///
/// data      its own nprobe, ef_search and refine are not read.
/// pool      scans run on its workers as kBuild tasks beside the calling thread, which may be one
///           of them; null: the calling thread alone.
/// deadline  checked between blocks of rows and between searches.
/// errors    kCancelled, kDeadlineExceeded.
Result<Calibration> calibrate_shard(const ShardData& data, const KernelTable& kernels,
                                    double target_recall, std::uint64_t seed, ComputePool* pool,
                                    const Deadline& deadline);

}  // namespace sightline::index
