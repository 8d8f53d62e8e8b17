#include "core/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace sightline {
namespace {

using testing::HasSubstr;

constexpr const char* kUuid = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

Json json(std::string_view text) {
  auto parsed = parse_json(text, "test");
  EXPECT_TRUE(parsed) << parsed.error().message << "\n" << text;
  return parsed ? *std::move(parsed) : Json();
}

struct ReadCase {
  std::string name, text;
  std::string canonical = {};  // what is written; empty: the text itself
};
class ParseFilter : public testing::TestWithParam<ReadCase> {};

TEST_P(ParseFilter, WritesWhatItReads) {
  const ReadCase& c = GetParam();
  const auto filter = parse_filter(json(c.text));
  ASSERT_TRUE(filter) << filter.error().message;
  const Json written = filter_to_json(*filter);
  EXPECT_EQ(written, json(c.canonical.empty() ? c.text : c.canonical));
  const auto again = parse_filter(written);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(filter_to_json(*again), written);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ParseFilter,
    testing::ValuesIn(std::vector<ReadCase>{
        {"Empty", "{}"},
        {"NullLists", R"({"must": null, "should": null, "must_not": null, "min_should": null})",
         "{}"},
        {"EmptyLists", R"({"must": [], "should": [], "must_not": []})", "{}"},
        {"OneConditionForAList", R"({"must": {"key": "a", "match": {"value": "x"}}})",
         R"({"must": [{"key": "a", "match": {"value": "x"}}]})"},
        {"AllLists",
         R"({"must": [{"key": "a", "match": {"value": "x"}}],
             "should": [{"key": "b", "match": {"value": -5}},
                        {"key": "b", "match": {"value": true}}],
             "must_not": [{"is_empty": {"key": "c.d"}}],
             "min_should": {"min_count": 2, "conditions": [{"is_null": {"key": "e"}}]}})"},
        {"LargestIntegers",
         R"({"must": [{"key": "a", "match": {"value": 9223372036854775807}},
                      {"key": "a", "match": {"value": -9223372036854775808}}]})"},
        {"AnyAndExcept",
         R"({"must": [{"key": "a", "match": {"any": ["x", "y"]}},
                      {"key": "a", "match": {"any": [1, 2]}},
                      {"key": "a", "match": {"except": ["x"]}},
                      {"key": "a", "match": {"except": []}}]})"},
        {"Texts",
         R"({"must": [{"key": "a", "match": {"text": "red bird"}},
                      {"key": "a", "match": {"text_any": "red bird"}},
                      {"key": "a", "match": {"phrase": "red bird"}}]})"},
        {"Range", R"({"must": [{"key": "a", "range": {"gt": 1, "lt": 2.5, "gte": null}}]})",
         R"({"must": [{"key": "a", "range": {"gt": 1.0, "lt": 2.5}}]})"},
        {"AllBounds",
         R"({"must": [{"key": "a", "range": {"gt": -1e300, "gte": 0.1, "lt": 7, "lte": 6}}]})"},
        {"RangeWithoutBounds", R"({"must": [{"key": "a", "range": {}}]})"},
        {"Dates",
         R"({"must": [{"key": "a", "range": {"gte": "2020-03-01", "lt": "2020-03-01 12:00+02:30"}},
                      {"key": "a", "range": {"gt": "0000-01-01T00:00:00Z",
                                             "lte": "9999-12-31T23:59:59.999999Z"}}]})",
         R"({"must": [{"key": "a", "range": {"gte": "2020-03-01T00:00:00Z",
                                             "lt": "2020-03-01T09:30:00Z"}},
                      {"key": "a", "range": {"gt": "0000-01-01T00:00:00Z",
                                             "lte": "9999-12-31T23:59:59.999999Z"}}]})"},
        {"Geo",
         R"({"must": [{"key": "a", "geo_bounding_box": {"top_left": {"lon": 170, "lat": 10},
                                                        "bottom_right": {"lon": -170, "lat": 0}}},
                      {"key": "a", "geo_radius": {"center": {"lon": 1.5, "lat": 2}, "radius": 10}},
                      {"key": "a", "geo_polygon": {
                        "exterior": {"points": [{"lon": 0, "lat": 0}, {"lon": 9, "lat": 0},
                                                {"lon": 9, "lat": 9}, {"lon": 0, "lat": 0}]},
                        "interiors": [{"points": [{"lon": 2, "lat": 1}, {"lon": 3, "lat": 1},
                                                  {"lon": 3, "lat": 2}, {"lon": 2, "lat": 1}]}]}}]})"},
        {"PolygonWithoutHoles",
         R"({"must": [{"key": "a", "geo_polygon": {
              "interiors": null,
              "exterior": {"points": [{"lon": 0, "lat": 0}, {"lon": 9, "lat": 0},
                                      {"lon": 9, "lat": 9}, {"lon": 0, "lat": 0}]}}}]})",
         R"({"must": [{"key": "a", "geo_polygon": {
              "exterior": {"points": [{"lon": 0, "lat": 0}, {"lon": 9, "lat": 0},
                                      {"lon": 9, "lat": 9}, {"lon": 0, "lat": 0}]}}}]})"},
        {"ValuesCount",
         R"({"must": [{"key": "a", "values_count": {"gt": 0, "lte": 18446744073709551615}}]})"},
        {"Shorthands",
         R"({"must": [{"key": "a", "is_empty": true}, {"key": "a", "is_empty": false},
                      {"key": "a", "is_null": true}, {"key": "a", "is_null": false}]})",
         R"({"must": [{"is_empty": {"key": "a"}}, {"must_not": [{"is_empty": {"key": "a"}}]},
                      {"is_null": {"key": "a"}}, {"must_not": [{"is_null": {"key": "a"}}]}]})"},
        {"NullsOfAnyKeyAreAbsent",
         R"({"must": [{"is_empty": {"key": "a"}, "has_id": null, "slice": null, "key_": null},
                      {"key": "b", "match": {"value": 1, "prefix": null, "any": null}},
                      {"nested": {"key": "c", "filter": {"must": null, "x": null}},
                       "has_vector": null}]})",
         R"({"must": [{"is_empty": {"key": "a"}}, {"key": "b", "match": {"value": 1}},
                      {"nested": {"key": "c", "filter": {}}}]})"},
        {"NullTestsAreAbsent", R"({"must": [{"key": "a", "range": null, "is_null": true}]})",
         R"({"must": [{"is_null": {"key": "a"}}]})"},
        {"SeveralTestsOfAField",
         R"({"should": [{"key": "a", "range": {"lt": 5}, "match": {"value": 1}, "is_null": false},
                        {"key": "b", "match": {"value": 2}, "range": null}]})",
         R"({"should": [{"should": [{"key": "a", "match": {"value": 1}},
                                    {"key": "a", "range": {"lt": 5.0}},
                                    {"must_not": [{"is_null": {"key": "a"}}]}]},
                        {"key": "b", "match": {"value": 2}}]})"},
        {"Points",
         R"({"must": [{"has_id": [1, 18446744073709551615, "f47ac10b58cc4372a5670e02b2c3d479"]},
                      {"has_id": []}, {"has_vector": "image"}]})",
         R"({"must": [{"has_id": [1, 18446744073709551615, "f47ac10b-58cc-4372-a567-0e02b2c3d479"]},
                      {"has_id": []}, {"has_vector": "image"}]})"},
        {"Nested",
         R"({"must": [{"nested": {"key": "a[].b", "filter": {"must": {"is_null": {"key": "c"}}}}}]})",
         R"({"must": [{"nested": {"key": "a[].b", "filter": {"must": [{"is_null": {"key": "c"}}]}}}]})"},
        {"FilterAsCondition", R"({"should": [{"must": {"has_id": [1]}}, {}]})",
         R"({"should": [{"must": [{"has_id": [1]}]}, {}]})"},
        {"KeysHaveOneSpelling", R"({"must": [{"key": "\"a\".\"b.c\"", "match": {"value": 1}}]})",
         R"({"must": [{"key": "a.\"b.c\"", "match": {"value": 1}}]})"},
    }),
    [](const auto& info) { return info.param.name; });

