// index/payload_index.h: payload indexes in memory; a filter becomes a bitmap of slots.
//
// A field's index is a base (immutable: sorted values; one that many slots have, with a Bitmap of
// its own, the others with their slots end to end; points of a map by the cells of a grid) and a
// log of the changes since, append-only. A view is the base and a length of the log. The log is
// merged into a new base when it gets long; views keep what they have.
//
// An index holds the values of its type and which slots have others: of these the payloads are
// read where another value could satisfy the condition. So an answer is that of matches(), with an
// index or without.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/bitmap.h"
#include "core/deadline.h"
#include "core/filter.h"
#include "core/indexed_value.h"
#include "core/result.h"
#include "index/shard.h"

namespace sightline::index {

class FieldIndex;

/// The payload indexes of one collection as of one version. Thread-safety: immutable.
class PayloadIndexView {
 public:
  /// What no index answers. Thread-safety of an implementation: called by one thread at a time.
  class Fallback {
   public:
    virtual ~Fallback() = default;
    /// Of `candidates` those slots whose point satisfies `condition`, by reading payloads. The
    /// condition may be a whole filter, with HasId and HasVector in it.
    virtual Result<Bitmap> scan(const Condition& condition, const Bitmap& candidates,
                                const Deadline& deadline) const = 0;
    /// Slot of a point, if it lives.
    virtual Result<std::optional<Slot>> find(const PointId& id) const = 0;
    /// Slots that have a vector of this name.
    virtual Result<Bitmap> with_vector(std::string_view name) const = 0;
  };

  struct Evaluation {
    Bitmap slots;
    std::vector<std::string> unindexed_fields;  ///< Each once: read from payloads.
  };

  PayloadIndexView() = default;
  /// The slots of `live` that satisfy `filter`. Payloads are read only of slots that the indexes
  /// leave undecided, once each.
  /// errors  those of `fallback`; kDeadlineExceeded, kCancelled.
  Result<Evaluation> evaluate(const Filter& filter, const Bitmap& live, const Fallback& fallback,
                              const Deadline& deadline) const;
  /// Number of slots that `filter` is likely to find, without building bitmaps or reading payloads:
  /// for one indexed match or range exact, but for slots that have several values in the range, for
  /// changes not yet merged, and for slots that an index leaves open (half of them); conditions
  /// combined as if independent; half of the slots for what no index tells. At most live_count.
  std::uint64_t estimate(const Filter& filter, std::uint64_t live_count) const;
  /// Type of the field's index, if it has one.
  std::optional<FieldType> type_of(std::string_view field) const;
  /// Slots that have a value there, of any type; 0 without an index.
  std::uint64_t count_members(std::string_view field) const;

 private:
  friend class PayloadIndex;
  struct Field {
    FieldType type = FieldType::kKeyword;
    std::shared_ptr<const FieldIndex> index;
    std::uint32_t log_length = 0;
  };
  class Evaluator;
  const Field* find(std::string_view field) const;
  double likelihood(const Condition& condition, double live_count) const;
  double likelihood(const Filter& filter, double live_count) const;

  std::map<std::string, Field, std::less<>> fields_;
};

/// Thread-safety: put(), remove(), add_field(), drop_field() and view() by one thread at a time
/// (the committer); memory_bytes() by any thread; views by any thread, handed over as all data is
/// (a lock, an atomic pointer).
class PayloadIndex {
 public:
  PayloadIndex();
  ~PayloadIndex();
  PayloadIndex(const PayloadIndex&) = delete;
  PayloadIndex& operator=(const PayloadIndex&) = delete;

  /// Hands over the entries of a new field, in order of value, then slot; OtherValue at any time.
  using Entries = std::function<Result<void>(
      const std::function<void(const IndexedValue& value, Slot slot)>& visit)>;
  /// Replaces the field's index, if it had one. errors  those of `entries`; the old index stays.
  Result<void> add_field(const FieldPath& path, FieldType type, const Entries& entries);
  void drop_field(std::string_view field);

  /// The payload of `slot` is now `payload`. Now and then merges a log, which copies the values of
  /// that field.
  void put(Slot slot, const Json& payload);
  void remove(Slot slot);

  PayloadIndexView view() const;
  std::uint64_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

 private:
  struct Writer;
  void put(Writer& writer, Slot slot, std::span<const IndexedValue> values);

  std::map<std::string, std::unique_ptr<Writer>, std::less<>> fields_;
  std::atomic<std::uint64_t> memory_bytes_{0};
};

}  // namespace sightline::index
