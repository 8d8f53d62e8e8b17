// index/shard.h: one searchable piece of a collection's rows under one vector name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
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

/// Reads rows as they were before a shard rounded them.
/// Thread-safety: called from many threads at once.
class TrueRows {
 public:
  virtual ~TrueRows() = default;
  /// Fills `values` with the row of `slot` that had `version`. False: it cannot be read; then the
  /// rounded one counts.
  virtual bool read(Slot slot, Version version, std::span<float> values) const = 0;
};

/// How a query was answered, summed over shards. Thread-safety: one thread.
struct SearchStats {
  std::uint64_t num_rows = 0;  ///< Live rows of all shards asked.
  /// Of these, rows that the filter allows; deleted ones may count where not all were scanned.
  std::uint64_t num_allowed = 0;
  std::uint64_t num_scanned = 0;      ///< Rows or codes whose distance was computed.
  std::uint64_t num_refined = 0;      ///< Of these, computed again from full or true vectors.
  std::uint64_t num_lists = 0;        ///< Inverted lists probed.
  std::uint32_t num_exact = 0;        ///< Shards answered by an exact scan of the allowed rows.
  std::uint32_t num_approximate = 0;  ///< Shards answered through lists or links.
  std::uint32_t num_widened = 0;      ///< Of these, shards probed further because of the filter.
  void add(const SearchStats& other);
};

/// What is asked of a shard. Borrows everything for the call.
struct ShardQuery {
  std::span<const float> vector;      ///< dim floats
  std::size_t k = 10;                 ///< At least 1.
  Version read_version = kNever - 1;  ///< Rows committed later are not seen.
  const Bitmap* allowed = nullptr;    ///< Slots that may be found; null: all.
  const SlotOrder* order = nullptr;   ///< Breaks ties; null: lower slot first.
  bool exact = false;                 ///< Full vectors of all allowed rows, whatever the type.
  /// `exact`: where a shard finds the rows that it holds rounded; null: rounded ones count.
  const TrueRows* true_rows = nullptr;
  std::size_t nprobe = 0;     ///< Lists to probe; 0: the shard's own (calibrated) number.
  std::size_t ef_search = 0;  ///< Beam of a graph; 0: the shard's own.
  std::size_t refine = 0;     ///< Candidates refined per k; 0: the shard's own.
  /// A stored row that plays a new query: no graph is walked through it, as it would lead to its
  /// neighbours at once. It may still be found.
  std::optional<Slot> stand_in;
  SearchStats* stats = nullptr;  ///< Added to, if given.
};

/// One live row of a shard. `values`: dim little-endian floats, perhaps unaligned, which stay as
/// long as the shard; null where it holds the row rounded, from which no other may be made.
struct RowRef {
  Slot slot = 0;
  Version version = 0;
  const std::byte* values = nullptr;
};

/// Thread-safety: const methods may run on many threads at once, also while rows are added, but for
/// version_of() and live_rows(), which belong to the committer as remove() does.
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

  virtual std::uint64_t num_rows() const = 0;               ///< Rows held, deleted ones included.
  virtual std::uint64_t num_live() const = 0;               ///< Rows held and not deleted.
  virtual std::uint64_t memory_bytes() const = 0;           ///< Anonymous memory.
  virtual std::uint64_t mapped_bytes() const { return 0; }  ///< Of mapped files.

  /// Ends the live row of `slot` as of `version`. Does nothing if there is none.
  virtual void remove(Slot slot, Version version) = 0;
  /// Version of the live row of `slot`, if it has one.
  virtual std::optional<Version> version_of(Slot slot) const = 0;
  /// Ascending by slot.
  virtual std::vector<RowRef> live_rows() const = 0;
};

/// The shards of one vector name at one moment.
using ShardList = std::vector<std::shared_ptr<Shard>>;

/// One answer from many shards: as Shard::search over the union of their rows.
Result<std::vector<Candidate>> search_shards(const ShardList& shards, const ShardQuery& query,
                                             ComputePool* pool, const Deadline& deadline);

}  // namespace sightline::index
