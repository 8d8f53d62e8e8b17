#include "pipeline/internal/shard_policy.h"

#include <algorithm>
#include <numeric>

namespace sightline::pipeline {
namespace {

using index::ShardSpec;
using index::ShardType;

// FAISS asks for 39 training rows a list, and PQ for 256 centroids.
constexpr std::uint64_t kMinRowsPerList = 39;
constexpr std::uint64_t kMinPqRows = 256;
// Shards whose sizes differ by less than this are merged by a bulk load.
constexpr std::uint64_t kTierFactor = 8;
// With fewer full growing shards waiting, too many sealed ones are merged first.
constexpr std::size_t kMaxFullWhileMerging = 4;

ShardSpec flat() {
  ShardSpec spec;
  spec.automatic = false;
  return spec;
}

bool is_ivf(ShardType type) {
  return type == ShardType::kIvfFlat || type == ShardType::kIvfSq8 || type == ShardType::kIvfPq;
}

std::uint64_t total_rows(const ShardsState& state) {
  std::uint64_t total = state.growing;
  for (const auto& shard : state.sealed) total += shard.num_live;
  for (const std::uint64_t rows : state.full) total += rows;
  return total;
}

/// The fewest rows, of those there are, that the structure asked for is built on.
std::uint64_t least_rows(const ShardsState& state, std::uint64_t num_rows) {
  std::uint64_t least = 1;
  if (is_ivf(state.wanted.type)) {
    const std::uint64_t nlist =
        state.wanted.nlist != 0 ? state.wanted.nlist : index::default_nlist(num_rows);
    least = 2 * num_rows >= total_rows(state) ? nlist : nlist * kMinRowsPerList;
  }
  if (state.wanted.type == ShardType::kIvfPq) least = std::max(least, kMinPqRows);
  return least;
}

/// What a shard of `num_rows` becomes. A structure that cannot be trained well on a tail of few
/// rows is left to the shard that holds most of them.
ShardSpec spec_for(const ShardsState& state, std::uint64_t num_rows) {
  if (state.wanted.automatic) {
    ShardSpec spec = index::choose_spec(num_rows, state.dim, state.distance, state.memory_bytes);
    spec.half_vectors = state.wanted.half_vectors && index::has_lossy_codes(spec);
    return spec;
  }
  return num_rows >= least_rows(state, num_rows) ? state.wanted : flat();
}

/// Whether a shard of structure `have` should be built anew as `want`.
bool differs(const ShardsState& state, const ShardSpec& have, const ShardSpec& want) {
  if (index::has_lossy_codes(have) && index::has_lossy_codes(want) &&
      have.half_vectors != want.half_vectors) {
    return true;
  }
  if (state.wanted.automatic) {
    // One that has shrunk keeps its structure.
    const auto rank = [](ShardType type) {
      return type == ShardType::kFlat ? 0 : type == ShardType::kIvfFlat ? 1 : 2;
    };
    return have.type == ShardType::kHnsw || rank(have.type) < rank(want.type);
  }
  if (have.type != want.type) return true;
  if (is_ivf(want.type) && want.nlist != 0 && want.nlist != have.nlist) return true;
  if (want.type == ShardType::kIvfPq && want.num_subvectors != have.num_subvectors) return true;
  return want.type == ShardType::kHnsw && want.hnsw_m != have.hnsw_m;
}

/// Places of the sealed shards, most rows first.
std::vector<std::size_t> by_size(const ShardsState& state) {
  std::vector<std::size_t> order(state.sealed.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return state.sealed[a].num_live > state.sealed[b].num_live;
  });
  return order;
}

BuildPlan plan_of(std::vector<std::size_t> sealed, ShardSpec spec, std::string_view why) {
  BuildPlan plan;
  plan.sealed = std::move(sealed);
  plan.spec = spec;
  plan.why = why;
  return plan;
}

/// The sealed shards that belong with `tail_rows` others: with a shard go all smaller ones.
std::vector<std::size_t> staircase(const ShardsState& state, std::uint64_t tail_rows) {
  std::vector<std::size_t> order = by_size(state);
  std::uint64_t tail = tail_rows;
  std::size_t first = order.size();
  for (std::size_t i = order.size(); i-- > 0;) {
    const std::uint64_t rows = state.sealed[order[i]].num_live;
    if (tail > 0 && 2 * tail >= rows) first = i;
    tail += rows;
  }
  order.erase(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(first));
  return order;
}

std::uint64_t rows_of(const ShardsState& state, const std::vector<std::size_t>& sealed) {
  std::uint64_t rows = 0;
  for (const std::size_t at : sealed) rows += state.sealed[at].num_live;
  return rows;
}

bool all_flat(const ShardsState& state, const std::vector<std::size_t>& sealed) {
  return std::all_of(sealed.begin(), sealed.end(), [&](std::size_t at) {
    return state.sealed[at].spec.type == ShardType::kFlat;
  });
}

/// Too many shards in the middle of a bulk load: those of one size become one, untrained.
BuildPlan merge_for_load(const ShardsState& state) {
  std::vector<std::size_t> order = by_size(state);
  std::uint64_t limit =
      std::max<std::uint64_t>(1, state.sealed[order.back()].num_live) * kTierFactor;
  for (;; limit *= kTierFactor) {
    const auto first = std::find_if(order.begin(), order.end(), [&](std::size_t at) {
      return state.sealed[at].num_live < limit;
    });
    const auto num_kept = static_cast<std::size_t>(first - order.begin());
    if (order.end() - first >= 2 && num_kept < kMaxSealedWhileLoading) {
      order.erase(order.begin(), first);
      return plan_of(std::move(order), flat(), "merging");
    }
  }
}

std::optional<BuildPlan> merge(const ShardsState& state) {
  std::vector<std::size_t> group = staircase(state, 0);
  const bool too_many = state.sealed.size() > kMaxSealedShards;
  if (group.size() < 2 && too_many) {  // A long staircase: its two lowest steps.
    group = by_size(state);
    group.erase(group.begin(), group.end() - 2);
  }
  if (group.size() < 2) return std::nullopt;
  const ShardSpec spec = spec_for(state, rows_of(state, group));
  // Flat shards are as good apart.
  if (!too_many && spec.type == ShardType::kFlat && all_flat(state, group)) return std::nullopt;
  return plan_of(std::move(group), spec, "merging");
}

/// What is wrong with a single sealed shard.
std::optional<BuildPlan> mend(const ShardsState& state) {
  for (std::size_t i = 0; i < state.sealed.size(); ++i) {
    const auto& shard = state.sealed[i];
    const auto dead = static_cast<double>(shard.num_rows - shard.num_live);
    if (shard.num_live == 0 || dead > kMaxDeadShare * static_cast<double>(shard.num_rows))
      return plan_of({i}, spec_for(state, shard.num_live), "compacting");
  }
  return std::nullopt;
}

std::optional<BuildPlan> convert(const ShardsState& state) {
  for (std::size_t i = 0; i < state.sealed.size(); ++i) {
    const ShardSpec spec = spec_for(state, state.sealed[i].num_live);
    if (differs(state, state.sealed[i].spec, spec)) return plan_of({i}, spec, "rebuilding");
  }
  return std::nullopt;
}

std::optional<BuildPlan> plan_sealed(const ShardsState& state) {
  if (auto plan = mend(state)) return plan;
  if (auto plan = merge(state)) return plan;
  return convert(state);
}

}  // namespace

