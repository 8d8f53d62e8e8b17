// core/filter.h: conditions on points, in Qdrant's filter model.
//
// Reference: Qdrant's documentation "Filtering" and the schemas Filter, Condition, FieldCondition
// of its OpenAPI description. Semantics where a payload holds an array: a condition on a field
// holds if any element satisfies it ("except", "must_not" and "nested" as documented there).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/field_path.h"
#include "core/indexed_value.h"
#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"

namespace sightline {

struct Filter;

/// A string, an integer or a bool.
using MatchScalar = std::variant<std::string, std::int64_t, bool>;
struct MatchValue {
  MatchScalar value;
};
/// Any of the values: strings or integers.
struct MatchAny {
  std::vector<MatchScalar> values;
};
/// The field has a value that is none of these.
struct MatchExcept {
  std::vector<MatchScalar> values;
};
/// All tokens of the text occur in the field's text. `any`: at least one does. A text without
/// tokens matches nothing; the same holds for a phrase.
struct MatchText {
  std::string text;
  bool any = false;
};
/// The tokens occur next to each other, in order.
struct MatchPhrase {
  std::string text;
};
struct NumberRange {
  std::optional<double> lt, gt, lte, gte;
};
/// Microseconds since 1970; tests strings that are dates.
struct DatetimeRange {
  std::optional<std::int64_t> lt, gt, lte, gte;
};
/// Open, as all areas here: points on the edge are outside.
struct GeoBox {
  GeoPoint top_left, bottom_right;  ///< May cross the antimeridian.
};
struct GeoRadius {
  GeoPoint center;
  double meters = 0;
};
/// In the plane of longitude and latitude; by the even-odd rule where lines cross.
struct GeoPolygon {
  std::vector<GeoPoint> exterior;  ///< Closed: the first point again at the end.
  std::vector<std::vector<GeoPoint>> interiors;
};
/// How many values the field has (an array: its elements; else 1; missing or null: 0).
struct ValuesCount {
  std::optional<std::uint64_t> lt, gt, lte, gte;
};

using FieldTest =
    std::variant<MatchValue, MatchAny, MatchExcept, MatchText, MatchPhrase, NumberRange,
                 DatetimeRange, GeoBox, GeoRadius, GeoPolygon, ValuesCount>;
struct FieldCondition {
  FieldPath key;
  FieldTest test;
};
/// Missing, null or an empty array.
struct IsEmpty {
  FieldPath key;
};
/// Null, or an array that holds null; a missing field is not null.
struct IsNull {
  FieldPath key;
};
struct HasId {
  std::vector<PointId> ids;
};
struct HasVector {
  std::string name;
};
/// An element of the array at `key`, an object, satisfies the whole filter; keys in it start at the
/// element. HasId and HasVector do not belong inside.
struct Nested {
  FieldPath key;
  std::shared_ptr<const Filter> filter;
};
using Condition = std::variant<FieldCondition, IsEmpty, IsNull, HasId, HasVector, Nested,
                               std::shared_ptr<const Filter>>;

/// Holds if all of `must`, none of `must_not`, and (if any are given) at least one of `should`
/// hold; `min_should`: at least `min_count` of its conditions. An empty filter holds always.
struct Filter {
  std::vector<Condition> must, should, must_not;
  struct MinShould {
    std::vector<Condition> conditions;
    std::uint64_t min_count = 0;
  };
  std::optional<MinShould> min_should;

  bool empty() const { return must.empty() && should.empty() && must_not.empty() && !min_should; }
};

/// Reads Qdrant's JSON: each of must, should, must_not a condition or a list of them.
/// errors  kInvalidArgument: names JSON path (`must[0].match`), value and rule; unknown keys, over
///         64 deep. kValidation: a key without a test. kUnimplemented: `slice`, match `prefix`.
Result<Filter> parse_filter(const Json& json);
/// The JSON that parse_filter() reads.
Json filter_to_json(const Filter& filter);

/// What a filter is asked of.
struct FilterSubject {
  const PointId& id;
  const Json& payload;
  /// Whether the point has a vector of this name.
  std::function<bool(std::string_view)> has_vector;
};

/// Evaluates without an index. Thread-safety: pure.
bool matches(const Filter& filter, const FilterSubject& subject);
/// One test on one value (an array's element) of a field; ValuesCount wants the field's whole
/// value.
bool matches(const FieldTest& test, const Json& value);

bool contains(const NumberRange& range, double value);
bool contains(const DatetimeRange& range, std::int64_t micros);
bool contains(const ValuesCount& range, std::uint64_t count);
bool contains(const GeoBox& box, const GeoPoint& point);
bool contains(const GeoRadius& circle, const GeoPoint& point);
bool contains(const GeoPolygon& polygon, const GeoPoint& point);

}  // namespace sightline
