// What queries are beside their scores: forms, selectors, look-ups, errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "pipeline/point_query.h"
#include "tests/pipeline/query_fixture.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class QueryForms : public QueryTest {
 protected:
  void SetUp() override { make(Metric::kCosine, 60); }

  std::vector<std::uint64_t> numbers(const PointAnswer& answer) {
    std::vector<std::uint64_t> numbers;
    for (const PointHit& hit : answer.hits) numbers.push_back(hit.id.number());
    return numbers;
  }
};

TEST_F(QueryForms, WithoutAQueryPointsComeById) {
  PointQuery query;
  query.limit = 3;
  query.offset = 2;
  query.filter = filter(R"({"must": [{"has_id": [10, 13, 16, 22, 25, 28, 31]}]})");
  query.with_payload.kind = PayloadSelector::Kind::kAll;
  const auto answer = ask(query);
  EXPECT_THAT(numbers(answer), ElementsAre(16, 22, 25));
  EXPECT_EQ(answer.hits[0].score, 1);
  EXPECT_EQ(answer.hits[0].payload, plain(PointId(16)).payload);
  EXPECT_EQ(answer.hits[0].version, 1u);
}

TEST_F(QueryForms, OrderBy) {
  ASSERT_TRUE(store_->create_payload_index("n", FieldType::kInteger));
  PointQuery query;
  OrderByQuery order;
  order.key = *FieldPath::parse("n");
  query.query = order;
  query.limit = 20;
  query.offset = 5;
  // By value, ties by id; descending both ways round.
  const auto in_order = [&](bool descending, int from) {
    std::vector<std::pair<int, std::uint64_t>> all;
    for (const PlainPoint& point : points_) {
      const int n = point.payload["n"].get<int>();
      if (descending ? n <= from : n >= from) all.emplace_back(n, point.id);
    }
    std::sort(all.begin(), all.end());
    if (descending) std::reverse(all.begin(), all.end());
    std::vector<std::uint64_t> ids;
    for (std::size_t i = 5; i < std::min<std::size_t>(all.size(), 25); ++i)
      ids.push_back(all[i].second);
    return ids;
  };
  auto answer = ask(query);
  EXPECT_EQ(numbers(answer), in_order(false, 0));
  EXPECT_EQ(answer.hits[0].score, 1);
  ASSERT_TRUE(answer.hits[0].order_value);
  EXPECT_EQ(*answer.hits[0].order_value,
            OrderValue(plain(answer.hits[0].id).payload["n"].get<std::int64_t>()));
  order.descending = true;
  order.start_from = std::int64_t{60};
  query.query = order;
  EXPECT_EQ(numbers(ask(query)), in_order(true, 60));

  // Of what a search found.
  PointQuery outer;
  outer.prefetch.resize(1);
  const auto vector = random_vector();
  outer.prefetch[0].query = NearestQuery{vector, std::nullopt};
  outer.prefetch[0].limit = 8;
  outer.query = order;
  std::get<OrderByQuery>(outer.query).start_from.reset();
  const auto ranking = rank([&](const auto& p) { return score(vector, p.vectors.at("")); }, {});
  std::vector<std::pair<int, std::uint64_t>> eight;
  for (std::size_t i = 0; i < 8; ++i) {
    const auto& point = plain(PointId(ranking[i].second));
    eight.emplace_back(point.payload["n"].get<int>(), point.id);
  }
  std::sort(eight.rbegin(), eight.rend());
  answer = ask(outer);
  ASSERT_EQ(answer.hits.size(), 8u);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(answer.hits[i].id.number(), eight[i].second);
}

TEST_F(QueryForms, ExamplesWithoutTheVectorDoNotCount) {
  for (const auto strategy : {RecommendStrategy::kAverageVector, RecommendStrategy::kBestScore,
                              RecommendStrategy::kSumScores}) {
    PointQuery query;
    query.vector_name = "second";
    query.limit = 5;
    query.query = RecommendQuery{{PointId(16)}, {PointId(10)}, strategy};
    const auto without = ask(query);
    ASSERT_EQ(without.hits.size(), 5u);
    query.query = RecommendQuery{{PointId(19), PointId(16)}, {PointId(10), PointId(19)}, strategy};
    const auto with = ask(query);
    ASSERT_EQ(numbers(with), numbers(without));
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(with.hits[i].score, without.hits[i].score);
  }
}

