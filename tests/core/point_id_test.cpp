#include "core/point_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <unordered_set>
#include <vector>

namespace sightline {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
constexpr const char* kText = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

struct ParseCase {
  std::string name, text;
  std::string canonical;  // empty: an error
};
class PointIdParse : public testing::TestWithParam<ParseCase> {};

TEST_P(PointIdParse, TakesWhatQdrantTakes) {
  const ParseCase& c = GetParam();
  const auto id = PointId::parse(c.text);
  if (c.canonical.empty()) {
    ASSERT_FALSE(id);
    EXPECT_EQ(id.error().code, StatusCode::kInvalidArgument);
    EXPECT_THAT(id.error().message, testing::HasSubstr("\"" + c.text + "\""));
  } else {
    ASSERT_TRUE(id) << id.error().message;
    EXPECT_EQ(id->to_string(), c.canonical);
  }
}
INSTANTIATE_TEST_SUITE_P(Cases, PointIdParse,
                         testing::ValuesIn(std::vector<ParseCase>{
                             {"Zero", "0", "0"},
                             {"Number", "42", "42"},
                             {"LargestNumber", "18446744073709551615", "18446744073709551615"},
                             {"NumberTooLarge", "18446744073709551616", ""},
                             {"Negative", "-1", ""},
                             {"Sign", "+1", ""},
                             {"Space", " 1", ""},
                             {"Fraction", "1.0", ""},
                             {"Empty", "", ""},
                             {"Word", "kangaroo", ""},
                             {"Hyphenated", kText, kText},
                             {"UpperCase", "F47AC10B-58CC-4372-A567-0E02B2C3D479", kText},
                             {"Simple", "f47ac10b58cc4372a5670e02b2c3d479", kText},
                             {"SimpleOfDigits", "12345678123456781234567812345678",
                              "12345678-1234-5678-1234-567812345678"},
                             {"Urn", "urn:uuid:f47ac10b-58cc-4372-a567-0e02b2c3d479", kText},
                             {"Braced", "{f47ac10b-58cc-4372-a567-0e02b2c3d479}", kText},
                             {"HyphenMoved", "f47ac10b5-8cc-4372-a567-0e02b2c3d479", ""},
                             {"NotHex", "g47ac10b-58cc-4372-a567-0e02b2c3d479", ""},
                             {"TooShort", "f47ac10b-58cc-4372-a567-0e02b2c3d47", ""},
                         }),
                         [](const auto& info) { return info.param.name; });

TEST(PointId, FromJson) {
  EXPECT_EQ(PointId::from_json(Json(7))->number(), 7U);
  EXPECT_EQ(PointId::from_json(Json(kMax))->number(), kMax);
  EXPECT_EQ(PointId::from_json(Json(kText))->to_string(), kText);
  for (const Json& bad :
       {Json(-1), Json(1.5), Json(true), Json(nullptr), Json("x"), Json::array()}) {
    EXPECT_EQ(PointId::from_json(bad).error().code, StatusCode::kInvalidArgument) << bad;
  }
}

TEST(PointId, ToJsonComesBack) {
  for (const char* text : {"0", "18446744073709551615", kText}) {
    const PointId id = *PointId::parse(text);
    EXPECT_EQ(*PointId::from_json(id.to_json()), id);
    EXPECT_EQ(id.to_json().is_number_unsigned(), id.is_number());
  }
}

TEST(PointId, FromDigestIsAUuidOfVersion8) {
  std::array<std::uint8_t, 32> digest;
  digest.fill(0xff);
  EXPECT_EQ(PointId::from_digest(digest).to_string(), "ffffffff-ffff-8fff-bfff-ffffffffffff");
  digest.fill(0);
  EXPECT_EQ(PointId::from_digest(digest).to_string(), "00000000-0000-8000-8000-000000000000");
}

TEST(PointId, KeysSortAsIdsDoAndComeBack) {
  std::mt19937_64 random(7);
  std::vector<PointId> ids = {PointId(0),   PointId(1),    PointId(255),
                              PointId(256), PointId(kMax), *PointId::parse(kText)};
  for (int i = 0; i < 500; ++i) {
    ids.emplace_back(random() >> (i % 64));
    Uuid uuid;
    std::generate(uuid.begin(), uuid.end(), [&] { return static_cast<std::uint8_t>(random()); });
    ids.emplace_back(uuid);
  }
  std::sort(ids.begin(), ids.end());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto back = PointId::decode(ids[i].encode());
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, ids[i]);
    if (i > 0 && ids[i - 1] != ids[i]) {
      EXPECT_LT(ids[i - 1].encode(), ids[i].encode());
    }
  }
}

TEST(PointId, DecodeRejectsOtherKeys) {
  const std::string number = PointId(5).encode();
  std::string wrong_tag = number;
  wrong_tag[0] = 2;
  std::string uuid_tag = number;
  uuid_tag[0] = 1;
  for (const std::string& key :
       {std::string(), number.substr(0, 8), number + "x", wrong_tag, uuid_tag}) {
    EXPECT_EQ(PointId::decode(key).error().code, StatusCode::kCorruption);
  }
}

TEST(PointId, HashTellsIdsApart) {
  std::unordered_set<PointId> set;
  for (std::uint64_t i = 0; i < 1000; ++i) set.insert(PointId(i));
  EXPECT_EQ(set.size(), 1000U);
  EXPECT_TRUE(set.contains(PointId(999)));
  EXPECT_FALSE(set.contains(*PointId::parse(kText)));
  std::unordered_set<std::size_t> hashes;
  for (const PointId& id : set) hashes.insert(std::hash<PointId>()(id));
  EXPECT_EQ(hashes.size(), 1000U);
}

}  // namespace
}  // namespace sightline
