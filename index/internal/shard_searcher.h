// index/internal/shard_searcher.h: searches an opened shard, whatever its type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/result.h"
#include "index/internal/row_filter.h"
#include "index/internal/scanner.h"
#include "index/internal/shard_data.h"
#include "index/internal/tombstones.h"
#include "index/internal/visited_rows.h"
#include "index/kernels/kernels.h"
#include "index/shard.h"

namespace sightline::index {

/// One search of one shard, as its steps see it. Borrows everything.
struct ScanJob {
  const ShardData& data;
  std::span<const float> transposed_codebooks;
  const KernelTable& kernels;
  const ShardQuery& query;
  RowFilter& filter;
  ComputePool* pool;
  const Deadline& deadline;
  SearchStats& stats;  ///< num_scanned, num_refined, num_lists, num_widened are added to.
};

using Candidates = std::vector<Candidate>;

/// Full vectors of all rows that pass: the k nearest, exact but for what rounding did to them.
/// (scanner_flat.cpp)
Result<Candidates> scan_rows(const ScanJob& job, std::size_t k);
/// The exact answer of a shard of rounded rows: the true ones are read (query.true_rows) of all
/// that rounding may hide among the k nearest. (scanner_true.cpp)
Result<Candidates> scan_true_rows(const ScanJob& job);

/// IVF: the rows of the `nprobe` lists nearest to the query, and of further ones until there are k
/// and, under a filter, as many were scanned as the first `nprobe` lists hold and further lists are
/// likely to have nothing as near as the hits. (scanner_ivf.cpp)
///
/// returns  with exact distances; where codes are lossy those of the best `refine` candidates a
///          wanted hit. Nothing if it costs less to score all rows that pass the filter
///          (internal/filter_effort.h).
Result<std::optional<Candidates>> scan_lists(const ScanJob& job, std::size_t nprobe,
                                             std::size_t refine);

/// The k best of `candidates` by their full vectors. (scanner_refine.cpp)
Result<std::optional<Candidates>> refine_all(const ScanJob& job, const Candidates& candidates);
/// The same for as many of the candidates, nearest by code first, as are likely to hold the k best
/// of all `num_passed` rows whose codes were scanned; at least the first `num_least`.
///
/// returns  nothing if all candidates are likely to be too few.
Result<std::optional<Candidates>> refine_until_settled(const ScanJob& job,
                                                       const Candidates& candidates,
                                                       std::size_t num_least,
                                                       std::uint64_t num_passed);
/// Slot of a place in an inverted list.
inline Slot slot_at(const ShardData::List& list, std::size_t at) {
  std::int64_t id;
  std::memcpy(&id, list.ids + at * sizeof id, sizeof id);
  return static_cast<Slot>(id);
}
/// Inverted lists, nearest to `query` first.
Result<std::vector<std::uint32_t>> nearest_lists(const ShardData& data, const KernelTable& kernels,
                                                 std::span<const float> query);

/// HNSW: the best of a beam of `ef` rows that pass; the walk leads through all rows.
/// (scanner_hnsw.cpp)
///
/// returns  nothing if it reached too few such rows with bounded effort, or is likely to need more
///          under a filter: the exact scan costs little more then.
Result<std::optional<Candidates>> walk_graph(const ScanJob& job, std::size_t ef,
                                             VisitedPool& visited_pool);

/// Thread-safety: const methods may run on many threads at once.
class ShardSearcher {
 public:
  /// Borrows everything; `tombstones` may be null.
  ShardSearcher(const ShardData& data, const KernelTable& kernels, const Tombstones* tombstones);

  /// As Shard::search; SealedShard::search tells how a way is picked.
  Result<Candidates> search(const ShardQuery& query, ComputePool* pool,
                            const Deadline& deadline) const;
  std::uint64_t memory_bytes() const {
    return transposed_codebooks_.capacity() * sizeof(float) + visited_pool_.memory_bytes();
  }

 private:
  /// Nothing if the type has no quicker way than exact().
  Result<std::optional<Candidates>> approximate(const ScanJob& job) const;
  Result<Candidates> exact(const ScanJob& job) const;

  const ShardData& data_;
  const KernelTable& kernels_;
  const Tombstones* const tombstones_;
  const std::vector<float> transposed_codebooks_;
  Version newest_ = 0;
  mutable VisitedPool visited_pool_;
};

}  // namespace sightline::index