TEST_F(QueryForms, OrderByDates) {
  std::vector<WriteOp> ops;
  for (std::uint64_t i = 0; i < 5; ++i) {
    SetPayload set;
    set.points.ids = {PointId(points_[i].id)};
    set.payload = Json{{"when", "2024-0" + std::to_string(5 - i) + "-01"}};
    ops.emplace_back(set);
  }
  ASSERT_TRUE(store_->write(ops));
  ASSERT_TRUE(store_->create_payload_index("when", FieldType::kDatetime));
  OrderByQuery order;
  order.key = *FieldPath::parse("when");
  order.start_from = std::string("2024-02-15");
  PointQuery query;
  query.query = order;
  const auto answer = ask(query);
  EXPECT_THAT(numbers(answer), ElementsAre(points_[2].id, points_[1].id, points_[0].id));
  EXPECT_EQ(*answer.hits[0].order_value, OrderValue(*parse_datetime("2024-03-01")));
  order.start_from = std::string("soon");
  query.query = order;
  EXPECT_THAT(try_ask(query).error().message, HasSubstr("start_from is \"soon\""));
}

TEST_F(QueryForms, Sample) {
  PointQuery query;
  query.query = SampleQuery{};
  query.limit = 10;
  query.offset = 55;  // means nothing
  query.filter = below(50);
  std::set<std::uint64_t> seen;
  for (int round = 0; round < 60; ++round) {
    const auto ids = numbers(ask(query));
    ASSERT_EQ(ids.size(), 10u);
    EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), 10u);
    for (const auto id : ids) EXPECT_LT(plain(PointId(id)).payload["n"].get<int>(), 50);
    seen.insert(ids.begin(), ids.end());
  }
  EXPECT_EQ(seen.size(), rank([](const auto&) { return 0.; }, is_below(50)).size());

  PointQuery outer;
  outer.prefetch.resize(1);
  outer.prefetch[0].query = NearestQuery{random_vector(), std::nullopt};
  outer.prefetch[0].limit = 6;
  const auto six = numbers(ask(outer.prefetch[0]));
  outer.query = SampleQuery{};
  outer.limit = 4;
  const auto four = numbers(ask(outer));
  EXPECT_EQ(four.size(), 4u);
  for (const auto id : four) EXPECT_THAT(six, testing::Contains(id));
}

TEST_F(QueryForms, SelectorsChooseWhatHitsHold) {
  for (const bool is_search : {true, false}) {
    PointQuery query;
    if (is_search) query.query = NearestQuery{random_vector(), std::nullopt};
    query.limit = 4;
    for (const PointHit& hit : ask(query).hits) {
      EXPECT_FALSE(hit.payload);
      EXPECT_TRUE(hit.vectors.empty());
      EXPECT_EQ(hit.version, 1u);
    }
    query.with_payload = {PayloadSelector::Kind::kInclude, {*FieldPath::parse("n")}};
    query.with_vectors = {VectorSelector::Kind::kNames, {"second", "third"}};
    for (const PointHit& hit : ask(query).hits) {
      const PlainPoint& point = plain(hit.id);
      EXPECT_EQ(hit.payload, (Json{{"n", point.payload["n"]}}));
      ASSERT_EQ(hit.vectors.size(), point.vectors.contains("second") ? 1u : 0u);
      if (!hit.vectors.empty()) {
        EXPECT_EQ(hit.vectors[0].name, "second");
      }
    }
    query.with_payload = {PayloadSelector::Kind::kExclude, {*FieldPath::parse("tag")}};
    query.with_vectors = {VectorSelector::Kind::kAll, {}};
    for (const PointHit& hit : ask(query).hits) {
      const PlainPoint& point = plain(hit.id);
      EXPECT_EQ(hit.payload, (Json{{"n", point.payload["n"]}}));
      EXPECT_EQ(hit.vectors.size(), point.vectors.size());
      EXPECT_EQ(hit.version, 1u);
    }
    query.with_vectors = {VectorSelector::Kind::kNames, {}};
    EXPECT_TRUE(ask(query).hits[0].vectors.empty());
  }
}

