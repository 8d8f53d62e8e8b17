#include "pipeline/internal/store_view.h"

#include <algorithm>
#include <map>
#include <span>
#include <utility>

namespace sightline::pipeline {
namespace {

constexpr std::size_t kPayloadBlock = 256;

}  // namespace

std::uint64_t memory_bytes(const StoreView& view) {
  std::uint64_t total = view.ids().memory_bytes() + view.index->payload_bytes();
  for (const auto& [name, shards] : *view.parts.shards) {
    for (const auto& shard : shards.all) total += shard->memory_bytes();
  }
  return total;
}

Result<Bitmap> SnapshotFallback::scan(const Condition& condition, const Bitmap& candidates,
                                      const Deadline& deadline) const {
  Filter filter;
  filter.must.push_back(condition);
  Bitmap found;
  const std::vector<index::Slot> slots = candidates.to_vector();
  std::map<std::string, Bitmap, std::less<>> with_vector;
  for (std::size_t first = 0; first < slots.size(); first += kPayloadBlock) {
    SIGHTLINE_TRY_DO(deadline.check("filtering"));
    const auto block = std::span<const index::Slot>(slots).subspan(
        first, std::min(kPayloadBlock, slots.size() - first));
    SIGHTLINE_TRY(const auto payloads, db_.payloads(*view_.snapshot, block));
    num_payloads_read_ += block.size();
    for (std::size_t i = 0; i < block.size(); ++i) {
      const PointId id = view_.ids().get(block[i]);
      const auto has_vector = [&](std::string_view name) {
        auto known = with_vector.find(name);
        if (known == with_vector.end()) {
          const auto view = view_.parts.with_vector.find(name);
          known = with_vector
                      .emplace(name, view == view_.parts.with_vector.end() ? Bitmap()
                                                                           : view->second.slots())
                      .first;
        }
        return known->second.contains(block[i]);
      };
      if (matches(filter, FilterSubject{id, payloads[i], has_vector})) found.add(block[i]);
    }
  }
  return found;
}

Result<std::optional<index::Slot>> SnapshotFallback::find(const PointId& id) const {
  return db_.find_slot(*view_.snapshot, id);
}

Result<Bitmap> SnapshotFallback::with_vector(std::string_view name) const {
  const auto known = view_.parts.with_vector.find(name);
  return known == view_.parts.with_vector.end() ? Bitmap() : known->second.slots();
}

Result<FilteredSlots> evaluate_filter(const storage::CollectionDb& db, const StoreView& view,
                                      const Filter& filter, const Bitmap& live,
                                      const Deadline& deadline) {
  const SnapshotFallback fallback(db, view);
  SIGHTLINE_TRY(auto found, view.parts.payload.evaluate(filter, live, fallback, deadline));
  return FilteredSlots{std::move(found.slots), std::move(found.unindexed_fields),
                       fallback.num_payloads_read()};
}

}  // namespace sightline::pipeline
