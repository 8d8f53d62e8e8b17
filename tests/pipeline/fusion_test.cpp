#include "pipeline/internal/fusion.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sightline::pipeline {
namespace {

RankedPoint ranked(std::uint64_t id, float score = 0) { return {PointId(id), score}; }

struct RrfCase {
  std::string name;
  std::vector<Ranking> lists;
  std::size_t k;
  std::vector<float> weights;
  Ranking fused;
};
class Rrf : public testing::TestWithParam<RrfCase> {};

TEST_P(Rrf, AddsUpReciprocalRanks) {
  const RrfCase& c = GetParam();
  const Ranking fused = fuse_rrf(c.lists, c.k, c.weights);
  ASSERT_EQ(fused.size(), c.fused.size());
  for (std::size_t i = 0; i < fused.size(); ++i) {
    EXPECT_EQ(fused[i].id, c.fused[i].id) << i;
    EXPECT_FLOAT_EQ(fused[i].score, c.fused[i].score) << i;
  }
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Rrf,
    testing::ValuesIn(std::vector<RrfCase>{
        {"Nothing", {}, 2, {}, {}},
        {"EmptyLists", {{}, {}}, 2, {}, {}},
        {"One", {{ranked(7)}}, 2, {}, {ranked(7, 1 / 2.0f)}},
        {"RanksCountFromZero",
         {{ranked(1), ranked(2), ranked(3)}},
         2,
         {},
         {ranked(1, 1 / 2.0f), ranked(2, 1 / 3.0f), ranked(3, 1 / 4.0f)}},
        {"ThreeLists",
         {{ranked(2), ranked(1)},
          {ranked(1), ranked(2), ranked(3)},
          {ranked(5), ranked(3), ranked(1)}},
         2,
         {},
         {ranked(1, 1 / 3.0f + 1 / 2.0f + 1 / 4.0f), ranked(2, 1 / 2.0f + 1 / 3.0f),
          ranked(3, 1 / 4.0f + 1 / 3.0f), ranked(5, 1 / 2.0f)}},
        {"TiesById",
         {{ranked(9), ranked(4)}, {ranked(4), ranked(9)}},
         2,
         {},
         {ranked(4, 1 / 2.0f + 1 / 3.0f), ranked(9, 1 / 2.0f + 1 / 3.0f)}},
        {"LargeK", {{ranked(1), ranked(2)}}, 60, {}, {ranked(1, 1 / 60.0f), ranked(2, 1 / 61.0f)}},
        // 1 / ((rank + 1) / weight + k - 1)
        {"Weights",
         {{ranked(1), ranked(2)}, {ranked(2), ranked(1)}},
         2,
         {3, 1},
         {ranked(2, 1 / (2 / 3.0f + 1) + 1 / 2.0f), ranked(1, 1 / (1 / 3.0f + 1) + 1 / 3.0f)}},
        {"WeightZeroAddsNothing",
         {{ranked(1)}, {ranked(2)}},
         2,
         {1, 0},
         {ranked(1, 1 / 2.0f), ranked(2, 0)}},
    }),
    [](const auto& info) { return info.param.name; });

struct DbsfCase {
  std::string name;
  std::vector<Ranking> lists;
  Ranking fused;
};
class Dbsf : public testing::TestWithParam<DbsfCase> {};

TEST_P(Dbsf, AddsUpScoresWithinThreeDeviations) {
  const DbsfCase& c = GetParam();
  const Ranking fused = fuse_dbsf(c.lists);
  ASSERT_EQ(fused.size(), c.fused.size());
  for (std::size_t i = 0; i < fused.size(); ++i) {
    EXPECT_EQ(fused[i].id, c.fused[i].id) << i;
    EXPECT_NEAR(fused[i].score, c.fused[i].score, 1e-6) << i;
  }
}
INSTANTIATE_TEST_SUITE_P(Cases, Dbsf,
                         testing::ValuesIn(std::vector<DbsfCase>{
                             {"Nothing", {}, {}},
                             {"OneIsInTheMiddle", {{ranked(1, 12)}}, {ranked(1, 0.5f)}},
                             {"EqualsAreInTheMiddle",
                              {{ranked(2, 0.7f), ranked(1, 0.7f)}},
                              {ranked(1, 0.5f), ranked(2, 0.5f)}},
                             // mean 2, deviation of the sample 1: limits -1 and 5
                             {"ThreeScores",
                              {{ranked(1, 3), ranked(2, 2), ranked(3, 1)}},
                              {ranked(1, 4 / 6.0f), ranked(2, 3 / 6.0f), ranked(3, 2 / 6.0f)}},
                             // Negated distances: mean -2
                             {"NegativeScores",
                              {{ranked(1, -1), ranked(2, -2), ranked(3, -3)}},
                              {ranked(1, 4 / 6.0f), ranked(2, 3 / 6.0f), ranked(3, 2 / 6.0f)}},
                             {"Sums",
                              {{ranked(1, 3), ranked(2, 2), ranked(3, 1)},
                               {ranked(3, 30), ranked(4, 20), ranked(2, 10)}},
                              {ranked(3, 2 / 6.0f + 4 / 6.0f), ranked(2, 3 / 6.0f + 2 / 6.0f),
                               ranked(1, 4 / 6.0f), ranked(4, 3 / 6.0f)}},
                         }),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sightline::pipeline
