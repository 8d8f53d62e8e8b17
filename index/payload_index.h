// index/payload_index.h: payload indexes in memory; a filter becomes a bitmap of slots.
//
// A field's index is a base (immutable: a Bitmap per value for keyword, bool, text and small
// integers, sorted (value, slot) arrays for numbers, dates, UUIDs, a grid for geo) and a log of the
// changes since, append-only with a published length. A view is the base and a length. The log is
// merged into a new base when it gets long; views keep what they have.
#pragma once

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
    /// Of `candidates` those slots whose point satisfies `condition`, by reading payloads.
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
  /// The live slots of `live` that satisfy `filter`. Indexed conditions narrow the candidates
  /// before payloads are read.
  Result<Evaluation> evaluate(const Filter& filter, const Bitmap& live, const Fallback& fallback,
                              const Deadline& deadline) const;
  /// Number of slots that `filter` is likely to find, without building bitmaps: exact for one
  /// indexed match or range; conditions combined as if independent. At most live_count.
  std::uint64_t estimate(const Filter& filter, std::uint64_t live_count) const;
  /// Type of the field's index, if it has one.
  std::optional<FieldType> type_of(std::string_view field) const;

 private:
  friend class PayloadIndex;
  struct Field {
    FieldType type = FieldType::kKeyword;
    std::shared_ptr<const FieldIndex> index;
    std::uint64_t log_length = 0;
  };
  std::map<std::string, Field, std::less<>> fields_;
};

/// Thread-safety: put(), remove(), add_field(), drop_field() and view() by one thread at a time
/// (the committer); views may be used by any thread meanwhile.
class PayloadIndex {
 public:
  PayloadIndex();
  ~PayloadIndex();
  PayloadIndex(const PayloadIndex&) = delete;
  PayloadIndex& operator=(const PayloadIndex&) = delete;

  /// Hands over the entries of a new field, in order of value, then slot.
  using Entries = std::function<Result<void>(
      const std::function<void(const IndexedValue& value, Slot slot)>& visit)>;
  /// Replaces the field's index, if it had one.
  Result<void> add_field(const FieldPath& path, FieldType type, const Entries& entries);
  void drop_field(std::string_view field);

  /// The payload of `slot` is now `payload`.
  void put(Slot slot, const Json& payload);
  void remove(Slot slot);

  PayloadIndexView view() const;
  std::uint64_t memory_bytes() const;

 private:
  struct Writer;
  std::map<std::string, std::unique_ptr<Writer>, std::less<>> fields_;
};

}  // namespace sightline::index
