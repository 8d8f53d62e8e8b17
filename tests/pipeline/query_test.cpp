#include "pipeline/query.h"

#include <cmath>

#include "tests/pipeline/ingest_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::pipeline {
namespace {

using testing::HasSubstr;

class QueryTest : public IngestTest {
 protected:
  void SetUp() override {
    for (std::uint32_t i = 0; i < 12; ++i) picture(std::to_string(i) + ".png", i);
    index();
    pipeline_ = QueryPipeline::create(*store_, &tiny_encoder(), {}, *pool_).value();
  }
  Result<QueryAnswer> search(std::vector<QueryOperand> operands, std::size_t top_k = 5) {
    Query query;
    query.operands = std::move(operands);
    query.top_k = top_k;
    return pipeline_->search(query, Deadline::never());
  }
  Status refused(const Query& query) {
    const auto answer = pipeline_->search(query, Deadline::never());
    EXPECT_FALSE(answer);
    return answer ? Status{} : answer.error();
  }
  std::vector<float> text(const std::string& words) {
    const auto rows = tiny_encoder().encode_texts({&words, 1}, Deadline::never()).value();
    return {rows.row(0).begin(), rows.row(0).end()};
  }
  std::vector<float> stored(int i) {
    return point_of(std::to_string(i) + ".png")->vectors[0].values;
  }

