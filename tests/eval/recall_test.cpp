#include "eval/recall.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sightline::eval {
namespace {

std::vector<PointId> ids_of(const std::vector<std::uint64_t>& numbers) {
  std::vector<PointId> ids;
  for (const std::uint64_t number : numbers) ids.emplace_back(number);
  return ids;
}

struct RecallCase {
  std::string name;
  std::vector<std::uint64_t> truth, found;
  std::size_t k;
  double recall;
};
class RecallAtK : public testing::TestWithParam<RecallCase> {};

TEST_P(RecallAtK, CountsTrueNeighboursInTheFirstK) {
  const RecallCase& c = GetParam();
  EXPECT_DOUBLE_EQ(recall_at_k(ids_of(c.truth), ids_of(c.found), c.k), c.recall);
}
INSTANTIATE_TEST_SUITE_P(Cases, RecallAtK,
                         testing::ValuesIn(std::vector<RecallCase>{
                             {"OrderIsIgnored", {1, 2, 3}, {3, 1, 2}, 3, 1.0},
                             {"FoundTooLate", {1, 2, 3}, {9, 8, 1}, 2, 0.0},
                             {"RepeatsCountOnce", {1, 2, 3}, {1, 1, 1}, 3, 1.0 / 3},
                             {"TrueOnlyLater", {1, 2, 3}, {3, 9, 9}, 2, 0.0},
                             {"FewFound", {1, 2, 3, 4}, {2}, 4, 0.25},
                             {"NoneFound", {1, 2, 3}, {}, 3, 0.0},
                             {"FewTrueNeighbours", {1, 2}, {2, 9, 1}, 10, 1.0},
                             {"NoTrueNeighbours", {}, {1}, 10, 1.0},
                         }),
                         [](const auto& info) { return info.param.name; });

struct Scored {
  std::uint64_t id;
  float score;
};
std::vector<pipeline::ScoredPoint> points_of(const std::vector<Scored>& scored) {
  std::vector<pipeline::ScoredPoint> points;
  for (const auto& [id, score] : scored) points.push_back({PointId(id), score, {}});
  return points;
}

struct TieCase {
  std::string name;
  std::vector<Scored> truth, found;
  std::size_t k;
  double recall;
};
class RecallAtKWithScores : public testing::TestWithParam<TieCase> {};

TEST_P(RecallAtKWithScores, PointsAsNearAsTheLastTrueOneCount) {
  const TieCase& c = GetParam();
  EXPECT_DOUBLE_EQ(recall_at_k(points_of(c.truth), points_of(c.found), c.k), c.recall);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, RecallAtKWithScores,
    testing::ValuesIn(std::vector<TieCase>{
        {"NoTies", {{1, 9}, {2, 8}}, {{2, 8}, {3, 7}}, 2, 0.5},
        {"TieByFoundScore", {{1, 9}, {2, 8}}, {{1, 9}, {3, 8}}, 2, 1.0},
        {"TieByLongerTruth", {{1, 9}, {2, 8}, {3, 8}, {4, 7}}, {{1, 9}, {3, 7.9F}}, 2, 1.0},
        {"LongerTruthIsNoTie", {{1, 9}, {2, 8}, {4, 7}}, {{1, 9}, {4, 7}}, 2, 0.5},
        {"TieWithABetterOne", {{1, 9}, {2, 8}}, {{3, 9}, {2, 8}}, 2, 0.5},
        {"TiesDoNotExceedOne", {{1, 8}, {2, 8}, {3, 8}}, {{3, 8}, {1, 8}, {2, 8}}, 2, 1.0},
        {"RepeatsCountOnce", {{1, 8}, {2, 8}}, {{3, 8}, {3, 8}}, 2, 0.5},
        {"FoundTooLate", {{1, 9}, {2, 8}}, {{5, 1}, {6, 1}, {1, 9}}, 2, 0.0},
        {"FewTrueNeighbours", {{1, 9}}, {{1, 9}, {5, 1}}, 10, 1.0},
        {"NoTrueNeighbours", {}, {{5, 1}}, 10, 1.0},
    }),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sightline::eval
