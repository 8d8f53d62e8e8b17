// tests/index/payload_index_fixture.h: a little collection in memory that answers what no index
// does.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/filter.h"
#include "index/payload_index.h"

namespace sightline::index {

struct StoredPayload {
  PointId id;
  Json payload;
  std::set<std::string, std::less<>> vectors;
};
using Points = std::map<Slot, StoredPayload>;

inline Bitmap slots_of(const Points& points) {
  Bitmap slots;
  for (const auto& [slot, point] : points) slots.add(slot);
  return slots;
}

/// The truth: matches() knows no index.
inline Bitmap satisfying(const Points& points, const Filter& filter) {
  Bitmap slots;
  for (const auto& [slot, point] : points) {
    const auto has_vector = [&](std::string_view name) { return point.vectors.contains(name); };
    if (matches(filter, {point.id, point.payload, has_vector})) slots.add(slot);
  }
  return slots;
}

/// Answers from `points`, and counts the payloads it reads.
class PointsFallback final : public PayloadIndexView::Fallback {
 public:
  explicit PointsFallback(const Points& points) : points_(points) {}

  Result<Bitmap> scan(const Condition& condition, const Bitmap& candidates,
                      const Deadline& deadline) const override {
    SIGHTLINE_TRY_DO(deadline.check("reading payloads"));
    Filter filter;
    filter.must.push_back(condition);
    Bitmap slots;
    candidates.for_each([&](Slot slot) {
      EXPECT_TRUE(read_.insert(slot).second) << "slot " << slot << " was read twice";
      const StoredPayload& point = points_.at(slot);
      const auto has_vector = [&](std::string_view name) { return point.vectors.contains(name); };
      if (matches(filter, {point.id, point.payload, has_vector})) slots.add(slot);
    });
    return slots;
  }
  Result<std::optional<Slot>> find(const PointId& id) const override {
    for (const auto& [slot, point] : points_) {
      if (point.id == id) return std::optional<Slot>(slot);
    }
    return std::optional<Slot>();
  }
  Result<Bitmap> with_vector(std::string_view name) const override {
    Bitmap slots;
    for (const auto& [slot, point] : points_) {
      if (point.vectors.contains(name)) slots.add(slot);
    }
    return slots;
  }

  std::size_t num_read() const { return read_.size(); }

 private:
  const Points& points_;
  mutable std::set<Slot> read_;
};

/// The entries of a field, as storage hands them over.
inline PayloadIndex::Entries entries_of(const Points& points, const FieldPath& path,
                                        FieldType type) {
  return [&points, path, type](const auto& visit) -> Result<void> {
    std::set<std::pair<std::string, Slot>> sorted;
    for (const auto& [slot, point] : points) {
      for (const IndexedValue& value : indexed_values(point.payload, path, type)) {
        sorted.emplace(encode_indexed(value), slot);
      }
    }
    for (const auto& [bytes, slot] : sorted) {
      SIGHTLINE_TRY(const IndexedValue value, decode_indexed(type, bytes));
      visit(value, slot);
    }
    return {};
  };
}

inline FieldPath path_of(std::string_view text) { return FieldPath::parse(text).value(); }

}  // namespace sightline::index