  std::optional<QueryPipeline> pipeline_;
};

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

TEST_F(QueryTest, WordsFindPicturesByCosineBestFirst) {
  const auto answer = search({{TextOperand{"a red square"}}}, 12).value();
  ASSERT_EQ(answer.hits.size(), 12u);
  const std::vector<float> words = text("a red square");
  for (std::size_t i = 0; i < answer.hits.size(); ++i) {
    const QueryHit& hit = answer.hits[i];
    EXPECT_EQ(hit.rank, i + 1);
    EXPECT_NEAR(hit.score, dot(words, point(hit.id)->vectors[0].values), 1e-5);
    if (i > 0) {
      EXPECT_LE(hit.score, answer.hits[i - 1].score);
    }
    EXPECT_TRUE(std::filesystem::exists(hit.path));
    EXPECT_EQ(hit.width, 40u);
    EXPECT_EQ(hit.height, 30u);
  }
  EXPECT_GE(answer.timings_ms.at("total"), answer.timings_ms.at("encode"));
  EXPECT_GT(answer.timings_ms.at("search"), 0);
}

TEST_F(QueryTest, ASumOfUnitVectorsIsNormalised) {
  const auto answer = search({{TextOperand{"winter"}, 0.5},
                              {ImageOperand{pictures_ / "3.png"}, 2.0},
                              {TextOperand{"summer"}, -1.0},
                              {PointOperand{id_of(uri_of("7.png"))}, -0.25}},
                             12)
                          .value();
  const auto winter = text("winter"), summer = text("summer"), three = stored(3), seven = stored(7);
  std::vector<float> sum(winter.size());
  for (std::size_t i = 0; i < sum.size(); ++i)
    sum[i] = 0.5f * winter[i] + 2.0f * three[i] - summer[i] - 0.25f * seven[i];
  const double length = std::sqrt(dot(sum, sum));
  ASSERT_EQ(answer.hits.size(), 12u);  // a negative point is not left out
  for (const QueryHit& hit : answer.hits)
    EXPECT_NEAR(hit.score, dot(sum, point(hit.id)->vectors[0].values) / length, 1e-4);
}

TEST_F(QueryTest, LikeAPointLeavesItOut) {
  const PointId id = id_of(uri_of("4.png"));
  const auto answer = search({{PointOperand{id}}}, 12).value();
  ASSERT_EQ(answer.hits.size(), 11u);
  for (const QueryHit& hit : answer.hits) EXPECT_NE(hit.id, id);
  const auto without_model = QueryPipeline::create(*store_, nullptr, {}, *pool_).value();
  Query query;
  query.operands = {{PointOperand{id}}};
  const auto same = without_model.search(query, Deadline::never()).value();
  EXPECT_EQ(same.hits.at(0).id, answer.hits.at(0).id);
  query.operands = {{TextOperand{"x"}}};
  EXPECT_EQ(without_model.search(query, Deadline::never()).error().code,
            StatusCode::kFailedPrecondition);
}

TEST_F(QueryTest, OffsetAndThreshold) {
  const auto all = search({{TextOperand{"sea"}}}, 12).value();
  Query query;
  query.operands = {{TextOperand{"sea"}}};
  query.top_k = 3;
  query.offset = 2;
  const auto page = pipeline_->search(query, Deadline::never()).value();
  ASSERT_EQ(page.hits.size(), 3u);
  EXPECT_EQ(page.hits[0].id, all.hits[2].id);
  EXPECT_EQ(page.hits[0].rank, 3u);
  query.offset = 0;
  query.top_k = 12;
  query.score_threshold = (all.hits[3].score + all.hits[4].score) / 2;
  EXPECT_EQ(pipeline_->search(query, Deadline::never()).value().hits.size(), 4u);
}

TEST_F(QueryTest, RefusesWithTheRule) {
  Query query;
  EXPECT_THAT(refused(query).message, HasSubstr("1..64"));
  query.operands = {{TextOperand{" \n"}}};
  EXPECT_THAT(refused(query).message, HasSubstr("empty"));
  query.operands = {{TextOperand{"x"}, NAN}};
  EXPECT_THAT(refused(query).message, HasSubstr("weight"));
  query.operands = {{TextOperand{"x"}, 1.0}, {TextOperand{"x"}, -1.0}};
  EXPECT_THAT(refused(query).message, HasSubstr("cancel"));
  query.operands = {{PointOperand{PointId(99)}}};
  EXPECT_EQ(refused(query).code, StatusCode::kNotFound);
  EXPECT_THAT(refused(query).message, HasSubstr("99"));
  query.operands = {{ImageOperand{pictures_ / "none.png"}}};
  EXPECT_EQ(refused(query).code, StatusCode::kNotFound);
  query.operands = {{ImageOperand{pictures_.write("text.png", "text")}}};
  EXPECT_EQ(refused(query).code, StatusCode::kInvalidArgument);
  EXPECT_THAT(refused(query).message, HasSubstr("text.png"));
  query.operands = {{TextOperand{"x"}}};
  query.top_k = 0;
  EXPECT_THAT(refused(query).message, HasSubstr("top_k"));
  query.top_k = 10'001;
  EXPECT_THAT(refused(query).message, HasSubstr("10001"));
}

TEST_F(QueryTest, ADeadlineThatHasPassed) {
  Query query;
  query.operands = {{TextOperand{"x"}}};
  EXPECT_EQ(pipeline_->search(query, Deadline::after(std::chrono::milliseconds(-1))).error().code,
            StatusCode::kDeadlineExceeded);
}

TEST_F(QueryTest, AnotherModelIsRefusedWithBothNames) {
  const auto other = QueryPipeline::create(*store_, &other_encoder(), {}, *pool_);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, StatusCode::kFailedPrecondition);
  EXPECT_THAT(other.error().message, HasSubstr("clip-vit-tiny ("));
  EXPECT_THAT(other.error().message, HasSubstr("clip-vit-tiny-gelu ("));
}

TEST_F(QueryTest, JsonIsTheContract) {
  const Json json = to_json(search({{TextOperand{"sea"}}}, 2).value());
  ASSERT_EQ(json.at("hits").size(), 2u);
  for (const char* key : {"rank", "id", "score", "path", "width", "height", "payload"})
    EXPECT_TRUE(json["hits"][0].contains(key)) << key;
  EXPECT_TRUE(json.at("timings_ms").at("total").is_number());
}

}  // namespace
}  // namespace sightline::pipeline