struct ErrorCase {
  std::string name, text;
  std::vector<std::string> parts;  // of the message
  StatusCode code = StatusCode::kInvalidArgument;
};
class ParseFilterRejects : public testing::TestWithParam<ErrorCase> {};

TEST_P(ParseFilterRejects, NamingPathValueAndRule) {
  const ErrorCase& c = GetParam();
  const auto filter = parse_filter(json(c.text));
  ASSERT_FALSE(filter) << filter_to_json(*filter);
  EXPECT_EQ(filter.error().code, c.code);
  for (const std::string& part : c.parts) EXPECT_THAT(filter.error().message, HasSubstr(part));
}

std::string must(const std::string& condition) { return R"({"must": [)" + condition + "]}"; }
/// A filter with one test of field "a".
std::string test(const std::string& member) { return must(R"({"key": "a", )" + member + "}"); }

INSTANTIATE_TEST_SUITE_P(
    Filters, ParseFilterRejects,
    testing::ValuesIn(std::vector<ErrorCase>{
        {"NoObject", "[]", {"filter is []; it must be an object with must, should"}},
        {"UnknownList",
         R"({"musst": []})",
         {"filter has the unknown key \"musst\"", "known ones are must, should, must_not"}},
        {"NoList", R"({"must": 5})", {"must is 5; it must be a condition or a list"}},
        {"NoCondition", R"({"must": [{}, 5]})", {"must[1] is 5; it must be an object with key"}},
        {"UnknownCondition",
         R"({"should": [{"has": 1}]})",
         {"should[0] has the unknown key \"has\"", "has_id, has_vector, nested, must"}},
        {"UnknownBesideKey",
         R"({"must_not": {"key": "a", "range": {}, "x": 1}})",
         {"must_not has the unknown key \"x\"", "match, range"}},
        {"MixedConditions",
         R"({"must": [{"has_id": [1], "must": []}]})",
         {"must[0] has the unknown key \"must\"; the known ones are has_id"}},
        {"DeepPath",
         R"({"should": [{"must": [{"nested": {"key": "a", "filter":
             {"must": {"key": "b", "range": {"gt": true}}}}}]}]})",
         {"should[0].must[0].nested.filter.must.range.gt is true; it must be a number"}},
        {"Slice",
         R"({"must": [{"slice": {"index": 0, "total": 2}}]})",
         {"must[0]", "\"slice\" is not supported"},
         StatusCode::kUnimplemented},
        {"MinShouldWithoutCount",
         R"({"min_should": {"conditions": []}})",
         {"min_should lacks \"min_count\""}},
        {"MinShouldOfNone",
         R"({"min_should": {"conditions": [], "min_count": 0}})",
         {"min_should.min_count is 0; it must be an integer, 1 or more"}},
        {"MinShouldNegative",
         R"({"min_should": {"conditions": [], "min_count": -1}})",
         {"min_should.min_count is -1; it must be an integer, 1 or more"}},
        {"MinShouldElement",
         R"({"min_should": {"conditions": [{"has_id": 1}], "min_count": 1}})",
         {"min_should.conditions[0].has_id is 1; it must be a list"}},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Fields, ParseFilterRejects,
    testing::ValuesIn(std::vector<ErrorCase>{
        {"NoTest",
         must(R"({"key": "a"})"),
         {"must[0]: At least one field condition must be specified: one of match, range"},
         StatusCode::kValidation},
        {"NullTest",
         test(R"("match": null)"),
         {"must[0]: At least one field condition must be specified"},
         StatusCode::kValidation},
        {"SecondOfTwoTests",
         test(R"("match": {"value": 1}, "range": {"lt": "x"})"),
         {"must[0].range.lt is \"x\"", "a date"}},
        {"NoKey", must(R"({"key": null, "range": {}})"), {"must[0] lacks \"key\""}},
        {"KeyIsNoString", must(R"({"key": 1, "range": {}})"), {"must[0].key is 1", "a string"}},
        {"BadKey",
         must(R"({"key": "a..b", "range": {}})"),
         {"must[0].key: payload key \"a..b\": a part is empty"}},
        {"MatchIsNoObject", test(R"("match": "x")"), {"must[0].match is \"x\"", "value, any"}},
        {"MatchNothing", test(R"("match": {})"), {"must[0].match must have one of value, any"}},
        {"MatchTwice",
         test(R"("match": {"any": [1], "except": [2]})"),
         {"must[0].match has both \"any\" and \"except\""}},
        {"MatchPrefix",
         test(R"("match": {"prefix": "x"})"),
         {"must[0].match: \"prefix\" is not supported"},
         StatusCode::kUnimplemented},
        {"MatchFloat", test(R"("match": {"value": 1.5})"), {"match.value is 1.5", "use range"}},
        {"MatchList", test(R"("match": {"value": [1]})"), {"match.value is [1]", "a string"}},
        {"MatchAbove64Bits",
         test(R"("match": {"value": 9223372036854775808})"),
         {"must[0].match.value is 9223372036854775808; it must be", "an integer of 64 bits"}},
        {"MixedAny",
         test(R"("match": {"any": ["x", 1]})"),
         {"match.any[1] is 1; it must be of the type of the first value"}},
        {"BoolInAny", test(R"("match": {"any": [true]})"), {"match.any[0] is true", "a string or"}},
        {"AnyIsNoList",
         test(R"("match": {"any": "x"})"),
         {"match.any is \"x\"; it must be a list"}},
        {"TextIsNoString", test(R"("match": {"text": 5})"), {"match.text is 5", "a string"}},
        {"RangeOfBools",
         test(R"("range": {"gt": true})"),
         {"must[0].range.gt is true", "a number"}},
        {"RangeUnknownBound",
         test(R"("range": {"from": 1})"),
         {"must[0].range has the unknown key \"from\"; the known ones are lt, gt, lte, gte"}},
        {"RangeNoDate",
         test(R"("range": {"gt": "yesterday"})"),
         {"must[0].range.gt is \"yesterday\"; it must be a date like"}},
        {"RangeMixed",
         test(R"("range": {"gt": 1, "lt": "2020-03-01"})"),
         {"must[0].range.gt is 1; it must be a date like"}},
        {"CountNegative",
         test(R"("values_count": {"gt": -1})"),
         {"must[0].values_count.gt is -1; it must be an integer, 0 or more"}},
        {"CountFraction", test(R"("values_count": {"gt": 1.0})"), {"values_count.gt is 1.0"}},
        {"ShorthandIsNoBool", test(R"("is_empty": 1)"), {"must[0].is_empty is 1", "true or false"}},
        {"EmptyWithoutKey", must(R"({"is_empty": {}})"), {"must[0].is_empty lacks \"key\""}},
        {"EmptyOfString", must(R"({"is_empty": "a"})"), {"must[0].is_empty is \"a\"", "object"}},
        {"LongValue",
         test(R"("range": {"gt": ")" + std::string(98, 'a') + "\xC3\xA9" + R"("})"),
         {"range.gt is \"" + std::string(98, 'a') + "...; it must be"}},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    GeoAndPoints, ParseFilterRejects,
    testing::ValuesIn(std::vector<ErrorCase>{
        {"BoxWithoutCorner",
         test(R"("geo_bounding_box": {"top_left": {"lon": 1, "lat": 2}})"),
         {"must[0].geo_bounding_box lacks \"bottom_right\""}},
        {"LonOutside",
         test(R"("geo_radius": {"center": {"lon": 181, "lat": 2}, "radius": 5})"),
         {"must[0].geo_radius.center is {\"lat\":2,\"lon\":181}", "-180..180"}},
        {"LatOutside",
         test(R"("geo_radius": {"center": {"lon": 1, "lat": -90.5}, "radius": 5})"),
         {"must[0].geo_radius.center is", "-90..90"}},
        {"PointWithoutLat",
         test(R"("geo_radius": {"center": {"lon": 1}, "radius": 5})"),
         {"must[0].geo_radius.center is {\"lon\":1}; it must be a lon"}},
        {"RadiusNegative",
         test(R"("geo_radius": {"center": {"lon": 1, "lat": 2}, "radius": -5})"),
         {"must[0].geo_radius.radius is -5; it must be 0 or more meters"}},
        {"PolygonOpen",
         test(R"("geo_polygon": {"exterior": {"points": [
               {"lon": 0, "lat": 0}, {"lon": 9, "lat": 0}, {"lon": 9, "lat": 9},
               {"lon": 0, "lat": 1}]}})"),
         {"must[0].geo_polygon.exterior.points is [", "at least 4 points, the last equal"}},
        {"HoleTooShort",
         test(R"("geo_polygon": {
               "exterior": {"points": [{"lon": 0, "lat": 0}, {"lon": 9, "lat": 0},
                                       {"lon": 9, "lat": 9}, {"lon": 0, "lat": 0}]},
               "interiors": [{"points": [{"lon": 0, "lat": 0}]}]})"),
         {"must[0].geo_polygon.interiors[0].points is [", "at least 4 points"}},
        {"BadId", must(R"({"has_id": [1, "x"]})"), {"must[0].has_id[1] is \"x\"", "a UUID"}},
        {"NegativeId", must(R"({"has_id": [-1]})"), {"must[0].has_id[0] is -1", "unsigned"}},
        {"VectorIsNoString", must(R"({"has_vector": 1})"), {"must[0].has_vector is 1", "a string"}},
        {"NestedWithoutFilter",
         must(R"({"nested": {"key": "a"}})"),
         {"must[0].nested lacks \"filter\""}},
        {"IdInNested",
         must(R"({"nested": {"key": "a", "filter": {"should": [{"must": {"has_id": [1]}}]}}})"),
         {"must[0].nested.filter.should[0].must.has_id stands inside nested"}},
        {"VectorInNested",
         must(R"({"nested": {"key": "a", "filter": {"must": {"has_vector": "v"}}}})"),
         {"must[0].nested.filter.must.has_vector stands inside nested"}},
    }),
    [](const auto& info) { return info.param.name; });

