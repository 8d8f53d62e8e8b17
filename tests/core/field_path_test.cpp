#include "core/field_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sightline {
namespace {

using testing::HasSubstr;

struct ParseCase {
  std::string name, text;
  std::string canonical;  // empty: an error
  std::string message = {};
};
class FieldPathParse : public testing::TestWithParam<ParseCase> {};

TEST_P(FieldPathParse, HasOneSpelling) {
  const ParseCase& c = GetParam();
  const auto path = FieldPath::parse(c.text);
  if (c.canonical.empty()) {
    ASSERT_FALSE(path) << path->text();
    EXPECT_EQ(path.error().code, StatusCode::kInvalidArgument);
    EXPECT_THAT(path.error().message, HasSubstr("\"" + c.text + "\""));
    EXPECT_THAT(path.error().message, HasSubstr(c.message));
    return;
  }
  ASSERT_TRUE(path) << path.error().message;
  EXPECT_EQ(path->text(), c.canonical);
  const auto again = FieldPath::parse(path->text());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, *path);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, FieldPathParse,
    testing::ValuesIn(std::vector<ParseCase>{
        {"Member", "city", "city"},
        {"Deep", "_image.width", "_image.width"},
        {"SpacesAndUtf8", "größe in cm", "größe in cm"},
        {"Each", "country.cities[].population", "country.cities[].population"},
        {"EachAtTheEnd", "tags[]", "tags[]"},
        {"At", "list[0]", "list[0]"},
        {"AtWithZeros", "list[007]", "list[7]"},
        {"ManyBrackets", "a[1][][2].b", "a[1][][2].b"},
        {"Quoted", "\"a.b\".c", "\"a.b\".c"},
        {"QuotedBrackets", "a.\"b[]\"[]", "a.\"b[]\"[]"},
        {"NeedlessQuotes", "\"a\".\"b\"", "a.b"},
        {"Empty", "", "", "a part is empty"},
        {"EmptyFirst", ".a", "", "a part is empty"},
        {"EmptyMiddle", "a..b", "", "a part is empty"},
        {"EmptyLast", "a.", "", "a part is empty"},
        {"EmptyQuotes", "a.\"\"", "", "a part is empty"},
        {"BracketsFirst", "[].a", "", "a part is empty"},
        {"OpenBracket", "a[", "", "brackets hold nothing or the number"},
        {"OpenBracketWithNumber", "a[1", "", "a bracket is not closed"},
        {"CloseBracketOnly", "a]", "", "\"]\" at byte 1"},
        {"WordInBrackets", "a[b]", "", "brackets hold nothing or the number"},
        {"NegativeElement", "a[-1]", "", "brackets hold nothing or the number"},
        {"HugeElement", "a[99999999999999999999]", "", "brackets hold nothing or the number"},
        {"NoDotAfterBrackets", "a[]b", "", "\"b\" at byte 3"},
        {"OpenQuote", "\"a", "", "a quote is not closed"},
        {"QuoteInside", "a\"b", "", "\"\"\" at byte 1"},
    }),
    [](const auto& info) { return info.param.name; });

struct VisitCase {
  std::string name, path;
  std::string values;  // a JSON list
  std::string whole;
};
class FieldPathVisit : public testing::TestWithParam<VisitCase> {};

const Json& payload() {
  static const Json json = Json::parse(R"({
    "city": "Oslo",
    "nothing": null,
    "a.b": 1,
    "tags": ["x", "y"],
    "none": [],
    "grid": [[1, 2], [3], 4],
    "country": {"cities": [{"population": 1}, {"population": [2, 3]}, {}, 5]}
  })");
  return json;
}

