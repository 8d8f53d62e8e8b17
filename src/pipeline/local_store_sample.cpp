#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <unordered_set>
#include <utility>

#include "pipeline/local_store.h"

namespace sightline::pipeline {
namespace {

/// `count` different numbers below `end`, ascending (Floyd's choice).
std::vector<std::uint64_t> choose(std::uint64_t count, std::uint64_t end, std::mt19937_64& random) {
  std::unordered_set<std::uint64_t> chosen;
  for (std::uint64_t i = end - count; i < end; ++i) {
    const std::uint64_t number = std::uniform_int_distribution<std::uint64_t>(0, i)(random);
    if (!chosen.insert(number).second) chosen.insert(i);
  }
  std::vector<std::uint64_t> sorted(chosen.begin(), chosen.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace

Result<std::shared_ptr<const CollectionConfig>> LocalStore::config() const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  return at->config;
}

Result<std::vector<StoredPoint>> LocalStore::sample(std::size_t limit, GetOptions options,
                                                    std::shared_ptr<const Filter> filter,
                                                    Deadline deadline) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  Bitmap slots = at->parts.points.slots();
  if (filter != nullptr && !filter->empty()) {
    SIGHTLINE_TRY(slots, matching_points(*at.view, *filter, deadline));
  }
  std::mt19937_64 random(std::random_device{}());
  const std::uint64_t num_slots = slots.count();
  const auto ranks = choose(std::min<std::uint64_t>(limit, num_slots), num_slots, random);
  std::vector<storage::Slot> chosen;
  std::uint64_t rank = 0;
  slots.for_each([&](std::uint32_t slot) {
    if (chosen.size() == ranks.size()) return false;
    if (rank++ == ranks[chosen.size()]) chosen.push_back(slot);
    return true;
  });
  std::shuffle(chosen.begin(), chosen.end(), random);
  std::vector<StoredPoint> points;
  for (const storage::Slot slot : chosen) {
    SIGHTLINE_TRY_DO(deadline.check("choosing points"));
    SIGHTLINE_TRY(StoredPoint point, read_point(*at.view, at->ids().get(slot), slot, options));
    points.push_back(std::move(point));
  }
  return points;
}

}  // namespace sightline::pipeline
