#include "index/internal/shard_searcher.h"

#include <algorithm>

namespace sightline::index {
namespace {

// So few survivors of a filter are scanned exactly: a tenth of the rows, or a number that costs
// less than the way to anything cleverer.
constexpr double kExactShare = 0.1;
constexpr std::uint64_t kExactRows = 1000;

// Where neither the query nor the shard says.
constexpr std::size_t kDefaultNprobe = 32;
constexpr std::size_t kDefaultEf = 64;
constexpr std::size_t kDefaultSq8Refine = 4, kDefaultPqRefine = 16;

std::size_t first_set(std::size_t a, std::size_t b, std::size_t otherwise) {
  return a != 0 ? a : b != 0 ? b : otherwise;
}

bool few_survivors(const RowFilter& filter) {
  return filter.filters() &&
         (filter.selectivity() <= kExactShare || filter.num_allowed() <= kExactRows);
}

// A walk sees rows on all sides of its beam, and the more the fewer of them are allowed.
bool walk_costs_more(const RowFilter& filter, std::size_t ef, std::size_t hnsw_m) {
  const double num_seen = 4 * static_cast<double>(ef * hnsw_m) / filter.selectivity();
  return filter.filters() && static_cast<double>(filter.num_allowed()) <= num_seen;
}

}  // namespace

ShardSearcher::ShardSearcher(const ShardData& data, const KernelTable& kernels,
                             const Tombstones* tombstones)
    : data_(data),
      kernels_(kernels),
      tombstones_(tombstones),
      transposed_codebooks_(transpose_codebooks(data)) {
  for (const Version version : data.versions) newest_ = std::max(newest_, version);
}

Result<Candidates> ShardSearcher::search(const ShardQuery& query, ComputePool* pool,
                                         const Deadline& deadline) const {
  SIGHTLINE_TRY_DO(check_query(query, data_.dim));
  SIGHTLINE_TRY_DO(deadline.check("searching"));
  RowFilter filter(data_, tombstones_, newest_, query);
  SearchStats stats;
  const std::uint64_t num_deleted = tombstones_ == nullptr ? 0 : tombstones_->count();
  stats.num_rows = data_.num_rows - num_deleted;
  stats.num_allowed = std::min(stats.num_rows, filter.num_allowed());

  const ScanJob job{data_, transposed_codebooks_, kernels_, query, filter, pool, deadline, stats};
  std::optional<Candidates> found;
  if (!query.exact && !few_survivors(filter)) {
    SIGHTLINE_TRY(found, approximate(job));
    if (found) ++stats.num_approximate;
  }
  if (!found) {
    ++stats.num_exact;
    const std::uint64_t scanned_before = stats.num_scanned;
    SIGHTLINE_TRY(found, exact(job));
    stats.num_allowed = stats.num_scanned - scanned_before;
  }
  if (query.stats != nullptr) query.stats->add(stats);
  return *std::move(found);
}

Result<Candidates> ShardSearcher::exact(const ScanJob& job) const {
  // Rows of IVF-Flat lie in the order of lists: all are read faster that way.
  if (data_.spec.type == ShardType::kIvfFlat && !job.filter.filters()) {
    SIGHTLINE_TRY(auto found, scan_lists(job, data_.lists.size(), 1));
    if (found) return *std::move(found);
  }
  if (data_.half_vectors && job.query.exact && job.query.true_rows != nullptr)
    return scan_true_rows(job);
  return scan_rows(job, job.query.k);
}

Result<std::optional<Candidates>> ShardSearcher::approximate(const ScanJob& job) const {
  const ShardQuery& query = job.query;
  const std::size_t nprobe = first_set(query.nprobe, data_.nprobe, kDefaultNprobe);
  switch (data_.spec.type) {
    case ShardType::kFlat:
      return std::optional<Candidates>();
    case ShardType::kIvfFlat:
    case ShardType::kIvfSq8:
    case ShardType::kIvfPq: {
      const bool is_pq = data_.spec.type == ShardType::kIvfPq;
      const std::size_t refine =
          first_set(query.refine, data_.refine, is_pq ? kDefaultPqRefine : kDefaultSq8Refine);
      return scan_lists(job, nprobe, refine);
    }
    case ShardType::kHnsw: {
      const std::size_t ef =
          std::max(query.k, first_set(query.ef_search, data_.ef_search, kDefaultEf));
      if (walk_costs_more(job.filter, ef, data_.spec.hnsw_m)) return std::optional<Candidates>();
      return walk_graph(job, ef, visited_pool_);
    }
  }
  return internal_error("a shard of unknown type");
}

}  // namespace sightline::index
