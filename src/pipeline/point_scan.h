// pipeline/point_scan.h: what can only be told by looking at every payload: orders and counts of
// fields without an index, look-alikes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/deadline.h"
#include "core/field_path.h"
#include "core/filter.h"
#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"
#include "pipeline/collection_store.h"

namespace sightline::pipeline {

/// Calls `visit` for every point that satisfies `filter` (null: all), ascending, until it returns
/// false. Pages are read one after the other: each is of its own moment.
/// errors  those of CollectionStore::scroll(), kDeadlineExceeded, kCancelled.
Result<void> visit_points(const CollectionStore& store, std::shared_ptr<const Filter> filter,
                          GetOptions options, const Deadline& deadline,
                          const std::function<bool(StoredPoint& point)>& visit);

/// An order of points by a field of their payloads.
struct SortOrder {
  FieldPath field;
  bool descending = false;
};

/// Where a value sorts: booleans, numbers, dates (by time), other strings (by bytes); of several
/// values the first that has a place. nullopt: no place.
class SortKey {
 public:
  static std::optional<SortKey> of(const Json& payload, const FieldPath& field);
  std::partial_ordering operator<=>(const SortKey& other) const;
  bool operator==(const SortKey& other) const = default;

 private:
  int kind_ = 0;
  double number_ = 0;
  std::int64_t integer_ = 0;  // of dates, and of integers that a double cannot tell apart
  std::string text_;
};

struct SortedPoints {
  std::vector<StoredPoint> points;  ///< With payload; those that have a value there, ties by id.
  bool used_index = false;
};
/// Points `offset` to `offset + limit` of the order: through a payload index of numbers or dates if
/// there is one, otherwise by reading all payloads.
Result<SortedPoints> sorted_points(const CollectionStore& store, const SortOrder& order,
                                   std::shared_ptr<const Filter> filter, std::size_t offset,
                                   std::size_t limit, bool with_vectors, const Deadline& deadline);

struct CountedValues {
  std::vector<FacetHit> values;  ///< Most frequent first, ties by value.
  bool used_index = false;
};
/// How many points have each value (strings, integers, booleans) of a field: CollectionStore's
/// facet() if there is an index for it, otherwise by reading all payloads.
Result<CountedValues> count_values(const CollectionStore& store, const FieldPath& field,
                                   std::shared_ptr<const Filter> filter, std::size_t limit,
                                   const Deadline& deadline);

struct DuplicateOptions {
  std::size_t max_distance = 6;  ///< Bits in which perceptual hashes differ, 0..11.
  std::shared_ptr<const Filter> filter;
  std::size_t offset = 0, limit = 50;  ///< Of groups.
};
struct DuplicateGroup {
  struct Member {
    PointId id;
    std::size_t distance = 0;  ///< Bits from the first.
  };
  /// At least two: the one with the most pixels, then by distance and id.
  std::vector<Member> members;
};
struct Duplicates {
  std::vector<DuplicateGroup> groups;  ///< Largest first, ties by the first member's id.
  std::size_t num_groups = 0;          ///< All of them.
  std::uint64_t num_points = 0;        ///< With a perceptual hash.
};
/// Points whose pictures look alike. Every group is led by its largest picture; a point belongs to
/// the first group whose leader is near enough.
Result<Duplicates> find_duplicates(const CollectionStore& store, const DuplicateOptions& options,
                                   const Deadline& deadline);

}  // namespace sightline::pipeline
