#include "http/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sightline::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(ReadJson, KeepsNumbersExactly) {
  const auto read = read_json(
      R"({"a": 18446744073709551615, "b": -9223372036854775808, "c": 9007199254740993, "d": 0.1,
          "e": 1e300, "f": 0, "g": -0.0, "h": 123456789012345678901234567890})");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ((*read)["a"].get<std::uint64_t>(), UINT64_MAX);
  EXPECT_EQ((*read)["b"].get<std::int64_t>(), INT64_MIN);
  EXPECT_EQ(dump_json((*read)["c"]), "9007199254740993");
  EXPECT_EQ(dump_json((*read)["d"]), "0.1");
  EXPECT_TRUE((*read)["f"].is_number_unsigned());
  EXPECT_TRUE((*read)["g"].is_number_float());
  EXPECT_DOUBLE_EQ((*read)["h"].get<double>(), 123456789012345678901234567890.0);
}

TEST(ReadJson, AgreesWithTheOtherReader) {
  for (const std::string text :
       {R"([])", R"({})", R"("aé\n😀")", R"([1, [2, {"x": null}], true, false])",
        R"({"a": 1, "a": {"b": 2}})", R"(  3  )", R"({"": "", "\u0000": 1})"}) {
    const auto read = read_json(text);
    ASSERT_TRUE(read) << text << ": " << read.error().message;
    EXPECT_EQ(*read, *parse_json(text, "test")) << text;
  }
}

TEST(ReadJson, NestsTo128Levels) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']');
  };
  EXPECT_TRUE(read_json(nested(128)));
  const auto deeper = read_json(nested(129));
  ASSERT_FALSE(deeper);
  EXPECT_THAT(deeper.error().message, StartsWith("Format error in JSON body: nested deeper"));
  EXPECT_THAT(deeper.error().message, HasSubstr("128"));
  EXPECT_FALSE(read_json(nested(1'000'000)));
}

/// `count` numbers of which the one at `at` is `number`.
std::string list_text(std::size_t count, std::size_t at, const std::string& number) {
  std::string text = "[";
  for (std::size_t i = 0; i < count; ++i) {
    text += (i > 0 ? "," : "") + (i == at ? number : std::to_string(i));
  }
  return text + "]";
}

TEST(ReadJsonWithRows, MakesRowsOfVectorsAlone) {
  struct Case {
    std::string list;
    bool is_row;
  };
  for (const auto& [list, is_row] : std::vector<Case>{
           {list_text(kMinRow, 3, "-0.25"), true},
           {list_text(512, 511, "1e-3"), true},
           {list_text(kMinRow - 1, 3, "0.5"), false},
           {list_text(kMinRow, 3, "3"), false},  // ids
           {list_text(kMinRow, 3, "1e39"), false},
           {list_text(kMinRow, 3, "\"0.5\""), false},
           {list_text(kMinRow, 3, "null"), false},
           {list_text(kMinRow, 3, "[0.5]"), false},
           {list_text(kMinRow, 3, "123456789012345678901234567890"), false},
       }) {
    const auto read = read_json_with_rows(R"({"a": [)" + list + "]}");
    ASSERT_TRUE(read) << read.error().message;
    const Json& found = read->at("a").at(0);
    EXPECT_EQ(found.is_binary(), is_row) << list;
    const auto plain = read_json(list);
    ASSERT_TRUE(plain);
    if (is_row) {
      EXPECT_EQ(row_of(found), plain->get<std::vector<float>>()) << list;
    } else {
      EXPECT_EQ(found, *plain) << list;
    }
  }
}

struct BadCase {
  std::string name, text;
};
class BadJson : public testing::TestWithParam<BadCase> {};

TEST_P(BadJson, IsNamedWithItsPlace) {
  const auto read = read_json(GetParam().text);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(read.error().message, StartsWith("Format error in JSON body: parse error at line"));
}

INSTANTIATE_TEST_SUITE_P(Cases, BadJson,
                         testing::ValuesIn(std::vector<BadCase>{
                             {"Empty", ""},
                             {"Spaces", "  \n "},
                             {"Open", R"({"a": )"},
                             {"TrailingComma", R"([1,])"},
                             {"TwoValues", R"({} {})"},
                             {"Comment", R"(/* a */ 1)"},
                             {"NotANumber", R"([NaN])"},
                             {"LeadingZero", R"([01])"},
                             {"SingleQuotes", R"({'a': 1})"},
                             {"NotUtf8", "\"\xff\""},
                             {"HalfASurrogate", R"("\ud800")"},
                             {"ControlCharacter", "\"a\nb\""},
                         }),
                         [](const auto& info) { return info.param.name; });

TEST(ReadJson, LargeTextsWithAndWithoutRoomBehindThem) {
  std::mt19937 random(7);
  Json list = Json::array();
  for (int i = 0; i < 200'000; ++i) list.push_back(random());
  std::string text = dump_json(list);
  text.shrink_to_fit();
  EXPECT_EQ(*read_json(text), list);
  text.reserve(text.size() + kJsonPadding);
  EXPECT_EQ(*read_json(text), list);
}

}  // namespace
}  // namespace sightline::http