TEST_F(QueryForms, ResultsOfFusionsAreCompleted) {
  PointQuery query;
  query.prefetch.resize(1);
  query.prefetch[0].query = NearestQuery{random_vector(), std::nullopt};
  query.query = DbsfFusion{};
  query.with_payload.kind = PayloadSelector::Kind::kAll;
  query.with_vectors.kind = VectorSelector::Kind::kAll;
  const auto answer = ask(query);
  ASSERT_EQ(answer.hits.size(), 10u);
  for (const PointHit& hit : answer.hits) {
    EXPECT_EQ(hit.payload, plain(hit.id).payload);
    EXPECT_EQ(hit.vectors.size(), plain(hit.id).vectors.size());
    EXPECT_EQ(hit.version, 1u);
  }
}

TEST_F(QueryForms, IdsAreLookedUpElsewhere) {
  CollectionConfig config;
  config.vectors["their"] = {kDim, Metric::kCosine, {}};
  const auto other = *folder_->create_collection("other", config);
  const auto vector = random_vector();
  UpsertPoint upsert;
  upsert.id = PointId(10);  // there is a point 10 in both
  upsert.vectors.push_back({"their", vector});
  ASSERT_TRUE(other->write({upsert}));

  PointQuery query;
  query.query = NearestQuery{PointId(10), std::nullopt};
  query.lookup_from = LookupFrom{"other", "their"};
  query.limit = 100;
  const Score rule = [&](const auto& p) { return score(vector, p.vectors.at("")); };
  expect_best(ask(query).hits, rule, {}, 100);  // our point 10 among them
  EXPECT_THAT(other_collections(query, "c"), ElementsAre("other"));

  query.lookup_from = LookupFrom{"c", "second"};
  const auto own = points_[0].vectors["second"];
  expect_best(
      ask(query).hits, [&](const auto& p) { return score(own, p.vectors.at("")); },
      [](const auto& p) { return p.id != 10; }, 100);
  EXPECT_TRUE(other_collections(query, "c").empty());

  for (const std::optional<std::string>& name : {std::optional<std::string>(), {"second"}}) {
    query.lookup_from = LookupFrom{"other", name};  // which has no such vector
    EXPECT_EQ(try_ask(query).error().code, StatusCode::kInvalidArgument);
    EXPECT_EQ(try_ask(query).error().message,
              "Wrong input: Not existing vector name error: " + name.value_or(""));
  }
  query.lookup_from = LookupFrom{"third", std::nullopt};
  EXPECT_EQ(try_ask(query).error().code, StatusCode::kNotFound);
  // It has to be there also if nothing is looked up.
  query.query = NearestQuery{vector, std::nullopt};
  EXPECT_EQ(try_ask(query).error().code, StatusCode::kNotFound);
  query.lookup_from = LookupFrom{"other", "their"};
  expect_best(ask(query).hits, rule, {}, 100);

  query.query = NearestQuery{PointId(7), std::nullopt};  // in neither
  EXPECT_EQ(try_ask(query).error().message, "No point with id 7 found");
  PointQuery fused;  // what is looked up comes before the rules of fusions
  fused.prefetch.push_back(query);
  fused.query = RrfFusion{};
  fused.vector_name = "second";
  EXPECT_EQ(try_ask(fused).error().code, StatusCode::kNotFound);
}

TEST_F(QueryForms, PrefetchesFindWhatTheOffsetLeavesOutToo) {
  const auto vector = random_vector();
  PointQuery plain;
  plain.query = NearestQuery{vector, std::nullopt};
  plain.limit = 8;
  const auto best = numbers(ask(plain));

  PointQuery paged;
  paged.prefetch.push_back(plain);
  paged.prefetch[0].limit = 2;
  paged.query = plain.query;
  paged.limit = 5;
  paged.offset = 6;
  EXPECT_THAT(numbers(ask(paged)), ElementsAre(best[6], best[7]));
  paged.query = RrfFusion{};
  EXPECT_THAT(numbers(ask(paged)), ElementsAre(best[6], best[7]));
  PointQuery inner = paged;  // all the way down
  inner.offset = 0;
  paged.prefetch[0] = inner;
  paged.prefetch[0].limit = 2;
  EXPECT_THAT(numbers(ask(paged)), ElementsAre(best[6], best[7]));
  paged.prefetch[0].query = SampleQuery{};
  paged.prefetch[0].prefetch.clear();
  EXPECT_EQ(ask(paged).hits.size(), 2u);
  paged.prefetch[0].query = {};  // by id
  EXPECT_THAT(numbers(ask(paged)), ElementsAre(points_[6].id, points_[7].id));
}

