#include "http/point_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "http/json_reader.h"

namespace sightline::http {
namespace {

using pipeline::NamedVector;
using pipeline::VectorKind;
using pipeline::WriteMode;
using testing::ElementsAre;
using testing::HasSubstr;

PointBatch upsert(std::string body) {
  auto batch = read_upsert(body);
  EXPECT_TRUE(batch) << batch.error().message;
  return batch ? *std::move(batch) : PointBatch();
}
std::string error_of(std::string body) {
  const auto batch = read_upsert(body);
  return batch ? "no error" : batch.error().message;
}
/// The one vector of the one point.
NamedVector vector_of(const std::string& vector) {
  PointBatch batch = upsert(R"({"points": [{"id": 1, "vector": )" + vector + "}]}");
  if (batch.points.empty()) return {};
  EXPECT_EQ(batch.points.front().vectors.size(), 1u);
  return batch.points.front().vectors.front();
}

TEST(PointReader, ReadsPointsInTheOrderOfTheBody) {
  const PointBatch batch = upsert(R"({"points": [
      {"payload": {"a": 1}, "vector": [0.5, -1], "id": 7},
      {"id": "5c56c793-69f3-4fbf-87e6-c4bf54c28c26", "vector": {}, "payload": null},
      {"id": 18446744073709551615, "vector": {"image": [1, 2, 3]}, "unknown": [1, {"x": null}]}]})");
  ASSERT_EQ(batch.points.size(), 3u);
  EXPECT_EQ(batch.points[0].id, PointId(7));
  EXPECT_THAT(batch.points[0].vectors.at(0).values, ElementsAre(0.5f, -1.0f));
  EXPECT_EQ(batch.points[0].payload, Json({{"a", 1}}));
  EXPECT_EQ(batch.points[1].id.to_string(), "5c56c793-69f3-4fbf-87e6-c4bf54c28c26");
  EXPECT_TRUE(batch.points[1].vectors.empty());
  EXPECT_EQ(batch.points[1].payload, Json::object());
  EXPECT_EQ(batch.points[2].id, PointId(std::numeric_limits<std::uint64_t>::max()));
  EXPECT_EQ(batch.points[2].vectors.at(0).name, "image");
  EXPECT_EQ(batch.mode, WriteMode::kUpsert);
  EXPECT_EQ(batch.update_filter, nullptr);
}

TEST(PointReader, KeepsIntegersOfPayloadsExact) {
  const PointBatch batch = upsert(R"({"points": [{"id": 1, "vector": [1], "payload":
      {"max": 18446744073709551615, "min": -9223372036854775808, "odd": 9007199254740993,
       "float": 0.1, "long": 123456789012345678901234567890, "text": "\u00e9\ud83d\ude00"}}]})");
  const Json& payload = batch.points.at(0).payload;
  EXPECT_EQ(payload["max"].get<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(payload["min"].get<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(payload["odd"].get<std::int64_t>(), 9007199254740993);
  EXPECT_EQ(payload["float"].get<double>(), 0.1);
  EXPECT_EQ(payload["long"].get<double>(), 123456789012345678901234567890.0);
  EXPECT_EQ(payload["text"], "é😀");
}

TEST(PointReader, RoundsToTheNearestFloat) {
  EXPECT_THAT(vector_of("[0.1, 16777217, 1e-46, 3.4028234e38, -0.0]").values,
              ElementsAre(0.1f, 16777216.0f, 0.0f, std::numeric_limits<float>::max(), -0.0f));
}

TEST(PointReader, ReadsEveryFormOfAVector) {
  const NamedVector multi = vector_of("[[1, 2], [3, 4], [5, 6]]");
  EXPECT_EQ(multi.kind, VectorKind::kMulti);
  EXPECT_EQ(multi.num_rows, 3u);
  EXPECT_THAT(multi.values, ElementsAre(1, 2, 3, 4, 5, 6));

  const NamedVector sparse =
      vector_of(R"({"s": {"values": [0.5, 2], "indices": [4294967295, 3]}})");
  EXPECT_EQ(sparse.kind, VectorKind::kSparse);
  EXPECT_EQ(sparse.name, "s");
  EXPECT_THAT(sparse.indices, ElementsAre(4294967295u, 3u));
  EXPECT_THAT(sparse.values, ElementsAre(0.5f, 2.0f));

  // Names that inputs have, too: the values tell them apart.
  EXPECT_EQ(vector_of(R"({"text": [1, 2]})").name, "text");
  const NamedVector options = vector_of(R"({"options": {"indices": [1], "values": [2]}})");
  EXPECT_EQ(options.name, "options");
  EXPECT_EQ(options.kind, VectorKind::kSparse);
}

TEST(PointReader, CollectsWhatHasToBeEncoded) {
  const PointBatch batch = upsert(R"({"points": [
      {"id": 1, "vector": [1]},
      {"id": 2, "vector": {"text": "a dog", "options": {"x": 1}, "model": "embedded"}},
      {"id": 3, "vector": {"a": [1], "b": {"model": "embedded", "image": "file:///x.jpg"}}}]})");
  ASSERT_EQ(batch.pending.size(), 2u);
  EXPECT_EQ(batch.pending[0].point, 1u);
  EXPECT_EQ(batch.pending[0].vector, 0u);
  EXPECT_EQ(batch.pending[0].input.content, "a dog");
  EXPECT_EQ(batch.pending[0].input.vector_name, "");
  EXPECT_EQ(batch.pending[1].point, 2u);
  EXPECT_EQ(batch.pending[1].vector, 1u);
  EXPECT_EQ(batch.pending[1].input.kind, InferenceInput::Kind::kImage);
  EXPECT_EQ(batch.pending[1].input.vector_name, "b");
  EXPECT_EQ(batch.points[2].vectors[1].name, "b");
}