std::optional<BuildPlan> plan_background(const ShardsState& state, Activity activity,
                                         const SealingOptions& options) {
  BuildPlan seal = plan_of({}, flat(), "sealing");
  const bool is_crowded = state.sealed.size() > kMaxSealedWhileLoading;
  if (!state.full.empty() && !(is_crowded && state.full.size() < kMaxFullWhileMerging)) {
    seal.full = {0};
    return seal;
  }
  if (is_crowded) return merge_for_load(state);
  if (activity == Activity::kLoading) return std::nullopt;
  if (activity == Activity::kIdle &&
      (state.growing >= options.small_rows ||
       state.growing * state.dim * sizeof(float) >= options.small_bytes)) {
    seal.growing = true;
    return seal;
  }
  return plan_sealed(state);
}

std::optional<std::uint64_t> too_few_rows_for(const ShardsState& state) {
  const std::uint64_t num_rows = total_rows(state);
  if (state.wanted.automatic || num_rows == 0) return std::nullopt;
  const std::uint64_t least = least_rows(state, num_rows);
  return num_rows < least ? std::optional(least) : std::nullopt;
}

std::optional<BuildPlan> plan_optimize(const ShardsState& state, bool with_unsealed) {
  if (!with_unsealed || (state.growing == 0 && state.full.empty())) return plan_sealed(state);
  const std::uint64_t unsealed =
      std::accumulate(state.full.begin(), state.full.end(), state.growing);
  BuildPlan plan;
  plan.why = "sealing";
  plan.growing = true;
  plan.full.resize(state.full.size());
  std::iota(plan.full.begin(), plan.full.end(), std::size_t{0});
  plan.sealed = staircase(state, unsealed);
  plan.spec = spec_for(state, unsealed + rows_of(state, plan.sealed));
  if (plan.spec.type == ShardType::kFlat && all_flat(state, plan.sealed) &&
      state.sealed.size() < kMaxSealedShards) {
    plan.sealed.clear();
  }
  return plan;
}

std::optional<BuildPlan> plan_rebuild(const ShardsState& state) {
  const std::uint64_t num_rows = total_rows(state);
  if (num_rows == 0 && state.sealed.empty()) return std::nullopt;
  BuildPlan plan = plan_of(by_size(state), spec_for(state, num_rows), "rebuilding");
  plan.full.resize(state.full.size());
  std::iota(plan.full.begin(), plan.full.end(), std::size_t{0});
  plan.growing = true;
  return plan;
}

std::uint64_t build_memory_bytes(const index::ShardSpec& spec, std::uint64_t num_rows,
                                 std::size_t dim) {
  constexpr std::uint64_t kBuffers = std::uint64_t{4} << 20;
  constexpr std::uint64_t kTrainRowsPerList = 64;  // BuildOptions::train_rows_per_list
  const std::uint64_t row_bytes = dim * sizeof(float);
  std::uint64_t bytes = kBuffers + 2 * num_rows * sizeof(index::RowRef);
  if (is_ivf(spec.type)) {
    const std::uint64_t nlist = spec.nlist != 0 ? spec.nlist : index::default_nlist(num_rows);
    bytes += (nlist + std::min(num_rows, nlist * kTrainRowsPerList)) * row_bytes;
    bytes += num_rows * 2 * sizeof(std::uint32_t);  // list and place of each row
    if (spec.type == ShardType::kIvfPq) bytes += num_rows * spec.num_subvectors;
  }
  if (spec.type == ShardType::kHnsw)
    bytes += num_rows * (row_bytes + 2 * spec.hnsw_m * sizeof(std::int32_t) * 2);
  return bytes;
}

}  // namespace sightline::pipeline
