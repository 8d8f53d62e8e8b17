#include "storage/records.h"

#include <gmock/gmock.h>

#include <limits>

namespace sightline::storage {
namespace {

using testing::ElementsAre;

SlotRecord slot_record() {
  SlotRecord record;
  record.id = *PointId::parse("936da01f-9abd-4d9d-80c7-02af85c822a8");
  record.version = 1ULL << 60;
  record.source_uri = "file:///a b";
  record.vectors = {{"", 7}, {"caption", 1ULL << 60}};
  return record;
}

SourceRow source_row() {
  SourceRow row;
  row.uri = "file:///x";
  row.size = 1ULL << 50;
  row.mtime_ns = std::numeric_limits<std::int64_t>::min();
  row.content_hash = "sha256:1";
  row.payload_hash = "xx";
  row.id = PointId(5);
  row.skip_reason = "";
  row.skip_message = std::string("a\0b", 3);
  return row;
}

TEST(Records, SlotRecordsComeBack) {
  for (SlotRecord record : {SlotRecord{}, slot_record()}) {
    const auto decoded = decode_slot_record(encode_slot_record(record));
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->id, record.id);
    EXPECT_EQ(decoded->version, record.version);
    EXPECT_EQ(decoded->source_uri, record.source_uri);
    EXPECT_EQ(decoded->vectors, record.vectors);
  }
}

TEST(Records, SourcesComeBack) {
  for (SourceRow row : {SourceRow{}, source_row()}) {
    const auto decoded = decode_source(row.uri, encode_source(row));
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->uri, row.uri);
    EXPECT_EQ(decoded->size, row.size);
    EXPECT_EQ(decoded->mtime_ns, row.mtime_ns);
    EXPECT_EQ(decoded->content_hash, row.content_hash);
    EXPECT_EQ(decoded->payload_hash, row.payload_hash);
    EXPECT_EQ(decoded->id, row.id);
    EXPECT_EQ(decoded->skip_reason, row.skip_reason);
    EXPECT_EQ(decoded->skip_message, row.skip_message);
  }
}

TEST(Records, WhatIsCutShortOrTooLongIsCorruption) {
  const auto check = [](const std::string& bytes, auto decode) {
    ASSERT_TRUE(decode(bytes));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      const auto cut = decode(bytes.substr(0, length));
      ASSERT_FALSE(cut) << length;
      ASSERT_EQ(cut.error().code, StatusCode::kCorruption);
    }
    ASSERT_FALSE(decode(bytes + "x"));
  };
  check(encode_slot_record(slot_record()), decode_slot_record);
  check(encode_source(source_row()),
        [](std::string_view bytes) { return decode_source("u", bytes); });
  check(encode_slot(77), decode_slot);
  check(encode_number(77), decode_number);
  check(encode_payload({{"a", {1, "b"}}}), decode_payload);
  const std::vector<float> values = {1, 2};
  const std::string row = encode_vector(9, values);
  for (const std::size_t length : {0UL, 7UL, 9UL, 15UL})
    EXPECT_FALSE(decode_vector(std::string_view(row).substr(0, length)));
}

TEST(Records, HostileLengthsAndCountsDoNotCrash) {
  for (std::size_t at = 0; at + 4 <= encode_slot_record(slot_record()).size(); ++at) {
    std::string bytes = encode_slot_record(slot_record());
    bytes.replace(at, 4, "\xFF\xFF\xFF\xFF");
    (void)decode_slot_record(bytes);
    bytes = encode_source(source_row());
    if (at + 4 <= bytes.size()) bytes.replace(at, 4, "\xFF\xFF\xFF\xFF");
    (void)decode_source("u", bytes);
  }
}

TEST(Records, PayloadsKeepNumbersExact) {
  const Json payload = {{"max", std::numeric_limits<std::uint64_t>::max()},
                        {"min", std::numeric_limits<std::int64_t>::min()},
                        {"third", 1.0 / 3},
                        {"tiny", std::numeric_limits<double>::denorm_min()},
                        {"text", "\xC3\xA9\n\u0000"},
                        {"list", {nullptr, true, Json::object(), Json::array()}}};
  const auto decoded = decode_payload(encode_payload(payload));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, payload);
  EXPECT_EQ(decoded->dump(), payload.dump());
}