TEST(PointReader, JoinsColumns) {
  const PointBatch batch = upsert(R"({"batch": {"vectors": [[1, 2], [3, 4]],
      "payloads": [null, {"b": 2}], "ids": [5, 6]}, "update_mode": "insert_only",
      "update_filter": {"must": {"has_id": [5]}}})");
  ASSERT_EQ(batch.points.size(), 2u);
  EXPECT_EQ(batch.points[1].id, PointId(6));
  EXPECT_THAT(batch.points[1].vectors.at(0).values, ElementsAre(3, 4));
  EXPECT_EQ(batch.points[0].payload, Json::object());
  EXPECT_EQ(batch.points[1].payload, Json({{"b", 2}}));
  EXPECT_EQ(batch.mode, WriteMode::kInsertOnly);
  ASSERT_NE(batch.update_filter, nullptr);

  const PointBatch named = upsert(R"({"batch": {"ids": [1, 2], "vectors":
      {"a": [[1], [2]], "s": [{"indices": [1], "values": [1]}, {"text": "x", "model": "m"}]}}})");
  EXPECT_EQ(named.points.at(0).vectors.size(), 2u);
  ASSERT_EQ(named.pending.size(), 1u);
  EXPECT_EQ(named.pending[0].point, 1u);
  EXPECT_EQ(named.pending[0].vector, 1u);
}

struct ErrorCase {
  std::string name, body, message;
};
class PointReaderErrors : public testing::TestWithParam<ErrorCase> {};

