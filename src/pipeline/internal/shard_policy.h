// pipeline/internal/shard_policy.h: which shards are sealed, merged or built anew, and when. Pure:
// what there is goes in, the next step comes out.
//
// Sizes form a staircase: the smallest shards are merged with the next one up once together they
// have half its rows. So a row is copied about log(n) times, and from 32,768 rows to 10 million
// there are at most 6 steps. During a bulk load nothing is trained: full growing shards become
// Flat, and only if there are very many of them, those of one size become one: scanning 32 shards
// costs what scanning one of their size does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "index/distance.h"
#include "index/shard.h"
#include "index/shard_spec.h"
#include "pipeline/data_folder.h"

namespace sightline::pipeline {

/// Sealed shards of one vector name, beyond a build that runs.
inline constexpr std::size_t kMaxSealedShards = 8;
/// The same during a bulk load.
inline constexpr std::size_t kMaxSealedWhileLoading = 32;
/// Share of deleted rows from which on a shard is rewritten.
inline constexpr double kMaxDeadShare = 0.2;

enum class Activity {
  kLoading,  ///< Many rows arrive.
  kWriting,  ///< Something was written a moment ago.
  kIdle,
};

/// The shards of one vector name.
struct ShardsState {
  struct Sealed {
    std::uint64_t num_rows = 0, num_live = 0;
    index::ShardSpec spec;
  };
  std::size_t dim = 0;
  index::Distance distance = index::Distance::kInnerProduct;
  index::ShardSpec wanted;         ///< May be automatic.
  std::uint64_t memory_bytes = 0;  ///< Budget, as choose_spec() takes it.
  std::vector<Sealed> sealed;
  std::vector<std::uint64_t> full;  ///< Live rows of growing shards that take no more.
  std::uint64_t growing = 0;        ///< Live rows of the one that does.
};

/// Makes one shard (or, if no live row is left, none) of several.
struct BuildPlan {
  std::vector<std::size_t> sealed, full;  ///< What it replaces: places in ShardsState.
  bool growing = false;                   ///< The growing one, too.
  index::ShardSpec spec;                  ///< Not automatic.
  std::string_view why;                   ///< "sealing", "merging", "compacting", "rebuilding"
};

/// The next step of background building; nullopt: all is well for now.
std::optional<BuildPlan> plan_background(const ShardsState& state, Activity activity,
                                         const SealingOptions& options);
/// The next step of an optimise. `with_unsealed`: rows that are not sealed yet belong to it.
std::optional<BuildPlan> plan_optimize(const ShardsState& state, bool with_unsealed);
/// All into one; nullopt if there is no row.
std::optional<BuildPlan> plan_rebuild(const ShardsState& state);

/// The rows that the structure asked for takes at least, if there are fewer: they stay Flat.
std::optional<std::uint64_t> too_few_rows_for(const ShardsState& state);

/// Anonymous memory that building a shard takes, about; beside its rows, wherever they lie.
std::uint64_t build_memory_bytes(const index::ShardSpec& spec, std::uint64_t num_rows,
                                 std::size_t dim);

}  // namespace sightline::pipeline