/// Filters around each other, the innermost one empty.
Json deep_filter(int num_levels) {
  Json filter = Json::object();
  for (int i = 1; i < num_levels; ++i) filter = Json{{"must", std::move(filter)}};
  return filter;
}

TEST(ParseFilterDepth, EndsAt64) {
  const auto deepest = parse_filter(deep_filter(64));
  ASSERT_TRUE(deepest) << deepest.error().message;
  EXPECT_TRUE(matches(*deepest, {PointId(1), Json::object(), {}}));
  for (const int num_levels : {65, 120}) {
    const auto deeper = parse_filter(deep_filter(num_levels));
    ASSERT_FALSE(deeper);
    EXPECT_THAT(deeper.error().message, HasSubstr("nested deeper than 64 levels at must.must."));
  }
}

TEST(ParseFilterNumbers, NotANumberIsNone) {
  for (const double bad : {std::nan(""), HUGE_VAL}) {
    const Json range = {{"must", {{"key", "a"}, {"range", {{"gt", bad}}}}}};
    EXPECT_FALSE(parse_filter(range));
  }
}

/// A condition, payloads that satisfy it and payloads that do not.
struct MatchCase {
  std::string name;
  std::string condition;
  std::vector<std::string> yes, no;
};
class Matches : public testing::TestWithParam<MatchCase> {};

