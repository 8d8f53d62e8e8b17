#include "index/shard.h"

#include "index/top_k.h"

namespace sightline::index {

Result<std::vector<Candidate>> search_shards(const ShardList& shards, const ShardQuery& query,
                                             ComputePool* pool, const Deadline& deadline) {
  if (shards.size() == 1) return shards.front()->search(query, pool, deadline);
  if (query.k == 0) return invalid_argument("k is 0; it must be at least 1");
  TopK best(query.k, query.order);
  for (const auto& shard : shards) {
    SIGHTLINE_TRY(const auto found, shard->search(query, pool, deadline));
    for (const Candidate& candidate : found) best.offer(candidate);
  }
  return best.take_sorted();
}

}  // namespace sightline::index
