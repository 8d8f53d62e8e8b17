// LocalStore: what is answered from the values that a payload index holds.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "pipeline/local_store.h"

namespace sightline::pipeline {
namespace {

constexpr std::array kOrdered{FieldType::kInteger, FieldType::kFloat, FieldType::kDatetime};
constexpr std::array kCounted{FieldType::kKeyword, FieldType::kInteger, FieldType::kBool,
                              FieldType::kUuid};
// Entries that are read between two looks at the clock.
constexpr std::uint64_t kEntriesPerCheck = 4096;

/// The least value of an index of `type` that is not before `value` in the order; nullopt: none is.
std::optional<IndexedValue> first_value(const OrderValue& value, FieldType type, bool descending) {
  if (type == FieldType::kFloat)
    return std::visit([](auto number) { return IndexedValue(static_cast<double>(number)); }, value);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return IndexedValue(*whole);
  const double number = std::get<double>(value);
  const double rounded = descending ? std::floor(number) : std::ceil(number);
  constexpr double kEnd = 9223372036854775808.0;  // 2^63
  if (rounded >= kEnd) {
    if (!descending) return std::nullopt;
    return IndexedValue(std::numeric_limits<std::int64_t>::max());
  }
  if (rounded < -kEnd) {
    if (descending) return std::nullopt;
    return IndexedValue(std::numeric_limits<std::int64_t>::min());
  }
  return IndexedValue(static_cast<std::int64_t>(rounded));
}

OrderValue to_order_value(const IndexedValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::get<std::int64_t>(value);
}

MatchScalar to_scalar(const IndexedValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  if (const auto* uuid = std::get_if<Uuid>(&value)) return PointId(*uuid).to_string();
  return std::get<bool>(value);
}

}  // namespace

Result<FieldType> LocalStore::indexed_type(const StoreView& at, const std::string& key,
                                           std::span<const FieldType> types,
                                           std::string_view purpose) const {
  SIGHTLINE_TRY(const FieldPath path, FieldPath::parse(key));
  const auto known = at.parts.payload_types.find(path.text());
  if (known != at.parts.payload_types.end() &&
      std::find(types.begin(), types.end(), known->second) != types.end()) {
    return known->second;
  }
  std::string message =
      std::string(purpose) + ": `" + key + "`, which needs a payload index of type ";
  for (std::size_t i = 0; i < types.size(); ++i) {
    message += i == 0 ? "" : i + 1 == types.size() ? " or " : ", ";
    message += field_type_name(types[i]);
  }
  return invalid_argument(
      message + (known == at.parts.payload_types.end()
                     ? "; it has none"
                     : "; it has one of type " + std::string(field_type_name(known->second))));
}

Result<std::vector<OrderedPoint>> LocalStore::scroll_ordered(const OrderedScroll& request,
                                                             Deadline deadline) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  SIGHTLINE_TRY(const FieldType type,
                indexed_type(*at.view, request.key, kOrdered, "No range index for `order_by` key"));
  SIGHTLINE_TRY(const auto path, FieldPath::parse(request.key));
  SIGHTLINE_TRY(const auto wanted, wanted_points(*at.view, request.filter.get(), deadline));
  std::vector<OrderedPoint> points;
  std::optional<IndexedValue> from;
  if (request.start_from) {
    from = first_value(*request.start_from, type, request.descending);
    if (!from) return points;
  }
  if (request.limit == 0) return points;

  struct Entry {
    PointId id;
    storage::Slot slot;
    IndexedValue value;
  };
  std::vector<Entry> entries;  // in order before group_begin
  std::size_t group_begin = 0;
  const auto end_group = [&] {
    std::sort(entries.begin() + static_cast<std::ptrdiff_t>(group_begin), entries.end(),
              [&](const Entry& a, const Entry& b) {
                return request.descending ? b.id < a.id : a.id < b.id;
              });
    if (entries.size() > request.limit) entries.resize(request.limit);
    group_begin = entries.size();
  };
  std::uint64_t num_read = 0;
  const auto visit = [&](const IndexedValue& value, storage::Slot slot) -> Result<bool> {
    if (++num_read % kEntriesPerCheck == 0) SIGHTLINE_TRY_DO(deadline.check("ordering"));
    if (wanted && !wanted->contains(slot)) return true;
    if (group_begin < entries.size() && entries.back().value != value) end_group();
    if (group_begin >= request.limit) return false;
    entries.push_back({at->ids().get(slot), slot, value});
    return true;
  };
  SIGHTLINE_TRY_DO(
      db_->visit_ordered(*at->snapshot, path.text(), type, request.descending, from, visit));
  end_group();
  for (const Entry& entry : entries) {
    SIGHTLINE_TRY(StoredPoint point, read_point(*at.view, entry.id, entry.slot, request.options));
    points.push_back({std::move(point), to_order_value(entry.value)});
  }
  return points;
}

Result<std::vector<FacetHit>> LocalStore::facet(const FacetRequest& request,
                                                Deadline deadline) const {
  SIGHTLINE_TRY(const Reading at, begin_read());
  SIGHTLINE_TRY(const FieldType type,
                indexed_type(*at.view, request.key, kCounted, "No appropriate index for faceting"));
  SIGHTLINE_TRY(const auto path, FieldPath::parse(request.key));
  SIGHTLINE_TRY(const auto wanted, wanted_points(*at.view, request.filter.get(), deadline));
  struct Group {
    IndexedValue value;
    std::uint64_t count = 0;
  };
  std::vector<Group> groups;  // ascending by value
  std::uint64_t num_read = 0;
  const auto visit = [&](const IndexedValue& value, storage::Slot slot) -> Result<bool> {
    if (++num_read % kEntriesPerCheck == 0) SIGHTLINE_TRY_DO(deadline.check("counting values"));
    if (wanted && !wanted->contains(slot)) return true;
    if (groups.empty() || groups.back().value != value) groups.push_back({value, 0});
    ++groups.back().count;
    return true;
  };
  SIGHTLINE_TRY_DO(db_->visit_ordered(*at->snapshot, path.text(), type, /*descending=*/false,
                                      std::nullopt, visit));
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.count > b.count; });
  if (groups.size() > request.limit) groups.resize(request.limit);
  std::vector<FacetHit> hits;
  for (const Group& group : groups) hits.push_back({to_scalar(group.value), group.count});
  return hits;
}

}  // namespace sightline::pipeline
