// storage/internal/survey.h: reading a collection that may be damaged, point by point.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/internal/collection_families.h"

namespace sightline::storage {

/// A point with all that belongs to it; values as stored.
struct PointParts {
  SlotRecord record;
  std::vector<std::string> rows;  ///< In the order of record.vectors.
  std::optional<std::string> payload, thumbnail, source;
};

struct SlotFindings {
  std::optional<PointParts> point;  ///< Vectors and payload are there.
  std::optional<PointId> lost_id;   ///< A point of which they are not.
  std::vector<std::string> damages;
};

/// Calls `visit` for what can be read of a family: forward to the first damage, then backward from
/// the end to the last one. Returns what stopped it, if anything did.
std::optional<Status> visit_readable(
    const RocksDatabase& database, Family family, const rocksdb::Snapshot* snapshot,
    const std::function<void(std::string_view key, std::string_view value)>& visit);

/// `ids` turned round. Memory: about 40 bytes a point.
class SlotOwners {
 public:
  static SlotOwners read(const RocksDatabase& database, const rocksdb::Snapshot* snapshot,
                         std::vector<std::string>& damages);

  /// Whom `ids` names for a slot; more than one if it is damaged.
  std::vector<PointId> owners(Slot slot) const;
  /// All of `ids` could be read: who is not named does not exist.
  bool is_complete() const { return is_complete_; }
  std::optional<Slot> last_slot() const;

 private:
  std::vector<std::pair<Slot, PointId>> owners_;  // sorted
  bool is_complete_ = true;
};

/// Reads the point in `slot`, if there is one, and holds its records against each other.
SlotFindings read_slot(const RocksDatabase& database, const rocksdb::Snapshot* snapshot, Slot slot,
                       const SlotOwners& owners);

}  // namespace sightline::storage
