#include "http/query_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "http/json_reader.h"

namespace sightline::http {
namespace {

using namespace pipeline;  // NOLINT
using testing::ElementsAre;
using testing::HasSubstr;

Json parsed(std::string_view text) {
  auto json = parse_json(text, "test");
  EXPECT_TRUE(json) << json.error().message;
  return json ? *std::move(json) : Json();
}
PointQuery query_of(std::string_view text) {
  const Json body = parsed(text);
  InferenceInputs inputs;
  auto query = read_query(BodyNode(body), inputs);
  EXPECT_TRUE(query) << query.error().message;
  return query ? *std::move(query) : PointQuery();
}
/// Numbers enough for a row of read_json_with_rows(), beginning with `first`.
std::string row_text(const std::string& first) {
  std::string text = "[" + first;
  for (std::size_t i = 1; i < kMinRow; ++i) text += "," + std::to_string(i) + ".5";
  return text + "]";
}
/// What "query" stands for.
template <typename Query>
Query variant_of(const std::string& query) {
  return std::get<Query>(query_of(R"({"query": )" + query + "}").query);
}

TEST(QueryReader, DefaultsAreQdrants) {
  const PointQuery query = query_of("{}");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(query.query));
  EXPECT_EQ(query.limit, 10u);
  EXPECT_EQ(query.offset, 0u);
  EXPECT_EQ(query.with_payload.kind, PayloadSelector::Kind::kNone);
  EXPECT_EQ(query.with_vectors.kind, VectorSelector::Kind::kNone);
  EXPECT_EQ(query.filter, nullptr);
}

TEST(QueryReader, ReadsEveryInput) {
  EXPECT_THAT(std::get<DenseInput>(variant_of<NearestQuery>("[0.5, 1]").input),
              ElementsAre(0.5f, 1.0f));
  EXPECT_EQ(std::get<PointId>(variant_of<NearestQuery>("18446744073709551615").input),
            PointId(std::numeric_limits<std::uint64_t>::max()));
  EXPECT_EQ(
      std::get<PointId>(variant_of<NearestQuery>(R"("5c56c793-69f3-4fbf-87e6-c4bf54c28c26")").input)
          .to_string(),
      "5c56c793-69f3-4fbf-87e6-c4bf54c28c26");
  const auto sparse = std::get<SparseInput>(
      variant_of<NearestQuery>(R"({"nearest": {"indices": [3, 1], "values": [1, 2]}})").input);
  EXPECT_THAT(sparse.indices, ElementsAre(3u, 1u));
  const auto multi = std::get<MultiInput>(variant_of<NearestQuery>("[[1, 2], [3, 4]]").input);
  EXPECT_EQ(multi.rows.size(), 2u);
}

TEST(QueryReader, ReadsEveryVariant) {
  const auto nearest = variant_of<NearestQuery>(
      R"({"nearest": 1, "mmr": {"diversity": 0.25, "candidates_limit": 100}})");
  EXPECT_EQ(nearest.mmr->diversity, 0.25f);
  EXPECT_EQ(nearest.mmr->candidates_limit, 100u);
  const auto recommend = variant_of<RecommendQuery>(
      R"({"recommend": {"positive": [1, [1, 2]], "negative": [3], "strategy": "best_score"}})");
  EXPECT_EQ(recommend.positive.size(), 2u);
  EXPECT_EQ(recommend.negative.size(), 1u);
  EXPECT_EQ(recommend.strategy, RecommendStrategy::kBestScore);
  const auto discover = variant_of<DiscoverQuery>(
      R"({"discover": {"target": 1, "context": {"positive": 2, "negative": 3}}})");
  EXPECT_EQ(discover.context.size(), 1u);
  EXPECT_EQ(
      variant_of<DiscoverQuery>(R"({"discover": {"target": 1, "context": null}})").context.size(),
      0u);
  EXPECT_EQ(
      variant_of<ContextQuery>(R"({"context": [{"positive": 2, "negative": 3}]})").pairs.size(),
      1u);
  EXPECT_EQ(variant_of<ContextQuery>(R"({"context": null})").pairs.size(), 0u);
  const auto order = variant_of<OrderByQuery>(
      R"({"order_by": {"key": "a.b", "direction": "desc", "start_from": 5}})");
  EXPECT_EQ(order.key.text(), "a.b");
  EXPECT_TRUE(order.descending);
  EXPECT_EQ(std::get<std::int64_t>(*order.start_from), 5);
  EXPECT_EQ(variant_of<OrderByQuery>(R"({"order_by": "x"})").key.text(), "x");
  EXPECT_EQ(variant_of<RrfFusion>(R"({"fusion": "rrf"})").k, 2u);
  const auto rrf = variant_of<RrfFusion>(R"({"rrf": {"k": 60, "weights": [1, 0.5]}})");
  EXPECT_EQ(rrf.k, 60u);
  EXPECT_THAT(rrf.weights, ElementsAre(1.0f, 0.5f));
  variant_of<DbsfFusion>(R"({"fusion": "dbsf"})");
  variant_of<SampleQuery>(R"({"sample": "random"})");
}

TEST(QueryReader, ReadsTheRestOfARequest) {
  const PointQuery query = query_of(R"({
      "prefetch": [{"query": [1], "using": "a", "limit": 7, "score_threshold": 0.5,
                    "prefetch": {"query": 3, "filter": {"must": {"has_id": [1]}}},
                    "lookup_from": {"collection": "other", "vector": "v"}},
                   {"limit": 100}],
      "query": {"fusion": "rrf"}, "limit": 18446744073709551615, "offset": 5, "params":
      {"hnsw_ef": 50, "exact": true, "indexed_only": true, "quantization": {"rescore": true}},
      "with_payload": ["a", "b.c"], "with_vector": ["x"], "score_threshold": -1,
      "shard_key": null})");
  ASSERT_EQ(query.prefetch.size(), 2u);
  EXPECT_EQ(query.prefetch[0].vector_name, "a");
  EXPECT_EQ(query.prefetch[0].limit, 7u);
  EXPECT_EQ(query.prefetch[0].score_threshold, 0.5f);
  EXPECT_EQ(query.prefetch[0].lookup_from->vector_name, "v");
  ASSERT_EQ(query.prefetch[0].prefetch.size(), 1u);
  EXPECT_NE(query.prefetch[0].prefetch[0].filter, nullptr);
  EXPECT_EQ(query.limit, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(query.offset, 5u);
  EXPECT_TRUE(query.params.exact);
  EXPECT_EQ(query.params.ef_search, 50u);
  EXPECT_EQ(query.with_payload.kind, PayloadSelector::Kind::kInclude);
  EXPECT_EQ(query.with_payload.paths.size(), 2u);
  EXPECT_THAT(query.with_vectors.names, ElementsAre("x"));
  EXPECT_EQ(query_of(R"({"with_payload": {"include": null, "exclude": ["a"]}})").with_payload.kind,
            PayloadSelector::Kind::kExclude);
}

TEST(QueryReader, TextsAndPicturesAreHandedOutInOrder) {
  const Json body = parsed(R"({
      "prefetch": {"query": {"text": "one", "model": "m"}, "using": "a"},
      "query": {"recommend": {"positive": [{"image": "two", "model": "m"}, [9]],
                              "negative": [{"text": "three", "model": "m"}]}}, "using": "b"})");
  InferenceInputs inputs;
  ASSERT_TRUE(read_query(BodyNode(body), inputs));
  ASSERT_EQ(inputs.inputs().size(), 3u);
  EXPECT_EQ(inputs.inputs()[0].content, "one");
  EXPECT_EQ(inputs.inputs()[0].vector_name, "a");
  EXPECT_EQ(inputs.inputs()[1].kind, InferenceInput::Kind::kImage);
  EXPECT_EQ(inputs.inputs()[1].vector_name, "b");
  EXPECT_EQ(inputs.inputs()[2].content, "three");
  inputs.set_vectors({{1}, {2}, {3}});
  const auto query = read_query(BodyNode(body), inputs);
  ASSERT_TRUE(query);
  EXPECT_THAT(std::get<DenseInput>(std::get<NearestQuery>(query->prefetch[0].query).input),
              ElementsAre(1.0f));
  const auto& recommend = std::get<RecommendQuery>(query->query);
  EXPECT_THAT(std::get<DenseInput>(recommend.positive[0]), ElementsAre(2.0f));
  EXPECT_THAT(std::get<DenseInput>(recommend.positive[1]), ElementsAre(9.0f));
  EXPECT_THAT(std::get<DenseInput>(recommend.negative[0]), ElementsAre(3.0f));
}

