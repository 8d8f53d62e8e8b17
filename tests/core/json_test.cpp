#include "core/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace sightline {
namespace {

using testing::HasSubstr;
using testing_support::TempDir;

struct BadCase {
  std::string name;
  std::string text;
  std::string message;  // a part of it
};
class ParseJsonRejects : public testing::TestWithParam<BadCase> {};

TEST_P(ParseJsonRejects, WithNameAndPosition) {
  const auto parsed = parse_json(GetParam().text, "request body");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(parsed.error().message, HasSubstr("request body: "));
  EXPECT_THAT(parsed.error().message, HasSubstr(GetParam().message));
  EXPECT_THAT(parsed.error().message, testing::Not(HasSubstr("json.exception")));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ParseJsonRejects,
    testing::ValuesIn(std::vector<BadCase>{
        {"Empty", "", "line 1, column 1"},
        {"Trailing", "{} x", "line 1, column 4"},
        {"Cut", "{\"a\": [1,\n2", "line 2"},
        {"BadUtf8", "\"\xff\"", "UTF-8"},
        {"NotANumber", "NaN", "line 1, column 1"},
        {"NumberOutOfRange", "1e999", "1e999"},
        {"TooDeep", std::string(200, '['), "nested deeper than 128 levels at byte 128"},
        {"ManyBrackets", std::string(5'000'000, '['), "nested deeper"},
        {"TooDeepObjects", "{\"a\":" + std::string(128, '[') + std::string(128, ']') + "}",
         "at byte 132"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(ParseJson, KeepsIntegersExactly) {
  const auto parsed = parse_json("[18446744073709551615, -9223372036854775808, 1.5]", "x");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ((*parsed)[0].get<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ((*parsed)[1].get<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(dump_json(*parsed), "[18446744073709551615,-9223372036854775808,1.5]");
}

TEST(ParseJson, BracketsInStringsAreNoDepth) {
  const std::string text = "[\"" + std::string(500, '[') + "\\\"" + std::string(500, '{') + "\"]";
  EXPECT_TRUE(parse_json(text, "x"));
  EXPECT_TRUE(parse_json(std::string(128, '[') + std::string(128, ']'), "x"));
  EXPECT_FALSE(parse_json("[[1]]", "x", 1));
}

TEST(DumpJson, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(dump_json(Json("a\xff"
                           "b")),
            "\"a\xEF\xBF\xBD"
            "b\"");
}

TEST(ReadJsonFile, NamesThePath) {
  const TempDir folder;
  const auto good = read_json_file(folder.write("good.json", "{\"a\": 1}"));
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ((*good)["a"], 1);

  const auto missing = read_json_file(folder / "none.json");
  EXPECT_EQ(missing.error().code, StatusCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr((folder / "none.json").string()));

  const auto a_folder = read_json_file(folder.path());
  EXPECT_EQ(a_folder.error().code, StatusCode::kIoError);

  const auto bad = read_json_file(folder.write("bad.json", "{"));
  EXPECT_EQ(bad.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(bad.error().message, HasSubstr("bad.json"));
  EXPECT_EQ(read_json_file(folder.write("empty.json", "")).error().code,
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sightline