bool holds(const Filter& filter, const Json& payload) {
  const PointId id(7);
  return matches(filter, {id, payload, [](std::string_view name) { return name == "image"; }});
}

TEST_P(Matches, AsQdrantDoes) {
  const MatchCase& c = GetParam();
  const auto filter = parse_filter(json(must(c.condition)));
  ASSERT_TRUE(filter) << filter.error().message;
  Filter negation;
  negation.must_not = filter->must;
  for (const std::string& payload : c.yes) {
    EXPECT_TRUE(holds(*filter, json(payload))) << payload;
    EXPECT_FALSE(holds(negation, json(payload))) << "must_not: " << payload;
  }
  for (const std::string& payload : c.no) {
    EXPECT_FALSE(holds(*filter, json(payload))) << payload;
    EXPECT_TRUE(holds(negation, json(payload))) << "must_not: " << payload;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Values, Matches,
    testing::ValuesIn(std::vector<MatchCase>{
        {"Keyword",
         R"({"key": "a", "match": {"value": "x"}})",
         {R"({"a": "x"})", R"({"a": ["y", "x"]})"},
         {R"({"a": "X"})", R"({"a": "xx"})", R"({"a": []})", R"({"a": null})", R"({"b": "x"})",
          R"({"a": [["x"]]})", R"({"a": {"x": "x"}})", "{}"}},
        {"UuidIsAKeyword",
         std::string(R"({"key": "a", "match": {"value": ")") + kUuid + "\"}}",
         {std::string(R"({"a": ")") + kUuid + "\"}"},
         {R"({"a": "F47AC10B-58CC-4372-A567-0E02B2C3D479"})"}},
        {"Integer",
         R"({"key": "a", "match": {"value": 5}})",
         {R"({"a": 5})", R"({"a": [1, 5]})"},
         {R"({"a": 5.0})", R"({"a": "5"})", R"({"a": true})", R"({"a": -5})"}},
        {"IntegersDoNotWrap",
         R"({"key": "a", "match": {"any": [-1, 9223372036854775807, -9223372036854775808]}})",
         {R"({"a": -1})", R"({"a": 9223372036854775807})", R"({"a": -9223372036854775808})"},
         {R"({"a": 18446744073709551615})", R"({"a": 9223372036854775808})"}},
        {"Bool",
         R"({"key": "a", "match": {"value": false}})",
         {R"({"a": false})", R"({"a": [true, false]})"},
         {R"({"a": 0})", R"({"a": true})", R"({"a": null})", R"({"a": "false"})"}},
        {"Any",
         R"({"key": "a", "match": {"any": ["x", "y"]}})",
         {R"({"a": "y"})", R"({"a": ["z", "x"]})"},
         {R"({"a": "z"})", R"({"a": 1})", R"({"a": []})", "{}"}},
        {"AnyOfNone", R"({"key": "a", "match": {"any": []}})", {}, {R"({"a": "x"})", "{}"}},
        {"Except",
         R"({"key": "a", "match": {"except": ["x", "y"]}})",
         {R"({"a": "z"})", R"({"a": ["x", "z"]})", R"({"a": 1})", R"({"a": true})", R"({"a": {}})",
          R"({"a": [["x"]]})"},
         {R"({"a": "x"})", R"({"a": ["x", "y"]})", R"({"a": []})", R"({"a": null})", "{}"}},
        {"ExceptIntegers",
         R"({"key": "a", "match": {"except": [1]}})",
         {R"({"a": 2})", R"({"a": 1.0})", R"({"a": 18446744073709551615})", R"({"a": "1"})"},
         {R"({"a": 1})", R"({"a": [1, 1]})", R"({"a": [null]})"}},
        {"NumberRange",
         R"({"key": "a", "range": {"gt": 1, "lte": 2.5}})",
         {R"({"a": 2})", R"({"a": 2.5})", R"({"a": [0, 2]})"},
         {R"({"a": 1})", R"({"a": 2.6})", R"({"a": "2"})", R"({"a": true})", R"({"a": [0, 3]})",
          R"({"a": null})", "{}"}},
        {"OpenAndClosedBounds",
         R"({"key": "a", "range": {"gte": -1, "lt": 1}})",
         {R"({"a": -1})", R"({"a": 0})"},
         {R"({"a": 1})", R"({"a": -1.5})"}},
        {"RangeOfLargeIntegers",
         R"({"key": "a", "range": {"gt": 1e19}})",
         {R"({"a": 18446744073709551615})"},
         {R"({"a": -1})", R"({"a": 9223372036854775807})"}},
        {"NoBoundsWantANumber", R"({"key": "a", "range": {}})", {R"({"a": 1})"}, {R"({"a": "x"})"}},
        {"Dates",
         R"({"key": "a", "range": {"gte": "2020-03-01T10:00:00+02:00", "lt": "2020-03-02"}})",
         {R"({"a": "2020-03-01T08:00:00Z"})", R"({"a": "2020-03-01 23:59:59.999999"})"},
         {R"({"a": "2020-03-01T07:59:59Z"})", R"({"a": "2020-03-02"})", R"({"a": "soon"})",
          R"({"a": 1583049600})", "{}"}},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Texts, Matches,
    testing::ValuesIn(std::vector<MatchCase>{
        {"AllWords",
         R"({"key": "a", "match": {"text": "Red bird"}})",
         {R"({"a": "A bird, red."})", R"({"a": ["a cat", "red RED bird"]})"},
         {R"({"a": "a reddish bird"})", R"({"a": ["red", "bird"]})", R"({"a": ""})", R"({"a": 5})",
          "{}"}},
        {"AnyWord",
         R"({"key": "a", "match": {"text_any": "red bird"}})",
         {R"({"a": "a blue bird"})", R"({"a": ["cat", "red"]})"},
         {R"({"a": "a reddish cat"})", R"({"a": ""})", R"({"a": null})"}},
        {"Phrase",
         R"({"key": "a", "match": {"phrase": "red Red bird"}})",
         {R"({"a": "A red, red bird."})", R"({"a": "red red red bird sings"})"},
         {R"({"a": "red bird"})", R"({"a": "a red red cat"})", R"({"a": "red red"})",
          R"({"a": ["red red", "bird"]})", R"({"a": "red red birds"})", R"({"a": ""})"}},
        {"FoldsLetters",
         R"({"key": "a", "match": {"text": "ÉCOLE Σοφός МИР"}})",
         {R"({"a": "école ΣΟΦΌΣ мир"})"},
         {R"({"a": "ecole σοφός мир"})"}},
        {"NoWords", R"({"key": "a", "match": {"text": " ,."}})", {}, {R"({"a": ",."})", "{}"}},
        {"NoWordsAny", R"({"key": "a", "match": {"text_any": ""}})", {}, {R"({"a": "x"})"}},
        {"NoWordsPhrase", R"({"key": "a", "match": {"phrase": ""}})", {}, {R"({"a": "x"})"}},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Geo, Matches,
    testing::ValuesIn(std::vector<MatchCase>{
        {"Box",
         R"({"key": "a", "geo_bounding_box": {"top_left": {"lon": 13.08835, "lat": 52.67551},
                                              "bottom_right": {"lon": 13.76116, "lat": 52.33826}}})",
         {R"({"a": {"lon": 13.404954, "lat": 52.520008}})",
          R"({"a": [{"lon": 0, "lat": 0}, {"lon": 13.4, "lat": 52.5, "name": "x"}]})"},
         {R"({"a": {"lon": 13.08835, "lat": 52.5}})", R"({"a": {"lon": 13.4, "lat": 52.67551}})",
          R"({"a": {"lon": 37.6, "lat": 55.7}})", R"({"a": {"lon": 13.4}})",
          R"({"a": {"lon": "13.4", "lat": "52.5"}})", R"({"a": [13.4, 52.5]})", "{}"}},
        {"BoxAcrossTheAntimeridian",
         R"({"key": "a", "geo_bounding_box": {"top_left": {"lon": 167.0, "lat": 74.071028},
                                              "bottom_right": {"lon": -66.885417, "lat": 18.7763}}})",
         {R"({"a": {"lon": -73.991516, "lat": 40.75798}})", R"({"a": {"lon": 179, "lat": 40}})"},
         {R"({"a": {"lon": 13.41053, "lat": 52.52437}})", R"({"a": {"lon": 179, "lat": 80}})"}},
        {"Radius",
         R"({"key": "a", "geo_radius": {"center": {"lon": 0, "lat": 0}, "radius": 80000}})",
         {R"({"a": {"lon": 0.5, "lat": 0.5}})"},
         {R"({"a": {"lon": 1.5, "lat": 1.5}})", R"({"a": {"lon": 200, "lat": 0}})"}},
        {"RadiusAcrossTheAntimeridian",
         R"({"key": "a", "geo_radius": {"center": {"lon": 179.9, "lat": 0}, "radius": 30000}})",
         {R"({"a": {"lon": -179.9, "lat": 0}})"},
         {R"({"a": {"lon": -179.5, "lat": 0}})"}},
        {"PolygonWithAHole",
         R"({"key": "a", "geo_polygon": {
              "exterior": {"points": [{"lon": -1, "lat": -1}, {"lon": 1.5, "lat": -1},
                                      {"lon": 1.5, "lat": 1.5}, {"lon": -1, "lat": 1.5},
                                      {"lon": -1, "lat": -1}]},
              "interiors": [{"points": [{"lon": -0.5, "lat": -0.5}, {"lon": -0.5, "lat": 0.5},
                                        {"lon": 0.5, "lat": 0.5}, {"lon": 0.5, "lat": -0.5},
                                        {"lon": -0.5, "lat": -0.5}]}]}})",
         {R"({"a": {"lon": 0.6, "lat": 0.6}})", R"({"a": {"lon": -0.75, "lat": 0.5}})"},
         {R"({"a": {"lon": 0, "lat": 0}})", R"({"a": {"lon": 0.5, "lat": 0.5}})",
          R"({"a": {"lon": 0.5, "lat": 0}})", R"({"a": {"lon": 1.5, "lat": 0}})",
          R"({"a": {"lon": -1, "lat": -1}})", R"({"a": {"lon": 2, "lat": 1.5}})"}},
        {"PolygonThatCrossesItself",
         R"({"key": "a", "geo_polygon": {
              "exterior": {"points": [{"lon": -1, "lat": -1}, {"lon": 1, "lat": 1},
                                      {"lon": 1, "lat": -1}, {"lon": -1, "lat": 1},
                                      {"lon": -1, "lat": -1}]}}})",
         {R"({"a": {"lon": 0.5, "lat": 0}})", R"({"a": {"lon": -0.5, "lat": 0}})"},
         {R"({"a": {"lon": 0, "lat": 0.5}})", R"({"a": {"lon": 0, "lat": 0}})"}},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Presence, Matches,
    testing::ValuesIn(std::vector<MatchCase>{
        {"IsEmpty",
         R"({"is_empty": {"key": "a"}})",
         {R"({"a": []})", R"({"a": null})", "{}"},
         {R"({"a": [null]})", R"({"a": ""})", R"({"a": {}})", R"({"a": 0})", R"({"a": [[]]})"}},
        {"IsEmptyInEach",
         R"({"is_empty": {"key": "a[].b"}})",
         {R"({"a": [{"b": []}, {"c": 1}]})", R"({"a": []})"},
         {R"({"a": [{"b": []}, {"b": 1}]})"}},
        {"IsNotEmpty",
         R"({"key": "a", "is_empty": false})",
         {R"({"a": [null]})", R"({"a": 0})"},
         {R"({"a": []})", R"({"a": null})", "{}"}},
        {"IsNull",
         R"({"is_null": {"key": "a"}})",
         {R"({"a": null})", R"({"a": [1, null]})"},
         {R"({"a": []})", R"({"a": [1]})", R"({"a": [[null]]})", R"({"a": {"b": null}})", "{}"}},
        {"IsNotNull",
         R"({"key": "a", "is_null": false})",
         {R"({"a": 1})", R"({"a": []})", "{}"},
         {R"({"a": null})", R"({"a": [null]})"}},
        {"CountOfTwoOrMore",
         R"({"key": "a", "values_count": {"gte": 2}})",
         {R"({"a": [1, 2]})", R"({"a": [null, null]})"},
         {R"({"a": [1]})", R"({"a": "xy"})", R"({"a": {"b": 1, "c": 2}})", "{}"}},
        {"CountOrMatch",
         R"({"key": "a", "match": {"value": 1}, "values_count": {"gte": 2}})",
         {R"({"a": [1, 2]})", R"({"a": 1})", R"({"a": [2, 3]})"},
         {R"({"a": 2})", "{}"}},
        {"MatchOrRange",
         R"({"key": "a", "range": {"gt": 1}, "match": {"any": [0, 5]}})",
         {R"({"a": 5})", R"({"a": [1, 2]})", R"({"a": 4})", R"({"a": 0})"},
         {R"({"a": 1})", R"({"a": []})", "{}"}},
        {"CountOfNone",
         R"({"key": "a", "values_count": {"lt": 1}})",
         {R"({"a": []})", R"({"a": null})", "{}"},
         {R"({"a": [1]})", R"({"a": 0})"}},
        {"CountInEach",
         R"({"key": "a[].b", "values_count": {"gt": 1, "lte": 3}})",
         {R"({"a": [{"b": 1}, {"b": [1, 2]}]})"},
         {R"({"a": [{"b": [1]}, {"b": [2]}]})", R"({"a": [{"b": [1, 2, 3, 4]}]})"}},
        {"HasId", R"({"has_id": [7, 8]})", {"{}"}, {}},
        {"HasOtherId", std::string(R"({"has_id": [8, ")") + kUuid + "\"]}", {}, {"{}"}},
        {"HasVector", R"({"has_vector": "image"})", {"{}"}, {}},
        {"HasOtherVector", R"({"has_vector": "text"})", {}, {"{}"}},
        {"KeyThroughEach",
         R"({"key": "country.cities[].population", "range": {"gte": 9}})",
         {R"({"country": {"cities": [{"population": 1}, {"population": 9}]}})"},
         {R"({"country": {"cities": [{"population": 1}, {}]}})",
          R"({"country": {"cities": {"population": 9}}})"}},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Nesting, Matches,
    testing::ValuesIn(std::vector<MatchCase>{
        {"OneElementSatisfiesAll",
         R"({"nested": {"key": "diet", "filter": {"must": [
              {"key": "food", "match": {"value": "meat"}},
              {"key": "likes", "match": {"value": true}}]}}})",
         {R"({"diet": [{"food": "leaves", "likes": false}, {"food": "meat", "likes": true}]})"},
         {R"({"diet": [{"food": "meat", "likes": false}, {"food": "leaves", "likes": true}]})",
          R"({"diet": {"food": "meat", "likes": true}})",
          R"({"diet": {"x": {"food": "meat", "likes": true}}})", R"({"diet": []})", "{}"}},
        {"BracketsMayBeGiven",
         R"({"nested": {"key": "a[]", "filter": {"must": {"key": "b", "match": {"value": 1}}}}})",
         {R"({"a": [{"b": [2, 1]}]})"},
         {R"({"a": [{"b": 2}]})", R"({"a": {"b": 1}})", R"({"a": [[{"b": 1}]]})"}},
        {"SomeElementLacksIt",
         R"({"nested": {"key": "a", "filter": {"must_not": {"key": "b", "match": {"value": 1}}}}})",
         {R"({"a": [{"b": 1}, {"c": 1}]})"},
         {R"({"a": [{"b": 1}]})", R"({"a": [1, null]})", "{}"}},
        {"NestedInNested",
         R"({"nested": {"key": "a", "filter": {"must": [
              {"key": "x", "match": {"value": 1}},
              {"nested": {"key": "b.c", "filter": {"must": {"is_null": {"key": "d"}}}}}]}}})",
         {R"({"a": [{"x": 1, "b": {"c": [{}, {"d": null}]}}]})"},
         {R"({"a": [{"x": 2, "b": {"c": [{"d": null}]}}, {"x": 1, "b": {"c": [{}]}}]})"}},
        {"FilterInFilter",
         R"({"should": [{"must": [{"key": "a", "match": {"value": 1}},
                                  {"key": "b", "match": {"value": 1}}]},
                        {"key": "c", "match": {"value": 1}}]})",
         {R"({"a": 1, "b": 1})", R"({"c": 1})"},
         {R"({"a": 1})", "{}"}},
        {"ShouldBesideMust",
         R"({"must": {"key": "a", "match": {"value": 1}},
             "should": [{"key": "b", "match": {"value": 1}}, {"key": "c", "match": {"value": 1}}]})",
         {R"({"a": 1, "c": 1})"},
         {R"({"a": 1})", R"({"b": 1, "c": 1})"}},
        {"MinShould",
         R"({"min_should": {"min_count": 2, "conditions": [
              {"key": "a", "match": {"value": 1}}, {"key": "b", "match": {"value": 1}},
              {"key": "c", "match": {"value": 1}}]}})",
         {R"({"a": 1, "c": 1})", R"({"a": 1, "b": 1, "c": 1})"},
         {R"({"c": 1})", "{}"}},
        {"MinShouldOfMoreThanThereAre",
         R"({"min_should": {"min_count": 2, "conditions": [{"has_id": [7]}]}})",
         {},
         {"{}"}},
        {"EmptyFilterHolds", "{}", {"{}", R"({"a": 1})"}, {}},
    }),
    [](const auto& info) { return info.param.name; });

