#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "core/filter.h"
#include "core/internal/numbers.h"

namespace sightline {
namespace {

using namespace std::string_view_literals;

constexpr int kMaxDepth = 64;

using Keys = std::span<const std::string_view>;
constexpr std::array kFilterKeys = {"must"sv, "should"sv, "must_not"sv, "min_should"sv};
constexpr std::array kConditionKeys = {"key"sv,        "is_empty"sv,  "is_null"sv, "has_id"sv,
                                       "has_vector"sv, "nested"sv,    "must"sv,    "should"sv,
                                       "must_not"sv,   "min_should"sv};
constexpr std::array kMatchKeys = {"value"sv, "any"sv,      "except"sv,
                                   "text"sv,  "text_any"sv, "phrase"sv};
constexpr std::array kBounds = {"lt"sv, "gt"sv, "lte"sv, "gte"sv};

std::string join(Keys keys) {
  std::string text;
  for (const std::string_view key : keys) {
    if (!text.empty()) text += ", ";
    text += key;
  }
  return text;
}

/// A value as an error shows it.
std::string shown(const Json& value) {
  constexpr std::size_t kMaxShown = 100;
  std::string text = dump_json(value);
  if (text.size() <= kMaxShown) return text;
  std::size_t end = kMaxShown;
  while ((text[end] & 0xc0) == 0x80) --end;  // not inside a character
  return text.substr(0, end) + "...";
}

/// A value and the way to it, which is spelled out only for an error. The parent outlives it.
struct Node {
  const Json& json;
  const Node* parent = nullptr;
  std::string_view key = {};  ///< In an object; empty: `index` in an array.
  std::size_t index = 0;