TEST(QueryReader, Groups) {
  const Json body = parsed(R"({"query": [1], "group_by": "a", "group_size": 2, "limit": 4,
      "with_lookup": {"collection": "docs", "with_payload": ["t"], "with_vectors": true}})");
  InferenceInputs inputs;
  const auto group = read_group_query(BodyNode(body), inputs);
  ASSERT_TRUE(group) << group.error().message;
  EXPECT_EQ(group->group_by.text(), "a");
  EXPECT_EQ(group->group_size, 2u);
  EXPECT_EQ(group->limit, 4u);
  EXPECT_EQ(group->with_lookup->collection, "docs");
  EXPECT_EQ(group->with_lookup->with_payload.kind, PayloadSelector::Kind::kInclude);
  EXPECT_EQ(group->with_lookup->with_vectors.kind, VectorSelector::Kind::kAll);
  const Json unnamed = parsed(R"({"query": [1]})");
  EXPECT_FALSE(read_group_query(BodyNode(unnamed), inputs));
}

struct ErrorCase {
  std::string name, body;
  StatusCode code;
  std::string message;
};
class QueryReaderErrors : public testing::TestWithParam<ErrorCase> {};

TEST_P(QueryReaderErrors, NameThePathAndTheRule) {
  const Json body = parsed(GetParam().body);
  InferenceInputs inputs;
  const auto query = read_query(BodyNode(body), inputs);
  ASSERT_FALSE(query);
  EXPECT_EQ(query.error().code, GetParam().code);
  EXPECT_THAT(query.error().message, HasSubstr(GetParam().message));
}