TEST_P(PointReaderErrors, NameThePlaceAndTheRule) {
  EXPECT_THAT(error_of(GetParam().body), HasSubstr(GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, PointReaderErrors,
    testing::ValuesIn(std::vector<ErrorCase>{
        {"NoObject", "[]", "Format error in JSON body: invalid type, expected an object"},
        {"NoPoints", R"({})", "Format error in JSON body: missing field `points`"},
        {"NoneInIt", R"({"points": []})", "Wrong input: Empty update request"},
        {"NoId", R"({"points": [{"vector": [1]}]})", "points[0]: missing field `id`"},
        {"NoVector", R"({"points": [{"id": 1}]})", "points[0]: missing field `vector`"},
        {"NegativeId", R"({"points": [{"id": -1, "vector": [1]}]})", "points[0].id: "},
        {"FloatId", R"({"points": [{"id": 1.5, "vector": [1]}]})", "points[0].id: "},
        {"NoUuid", R"({"points": [{"id": "42", "vector": [1]}]})",
         "points[0].id: \"42\" is not a UUID"},
        {"NoNumber", R"({"points": [{"id": 1, "vector": [1, "x"]}]})",
         "points[0].vector[1]: invalid type, expected a number"},
        {"NoFloat32", R"({"points": [{"id": 1, "vector": [1e39]}]})",
         "[points[0].vector[0]: must fit into a float of 32 bits]"},
        {"IdTooLong", R"({"points": [{"id": 123456789012345678901, "vector": [1]}]})",
         "points[0].id: invalid type, expected a point id"},
        {"NoVectorAtAll", R"({"points": [{"id": 1, "vector": "x"}]})", "points[0].vector: did not"},
        {"EmptyRow", R"({"points": [{"id": 1, "vector": [[1], []]}]})",
         "Validation error in JSON body: [points[0].vector.data: all vectors must be non-empty]"},
        {"UnequalRows", R"({"points": [{"id": 1, "vector": [[1], [1, 2]]}]})",
         "[points[0].vector.data: all vectors must have the same dimension"},
        {"RowsAndNumbers", R"({"points": [{"id": 1, "vector": [[1], 2]}]})",
         "points[0].vector[1]: invalid type"},
        {"UnequalSparse",
         R"({"points": [{"id": 1, "vector": {"s": {"indices": [1], "values": []}}}]})",
         "[points[0].vector.?.values: Validation error: must be the same length as indices [{}]]"},
        {"RepeatedIndex",
         R"({"points": [{"id": 1, "vector": {"s": {"indices": [1, 1], "values": [1, 2]}}}]})",
         "[points[0].vector.?.indices: Validation error: must be unique [{}]]"},
        {"LargeIndex",
         R"({"points": [{"id": 1, "vector": {"s": {"indices": [4294967296], "values": [1]}}}]})",
         "points[0].vector.s.indices[0]: invalid type, expected an integer of 32 bits"},
        {"NoModel", R"({"points": [{"id": 1, "vector": {"text": "x"}}]})",
         "points[0].vector: missing field `model`"},
        {"Object", R"({"points": [{"id": 1, "vector": {"a": {"object": {}, "model": "m"}}}]})",
         "sightline does not offer inference of an `object`"},
        {"ListAsPayload", R"({"points": [{"id": 1, "vector": [1], "payload": [1]}]})",
         "points[0].payload: invalid type, expected an object"},
        {"UnknownMode", R"({"points": [{"id": 1, "vector": [1]}], "update_mode": "x"})",
         "update_mode: unknown variant `x`"},
        {"BadFilter", R"({"points": [{"id": 1, "vector": [1]}], "update_filter": {"must": 1}})",
         "Format error in JSON body: update_filter: "},
        {"ShardKey", R"({"points": [{"id": 1, "vector": [1]}], "shard_key": "a"})",
         "sightline does not offer `shard_key` (custom sharding)"},
        {"UnequalColumns", R"({"batch": {"ids": [1, 2], "vectors": [[1]]}})",
         "[batch: number of ids and vectors must be equal (2 != 1)]"},
        {"UnequalPayloads", R"({"batch": {"ids": [1], "vectors": [[1]], "payloads": []}})",
         "[batch: number of ids and payloads must be equal (1 != 0)]"},
        {"NoIds", R"({"batch": {"vectors": [[1]]}})", "batch: missing field `ids`"},
        {"BothForms", R"({"batch": {"ids": [1], "vectors": [[1]]}, "points": []})",
         "has both `points` and `batch`"},
    }),
    [](const auto& info) { return info.param.name; });

/// A body whose deepest list is of level `depth`, within the member `name` of a point.
std::string nested_body(const std::string& name, std::size_t depth) {
  const std::string before = R"({"points": [{"id": 1, "vector": [1], )" + name;
  const auto level = static_cast<std::size_t>(std::ranges::count_if(
                         before, [](char c) { return c == '[' || c == '{'; })) -
                     1;  // the list of the vector is closed
  std::string after = "}]}";
  if (name.ends_with("{\"a\": ")) after.insert(0, "}");
  return before + std::string(depth - level, '[') + "0" + std::string(depth - level, ']') + after;
}

TEST(PointReader, NestsTo128LevelsAsOtherBodies) {
  for (const std::string name : {R"("payload": {"a": )", R"("unknown": )"}) {
    std::string body = nested_body(name, 128);
    EXPECT_TRUE(read_json(body));
    EXPECT_EQ(error_of(body), "no error");
    body = nested_body(name, 129);
    EXPECT_THAT(error_of(body),
                testing::MatchesRegex("Format error in JSON body: nested deeper than 128 levels at "
                                      "byte [0-9]+"));
    EXPECT_EQ(error_of(body), read_json(body).error().message);
    body = nested_body(name, 5000);
    EXPECT_EQ(error_of(body), read_json(body).error().message);
  }
}

TEST(PointReader, WhatIsNoJsonIsToldAsOfOtherBodies) {
  const std::string point = R"({"points": [{"id": 1, "vector": [0.5]}]})";
  for (const std::string& body : std::vector<std::string>{
           "",
           "\n ",
           "points",
           R"({"points": [{"id": 1, "vector": [1, 2)",
           point + " x",
           point + point,
           R"({"points": [{"id": 1, "vector": [0.5,]}]})",
           R"({"points": [{"id": 1, "vector": [0.5]},]})",
           R"({"points": [{"id": 1, "vector": [0.5]}],})",
           R"({"points": [{"id": 1, "vector": [0.5], "payload": {"a": 1,}}]})",
           R"({"points": [{"id": 1, "vector": [1.2.3]}]})",
           R"({"points": [{"id": 1, "vector": [1e400]}]})",
           R"({"points": [{"id": 1, "vector": [0.5], "payload": {"a": 1e400}}]})",
           R"({"points": [{"id": 1, "vector": [NaN]}]})",
           R"({"points": [{"id": 1, "vector": [0.5], "payload": {"a": nul}}]})",
           R"({"points": [{"id": 01, "vector": [0.5]}]})",
           "{\"points\": [{\"id\": 1, \"vector\": [0.5], \"payload\": {\"a\": \"\xff\"}}]}",
       }) {
    const auto plain = read_json(body);
    ASSERT_FALSE(plain) << body;
    EXPECT_EQ(error_of(body), plain.error().message) << body;
  }
  EXPECT_THAT(error_of(point + "\n x"), HasSubstr("parse error at line 2, column 2"));
  EXPECT_THAT(error_of(R"({"points": [{"id": 1, "vector": [1e400]}]})"), HasSubstr("'1e400'"));
  std::string operations = R"({"operations": [{"delete": {"points": [1]}},]})";
  EXPECT_EQ(read_update_operations(operations).error().message,
            read_json(operations).error().message);
}

TEST(PointReader, AByteOrderMarkIsPassedOverAsInOtherBodies) {
  const std::string body =
      "\xEF\xBB\xBF"
      R"({"points": [{"id": 1, "vector": [0.5]}]})";
  EXPECT_TRUE(read_json(body));
  EXPECT_EQ(error_of(body), "no error");
}

TEST(PointReader, ReadsOperationsInOrder) {
  std::string body = R"({"operations": [
      {"upsert": {"points": [{"id": 1, "vector": [1]}]}},
      {"delete": {"points": [1]}},
      {"set_payload": {"payload": {"a": 1}, "filter": {"must": {"has_id": [1]}}, "key": "x.y"}},
      {"overwrite_payload": {"payload": {}, "points": [1]}},
      {"delete_payload": {"keys": ["a"], "points": [1]}},
      {"clear_payload": {"points": [1]}},
      {"update_vectors": {"points": [{"id": 1, "vector": {"a": [1]}}]}},
      {"delete_vectors": {"points": [1], "vector": ["a"]}}]})";
  const auto operations = read_update_operations(body);
  ASSERT_TRUE(operations) << operations.error().message;
  ASSERT_EQ(operations->size(), 8u);
  EXPECT_TRUE(std::holds_alternative<PointBatch>((*operations)[0]));
  EXPECT_TRUE(std::holds_alternative<UpdateVectorsBatch>((*operations)[6]));
  const auto& set = std::get<pipeline::SetPayload>(std::get<pipeline::WriteOp>((*operations)[2]));
  EXPECT_EQ(set.key, "x.y");
  EXPECT_NE(set.points.filter, nullptr);
  const auto& overwrite =
      std::get<pipeline::OverwritePayloads>(std::get<pipeline::WriteOp>((*operations)[3]));
  EXPECT_TRUE(overwrite.points.must_exist);

  for (const auto& [bad, message] : std::vector<std::pair<std::string, std::string>>{
           {R"({"operations": [{"paint": {}}]})", "operations[0].paint: unknown variant `paint`"},
           {R"({"operations": [{"delete": {}}]})",
            "operations[0].delete: missing field `points` or `filter`"},
           {R"({"operations": [{"delete_vectors": {"points": [1], "vector": []}}]})",
            "[operations[0].delete_vectors.vector: value [] invalid"},
           {R"({"operations": [{}]})", "operations[0]: missing an operation"},
           {R"({})", "missing field `operations`"}}) {
    std::string text = bad;
    const auto failed = read_update_operations(text);
    ASSERT_FALSE(failed) << bad;
    EXPECT_THAT(failed.error().message, HasSubstr(message));
  }
}

TEST(PointReader, VectorsAreUpdatedWithoutPayloads) {
  std::string body = R"({"points": [{"id": 1, "vector": [1, 2], "payload": "whatever"}]})";
  const auto batch = read_update_vectors(body);
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_THAT(batch->points.at(0).vectors.at(0).values, ElementsAre(1, 2));
  body = R"({"points": []})";
  const auto empty = read_update_vectors(body);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, StatusCode::kValidation);
  body = R"({"points": [{"id": 1, "vector": {"a": [1, 2]}}, {"id": 2, "vector": {}}]})";
  const auto without = read_update_vectors(body);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().code, StatusCode::kValidation);
  EXPECT_EQ(without.error().message,
            "Validation error in JSON body: [points[1].vector: must specify vectors to update for "
            "point]");
}

}  // namespace
}  // namespace sightline::http
