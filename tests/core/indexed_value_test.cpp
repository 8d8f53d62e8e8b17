#include "core/indexed_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/filter.h"
#include "core/internal/datetime.h"

namespace sightline {
namespace {

using testing::HasSubstr;

constexpr auto kMinInt = std::numeric_limits<std::int64_t>::min();
constexpr auto kMaxInt = std::numeric_limits<std::int64_t>::max();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr FieldType kTypes[] = {FieldType::kKeyword, FieldType::kInteger,  FieldType::kFloat,
                                FieldType::kBool,    FieldType::kDatetime, FieldType::kGeo,
                                FieldType::kUuid,    FieldType::kText};

Uuid uuid(const char* text) { return PointId::parse(text)->uuid(); }

TEST(FieldTypeNames, AreQdrants) {
  std::vector<std::string> names;
  for (const FieldType type : kTypes) {
    names.emplace_back(field_type_name(type));
    EXPECT_EQ(*parse_field_type(names.back()), type);
  }
  EXPECT_THAT(names, testing::ElementsAre("keyword", "integer", "float", "bool", "datetime", "geo",
                                          "uuid", "text"));
  const auto unknown = parse_field_type("string");
  EXPECT_EQ(unknown.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(unknown.error().message, HasSubstr("\"string\""));
  EXPECT_THAT(unknown.error().message, HasSubstr("keyword, integer, float"));
}

TEST(GeoPoint, IsAnObjectWithinTheBounds) {
  EXPECT_EQ(geo_point(Json::parse(R"({"lon": -180, "lat": 90, "name": "x"})")),
            (GeoPoint{-180, 90}));
  for (const char* bad :
       {R"({"lon": 180.1, "lat": 0})", R"({"lon": 0, "lat": -91})", R"({"lon": 1})",
        R"({"lon": "1", "lat": 2})", R"({"lon": null, "lat": 2})", "[1, 2]", "null", "\"1,2\""}) {
    EXPECT_EQ(geo_point(Json::parse(bad)), std::nullopt) << bad;
  }
  EXPECT_EQ(geo_point({{"lon", std::nan("")}, {"lat", 0}}), std::nullopt);
}

TEST(GeoDistance, IsThatOnASphere) {
  EXPECT_DOUBLE_EQ(geo_distance_meters({5, 6}, {5, 6}), 0);
  EXPECT_NEAR(geo_distance_meters({0, 0}, {0.5, 0.5}), 78'626.3, 0.1);
  // Berlin to Moscow.
  EXPECT_NEAR(geo_distance_meters({13.4050, 52.5200}, {37.6173, 55.7558}), 1'608'000, 2'000);
  const double half_way_round = 6'371'008.8 * std::acos(-1.0);
  EXPECT_NEAR(geo_distance_meters({-90, 0}, {90, 0}), half_way_round, 1);
  EXPECT_NEAR(geo_distance_meters({13, -90}, {77, 90}), half_way_round, 1);
  EXPECT_NEAR(geo_distance_meters({179.9, 0}, {-179.9, 0}), half_way_round / 900, 1e-6);
}

struct DateCase {
  std::string text;
  std::string utc;  // empty: not a date
};
class ParseDatetime : public testing::TestWithParam<DateCase> {};

TEST_P(ParseDatetime, ReadsWhatQdrantReads) {
  const DateCase& c = GetParam();
  const auto micros = parse_datetime(c.text);
  ASSERT_EQ(micros.has_value(), !c.utc.empty()) << c.text;
  if (micros) {
    EXPECT_EQ(internal::format_datetime(*micros), c.utc) << c.text;
  }
}
INSTANTIATE_TEST_SUITE_P(Cases, ParseDatetime,
                         testing::ValuesIn(std::vector<DateCase>{
                             {"2020-03-01T00:00:00Z", "2020-03-01T00:00:00Z"},
                             {"2020-03-01t10:30:00z", "2020-03-01T10:30:00Z"},
                             {"2020-03-01T00:00:00-09:00", "2020-03-01T09:00:00Z"},
                             {"2020-03-01 00:00:00-0900", "2020-03-01T09:00:00Z"},
                             {"2020-03-01T00:00:00-0930", "2020-03-01T09:30:00Z"},
                             {"2020-03-01 00:00:00+09", "2020-02-29T15:00:00Z"},
                             {"2020-03-01 00:00:00 +05:30", "2020-02-29T18:30:00Z"},
                             {"2020-03-01 00:00:00 UTC", "2020-03-01T00:00:00Z"},
                             {"2020-03-01T00:00:00.123456Z", "2020-03-01T00:00:00.123456Z"},
                             {"2020-03-01T00:00:00.1234567890123Z", "2020-03-01T00:00:00.123456Z"},
                             {"2020-03-01T00:00:00.12", "2020-03-01T00:00:00.120000Z"},
                             {"2020-03-01T00:00:00", "2020-03-01T00:00:00Z"},
                             {"2020-03-01 00:00:00.000001", "2020-03-01T00:00:00.000001Z"},
                             {"2020-03-01T07:05", "2020-03-01T07:05:00Z"},
                             {"2020-03-01 07:05Z", "2020-03-01T07:05:00Z"},
                             {"2020-03-01", "2020-03-01T00:00:00Z"},
                             {"2020-02-29", "2020-02-29T00:00:00Z"},
                             {"1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z"},
                             {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
                             {"0000-01-01", "0000-01-01T00:00:00Z"},
                             {"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
                             {"0000-01-01T00:00:00+00:01", ""},
                             {"9999-12-31T23:59:59-00:01", ""},
                             {"2021-02-29", ""},
                             {"2020-13-01", ""},
                             {"2020-00-01", ""},
                             {"2020-03-32", ""},
                             {"2020-3-1", ""},
                             {"20200301", ""},
                             {"2020:03:01 10:00:00", ""},
                             {"2020-03-01T", ""},
                             {"2020-03-01T24:00:00Z", ""},
                             {"2020-03-01T10:60:00Z", ""},
                             {"2020-03-01T10:00:61Z", ""},
                             {"2020-03-01T10:00:00.Z", ""},
                             {"2020-03-01T10:00:00+24:00", ""},
                             {"2020-03-01T10:00:00+09:", ""},
                             {"2020-03-01T10:00:00 ", ""},
                             {"2020-03-01T10:00:00ZZ", ""},
                             {"2020-03-01T10", ""},
                             {" 2020-03-01", ""},
                             {"2020-03-01 ", ""},
                             {"+2020-03-01", ""},
                             {"2020-03-0a", ""},
                             {"now", ""},
                             {"", ""},
                         }));

TEST(Datetime, CountsMicrosecondsSince1970) {
  EXPECT_EQ(parse_datetime("1970-01-01"), 0);
  EXPECT_EQ(parse_datetime("1970-01-01T00:00:00.000001Z"), 1);
  EXPECT_EQ(parse_datetime("1969-12-31T23:59:59.999999Z"), -1);
  EXPECT_EQ(parse_datetime("2020-03-01T10:30:00Z"), 1'583'058'600'000'000);
}

TEST(Datetime, ComesBackFromItsText) {
  std::mt19937_64 random(5);
  const auto first = *parse_datetime("0000-01-01");
  const auto last = *parse_datetime("9999-12-31T23:59:59.999999Z");
  std::uniform_int_distribution<std::int64_t> pick(first, last);
  for (int i = 0; i < 2000; ++i) {
    const std::int64_t micros = i == 0 ? first : i == 1 ? last : pick(random);
    ASSERT_EQ(parse_datetime(internal::format_datetime(micros)), micros);
  }
  EXPECT_EQ(internal::format_datetime(kMinInt), "0000-01-01T00:00:00Z");
  EXPECT_EQ(internal::format_datetime(kMaxInt), "9999-12-31T23:59:59.999999Z");
}

struct TokenCase {
  std::string name, text;
  std::vector<std::string> tokens;
};
class TextTokens : public testing::TestWithParam<TokenCase> {};

TEST_P(TextTokens, AreFoldedWords) {
  const TokenCase& c = GetParam();
  EXPECT_EQ(text_tokens(c.text), c.tokens);
  // A folded word is its own only token.
  for (const std::string& token : c.tokens)
    EXPECT_THAT(text_tokens(token), testing::ElementsAre(token));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, TextTokens,
    testing::ValuesIn(std::vector<TokenCase>{
        {"Empty", "", {}},
        {"OnlyPunctuation", " ,.-!\t\n\"'()", {}},
        {"Ascii",
         "A bird's nest, No.5 (red-brown)",
         {"a", "bird", "s", "nest", "no", "5", "red", "brown"}},
        {"Underscore", "IMG_0042.JPG", {"img", "0042", "jpg"}},
        {"Latin1", "ÀÖØÞßÿ ×÷ «École»", {"àöøþßÿ", "école"}},
        {"LatinExtended", "ŁÓDŹ Ÿ İ ſ ĶĹŇ Ệ ĸŉ", {"łódź", "ÿ", "i", "s", "ķĺň", "ệ", "ĸŉ"}},
        {"Greek", "ΆΈΉΊΌΎΏ ΑΩΪΫ Οδυσσεύς·", {"άέήίόύώ", "αωϊϋ", "οδυσσεύσ"}},
        {"Cyrillic", "ЀЏ АЯ МИР, Ӏ Ѡ Ҋ Ӂ Ӑ", {"ѐџ", "ая", "мир", "ӏ", "ѡ", "ҋ", "ӂ", "ӑ"}},
        {"CombiningMarksStay", "cafe\xCC\x81 x", {"cafe\xCC\x81", "x"}},
        {"OtherScripts",
         "黑猫。白猫、ねこ नमस्ते। שלום־עולם",
         {"黑猫", "白猫", "ねこ", "नमस्ते", "שלום", "עולם"}},
        {"Typography", "“word”—word… word\xC2\xA0word", {"word", "word", "word", "word"}},
        {"Emoji", "cat😀cat ❤ 𝔘", {"cat", "cat", "𝔘"}},
        {"InvalidUtf8",
         "a\xFF"
         "b\xC3(c\xE2\x82 d\xC3"
         "e\x80",
         {"a", "b", "c", "d", "e"}},
        {"CutUtf8", "ab\xF0\x9F\x98", {"ab"}},
        {"Overlong",
         "a\xC0\xAF"
         "b\xE0\x80\xAF"
         "c\xF0\x80\x80\xAF"
         "d\xE0\x9F\xBF"
         "e",
         {"a", "b", "c", "d", "e"}},
        {"Surrogate",
         "a\xED\xA0\x80"
         "b",
         {"a", "b"}},
        {"AboveUnicode",
         "a\xF4\x90\x80\x80"
         "b\xF5\x80\x80\x80"
         "c",
         {"a", "b", "c"}},
        {"ZeroByte", std::string("a\0b", 3), {"a", "b"}},
    }),
    [](const auto& info) { return info.param.name; });

TEST(TextTokensOf, AnyBytesAreUtf8) {
  std::mt19937 random(11);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random());
    for (const std::string& token : text_tokens(text)) {
      EXPECT_THAT(text_tokens(token), testing::ElementsAre(token));
      EXPECT_EQ(Json(dump_json(Json(token))), Json('"' + token + '"'));  // UTF-8
    }
  }
}

struct IndexCase {
  std::string name;
  FieldType type;
  std::string value;  // of field "a"
  std::vector<IndexedValue> values;
  bool other = false;  // and a value that the type cannot hold
};
class IndexedValues : public testing::TestWithParam<IndexCase> {};

TEST_P(IndexedValues, TakesItsType) {
  const IndexCase& c = GetParam();
  const Json payload = {{"a", Json::parse(c.value)}};
  auto wanted = c.values;
  if (c.other) wanted.emplace_back(OtherValue());
  EXPECT_EQ(indexed_values(payload, *FieldPath::parse("a"), c.type), wanted);
  EXPECT_TRUE(indexed_values(payload, *FieldPath::parse("b"), c.type).empty());
}
INSTANTIATE_TEST_SUITE_P(
    Cases, IndexedValues,
    testing::ValuesIn(std::vector<IndexCase>{
        {"Keyword", FieldType::kKeyword, R"("x")", {"x"}},
        {"Keywords",
         FieldType::kKeyword,
         R"(["y", "x", "y", 1, null, ["z"], ""])",
         {"", "x", "y"},
         true},
        {"KeywordAndNull", FieldType::kKeyword, R"(["y", null])", {"y"}},
        {"Null", FieldType::kKeyword, "null", {}},
        {"NoElements", FieldType::kKeyword, "[]", {}},
        {"AnObject", FieldType::kKeyword, "{}", {}, true},
        {"AnArrayInAnArray", FieldType::kInteger, "[[1]]", {}, true},
        {"LongKeyword",
         FieldType::kKeyword,
         '"' + std::string(65536, 'x') + '"',
         {std::string(65536, 'x')}},
        {"TooLongKeyword", FieldType::kKeyword, '"' + std::string(65537, 'x') + '"', {}, true},
        {"Integers",
         FieldType::kInteger,
         "[5, -1, 5, 9223372036854775807, 9223372036854775808, 18446744073709551615, 2.0, true]",
         {std::int64_t{-1}, std::int64_t{5}, kMaxInt},
         true},
        {"Fraction", FieldType::kInteger, "5.5", {}, true},
        {"AboveInt64", FieldType::kInteger, "9223372036854775808", {}, true},
        {"SmallestInteger", FieldType::kInteger, "-9223372036854775808", {kMinInt}},
        {"Floats",
         FieldType::kFloat,
         "[1, 1.0, -2.5, 18446744073709551615, -0.0, 0, \"3\"]",
         {-2.5, 0.0, 1.0, 18446744073709551616.0},
         true},
        {"Bools", FieldType::kBool, "[true, false, true, 0, \"true\"]", {false, true}, true},
        {"Dates",
         FieldType::kDatetime,
         R"(["1970-01-01T00:00:01Z", "1970-01-01", "1970-01-01T01:00:00+01:00", "soon", 5])",
         {std::int64_t{0}, std::int64_t{1'000'000}},
         true},
        {"Points",
         FieldType::kGeo,
         R"([{"lon": 1, "lat": 2}, {"lon": 1, "lat": 2}, {"lon": -1, "lat": 5}, {"lon": 999, "lat": 0},
             [1, 2]])",
         {GeoPoint{-1, 5}, GeoPoint{1, 2}},
         true},
        {"Uuids",
         FieldType::kUuid,
         R"(["f47ac10b-58cc-4372-a567-0e02b2c3d479", "F47AC10B58CC4372A5670E02B2C3D479", "42", "x"])",
         {uuid("f47ac10b-58cc-4372-a567-0e02b2c3d479")},
         true},
        {"Text", FieldType::kText, R"(["A red bird", "red CAT"])", {"a", "bird", "cat", "red"}},
        {"TextAndNumber", FieldType::kText, R"(["red", 5])", {"red"}, true},
        {"TooLongWord",
         FieldType::kText,
         "\"y " + std::string(65537, 'x') + " z\"",
         {"y", "z"},
         true},
        {"NoText", FieldType::kText, "5", {}, true},
        {"TextWithoutWords", FieldType::kText, "\"...\"", {}, true},
    }),
    [](const auto& info) { return info.param.name; });

TEST(IndexedValuesOf, NotANumberIsAnother) {
  const Json payload = {{"a", {std::nan(""), 1.0, kInfinity}}};
  EXPECT_EQ(indexed_values(payload, *FieldPath::parse("a"), FieldType::kFloat),
            (std::vector<IndexedValue>{1.0, kInfinity, OtherValue()}));
}

TEST(IndexedValuesOf, APathAreThoseItReaches) {
  const Json payload = Json::parse(R"({"a": [{"b": [3, 1]}, {"b": 2}, {"c": 9}]})");
  EXPECT_EQ(indexed_values(payload, *FieldPath::parse("a[].b"), FieldType::kInteger),
            (std::vector<IndexedValue>{std::int64_t{1}, std::int64_t{2}, std::int64_t{3}}));
}

/// Values of one type in ascending order.
std::vector<IndexedValue> sorted_values(FieldType type) {
  switch (type) {
    case FieldType::kKeyword:
    case FieldType::kText:
      return {"",
              std::string("\0", 1),
              std::string("\0\0", 2),
              std::string("\0\1", 2),
              std::string("\0\xff", 2),
              "\1",
              "a",
              std::string("a\0", 2),
              std::string("a\0b", 3),
              "a\1",
              "aa",
              "ab",
              "b",
              "\x7f",
              "\x80",
              "\xff",
              "\xff\xff"};
    case FieldType::kInteger:
    case FieldType::kDatetime:
      return {kMinInt,           kMinInt + 1,     std::int64_t{-256}, std::int64_t{-255},
              std::int64_t{-1},  std::int64_t{0}, std::int64_t{1},    std::int64_t{255},
              std::int64_t{256}, kMaxInt};
    case FieldType::kFloat:
      return {-kInfinity, -1e300, -2.0, -1.5, -5e-324, 0.0, 5e-324, 1.5, 2.0, 1e300, kInfinity};
    case FieldType::kBool:
      return {false, true};
    case FieldType::kGeo:
      return {GeoPoint{-180, -90}, GeoPoint{-0.5, 7}, GeoPoint{0, -7}, GeoPoint{0, 7},
              GeoPoint{180, 90}};
    case FieldType::kUuid:
      return {uuid("00000000-0000-0000-0000-000000000000"),
              uuid("7fffffff-ffff-ffff-ffff-ffffffffffff"),
              uuid("80000000-0000-0000-0000-000000000000"),
              uuid("ffffffff-ffff-ffff-ffff-ffffffffffff")};
  }
  return {};
}

TEST(EncodeIndexed, SortsAsValuesDoAndComesBack) {
  for (const FieldType type : kTypes) {
    SCOPED_TRACE(field_type_name(type));
    const std::vector<IndexedValue> values = sorted_values(type);
    ASSERT_FALSE(values.empty());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::string bytes = encode_indexed(values[i]);
      const auto back = decode_indexed(type, bytes);
      ASSERT_TRUE(back) << back.error().message;
      EXPECT_EQ(*back, values[i]) << i;
      for (std::size_t j = i + 1; j < values.size(); ++j) {
        const std::string after = encode_indexed(values[j]);
        EXPECT_LT(bytes, after) << i << " " << j;
        EXPECT_FALSE(after.starts_with(bytes)) << i << " " << j;
      }
    }
  }
}

TEST(EncodeIndexed, ZeroHasOneForm) {
  EXPECT_EQ(encode_indexed(-0.0), encode_indexed(0.0));
  EXPECT_EQ(encode_indexed(OtherValue()), "");
  EXPECT_EQ(*decode_indexed(FieldType::kFloat, ""), IndexedValue(OtherValue()));
  EXPECT_EQ(encode_indexed(GeoPoint{-0.0, -0.0}), encode_indexed(GeoPoint{0, 0}));
  EXPECT_FALSE(
      std::signbit(std::get<double>(*decode_indexed(FieldType::kFloat, encode_indexed(-0.0)))));
}

TEST(EncodeIndexed, RandomValuesSortAndComeBack) {
  std::mt19937_64 random(3);
  std::vector<IndexedValue> integers, floats, strings;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t bits = random();
    integers.emplace_back(static_cast<std::int64_t>(bits) >> (i % 64));
    const double value = std::bit_cast<double>(bits);
    if (!std::isnan(value)) floats.emplace_back(value);
    std::string text(random() % 6, '\0');
    for (char& c : text) c = "\0\1\x7f\xfe\xff"[random() % 5];
    strings.emplace_back(text);
  }
  const auto check = [](std::vector<IndexedValue> values, FieldType type) {
    std::sort(values.begin(), values.end());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::string bytes = encode_indexed(values[i]);
      ASSERT_EQ(*decode_indexed(type, bytes), values[i]);
      if (i > 0 && values[i - 1] != values[i]) {
        ASSERT_LT(encode_indexed(values[i - 1]), bytes);
      }
    }
  };
  check(integers, FieldType::kInteger);
  check(floats, FieldType::kFloat);
  check(strings, FieldType::kKeyword);
}

TEST(DecodeIndexed, RejectsOtherBytes) {
  struct Case {
    FieldType type;
    std::string bytes;
  };
  const std::string nan_bytes = "\xff\xf8" + std::string(6, '\0');
  for (const auto& [type, bytes] : std::vector<Case>{
           {FieldType::kKeyword, "a"},
           {FieldType::kKeyword, std::string("a\0", 2)},
           {FieldType::kKeyword, std::string("a\0b\0\0", 5)},
           {FieldType::kKeyword, std::string("a\0\0\0", 4)},
           {FieldType::kText, "word"},
           {FieldType::kInteger, std::string(7, 'x')},
           {FieldType::kDatetime, std::string(9, 'x')},
           {FieldType::kFloat, nan_bytes},
           {FieldType::kBool, "\2"},
           {FieldType::kGeo, std::string(15, 'x')},
           {FieldType::kGeo, std::string(16, '\xff')},
           {FieldType::kUuid, std::string(17, 'x')},
       }) {
    const auto value = decode_indexed(type, bytes);
    ASSERT_FALSE(value) << field_type_name(type);
    EXPECT_EQ(value.error().code, StatusCode::kCorruption);
    EXPECT_THAT(value.error().message, HasSubstr(std::string(field_type_name(type))));
    EXPECT_THAT(value.error().message, HasSubstr(std::to_string(bytes.size()) + " bytes"));
  }
}

}  // namespace
}  // namespace sightline