TEST(FilterMatches, NoVectorWhereNoneIsKnown) {
  const auto filter = parse_filter(json(must(R"({"has_vector": "image"})")));
  EXPECT_FALSE(matches(*filter, {PointId(1), Json::object(), {}}));
}

TEST(MatchesOneValue, CountsAWholeValue) {
  const FieldTest two = ValuesCount{{}, {}, {}, 2};
  EXPECT_TRUE(matches(two, json("[1, 2]")));
  EXPECT_FALSE(matches(two, json("5")));
  const FieldTest red = MatchValue{"red"};
  EXPECT_TRUE(matches(red, json("\"red\"")));
  EXPECT_FALSE(matches(red, json("[\"red\"]")));
}

/// A random condition on fields a, b and c.
Json random_condition(std::mt19937& random, int depth) {
  const auto pick = [&random](int n) {
    return static_cast<int>(random() % static_cast<unsigned>(n));
  };
  const std::string key(1, "abc"[pick(3)]);
  switch (pick(depth > 0 ? 6 : 4)) {
    case 0:
      return {{"key", key}, {"match", {{"value", pick(3)}}}};
    case 1:
      return {{"key", key}, {"range", {{"gte", pick(3)}}}};
    case 2:
      return {{"is_empty", {{"key", key}}}};
    case 3:
      return {{"key", key}, {"match", {{"except", Json::array({pick(3)})}}}};
    default:
      break;
  }
  Json filter = Json::object();
  for (const char* list : {"must", "should", "must_not"}) {
    for (int i = pick(3); i > 0; --i) filter[list].push_back(random_condition(random, depth - 1));
  }
  return filter;
}