  std::string path() const {
    if (parent == nullptr) return "";
    std::string path = parent->path();
    if (key.empty()) return path + '[' + std::to_string(index) + ']';
    if (!path.empty()) path += '.';
    return path.append(key);
  }
  std::string name() const { return parent == nullptr ? "filter" : path(); }
  Status error(std::string_view rule) const {
    return invalid_argument(name() + " is " + shown(json) + "; it must be " + std::string(rule));
  }
  /// The member `key`; nullopt where it is missing or null.
  std::optional<Node> find(std::string_view member) const {
    const auto found = json.find(member);
    if (found == json.end() || found->is_null()) return std::nullopt;
    return Node{*found, this, member};
  }
  Result<Node> require(std::string_view member) const {
    const auto node = find(member);
    if (!node) return invalid_argument(name() + " lacks \"" + std::string(member) + "\"");
    return *node;
  }
};

/// Where in the filter a condition stands.
struct Scope {
  int depth = 1;
  bool in_nested = false;
};

Result<Filter> read_filter(const Node& node, Scope scope);

Result<void> check_depth(const Node& node, int depth) {
  if (depth <= kMaxDepth) return {};
  return invalid_argument("filters are nested deeper than " + std::to_string(kMaxDepth) +
                          " levels at " + node.path());
}

/// A null stands for a member that is not there: Qdrant's clients write out what they leave open.
Result<void> check_object(const Node& node, Keys keys) {
  if (!node.json.is_object()) return node.error("an object with " + join(keys));
  for (const auto& [key, value] : node.json.items()) {
    if (!value.is_null() && std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return invalid_argument(node.name() + " has the unknown key " + shown(key) +
                              "; the known ones are " + join(keys));
    }
  }
  return {};
}

/// The one of `keys` that `node` has.
Result<Node> find_one(const Node& node, Keys keys) {
  std::optional<Node> only;
  for (const std::string_view key : keys) {
    const auto member = node.find(key);
    if (!member) continue;
    if (only) {
      return invalid_argument(node.name() + " has both \"" + std::string(only->key) + "\" and \"" +
                              std::string(key) + "\"; it must have one of " + join(keys));
    }
    only.emplace(*member);
  }
  if (!only) return invalid_argument(node.name() + " must have one of " + join(keys));
  return *only;
}

Result<std::string> read_string(const Node& node) {
  if (!node.json.is_string()) return node.error("a string");
  return node.json.get<std::string>();
}

Result<double> read_number(const Node& node) {
  if (!node.json.is_number() || !std::isfinite(node.json.get<double>())) {
    return node.error("a number");
  }
  return node.json.get<double>();
}

Result<std::uint64_t> read_count(const Node& node) {
  const bool negative = node.json.is_number_integer() && !node.json.is_number_unsigned() &&
                        node.json.get<std::int64_t>() < 0;
  if (!node.json.is_number_integer() || negative) return node.error("an integer, 0 or more");
  return node.json.get<std::uint64_t>();
}

Result<std::int64_t> read_date(const Node& node) {
  constexpr auto kRule = "a date like \"2020-03-01T10:30:00Z\" (RFC 3339)"sv;
  if (!node.json.is_string()) return node.error(kRule);
  const auto micros = parse_datetime(node.json.get_ref<const std::string&>());
  if (!micros) return node.error(kRule);
  return *micros;
}

/// The member "key" of `node`.
Result<FieldPath> read_path(const Node& node) {
  SIGHTLINE_TRY(const Node key, node.require("key"));
  SIGHTLINE_TRY(const std::string text, read_string(key));
  auto path = FieldPath::parse(text);
  if (!path) return path.error().with_context(key.path());
  return path;
}

/// Visits the elements of a list.
template <typename Visit>
Result<void> for_each(const Node& list, Visit visit) {
  if (!list.json.is_array()) return list.error("a list");
  for (std::size_t i = 0; i < list.json.size(); ++i) {
    SIGHTLINE_TRY_DO(visit(Node{list.json[i], &list, {}, i}));
  }
  return {};
}

Result<MatchScalar> read_scalar(const Node& node) {
  if (node.json.is_string()) return MatchScalar(node.json.get<std::string>());
  if (node.json.is_boolean()) return MatchScalar(node.json.get<bool>());
  if (const auto integer = internal::as_int64(node.json)) return MatchScalar(*integer);
  return node.error("a string, a bool or an integer of 64 bits (use range for other numbers)");
}

/// Strings or integers, not both.
Result<std::vector<MatchScalar>> read_scalars(const Node& list) {
  std::vector<MatchScalar> values;
  SIGHTLINE_TRY_DO(for_each(list, [&](const Node& element) -> Result<void> {
    if (element.json.is_boolean()) return element.error("a string or an integer");
    SIGHTLINE_TRY(MatchScalar value, read_scalar(element));
    if (!values.empty() && values.front().index() != value.index()) {
      return element.error("of the type of the first value: all are strings or all are integers");
    }
    values.push_back(std::move(value));
    return {};
  }));
  return values;
}

Result<FieldTest> read_match(const Node& node) {
  if (node.find("prefix")) {
    return Status{StatusCode::kUnimplemented, node.name() + ": \"prefix\" is not supported"};
  }
  SIGHTLINE_TRY_DO(check_object(node, kMatchKeys));
  SIGHTLINE_TRY(const Node how, find_one(node, kMatchKeys));
  if (how.key == "value") {
    SIGHTLINE_TRY(MatchScalar value, read_scalar(how));
    return FieldTest(MatchValue{std::move(value)});
  }
  if (how.key == "any" || how.key == "except") {
    SIGHTLINE_TRY(auto values, read_scalars(how));
    if (how.key == "any") return FieldTest(MatchAny{std::move(values)});
    return FieldTest(MatchExcept{std::move(values)});
  }
  SIGHTLINE_TRY(std::string text, read_string(how));
  if (how.key == "phrase") return FieldTest(MatchPhrase{std::move(text)});
  return FieldTest(MatchText{std::move(text), how.key == "text_any"});
}

/// A `Range` whose bounds `read` reads.
template <typename Range, typename Read>
Result<FieldTest> read_bounds(const Node& node, Read read) {
  Range range;
  for (const auto& [key, bound] :
       {std::pair("lt"sv, &range.lt), std::pair("gt"sv, &range.gt), std::pair("lte"sv, &range.lte),
        std::pair("gte"sv, &range.gte)}) {
    if (const auto member = node.find(key)) {
      SIGHTLINE_TRY(*bound, read(*member));
    }
  }
  return FieldTest(range);
}

Result<FieldTest> read_range(const Node& node) {
  SIGHTLINE_TRY_DO(check_object(node, kBounds));
  const bool has_date = std::any_of(node.json.begin(), node.json.end(),
                                    [](const Json& bound) { return bound.is_string(); });
  if (has_date) return read_bounds<DatetimeRange>(node, read_date);
  return read_bounds<NumberRange>(node, read_number);
}

Result<FieldTest> read_values_count(const Node& node) {
  SIGHTLINE_TRY_DO(check_object(node, kBounds));
  return read_bounds<ValuesCount>(node, read_count);
}

Result<GeoPoint> read_point(const Node& node) {
  SIGHTLINE_TRY_DO(check_object(node, std::array{"lon"sv, "lat"sv}));
  const auto point = geo_point(node.json);
  if (!point) return node.error("a lon of -180..180 and a lat of -90..90 degrees");
  return *point;
}

/// The point in the member `key` of `node`.
Result<GeoPoint> read_point(const Node& node, std::string_view key) {
  SIGHTLINE_TRY(const Node point, node.require(key));
  return read_point(point);
}

Result<FieldTest> read_box(const Node& node) {
  SIGHTLINE_TRY_DO(check_object(node, std::array{"top_left"sv, "bottom_right"sv}));
  GeoBox box;
  SIGHTLINE_TRY(box.top_left, read_point(node, "top_left"));
  SIGHTLINE_TRY(box.bottom_right, read_point(node, "bottom_right"));
  return FieldTest(box);
}

Result<FieldTest> read_radius(const Node& node) {
  SIGHTLINE_TRY_DO(check_object(node, std::array{"center"sv, "radius"sv}));
  GeoRadius circle;
  SIGHTLINE_TRY(circle.center, read_point(node, "center"));
  SIGHTLINE_TRY(const Node radius, node.require("radius"));
  SIGHTLINE_TRY(circle.meters, read_number(radius));
  if (circle.meters < 0) return radius.error("0 or more meters");
  return FieldTest(circle);
}

Result<std::vector<GeoPoint>> read_line(const Node& node) {
  SIGHTLINE_TRY_DO(check_object(node, std::array{"points"sv}));
  SIGHTLINE_TRY(const Node points, node.require("points"));
  std::vector<GeoPoint> line;
  SIGHTLINE_TRY_DO(for_each(points, [&line](const Node& element) -> Result<void> {
    SIGHTLINE_TRY(const GeoPoint point, read_point(element));
    line.push_back(point);
    return {};
  }));
  if (line.size() < 4 || line.front() != line.back()) {
    return points.error("at least 4 points, the last equal to the first");
  }
  return line;
}

Result<FieldTest> read_polygon(const Node& node) {
  SIGHTLINE_TRY_DO(check_object(node, std::array{"exterior"sv, "interiors"sv}));
  GeoPolygon polygon;
  SIGHTLINE_TRY(const Node exterior, node.require("exterior"));
  SIGHTLINE_TRY(polygon.exterior, read_line(exterior));
  if (const auto interiors = node.find("interiors")) {
    SIGHTLINE_TRY_DO(for_each(*interiors, [&polygon](const Node& element) -> Result<void> {
      SIGHTLINE_TRY(auto line, read_line(element));
      polygon.interiors.push_back(std::move(line));
      return {};
    }));
  }
  return FieldTest(std::move(polygon));
}

struct TestReader {
  std::string_view key;
  Result<FieldTest> (*read)(const Node& node);
};
constexpr std::array kTestReaders = std::to_array<TestReader>({
    {"match", read_match},
    {"range", read_range},
    {"geo_bounding_box", read_box},
    {"geo_radius", read_radius},
    {"geo_polygon", read_polygon},
    {"values_count", read_values_count},
});
constexpr std::array kTestKeys = {"match"sv,      "range"sv,       "geo_bounding_box"sv,
                                  "geo_radius"sv, "geo_polygon"sv, "values_count"sv,
                                  "is_empty"sv,   "is_null"sv};
constexpr std::array kFieldKeys = {
    "key"sv,         "match"sv,        "range"sv,    "geo_bounding_box"sv, "geo_radius"sv,
    "geo_polygon"sv, "values_count"sv, "is_empty"sv, "is_null"sv};

/// {"key": ..., "is_empty": true}; with false its negation.
template <typename Test>
Result<Condition> read_shorthand(const Node& node, FieldPath path) {
  if (!node.json.is_boolean()) return node.error("true or false");
  Condition condition = Test{std::move(path)};
  if (node.json.get<bool>()) return condition;
  auto negation = std::make_shared<Filter>();
  negation->must_not.push_back(std::move(condition));
  return Condition(std::shared_ptr<const Filter>(std::move(negation)));
}

/// One of kTestKeys of a field condition.
Result<Condition> read_test(const Node& test, FieldPath path) {
  if (test.key == "is_empty") return read_shorthand<IsEmpty>(test, std::move(path));
  if (test.key == "is_null") return read_shorthand<IsNull>(test, std::move(path));
  const auto reader = std::find_if(kTestReaders.begin(), kTestReaders.end(),
                                   [&test](const TestReader& r) { return r.key == test.key; });
  SIGHTLINE_TRY(FieldTest field_test, reader->read(test));
  return Condition(FieldCondition{std::move(path), std::move(field_test)});
}

/// Several tests of one field become a filter that wants any of them, as Qdrant reads them.
Result<Condition> read_field_condition(const Node& node, Scope scope) {
  SIGHTLINE_TRY_DO(check_object(node, kFieldKeys));
  SIGHTLINE_TRY(const FieldPath path, read_path(node));
  std::vector<Condition> tests;
  for (const std::string_view key : kTestKeys) {
    if (const auto test = node.find(key)) {
      SIGHTLINE_TRY(tests.emplace_back(), read_test(*test, path));
    }
  }
  if (tests.empty()) {
    return Status{StatusCode::kValidation,
                  node.path() + ": At least one field condition must be specified: one of " +
                      join(kTestKeys)};
  }
  if (tests.size() == 1) return std::move(tests.front());
  SIGHTLINE_TRY_DO(check_depth(node, scope.depth + 1));
  auto any = std::make_shared<Filter>();
  any->should = std::move(tests);
  return Condition(std::shared_ptr<const Filter>(std::move(any)));
}

Result<Condition> read_is_empty(const Node& node, Scope) {
  SIGHTLINE_TRY_DO(check_object(node, std::array{"key"sv}));
  SIGHTLINE_TRY(FieldPath path, read_path(node));
  return Condition(IsEmpty{std::move(path)});
}

Result<Condition> read_is_null(const Node& node, Scope) {
  SIGHTLINE_TRY_DO(check_object(node, std::array{"key"sv}));
  SIGHTLINE_TRY(FieldPath path, read_path(node));
  return Condition(IsNull{std::move(path)});
}

/// What is asked of a point cannot be asked of an element of its payload.
Result<void> check_asks_point(const Node& node, Scope scope) {
  if (!scope.in_nested) return {};
  return invalid_argument(node.name() + " stands inside nested, which looks at elements of a " +
                          "payload; it must stand beside the nested condition");
}

Result<Condition> read_has_id(const Node& node, Scope scope) {
  SIGHTLINE_TRY_DO(check_asks_point(node, scope));
  HasId condition;
  SIGHTLINE_TRY_DO(for_each(node, [&condition](const Node& element) -> Result<void> {
    const auto id = PointId::from_json(element.json);
    if (!id) return element.error("an unsigned 64-bit integer or a UUID");
    condition.ids.push_back(*id);
    return {};
  }));
  return Condition(std::move(condition));
}

Result<Condition> read_has_vector(const Node& node, Scope scope) {
  SIGHTLINE_TRY_DO(check_asks_point(node, scope));
  SIGHTLINE_TRY(std::string name, read_string(node));
  return Condition(HasVector{std::move(name)});
}

Result<Condition> read_nested(const Node& node, Scope scope) {
  SIGHTLINE_TRY_DO(check_object(node, std::array{"key"sv, "filter"sv}));
  SIGHTLINE_TRY(FieldPath path, read_path(node));
  SIGHTLINE_TRY(const Node inner, node.require("filter"));
  SIGHTLINE_TRY(Filter filter, read_filter(inner, {scope.depth + 1, true}));
  return Condition(Nested{std::move(path), std::make_shared<const Filter>(std::move(filter))});
}

struct ConditionReader {
  std::string_view key;
  Result<Condition> (*read)(const Node& node, Scope scope);
};
constexpr std::array kConditionReaders = std::to_array<ConditionReader>({
    {"is_empty", read_is_empty},
    {"is_null", read_is_null},
    {"has_id", read_has_id},
    {"has_vector", read_has_vector},
    {"nested", read_nested},
});

Result<Condition> read_condition(const Node& node, Scope scope) {
  if (node.json.is_object() && node.json.contains("key")) return read_field_condition(node, scope);
  if (node.find("slice")) {
    return Status{StatusCode::kUnimplemented, node.name() + ": \"slice\" is not supported"};
  }
  SIGHTLINE_TRY_DO(check_object(node, kConditionKeys));
  for (const ConditionReader& reader : kConditionReaders) {
    const auto member = node.find(reader.key);
    if (!member) continue;
    SIGHTLINE_TRY_DO(check_object(node, {&reader.key, 1}));
    return reader.read(*member, scope);
  }
  SIGHTLINE_TRY(Filter filter, read_filter(node, {scope.depth + 1, scope.in_nested}));
  return Condition(std::make_shared<const Filter>(std::move(filter)));
}

Result<std::vector<Condition>> read_conditions(const Node& list, Scope scope) {
  std::vector<Condition> conditions;
  const auto add = [&conditions, scope](const Node& node) -> Result<void> {
    SIGHTLINE_TRY(Condition condition, read_condition(node, scope));
    conditions.push_back(std::move(condition));
    return {};
  };
  if (list.json.is_object()) {
    SIGHTLINE_TRY_DO(add(list));
  } else if (list.json.is_array()) {
    SIGHTLINE_TRY_DO(for_each(list, add));
  } else {
    return list.error("a condition or a list of conditions");
  }
  return conditions;
}

Result<Filter::MinShould> read_min_should(const Node& node, Scope scope) {
  SIGHTLINE_TRY_DO(check_object(node, std::array{"conditions"sv, "min_count"sv}));
  Filter::MinShould min_should;
  SIGHTLINE_TRY(const Node conditions, node.require("conditions"));
  SIGHTLINE_TRY(min_should.conditions, read_conditions(conditions, scope));
  SIGHTLINE_TRY(const Node min_count, node.require("min_count"));
  const auto count = read_count(min_count);
  if (!count || *count == 0) return min_count.error("an integer, 1 or more");
  min_should.min_count = *count;
  return min_should;
}

Result<Filter> read_filter(const Node& node, Scope scope) {
  SIGHTLINE_TRY_DO(check_depth(node, scope.depth));
  SIGHTLINE_TRY_DO(check_object(node, kFilterKeys));
  Filter filter;
  for (const auto& [key, conditions] :
       {std::pair("must"sv, &filter.must), std::pair("should"sv, &filter.should),
        std::pair("must_not"sv, &filter.must_not)}) {
    if (const auto member = node.find(key)) {
      SIGHTLINE_TRY(*conditions, read_conditions(*member, scope));
    }
  }
  if (const auto member = node.find("min_should")) {
    SIGHTLINE_TRY(filter.min_should, read_min_should(*member, scope));
  }
  return filter;
}

}  // namespace

Result<Filter> parse_filter(const Json& json) { return read_filter(Node{json}, Scope()); }

}  // namespace sightline
