// pipeline/internal/store_view.h: one published state of a LocalStore: all that a read needs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bitmap.h"
#include "core/deadline.h"
#include "core/filter.h"
#include "index/payload_index.h"
#include "index/shard.h"
#include "pipeline/collection_store.h"
#include "pipeline/internal/local_index.h"
#include "storage/collection_db.h"

namespace sightline::pipeline {

/// Thread-safety: immutable.
struct StoreView {
  index::Version version = 0;
  storage::SnapshotPtr snapshot;
  std::shared_ptr<const CollectionConfig> config;
  std::shared_ptr<const LocalIndex> index;  ///< For its payload_bytes().
  IndexView parts;

  const storage::CollectionCounters& counters() const { return snapshot->counters(); }
  const SlotIds& ids() const { return *parts.ids; }
};

/// Anonymous memory of shards and indexes.
std::uint64_t memory_bytes(const StoreView& view);

/// What no payload index answers, read from the view's snapshot. Borrows both.
class SnapshotFallback final : public index::PayloadIndexView::Fallback {
 public:
  SnapshotFallback(const storage::CollectionDb& db, const StoreView& view) : db_(db), view_(view) {}

  Result<Bitmap> scan(const Condition& condition, const Bitmap& candidates,
                      const Deadline& deadline) const override;
  Result<std::optional<index::Slot>> find(const PointId& id) const override;
  Result<Bitmap> with_vector(std::string_view name) const override;
  std::uint64_t num_payloads_read() const { return num_payloads_read_; }

 private:
  const storage::CollectionDb& db_;
  const StoreView& view_;
  mutable std::uint64_t num_payloads_read_ = 0;  // of the one evaluation it is made for
};

struct FilteredSlots {
  Bitmap slots;
  std::vector<std::string> unindexed_fields;  ///< Each once: read from payloads.
  std::uint64_t num_payloads_read = 0;
};
/// The slots of `live` whose points satisfy `filter`, as of `view`.
Result<FilteredSlots> evaluate_filter(const storage::CollectionDb& db, const StoreView& view,
                                      const Filter& filter, const Bitmap& live,
                                      const Deadline& deadline);

}  // namespace sightline::pipeline