TEST_F(QueryForms, PointsThatPrefetchesNameAreLeftOutOfAll) {
  PointQuery query;
  query.prefetch.resize(2);
  query.prefetch[0].query = NearestQuery{PointId(points_[0].id), std::nullopt};
  query.prefetch[0].limit = 100;
  query.prefetch[1].limit = 100;  // by id
  query.query = NearestQuery{PointId(points_[1].id), std::nullopt};
  query.limit = 100;
  const auto ids = numbers(ask(query));
  EXPECT_EQ(ids.size(), points_.size() - 2);
  EXPECT_THAT(ids, testing::Not(testing::Contains(points_[0].id)));
  EXPECT_THAT(ids, testing::Not(testing::Contains(points_[1].id)));
}

TEST_F(QueryForms, ManyQueriesAtOnce) {
  std::vector<PointQuery> queries(4);
  const auto vector = random_vector();
  queries[0].query = NearestQuery{vector, std::nullopt};
  queries[0].filter = queries[1].filter = below(40);
  queries[1].query = NearestQuery{PointId(points_[3].id), std::nullopt};
  queries[2].query = RecommendQuery{{vector}, {}, RecommendStrategy::kSumScores};
  auto answers = run_point_queries(scope(), queries, Deadline::never());
  ASSERT_TRUE(answers) << answers.error().message;
  ASSERT_EQ(answers->size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto alone = ask(queries[i]);
    EXPECT_EQ(numbers((*answers)[i]), numbers(alone)) << i;
  }
  queries[2].query = NearestQuery{PointId(7), std::nullopt};
  answers = run_point_queries(scope(), queries, Deadline::never());
  ASSERT_FALSE(answers);
  EXPECT_THAT(answers.error().message, HasSubstr("No point with id 7 found"));
  queries[2].query = NearestQuery{DenseInput{1}, std::nullopt};
  answers = run_point_queries(scope(), queries, Deadline::never());
  ASSERT_FALSE(answers);
  EXPECT_THAT(answers.error().message, HasSubstr("query 2: "));
}

TEST_F(QueryForms, ThresholdsOnDistancesTurn) {
  CollectionConfig config;
  config.vectors["e"] = {2, Metric::kEuclid, {}};
  config.vectors["c"] = {2, Metric::kCosine, {}};
  PointQuery query;
  query.vector_name = "e";
  query.query = NearestQuery{PointId(1), std::nullopt};
  query.score_threshold = 3.f;
  query.prefetch.resize(3, query);
  query.prefetch[1].vector_name = "c";
  query.prefetch[2].query = RecommendQuery{{}, {}, RecommendStrategy::kBestScore};
  flip_distance_thresholds(query, config);
  EXPECT_EQ(query.score_threshold, -3.f);
  EXPECT_EQ(query.prefetch[0].score_threshold, -3.f);
  EXPECT_EQ(query.prefetch[1].score_threshold, 3.f);
  EXPECT_EQ(query.prefetch[2].score_threshold, 3.f);
}

struct BadQuery {
  std::string name;
  PointQuery query;
  std::string message;
};
PointQuery bad(QueryVariant variant, std::function<void(PointQuery&)> change = {}) {
  PointQuery query;
  query.query = std::move(variant);
  if (change) change(query);
  return query;
}
class BadQueries : public QueryForms, public testing::WithParamInterface<BadQuery> {};

