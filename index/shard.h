// index/shard.h: one searchable piece of a collection's rows under one vector name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "core/bitmap.h"
#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/result.h"
#include "index/distance.h"

namespace sightline::index {

/// Names a point within its collection while it lives there (DESIGN.md, "Slots").
using Slot = std::uint32_t;
/// Number of a commit; a row is visible to a reader at version v if inserted <= v < deleted.
using Version = std::uint64_t;
inline constexpr Version kNever = std::numeric_limits<Version>::max();

struct Candidate {
  float distance = 0;  ///< Lower is better.
  Slot slot = 0;
  bool operator==(const Candidate&) const = default;
};

/// Order of slots whose distances are equal: a strict total order that never changes.
/// Thread-safety: called from many threads at once.
class SlotOrder {
 public:
  virtual ~SlotOrder() = default;
  virtual bool before(Slot a, Slot b) const = 0;
};

/// What is asked of a shard. Borrows everything for the call.
struct ShardQuery {
  std::span<const float> vector;      ///< dim floats
  std::size_t k = 10;                 ///< At least 1.
  Version read_version = kNever - 1;  ///< Rows committed later are not seen.
  const Bitmap* allowed = nullptr;    ///< Slots that may be found; null: all.
  const SlotOrder* order = nullptr;   ///< Breaks ties; null: lower slot first.
};

/// Thread-safety: const methods may run on many threads at once, also while rows are added.
class Shard {
 public:
  virtual ~Shard() = default;

  /// The k nearest visible rows, best first, fewer if there are fewer. A distance that is not a
  /// number (overflowing products) counts as infinitely far.
  ///
  /// pool      runs parts of a large scan beside the calling thread; null: this thread alone. May
  ///           be called from one of its workers.
  /// deadline  checked between blocks of rows.
  /// errors    kInvalidArgument: wrong dim, k of 0; kDeadlineExceeded, kCancelled.
  virtual Result<std::vector<Candidate>> search(const ShardQuery& query, ComputePool* pool,
                                                const Deadline& deadline) const = 0;

  virtual std::uint64_t num_rows() const = 0;  ///< Rows held, deleted ones included.
  virtual std::uint64_t memory_bytes() const = 0;
};

/// The shards of one vector name at one moment.
using ShardList = std::vector<std::shared_ptr<const Shard>>;

/// One answer from many shards: as Shard::search over the union of their rows.
Result<std::vector<Candidate>> search_shards(const ShardList& shards, const ShardQuery& query,
                                             ComputePool* pool, const Deadline& deadline);

}  // namespace sightline::index
