#include "core/filter.h"
#include "core/internal/datetime.h"

namespace sightline {
namespace {

Json object(const char* key, Json value) {
  Json json = Json::object();
  json[key] = std::move(value);
  return json;
}

template <typename T, typename Write>
Json list(const std::vector<T>& values, Write write) {
  Json json = Json::array();
  for (const T& value : values) json.push_back(write(value));
  return json;
}

Json scalar_json(const MatchScalar& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

Json point_json(const GeoPoint& point) {
  return Json::object({{"lon", point.lon}, {"lat", point.lat}});
}

Json line_json(const std::vector<GeoPoint>& line) {
  return object("points", list(line, point_json));
}

template <typename Range, typename Write>
Json bounds_json(const Range& range, Write write) {
  Json json = Json::object();
  if (range.lt) json["lt"] = write(*range.lt);
  if (range.gt) json["gt"] = write(*range.gt);
  if (range.lte) json["lte"] = write(*range.lte);
  if (range.gte) json["gte"] = write(*range.gte);
  return json;
}

Json as_is(const auto& value) { return value; }

// The member of a field condition that a test becomes.

Json test_json(const MatchValue& test) {
  return object("match", object("value", scalar_json(test.value)));
}
Json test_json(const MatchAny& test) {
  return object("match", object("any", list(test.values, scalar_json)));
}
Json test_json(const MatchExcept& test) {
  return object("match", object("except", list(test.values, scalar_json)));
}
Json test_json(const MatchText& test) {
  return object("match", object(test.any ? "text_any" : "text", test.text));
}
Json test_json(const MatchPhrase& test) { return object("match", object("phrase", test.text)); }
Json test_json(const NumberRange& test) {
  return object("range", bounds_json(test, as_is<double>));
}
Json test_json(const DatetimeRange& test) {
  return object("range", bounds_json(test, internal::format_datetime));
}
Json test_json(const GeoBox& test) {
  Json box = object("top_left", point_json(test.top_left));
  box["bottom_right"] = point_json(test.bottom_right);
  return object("geo_bounding_box", std::move(box));
}
Json test_json(const GeoRadius& test) {
  Json circle = object("center", point_json(test.center));
  circle["radius"] = test.meters;
  return object("geo_radius", std::move(circle));
}
Json test_json(const GeoPolygon& test) {
  Json polygon = object("exterior", line_json(test.exterior));
  if (!test.interiors.empty()) polygon["interiors"] = list(test.interiors, line_json);
  return object("geo_polygon", std::move(polygon));
}
Json test_json(const ValuesCount& test) {
  return object("values_count", bounds_json(test, as_is<std::uint64_t>));
}

Json condition_json(const FieldCondition& condition) {
  Json json = std::visit([](const auto& test) { return test_json(test); }, condition.test);
  json["key"] = condition.key.text();
  return json;
}
Json condition_json(const IsEmpty& condition) {
  return object("is_empty", object("key", condition.key.text()));
}
Json condition_json(const IsNull& condition) {
  return object("is_null", object("key", condition.key.text()));
}
Json condition_json(const HasId& condition) {
  return object("has_id", list(condition.ids, [](const PointId& id) { return id.to_json(); }));
}
Json condition_json(const HasVector& condition) { return object("has_vector", condition.name); }
Json condition_json(const Nested& condition) {
  Json nested = object("key", condition.key.text());
  nested["filter"] = filter_to_json(*condition.filter);
  return object("nested", std::move(nested));
}
Json condition_json(const std::shared_ptr<const Filter>& filter) { return filter_to_json(*filter); }

Json conditions_json(const std::vector<Condition>& conditions) {
  return list(conditions, [](const Condition& condition) {
    return std::visit([](const auto& c) { return condition_json(c); }, condition);
  });
}

}  // namespace

Json filter_to_json(const Filter& filter) {
  Json json = Json::object();
  if (!filter.must.empty()) json["must"] = conditions_json(filter.must);
  if (!filter.should.empty()) json["should"] = conditions_json(filter.should);
  if (!filter.must_not.empty()) json["must_not"] = conditions_json(filter.must_not);
  if (filter.min_should) {
    json["min_should"] = object("conditions", conditions_json(filter.min_should->conditions));
    json["min_should"]["min_count"] = filter.min_should->min_count;
  }
  return json;
}

}  // namespace sightline
