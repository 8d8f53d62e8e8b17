#include "pipeline/point_scan.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "core/indexed_value.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kPagePoints = 4096;

bool is_ordered_type(FieldType type) {
  return type == FieldType::kInteger || type == FieldType::kFloat || type == FieldType::kDatetime;
}

bool is_countable_type(FieldType type) {
  return type == FieldType::kKeyword || type == FieldType::kInteger || type == FieldType::kBool ||
         type == FieldType::kUuid;
}

std::optional<FieldType> index_of(const CollectionInfo& info, const FieldPath& field) {
  const auto found = info.payload_indexes.find(field.text());
  if (found == info.payload_indexes.end()) return std::nullopt;
  return found->second.type;
}

Result<std::vector<StoredPoint>> sorted_by_index(const CollectionStore& store,
                                                 const SortOrder& order,
                                                 std::shared_ptr<const Filter> filter,
                                                 std::size_t offset, std::size_t limit,
                                                 bool with_vectors, const Deadline& deadline) {
  OrderedScroll request;
  request.key = order.field.text();
  request.descending = order.descending;
  request.limit = offset + limit;
  request.options.with_vectors = with_vectors;
  request.filter = std::move(filter);
  SIGHTLINE_TRY(auto ordered, store.scroll_ordered(request, deadline));
  std::vector<StoredPoint> points;
  std::set<PointId> seen;  // a point with several values comes at the first
  for (OrderedPoint& found : ordered) {
    if (!seen.insert(found.point.id).second || seen.size() <= offset) continue;
    points.push_back(std::move(found.point));
  }
  return points;
}

struct Place {
  SortKey key;
  PointId id;
};

Result<std::vector<StoredPoint>> sorted_by_scan(const CollectionStore& store,
                                                const SortOrder& order,
                                                std::shared_ptr<const Filter> filter,
                                                std::size_t offset, std::size_t limit,
                                                bool with_vectors, const Deadline& deadline) {
  std::vector<Place> places;
  SIGHTLINE_TRY_DO(
      visit_points(store, std::move(filter), {true, false}, deadline, [&](StoredPoint& point) {
        if (auto key = SortKey::of(point.payload, order.field)) {
          places.push_back({*std::move(key), point.id});
        }
        return true;
      }));
  const auto before = [&](const Place& a, const Place& b) {
    const auto order_of_keys = order.descending ? b.key <=> a.key : a.key <=> b.key;
    return order_of_keys != 0 ? order_of_keys < 0 : a.id < b.id;
  };
  const std::size_t end = std::min(places.size(), offset + limit);
  std::partial_sort(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(end), places.end(),
                    before);
  std::vector<PointId> ids;
  for (std::size_t i = std::min(offset, end); i < end; ++i) ids.push_back(places[i].id);
  SIGHTLINE_TRY(auto found, store.get(ids, {true, with_vectors}));
  std::vector<StoredPoint> points;
  for (auto& point : found) {
    if (point) points.push_back(*std::move(point));
  }
  return points;
}

}  // namespace

Result<void> visit_points(const CollectionStore& store, std::shared_ptr<const Filter> filter,
                          GetOptions options, const Deadline& deadline,
                          const std::function<bool(StoredPoint& point)>& visit) {
  std::optional<PointId> from;
  while (true) {
    SIGHTLINE_TRY_DO(deadline.check("reading payloads"));
    SIGHTLINE_TRY(auto page, store.scroll(from, kPagePoints + 1, options, filter));
    const bool more = page.size() > kPagePoints;
    if (more) {
      from = page.back().id;
      page.pop_back();
    }
    for (StoredPoint& point : page) {
      if (!visit(point)) return {};
    }
    if (!more) return {};
  }
}

std::optional<SortKey> SortKey::of(const Json& payload, const FieldPath& field) {
  std::optional<SortKey> key;
  field.visit(payload, [&](const Json& value) {
    SortKey found;
    if (value.is_boolean()) {
      found.kind_ = 0;
      found.number_ = value.get<bool>() ? 1 : 0;
    } else if (value.is_number()) {
      found.kind_ = 1;
      found.number_ = value.get<double>();
      if (value.is_number_integer()) found.integer_ = value.get<std::int64_t>();
      if (value.is_number_unsigned() && found.integer_ < 0) {
        found.integer_ = INT64_MAX;  // above 2^63 the double is as near as it gets
      }
    } else if (value.is_string()) {
      const auto& text = value.get_ref<const std::string&>();
      if (const auto micros = parse_datetime(text)) {
        found.kind_ = 2;
        found.integer_ = *micros;
      } else {
        found.kind_ = 3;
        found.text_ = text;
      }
    } else {
      return true;
    }
    key = std::move(found);
    return false;
  });
  return key;
}

std::partial_ordering SortKey::operator<=>(const SortKey& other) const {
  return std::tie(kind_, number_, integer_, text_) <=>
         std::tie(other.kind_, other.number_, other.integer_, other.text_);
}

Result<SortedPoints> sorted_points(const CollectionStore& store, const SortOrder& order,
                                   std::shared_ptr<const Filter> filter, std::size_t offset,
                                   std::size_t limit, bool with_vectors, const Deadline& deadline) {
  SIGHTLINE_TRY(const CollectionInfo info, store.info());
  const auto type = index_of(info, order.field);
  SortedPoints sorted;
  sorted.used_index = type && is_ordered_type(*type);
  const auto sort = sorted.used_index ? sorted_by_index : sorted_by_scan;
  SIGHTLINE_TRY(sorted.points,
                sort(store, order, std::move(filter), offset, limit, with_vectors, deadline));
  return sorted;
}

Result<CountedValues> count_values(const CollectionStore& store, const FieldPath& field,
                                   std::shared_ptr<const Filter> filter, std::size_t limit,
                                   const Deadline& deadline) {
  SIGHTLINE_TRY(const CollectionInfo info, store.info());
  CountedValues counted;
  const auto type = index_of(info, field);
  if (type && is_countable_type(*type)) {
    counted.used_index = true;
    SIGHTLINE_TRY(counted.values, store.facet({field.text(), limit, std::move(filter)}, deadline));
    return counted;
  }
  std::map<MatchScalar, std::uint64_t> counts;
  const auto count = [&](StoredPoint& point) {
    std::set<MatchScalar> values;  // each counts once per point
    field.visit(point.payload, [&](const Json& value) {
      if (value.is_string()) values.emplace(value.get<std::string>());
      if (value.is_boolean()) values.emplace(value.get<bool>());
      if (value.is_number_integer()) values.emplace(value.get<std::int64_t>());
      return true;
    });
    for (const MatchScalar& value : values) ++counts[value];
    return true;
  };
  SIGHTLINE_TRY_DO(visit_points(store, std::move(filter), {true, false}, deadline, count));
  for (const auto& [value, number] : counts) counted.values.push_back({value, number});
  std::ranges::stable_sort(counted.values, std::greater<>(), &FacetHit::count);
  if (counted.values.size() > limit) counted.values.resize(limit);
  return counted;
}

}  // namespace sightline::pipeline