TEST_P(BadQueries, AreRefused) {
  const auto answer = try_ask(GetParam().query);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr(GetParam().message));
}
const DenseInput kVector{1, 0, 0, 0, 0, 0};
INSTANTIATE_TEST_SUITE_P(
    Cases, BadQueries,
    testing::ValuesIn(
        std::vector<BadQuery>{
            {"NoLimit", bad({}, [](auto& q) { q.limit = 0; }), "limit is 0"},
            {"LargeLimit", bad({}, [](auto& q) { q.limit = 10'001; }), "limit is 10001"},
            {"PrefetchesWithoutQuery", bad({}, [](auto& q) { q.prefetch.resize(1); }),
             "a query is needed to merge the prefetches"},
            {"ThresholdWithoutQuery", bad({}, [](auto& q) { q.score_threshold = 1.f; }),
             "score_threshold"},
            {"ThresholdOfOrder",
             bad(OrderByQuery{*FieldPath::parse("n"), false, {}},
                 [](auto& q) { q.score_threshold = 1.f; }),
             "score_threshold"},
            {"OrderWithoutIndex", bad(OrderByQuery{*FieldPath::parse("n"), false, {}}), "n"},
            {"FusionWithoutPrefetch", bad(RrfFusion{}), "a fusion needs prefetches"},
            {"FusionWithNameAlone", bad(RrfFusion{}, [](auto& q) { q.vector_name = "second"; }),
             "Bad request: Fusion queries cannot be combined with the 'using' field."},
            {"FusionWithName",
             bad(DbsfFusion{},
                 [](auto& q) {
                   q.prefetch.resize(1);
                   q.vector_name = "second";
                 }),
             "using"},
            {"RrfK", bad(RrfFusion{0, {}}, [](auto& q) { q.prefetch.resize(1); }), "k is 0"},
            {"RrfWeights", bad(RrfFusion{2, {1, 1}}, [](auto& q) { q.prefetch.resize(1); }),
             "2 weights for 1 prefetches"},
            {"RrfNegativeWeight", bad(RrfFusion{2, {-1}}, [](auto& q) { q.prefetch.resize(1); }),
             "a weight is -1"},
            {"UnknownName", bad(NearestQuery{kVector, {}}, [](auto& q) { q.vector_name = "x"; }),
             "has no vector \"x\""},
            {"Dim", bad(NearestQuery{DenseInput{1, 2}, {}}), "2"},
            {"Kind", bad(NearestQuery{SparseInput{{1}, {1}}, {}}), "sparse"},
            {"RaggedRows", bad(NearestQuery{MultiInput{{{1, 2}, {1}}}, {}}), "rows of 2 and of 1"},
            {"NoRow", bad(NearestQuery{MultiInput{}, {}}), "has no row"},
            {"NoSuchPoint", bad(NearestQuery{PointId(11), {}}), "No point with id 11 found"},
            {"PointWithoutVector",
             bad(NearestQuery{PointId(19), {}}, [](auto& q) { q.vector_name = "second"; }),
             "Vector with name \"second\" for point 19 not found"},
            {"NoPositive", bad(RecommendQuery{{}, {kVector}, RecommendStrategy::kAverageVector}),
             "average_vector needs a positive example"},
            {"NoExample", bad(RecommendQuery{{}, {}, RecommendStrategy::kBestScore}),
             "recommend needs an example"},
            {"NoExampleWithTheVector",
             bad(RecommendQuery{{PointId(19)}, {}, RecommendStrategy::kAverageVector},
                 [](auto& q) { q.vector_name = "second"; }),
             "average_vector needs a positive example"},
            {"Diversity", bad(NearestQuery{kVector, MmrOptions{1.5f, {}}}), "diversity is 1.5"},
            {"Candidates", bad(NearestQuery{kVector, MmrOptions{0.5f, 10'001}}),
             "candidates_limit is 10001"},
            {"PrefetchWithOffset",
             bad(NearestQuery{kVector, {}},
                 [](auto& q) {
                   q.prefetch.resize(1);
                   q.prefetch[0].offset = 1;
                 }),
             "a prefetch has no offset"},
            {"TooDeep",
             bad(NearestQuery{kVector, {}},
                 [](auto& q) {
                   for (int i = 0; i < 65; ++i) {
                     PointQuery outer;
                     outer.query = NearestQuery{kVector, {}};
                     outer.prefetch = {q};
                     q = outer;
                   }
                 }),
             "more than 64 deep"},
        }),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sightline::pipeline