TEST(FilterMatches, ObeysTheLawsOfLogic) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const Json one = random_condition(random, 2);
    const Json other = random_condition(random, 2);
    const auto holds_json = [](const Json& filter, const Json& payload) {
      const auto parsed = parse_filter(filter);
      EXPECT_TRUE(parsed) << filter << parsed.error().message;
      return parsed && holds(*parsed, payload);
    };
    for (int i = 0; i < 20; ++i) {
      Json payload = Json::object();
      for (const char* key : {"a", "b", "c"}) {
        for (unsigned n = random() % 3; n > 0; --n) payload[key].push_back(random() % 4);
      }
      const Json both = Json::array({one, other});
      const bool first = holds_json({{"must", one}}, payload);
      const bool second = holds_json({{"must", other}}, payload);
      EXPECT_EQ(holds_json({{"must", both}}, payload), first && second) << both << payload;
      EXPECT_EQ(holds_json({{"should", both}}, payload), first || second) << both << payload;
      EXPECT_EQ(holds_json({{"must_not", both}}, payload), !first && !second) << both << payload;
      const auto at_least = [&](int count) {
        return holds_json({{"min_should", {{"conditions", both}, {"min_count", count}}}}, payload);
      };
      EXPECT_EQ(at_least(1), first || second) << both << payload;
      EXPECT_EQ(at_least(2), first && second) << both << payload;
    }
  }
}

}  // namespace
}  // namespace sightline