constexpr auto kMalformed = StatusCode::kInvalidArgument;
constexpr auto kInvalid = StatusCode::kValidation;
constexpr auto kLeftOut = StatusCode::kUnimplemented;

INSTANTIATE_TEST_SUITE_P(
    Cases, QueryReaderErrors,
    testing::ValuesIn(std::vector<ErrorCase>{
        {"LimitZero", R"({"limit": 0})", kInvalid,
         "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]"},
        {"LimitText", R"({"limit": "1"})", kMalformed,
         "Format error in JSON body: limit: invalid type: \"1\""},
        {"LimitInPrefetch", R"({"prefetch": [{"limit": 0}], "query": [1]})", kInvalid,
         "[prefetch[0].limit: value 0 invalid, must be 1 or larger]"},
        {"Beam", R"({"params": {"hnsw_ef": 0}})", kInvalid, "[params.hnsw_ef: value 0 invalid"},
        {"Oversampling", R"({"params": {"quantization": {"oversampling": 0.5}}})", kInvalid,
         "[params.quantization.oversampling: value 0.5 invalid, must be 1 or larger]"},
        {"Diversity", R"({"query": {"nearest": 1, "mmr": {"diversity": 1.5}}})", kInvalid,
         "[query.mmr.diversity: value 1.5 invalid, must be from 0 to 1]"},
        {"Candidates", R"({"query": {"nearest": 1, "mmr": {"candidates_limit": 16385}}})", kInvalid,
         "must be from 0 to 16384"},
        {"RrfK", R"({"query": {"rrf": {"k": 0}}})", kInvalid, "[query.rrf.k: value 0 invalid"},
        {"NoQuery", R"({"query": {"x": 1}})", kMalformed,
         "query: did not match any form of a vector input"},
        {"UnknownFusion", R"({"query": {"fusion": "x"}})", kMalformed,
         "query.fusion: unknown variant `x`, expected one of `rrf`, `dbsf`"},
        {"UnknownSample", R"({"query": {"sample": "x"}})", kMalformed, "unknown variant `x`"},
        {"UnknownStrategy", R"({"query": {"recommend": {"strategy": "x"}}})", kMalformed,
         "query.recommend.strategy: unknown variant"},
        {"NoTarget", R"({"query": {"discover": {}}})", kMalformed,
         "query.discover: missing field `target`"},
        {"NoContext", R"({"query": {"discover": {"target": 1}}})", kMalformed,
         "query.discover: missing field `context`"},
        {"HalfAPair", R"({"query": {"context": [{"positive": 1}]}})", kMalformed,
         "query.context[0]: missing field `negative`"},
        {"NoId", R"({"query": -1})", kMalformed, "is not a valid point ID"},
        {"NoModel", R"({"query": {"text": "x"}})", kMalformed, "query: missing field `model`"},
        {"PrefetchAlone", R"({"prefetch": {"query": [1]}})", kMalformed,
         "Bad request: A query is needed to merge the prefetches"},
        {"ThresholdAlone", R"({"score_threshold": 1})", kMalformed,
         "Bad request: A query is needed to use the score_threshold"},
        {"ThresholdOfOrder", R"({"score_threshold": 1, "query": {"order_by": "a"}})", kMalformed,
         "Bad request: Can't use score_threshold with an order_by query."},
        {"BadFilter", R"({"filter": {"must": [{"key": "a", "match": 1}]}})", kMalformed,
         "Format error in JSON body: filter: must[0].match is 1; it must be an object"},
        {"ConditionWithoutATest",
         R"({"prefetch": {"filter": {"must": [{"key": "a"}]}}, "query": 1})", kInvalid,
         "Validation error in JSON body: [prefetch.filter.must[0]: At least one field condition "
         "must "
         "be specified"},
        {"UnequalSparse", R"({"query": {"indices": [1], "values": []}})", kInvalid,
         "[query.values: value [] invalid, must be the same length as indices]"},
        {"BadSelector", R"({"with_payload": 1})", kMalformed, "with_payload: invalid type: 1"},
        {"NoSelector", R"({"with_payload": {}})", kMalformed, "with_payload: invalid type: {}"},
        {"BothSelectors", R"({"with_payload": {"include": ["a"], "exclude": ["b"]}})", kMalformed,
         "with_payload: has both `include` and `exclude`"},
        {"UnknownSelector", R"({"with_payload": {"include": ["a"], "excludes": null}})", kMalformed,
         "with_payload: unknown field `excludes`, expected `include` or `exclude`"},
        {"BadVectors", R"({"with_vector": {}})", kMalformed, "with_vector: invalid type: {}"},
        {"Formula", R"({"query": {"formula": "$score"}})", kLeftOut, "`formula` queries"},
        {"Feedback", R"({"query": {"relevance_feedback": {}}})", kLeftOut, "`relevance_feedback`"},
        {"Object", R"({"query": {"object": 1, "model": "m"}})", kLeftOut, "`object`"},
        {"ShardKey", R"({"shard_key": "a"})", kLeftOut, "`shard_key`"},
        {"Slice", R"({"filter": {"must": [{"slice": {"total": 2, "index": 0}}]}})", kLeftOut,
         "slice"},
        {"Prefix", R"({"filter": {"must": [{"key": "a", "match": {"prefix": "x"}}]}})", kLeftOut,
         "prefix"},
        {"Idf", R"({"params": {"idf": {"corpus": {}}}})", kLeftOut, "`params.idf`"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(QueryReader, RowsStandForTheirNumbers) {
  const std::string a = row_text("-1"), b = row_text("0.25");
  const auto read_both = [](const std::string& body) {
    std::vector<PointQuery> queries;
    for (const auto& json : {read_json(body), read_json_with_rows(body)}) {
      InferenceInputs inputs;
      auto query = read_query(BodyNode(*json), inputs);
      EXPECT_TRUE(query) << body << ": " << query.error().message;
      if (query) queries.push_back(*std::move(query));
    }
    return queries;
  };
  const auto floats = [](const std::string& text) {
    return read_json(text)->get<std::vector<float>>();
  };
  for (const PointQuery& query : read_both(R"({"query": )" + a + R"(, "limit": 3})")) {
    EXPECT_EQ(query.limit, 3u);
    EXPECT_EQ(std::get<DenseInput>(std::get<NearestQuery>(query.query).input), floats(a));
  }
  for (const PointQuery& query : read_both(R"({"query": {"nearest": [)" + a + "," + b + "]}}")) {
    EXPECT_THAT(std::get<MultiInput>(std::get<NearestQuery>(query.query).input).rows,
                ElementsAre(floats(a), floats(b)));
  }
  std::string indices = "[0";
  for (std::size_t i = 1; i < kMinRow; ++i) indices += "," + std::to_string(i);
  for (const PointQuery& query :
       read_both(R"({"query": {"indices": )" + indices + R"(], "values": )" + b + "}}")) {
    EXPECT_EQ(std::get<SparseInput>(std::get<NearestQuery>(query.query).input).values, floats(b));
  }
  for (const PointQuery& query : read_both(R"({"query": {"recommend": {"positive": [)" + a +
                                           R"(, 7], "negative": [)" + b + "]}}}")) {
    const auto& recommend = std::get<RecommendQuery>(query.query);
    ASSERT_EQ(recommend.positive.size(), 2u);
    EXPECT_EQ(std::get<DenseInput>(recommend.positive[0]), floats(a));
    EXPECT_EQ(std::get<DenseInput>(recommend.negative.at(0)), floats(b));
  }
}

TEST(QueryReader, StopsAtDeepPrefetches) {
  std::string body = R"({"query": 1})";
  for (int i = 0; i < 70; ++i) body = R"({"query": 1, "prefetch": )" + body + "}";
  const auto json = parse_json(body, "test", 1000);
  ASSERT_TRUE(json);
  InferenceInputs inputs;
  EXPECT_FALSE(read_query(BodyNode(*json), inputs));
}

}  // namespace
}  // namespace sightline::http
