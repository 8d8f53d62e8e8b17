#include "pipeline/point_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/pipeline/query_fixture.h"

namespace sightline::pipeline {
namespace {

using testing::HasSubstr;

double squash(double x) { return x / (1 + std::abs(x)); }

/// Every strategy, under every metric, against the formulas worked out point by point.
class EveryMetric : public QueryTest, public testing::WithParamInterface<Metric> {
 protected:
  void SetUp() override { make(GetParam()); }

  PointId id_at(std::size_t i) const { return PointId(points_[i].id); }
  const std::vector<float>& vector_at(std::size_t i) { return points_[i].vectors[""]; }
  static Allowed except(Allowed allowed, std::set<std::uint64_t> ids) {
    return [allowed = std::move(allowed), ids = std::move(ids)](const PlainPoint& point) {
      return !ids.contains(point.id) && (!allowed || allowed(point));
    };
  }
  /// Without and with a filter; in pages.
  void expect_everywhere(PointQuery query, const Score& rule, std::set<std::uint64_t> ids) {
    query.limit = 20;
    expect_best(ask(query).hits, rule, except(nullptr, ids), 20);
    query.offset = 13;
    expect_best(ask(query).hits, rule, except(nullptr, ids), 20, 13);
    query.filter = below(30);
    expect_best(ask(query).hits, rule, except(is_below(30), ids), 20, 13);
    query.offset = 0;
    query.limit = 1000;
    expect_best(ask(query).hits, rule, except(is_below(30), ids), 1000);
    // A threshold between two scores.
    const auto all = rank(rule, except(is_below(30), ids));
    const double threshold = (all[4].first + all[5].first) / 2;
    if (all[4].first - all[5].first < 1e-4) return;
    query.score_threshold = static_cast<float>(threshold);
    EXPECT_EQ(ask(query).hits.size(), 5u);
  }
};
INSTANTIATE_TEST_SUITE_P(Metrics, EveryMetric,
                         testing::Values(Metric::kCosine, Metric::kDot, Metric::kEuclid,
                                         Metric::kManhattan),
                         [](const auto& info) { return std::string(metric_name(info.param)); });

TEST_P(EveryMetric, Nearest) {
  const auto vector = random_vector();
  PointQuery query;
  query.query = NearestQuery{vector, std::nullopt};
  expect_everywhere(query, [&](const auto& p) { return score(vector, p.vectors.at("")); }, {});
  EXPECT_EQ(ask(query).scores_are_distances,
            GetParam() == Metric::kEuclid || GetParam() == Metric::kManhattan);
}

TEST_P(EveryMetric, NearestToAPointLeavesItOut) {
  PointQuery query;
  query.query = NearestQuery{id_at(4), std::nullopt};
  expect_everywhere(query, [&](const auto& p) { return score(vector_at(4), p.vectors.at("")); },
                    {points_[4].id});
}

TEST_P(EveryMetric, RecommendByAverage) {
  const auto vector = random_vector();
  PointQuery query;
  query.query = RecommendQuery{{id_at(0), vector}, {id_at(2)}, RecommendStrategy::kAverageVector};
  std::vector<float> target = stored(vector_at(0));
  const auto away = stored(vector_at(2));
  for (std::size_t i = 0; i < kDim; ++i) target[i] = target[i] + vector[i] - away[i];
  expect_everywhere(query, [&](const auto& p) { return score(target, p.vectors.at("")); },
                    {points_[0].id, points_[2].id});

  query.query = RecommendQuery{{id_at(0), vector}, {}, RecommendStrategy::kAverageVector};
  target = stored(vector_at(0));
  for (std::size_t i = 0; i < kDim; ++i) target[i] = (target[i] + vector[i]) / 2;
  expect_everywhere(query, [&](const auto& p) { return score(target, p.vectors.at("")); },
                    {points_[0].id});
}

TEST_P(EveryMetric, RecommendByBestScore) {
  const auto vector = random_vector();
  const auto rule = [&](bool has_positive, bool has_negative) {
    return [=, this](const PlainPoint& p) -> std::optional<double> {
      const auto& own = p.vectors.at("");
      double best = -1e30, worst = -1e30;
      if (has_positive) best = std::max(like(points_[1].vectors[""], own), like(vector, own));
      if (has_negative)
        worst = std::max(like(points_[3].vectors[""], own), like(points_[5].vectors[""], own));
      return best > worst ? 0.5 * (squash(best) + 1) : -0.5 * (squash(worst) + 1);
    };
  };
  PointQuery query;
  query.query =
      RecommendQuery{{id_at(1), vector}, {id_at(3), id_at(5)}, RecommendStrategy::kBestScore};
  expect_everywhere(query, rule(true, true), {points_[1].id, points_[3].id, points_[5].id});
  query.query = RecommendQuery{{id_at(1), vector}, {}, RecommendStrategy::kBestScore};
  expect_everywhere(query, rule(true, false), {points_[1].id});
  query.query = RecommendQuery{{}, {id_at(3), id_at(5)}, RecommendStrategy::kBestScore};
  expect_everywhere(query, rule(false, true), {points_[3].id, points_[5].id});
  EXPECT_FALSE(ask(query).scores_are_distances);
}

TEST_P(EveryMetric, RecommendBySumOfScores) {
  const auto vector = random_vector();
  PointQuery query;
  query.query =
      RecommendQuery{{id_at(1), vector}, {id_at(3), id_at(5)}, RecommendStrategy::kSumScores};
  expect_everywhere(query,
                    [&](const PlainPoint& p) {
                      const auto& own = p.vectors.at("");
                      return like(vector_at(1), own) + like(vector, own) - like(vector_at(3), own) -
                             like(vector_at(5), own);
                    },
                    {points_[1].id, points_[3].id, points_[5].id});
}

TEST_P(EveryMetric, Discover) {
  const auto target = random_vector(), other = random_vector();
  PointQuery query;
  query.query = DiscoverQuery{target, {{id_at(1), id_at(3)}, {other, id_at(6)}, {id_at(8), other}}};
  expect_everywhere(query,
                    [&](const PlainPoint& p) {
                      const auto& own = p.vectors.at("");
                      const auto sign = [&](const auto& positive, const auto& negative) {
                        return like(positive, own) > like(negative, own) ? 1 : -1;
                      };
                      return sign(vector_at(1), vector_at(3)) + sign(other, vector_at(6)) +
                             sign(vector_at(8), other) + 0.5 * (squash(like(target, own)) + 1);
                    },
                    {points_[1].id, points_[3].id, points_[6].id, points_[8].id});
  query.query = DiscoverQuery{target, {}};
  expect_everywhere(
      query,
      [&](const PlainPoint& p) { return 0.5 * (squash(like(target, p.vectors.at(""))) + 1); }, {});
}

TEST_P(EveryMetric, Context) {
  const auto other = random_vector();
  PointQuery query;
  query.query = ContextQuery{{{id_at(1), id_at(3)}, {other, id_at(6)}}};
  expect_everywhere(query,
                    [&](const PlainPoint& p) {
                      const auto& own = p.vectors.at("");
                      const auto loss = [&](const auto& positive, const auto& negative) {
                        return squash(std::min(like(positive, own) - like(negative, own), 0.0));
                      };
                      return loss(vector_at(1), vector_at(3)) + loss(other, vector_at(6));
                    },
                    {points_[1].id, points_[3].id, points_[6].id});
  query.query = ContextQuery{};
  query.limit = 3;
  const auto hits = ask(query).hits;  // all score 0: by id
  ASSERT_EQ(hits.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(hits[i].id, id_at(i));
}

TEST_P(EveryMetric, AnotherVectorOfThePoints) {
  const auto vector = random_vector();
  PointQuery query;
  query.vector_name = "second";
  query.query = NearestQuery{vector, std::nullopt};
  const Score rule = [&](const PlainPoint& p) -> std::optional<double> {
    if (!p.vectors.contains("second")) return std::nullopt;
    return score(vector, p.vectors.at("second"));
  };
  expect_everywhere(query, rule, {});
  query.query = RecommendQuery{{vector}, {}, RecommendStrategy::kSumScores};
  expect_everywhere(query,
                    [&](const PlainPoint& p) -> std::optional<double> {
                      if (!p.vectors.contains("second")) return std::nullopt;
                      return like(vector, p.vectors.at("second"));
                    },
                    {});
}

TEST_P(EveryMetric, PrefetchedPointsAreScoredAgain) {
  const auto first = random_vector(), second = random_vector(), last = random_vector();
  PointQuery query;
  query.prefetch.resize(2);
  query.prefetch[0].query = NearestQuery{first, std::nullopt};
  query.prefetch[0].limit = 25;
  query.prefetch[1].query = NearestQuery{second, std::nullopt};
  query.prefetch[1].vector_name = "second";
  query.prefetch[1].filter = below(50);
  query.prefetch[1].limit = 15;
  query.query = NearestQuery{last, std::nullopt};
  query.filter = below(80);  // holds for the prefetches, too
  query.limit = 30;

  std::set<std::uint64_t> found;
  auto ranking = rank([&](const auto& p) { return score(first, p.vectors.at("")); }, is_below(80));
  for (std::size_t i = 0; i < 25; ++i) found.insert(ranking[i].second);
  ranking = rank(
      [&](const PlainPoint& p) -> std::optional<double> {
        if (!p.vectors.contains("second")) return std::nullopt;
        return score(second, p.vectors.at("second"));
      },
      is_below(50));
  for (std::size_t i = 0; i < 15; ++i) found.insert(ranking[i].second);
  const Allowed is_found = [&](const PlainPoint& point) { return found.contains(point.id); };
  expect_best(
      ask(query).hits, [&](const auto& p) { return score(last, p.vectors.at("")); }, is_found, 30);

  // A level more: the same points, of which ten are scored by examples.
  PointQuery outer;
  outer.prefetch = {query};
  outer.prefetch[0].limit = 10;
  outer.query = RecommendQuery{{first}, {}, RecommendStrategy::kBestScore};
  std::set<std::uint64_t> ten;
  ranking = rank([&](const auto& p) { return score(last, p.vectors.at("")); }, is_found);
  for (std::size_t i = 0; i < 10; ++i) ten.insert(ranking[i].second);
  expect_best(
      ask(outer).hits,
      [&](const PlainPoint& p) { return 0.5 * (squash(like(first, p.vectors.at(""))) + 1); },
      [&](const PlainPoint& p) { return ten.contains(p.id); }, 10);
}

TEST_P(EveryMetric, MmrPicksAmongTheNearest) {
  const auto vector = random_vector();
  PointQuery query;
  query.query = NearestQuery{vector, MmrOptions{0.6f, 40}};
  query.limit = 12;
  query.offset = 3;
  const auto hits = ask(query).hits;

  const auto nearest = rank([&](const auto& p) { return score(vector, p.vectors.at("")); }, {});
  std::vector<const PlainPoint*> left, picked;
  for (std::size_t i = 0; i < 40; ++i) left.push_back(&plain(PointId(nearest[i].second)));
  while (picked.size() < 15) {
    const auto value = [&](const PlainPoint* p) {
      double closest = -1e30;
      for (const PlainPoint* other : picked)
        closest = std::max(closest, like(p->vectors.at(""), other->vectors.at("")));
      const double own = like(vector, p->vectors.at(""));
      return picked.empty() ? own : 0.4 * own - 0.6 * closest;
    };
    const auto best = std::max_element(left.begin(), left.end(),
                                       [&](auto* a, auto* b) { return value(a) < value(b); });
    picked.push_back(*best);
    left.erase(best);
  }
  ASSERT_EQ(hits.size(), 12u);
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(hits[i].id.number(), picked[i + 3]->id) << i;
    EXPECT_NEAR(hits[i].score, score(vector, picked[i + 3]->vectors.at("")), 1e-4) << i;
  }
}

TEST_P(EveryMetric, FusionOfTwoSearches) {
  const auto first = random_vector(), second = random_vector();
  PointQuery query;
  query.prefetch.resize(2);
  query.prefetch[0].query = NearestQuery{first, std::nullopt};
  query.prefetch[0].limit = 30;
  query.prefetch[1].query = NearestQuery{second, std::nullopt};
  query.prefetch[1].limit = 20;
  query.query = RrfFusion{5, {1, 2}};
  query.limit = 100;
  std::map<std::uint64_t, double> sums;
  const auto add_up = [&](std::size_t offset) {  // by which the prefetches find more
    sums.clear();
    auto ranking = rank([&](const auto& p) { return score(first, p.vectors.at("")); }, {});
    for (std::size_t i = 0; i < 30 + offset; ++i)
      sums[ranking[i].second] += 1.0 / (5.0 + double(i));
    ranking = rank([&](const auto& p) { return score(second, p.vectors.at("")); }, {});
    for (std::size_t i = 0; i < 20 + offset; ++i)
      sums[ranking[i].second] += 1.0 / ((double(i) + 1) / 2 + 5 - 1);
  };
  add_up(0);
  const Score rule = [&](const PlainPoint& p) -> std::optional<double> {
    const auto sum = sums.find(p.id);
    return sum == sums.end() ? std::nullopt : std::optional<double>(sum->second);
  };
  expect_best(ask(query).hits, rule, {}, 100);
  query.limit = 7;
  query.offset = 2;
  add_up(2);
  expect_best(ask(query).hits, rule, {}, 7, 2);
  EXPECT_FALSE(ask(query).scores_are_distances);

  // A fusion as a prefetch, and a threshold on its sums.
  query.offset = 0;
  add_up(0);
  query.limit = 1000;
  query.score_threshold = 0.2f;
  PointQuery outer;
  outer.prefetch = {query};
  outer.query = NearestQuery{first, std::nullopt};
  outer.limit = 1000;
  expect_best(
      ask(outer).hits, [&](const auto& p) { return score(first, p.vectors.at("")); },
      [&](const PlainPoint& p) { return rule(p).value_or(0) >= 0.2; }, 1000);
}

}  // namespace
}  // namespace sightline::pipeline