TEST(Records, KeysSortBySlotWithinTheirName) {
  EXPECT_LT(encode_slot(255), encode_slot(256));
  EXPECT_LT(vector_key("a", 0xFFFFFFFF), vector_key("a1", 0));
  EXPECT_LT(vector_key("", 0xFFFFFFFF), vector_key("a", 0));
  EXPECT_TRUE(vector_key("a", 3).starts_with(vector_prefix("a")));
  EXPECT_FALSE(vector_key("ab", 3).starts_with(vector_prefix("a")));
  EXPECT_FALSE(keyword_key("f", "valuex", 1).starts_with(keyword_prefix("f", "value")));
}

TEST(Records, VectorsComeBack) {
  const std::vector<float> values = {1.5F, -0.0F, std::numeric_limits<float>::denorm_min()};
  const auto row = decode_vector(encode_vector(3, values)).value();
  EXPECT_EQ(row.version, 3U);
  EXPECT_EQ(row.values, values);
  EXPECT_THAT(decode_vector(encode_vector(3, std::vector<float>())).value().values, ElementsAre());
}

TEST(Records, SparseAndMultiVectorsComeBack) {
  const std::vector<float> values = {1.5F, -0.0F, 3, 4};
  const std::vector<std::uint32_t> indices = {0, 7, 8, 0xFFFFFFFF};
  const std::string sparse = encode_vector(3, {VectorKind::kSparse, values, indices});
  auto row = decode_vector(sparse).value();
  EXPECT_EQ(row.kind, VectorKind::kSparse);
  EXPECT_EQ(row.version, 3U);
  EXPECT_EQ(row.values, values);
  EXPECT_EQ(row.indices, indices);
  row = decode_vector(encode_vector(4, {VectorKind::kSparse, {}, {}})).value();
  EXPECT_EQ(row.kind, VectorKind::kSparse);
  EXPECT_THAT(row.indices, ElementsAre());

  const std::string multi = encode_vector(5, {VectorKind::kMulti, values, {}, 2});
  row = decode_vector(multi).value();
  EXPECT_EQ(row.kind, VectorKind::kMulti);
  EXPECT_EQ(row.num_rows, 2U);
  EXPECT_EQ(row.values, values);
  // 0 rows, rows that do not divide the values, no such kind.
  EXPECT_FALSE(decode_vector(encode_vector(5, {VectorKind::kMulti, values, {}, 0})));
  EXPECT_FALSE(decode_vector(encode_vector(5, {VectorKind::kMulti, values, {}, 3})));
  EXPECT_FALSE(decode_vector(multi.substr(0, multi.size() - 1) + "x"));
  EXPECT_FALSE(decode_vector(encode_vector(5, std::vector<float>()) + "m"));
  EXPECT_FALSE(decode_vector(encode_vector(5, std::vector<float>(1)) + "s"));
}

struct HashCase {
  std::string name;
  Json payload;
  std::string hash;
};
class ContentHashOf : public testing::TestWithParam<HashCase> {};

TEST_P(ContentHashOf, ReadsTheReservedKeyOnly) {
  EXPECT_EQ(content_hash_of(GetParam().payload), GetParam().hash);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ContentHashOf,
    testing::ValuesIn(std::vector<HashCase>{
        {"There", {{"_image", {{"content_hash", "sha256:1"}}}}, "sha256:1"},
        {"NoImage", {{"content_hash", "sha256:1"}}, ""},
        {"NoHash", {{"_image", Json::object()}}, ""},
        {"NotAnObject", {{"_image", "sha256:1"}}, ""},
        {"NotText", {{"_image", {{"content_hash", 5}}}}, ""},
        {"ZeroByte", {{"_image", {{"content_hash", std::string("a\0b", 3)}}}}, ""},
        {"PayloadIsAList", Json::array({1}), ""},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace sightline::storage
