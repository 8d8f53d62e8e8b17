// tests/pipeline/query_fixture.h: a collection of random points beside its plain copy, for queries
// whose answers are worked out point by point.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/point_query.h"
#include "tests/pipeline/local_store_fixture.h"

namespace sightline::pipeline {

struct PlainPoint {
  std::uint64_t id = 0;
  std::map<std::string, std::vector<float>> vectors;
  Json payload;
};

/// Points with the vectors "" and "second" (some lack it) and a payload
/// {"n": 0..99, "tag": "a" to "e" or a list of them, "when": a date}.
class QueryTest : public testing::Test {
 protected:
  static constexpr std::size_t kDim = 6;

  void make(Metric metric, std::uint64_t num_points = 300, unsigned seed = 1) {
    metric_ = metric;
    random_.seed(seed);
    auto opened = DataFolder::open(dir_ / "data", Access::kWrite, {}, pool_);
    ASSERT_TRUE(opened) << opened.error().message;
    folder_ = *std::move(opened);
    CollectionConfig config = config_of(kDim, metric);
    config.vectors["second"] = {kDim, metric, {}};
    store_ = *folder_->create_collection("c", config);
    std::vector<WriteOp> ops;
    for (std::uint64_t i = 0; i < num_points; ++i) {
      PlainPoint plain;
      plain.id = 10 + i * 3;
      plain.vectors[""] = random_vector();
      if (i % 7 != 3) plain.vectors["second"] = random_vector();
      plain.payload = payload();
      UpsertPoint upsert;
      upsert.id = PointId(plain.id);
      for (const auto& [name, values] : plain.vectors) upsert.vectors.push_back({name, values});
      upsert.payload = plain.payload;
      ops.emplace_back(std::move(upsert));
      points_.push_back(std::move(plain));
    }
    const auto written = store_->write(std::move(ops));
    ASSERT_TRUE(written) << written.error().message;
  }

  std::vector<float> random_vector() {
    std::normal_distribution<float> normal;
    std::vector<float> vector(kDim);
    for (float& value : vector) value = normal(random_);
    return vector;
  }
  Json payload() {
    const auto tag = [this] { return std::string(1, static_cast<char>('a' + random_() % 5)); };
    Json payload{{"n", random_() % 100}};
    if (random_() % 3 == 0) {
      payload["tag"] = Json::array({tag(), tag()});
    } else if (random_() % 8 != 0) {
      payload["tag"] = tag();
    }
    return payload;
  }

  QueryScope scope() {
    return {"c", *store_, [this](std::string_view name) { return folder_->open_collection(name); }};
  }
  Result<PointAnswer> try_ask(const PointQuery& query) {
    SIGHTLINE_TRY(auto answers, run_point_queries(scope(), {&query, 1}, Deadline::never()));
    return std::move(answers.front());
  }
  PointAnswer ask(const PointQuery& query) {
    auto answer = try_ask(query);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *std::move(answer) : PointAnswer{};
  }

  const PlainPoint& plain(const PointId& id) const {
    return *std::find_if(points_.begin(), points_.end(),
                         [&](const PlainPoint& point) { return point.id == id.number(); });
  }
  /// A rule of its own for scores.
  using Score = std::function<std::optional<double>(const PlainPoint& point)>;
  using Allowed = std::function<bool(const PlainPoint& point)>;

  /// In double, of the vector "" unless said; distances negated.
  double score(std::vector<float> a, std::vector<float> b) const {
    double product = 0, a2 = 0, b2 = 0, squares = 0, sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      product += double{a[i]} * b[i];
      a2 += double{a[i]} * a[i];
      b2 += double{b[i]} * b[i];
      squares += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
      sum += std::abs(double{a[i]} - b[i]);
    }
    switch (metric_) {
      case Metric::kCosine:
        return product / std::sqrt(a2 * b2);
      case Metric::kDot:
        return product;
      case Metric::kEuclid:
        return -std::sqrt(squares);
      case Metric::kManhattan:
        return -sum;
    }
    return 0;
  }
  /// s(x) of point_query.h
  double like(const std::vector<float>& a, const std::vector<float>& b) const {
    const double s = score(a, b);
    return metric_ == Metric::kEuclid ? -s * s : s;
  }
  /// As it lies in the store.
  std::vector<float> stored(std::vector<float> vector) const {
    if (metric_ != Metric::kCosine) return vector;
    double squares = 0;
    for (const float value : vector) squares += double{value} * value;
    for (float& value : vector) value = static_cast<float>(value / std::sqrt(squares));
    return vector;
  }

  std::vector<std::pair<double, std::uint64_t>> rank(const Score& rule, const Allowed& allowed) {
    std::vector<std::pair<double, std::uint64_t>> ranking;
    for (const PlainPoint& point : points_) {
      if (allowed && !allowed(point)) continue;
      if (const auto value = rule(point)) ranking.emplace_back(*value, point.id);
    }
    std::sort(ranking.begin(), ranking.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    return ranking;
  }
  /// Hits have the scores that `rule` gives them, and are the best of all.
  void expect_best(const std::vector<PointHit>& hits, const Score& rule, const Allowed& allowed,
                   std::size_t limit, std::size_t offset = 0) {
    auto best = rank(rule, allowed);
    best.erase(best.begin(),
               best.begin() + static_cast<std::ptrdiff_t>(std::min(offset, best.size())));
    if (best.size() > limit) best.resize(limit);
    ASSERT_EQ(hits.size(), best.size());
    for (std::size_t i = 0; i < hits.size(); ++i) {
      const PlainPoint& point = plain(hits[i].id);
      EXPECT_TRUE(!allowed || allowed(point)) << "hit " << i;
      const auto own = rule(point);
      ASSERT_TRUE(own) << "hit " << i;
      const double tolerance = 1e-5 * std::max(1.0, std::abs(*own));
      EXPECT_NEAR(hits[i].score, *own, tolerance) << "hit " << i;
      EXPECT_NEAR(hits[i].score, best[i].first, tolerance) << "hit " << i;
    }
  }

  static std::shared_ptr<const Filter> filter(const std::string& json) {
    auto parsed = parse_filter(Json::parse(json));
    EXPECT_TRUE(parsed) << parsed.error().message;
    return std::make_shared<const Filter>(*std::move(parsed));
  }
  static std::shared_ptr<const Filter> below(int n) {
    return filter(R"({"must": [{"key": "n", "range": {"lt": )" + std::to_string(n) + "}}]}");
  }
  static Allowed is_below(int n) {
    return [n](const PlainPoint& point) { return point.payload["n"].get<int>() < n; };
  }

  testing_support::TempDir dir_;
  ComputePool pool_{{.num_threads = 2, .init_thread = {}, .set_width = {}}};
  std::unique_ptr<DataFolder> folder_;
  std::shared_ptr<CollectionStore> store_;
  std::vector<PlainPoint> points_;
  Metric metric_ = Metric::kCosine;
  std::mt19937 random_;
};

}  // namespace sightline::pipeline