TEST_P(FieldPathVisit, ReachesTheValues) {
  const VisitCase& c = GetParam();
  const auto path = FieldPath::parse(c.path);
  ASSERT_TRUE(path) << path.error().message;
  Json values = Json::array();
  Json whole = Json::array();
  EXPECT_TRUE(path->visit(payload(), [&](const Json& v) { return values.push_back(v), true; }));
  EXPECT_TRUE(
      path->visit_whole(payload(), [&](const Json& v) { return whole.push_back(v), true; }));
  EXPECT_EQ(values, Json::parse(c.values));
  EXPECT_EQ(whole, Json::parse(c.whole));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, FieldPathVisit,
    testing::ValuesIn(std::vector<VisitCase>{
        {"Scalar", "city", R"(["Oslo"])", R"(["Oslo"])"},
        {"Null", "nothing", "[null]", "[null]"},
        {"Missing", "village", "[]", "[]"},
        {"DotInAName", "\"a.b\"", "[1]", "[1]"},
        {"DotNotInAName", "a.b", "[]", "[]"},
        {"FinalArray", "tags", R"(["x", "y"])", R"([["x", "y"]])"},
        {"EachOfArray", "tags[]", R"(["x", "y"])", R"(["x", "y"])"},
        {"OneOfArray", "tags[1]", R"(["y"])", R"(["y"])"},
        {"BeyondArray", "tags[2]", "[]", "[]"},
        {"EmptyArray", "none", "[]", "[[]]"},
        {"EachOfEmptyArray", "none[]", "[]", "[]"},
        {"ArraysInArray", "grid", "[[1, 2], [3], 4]", "[[[1, 2], [3], 4]]"},
        {"EachOfArraysInArray", "grid[]", "[1, 2, 3, 4]", "[[1, 2], [3], 4]"},
        {"Twice", "grid[][]", "[1, 2, 3]", "[1, 2, 3]"},
        {"MemberOfEach", "country.cities[].population", "[1, 2, 3]", "[1, [2, 3]]"},
        {"MemberOfOne", "country.cities[1].population", "[2, 3]", "[[2, 3]]"},
        {"MemberOfArrayWithoutBrackets", "country.cities.population", "[]", "[]"},
        {"BracketsOnNoArray", "city[]", "[]", "[]"},
        {"MemberOfNoObject", "city.name", "[]", "[]"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(FieldPath, StopsWhenToldTo) {
  for (const char* text : {"tags", "tags[]", "country.cities[].population", "city"}) {
    int num_visits = 0;
    const auto stop = [&num_visits](const Json&) { return ++num_visits, false; };
    EXPECT_FALSE(FieldPath::parse(text)->visit(payload(), stop)) << text;
    EXPECT_FALSE(FieldPath::parse(text)->visit_whole(payload(), stop)) << text;
    EXPECT_EQ(num_visits, 2) << text;
  }
}

TEST(FieldPath, AskedOfNoObjectReachesNothing) {
  const auto fail = [](const Json&) { return false; };
  for (const Json& value : {Json(), Json(1), Json("a"), Json::array({1})}) {
    EXPECT_TRUE(FieldPath::parse("a")->visit(value, fail)) << value;
  }
}

struct ChangeCase {
  std::string name, path, before, merged, removed;
};
class FieldPathChange : public testing::TestWithParam<ChangeCase> {};

TEST_P(FieldPathChange, MergesAndRemoves) {
  const ChangeCase& c = GetParam();
  const auto path = c.path.empty() ? FieldPath() : *FieldPath::parse(c.path);
  Json merged = Json::parse(c.before);
  path.merge_into(merged, Json::parse(R"({"x": 1, "y": null})"));
  EXPECT_EQ(merged, Json::parse(c.merged));
  Json removed = Json::parse(c.before);
  path.remove_from(removed);
  EXPECT_EQ(removed, Json::parse(c.removed));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, FieldPathChange,
    testing::ValuesIn(std::vector<ChangeCase>{
        {"ThePayload", "", R"({"x": 0, "y": 2, "z": 3})", R"({"x": 1, "z": 3})",
         R"({"x": 0, "y": 2, "z": 3})"},
        {"Member", "a", R"({"a": {"y": 2}, "b": 3})", R"({"a": {"x": 1}, "b": 3})", R"({"b": 3})"},
        {"Missing", "a.b", R"({"c": 3})", R"({"a": {"b": {"x": 1}}, "c": 3})", R"({"c": 3})"},
        {"InPlaceOfAValue", "a.b", R"({"a": 5})", R"({"a": {"b": {"x": 1}}})", R"({"a": 5})"},
        {"Element", "a[1]", R"({"a": [{}, {}]})", R"({"a": [{}, {"x": 1}]})", R"({"a": [{}]})"},
        {"BeyondTheArray", "a[2]", R"({"a": [{}]})", R"({"a": [{}]})", R"({"a": [{}]})"},
        {"Each", "a[]", R"({"a": [{"y": 2}, 3]})", R"({"a": [{"x": 1}, {"x": 1}]})",
         R"({"a": []})"},
        {"InEach", "a[].b", R"({"a": [{"b": 2}, {"c": 3}]})",
         R"({"a": [{"b": {"x": 1}}, {"b": {"x": 1}, "c": 3}]})", R"({"a": [{}, {"c": 3}]})"},
        {"NoArray", "a[]", R"({"a": 5})", R"({"a": []})", R"({"a": 5})"},
        {"NoArrayThere", "a.b[0].c", "{}", R"({"a": {"b": []}})", "{}"},
    }),
    [](const auto& info) { return info.param.name; });

struct KeepCase {
  std::string name;
  std::vector<std::string> paths;
  std::string kept;
};
class FieldPathKeep : public testing::TestWithParam<KeepCase> {};

TEST_P(FieldPathKeep, LeavesWhatIsReached) {
  const Json payload = Json::parse(
      R"({"a": {"b": 1, "c": [2, 3]}, "list": [{"x": 4, "y": 5}, {"y": 6}, 7], "n": null})");
  std::vector<FieldPath> paths;
  for (const std::string& path : GetParam().paths) paths.push_back(*FieldPath::parse(path));
  EXPECT_EQ(FieldPath::keep_only(payload, paths), Json::parse(GetParam().kept));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, FieldPathKeep,
    testing::ValuesIn(std::vector<KeepCase>{
        {"Nothing", {}, "{}"},
        {"Missing", {"z"}, "{}"},
        {"MissingInAnObject", {"a.z"}, R"({"a": {}})"},
        {"MissingInAnArray", {"a.c.z", "list.x"}, R"({"a": {"c": []}, "list": []})"},
        {"MissingInAValue", {"a.b.c", "n.z"}, R"({"a": {"b": 1}, "n": null})"},
        {"Member", {"a"}, R"({"a": {"b": 1, "c": [2, 3]}})"},
        {"Deep", {"a.b"}, R"({"a": {"b": 1}})"},
        {"TwoOfOne", {"a.b", "a.c"}, R"({"a": {"b": 1, "c": [2, 3]}})"},
        {"WholeAndPart", {"a.b", "a"}, R"({"a": {"b": 1, "c": [2, 3]}})"},
        {"Null", {"n"}, R"({"n": null})"},
        {"EachElement", {"a.c[]"}, R"({"a": {"c": [2, 3]}})"},
        {"InEach", {"list[].x"}, R"({"list": [{"x": 4}, {}, 7]})"},
        {"TwoInEach", {"list[].x", "list[].y"}, R"({"list": [{"x": 4, "y": 5}, {"y": 6}, 7]})"},
        {"OneElement", {"list[1]"}, R"({"list": [{"y": 6}]})"},
    }),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sightline
