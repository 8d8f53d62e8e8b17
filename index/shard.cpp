#include "index/shard.h"

#include <algorithm>
#include <memory>

#include "index/internal/parallel_scan.h"
#include "index/top_k.h"

namespace sightline::index {
namespace {

// A shard of fewer rows is searched sooner than a helper has woken.
constexpr std::uint64_t kRowsPerThread = 4096;

class ShardsPart final : public ScanPart {
 public:
  ShardsPart(const ShardList& shards, const ShardQuery& query, ComputePool* pool,
             const Deadline& deadline, TopK& result)
      : shards_(shards),
        query_(query),
        pool_(pool),
        deadline_(deadline),
        result_(result),
        best_(result.emptied()) {}

  Result<void> scan(std::size_t chunk) override {
    ShardQuery query = query_;
    query.stats = query_.stats != nullptr ? &stats_ : nullptr;
    SIGHTLINE_TRY(const auto found, shards_[chunk]->search(query, pool_, deadline_));
    for (const Candidate& candidate : found) best_.offer(candidate);
    return {};
  }

  void finish() override {
    result_.merge(best_);
    if (query_.stats != nullptr) query_.stats->add(stats_);
  }

 private:
  const ShardList& shards_;
  const ShardQuery& query_;
  ComputePool* const pool_;
  const Deadline& deadline_;
  TopK& result_;
  TopK best_;
  SearchStats stats_;
};

}  // namespace

void SearchStats::add(const SearchStats& other) {
  num_rows += other.num_rows;
  num_allowed += other.num_allowed;
  num_scanned += other.num_scanned;
  num_refined += other.num_refined;
  num_lists += other.num_lists;
  num_exact += other.num_exact;
  num_approximate += other.num_approximate;
  num_widened += other.num_widened;
}

Result<std::vector<Candidate>> search_shards(const ShardList& shards, const ShardQuery& query,
                                             ComputePool* pool, const Deadline& deadline) {
  if (shards.size() == 1) return shards.front()->search(query, pool, deadline);
  if (query.k == 0) return invalid_argument("k is 0; it must be at least 1");
  const auto num_large = std::count_if(shards.begin(), shards.end(), [](const auto& shard) {
    return shard->num_rows() >= kRowsPerThread;
  });
  TopK best(query.k, query.order);
  SIGHTLINE_TRY_DO(scan_in_parts(
      shards.size(), static_cast<std::size_t>(num_large), pool, Priority::kQueryEncoding,
      [&] { return std::make_unique<ShardsPart>(shards, query, pool, deadline, best); }));
  return best.take_sorted();
}

}  // namespace sightline::index
