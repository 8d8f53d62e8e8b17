#include "index/kmeans.h"

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <gmock/gmock.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include "index/kernels/kernels.h"

extern "C" void openblas_set_num_threads(int count);  // not in every cblas.h

namespace sightline::index {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Le;
using testing::Pair;

std::vector<float> normal_rows(std::size_t n, std::size_t dim, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(n * dim);
  for (float& value : rows) value = normal(random);
  return rows;
}

/// Rows around `num_centers` centres, which lie at random in a box of side 2 * `spread`.
std::vector<float> blobs(std::size_t n, std::size_t dim, std::size_t num_centers, float spread,
                         std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> box(-spread, spread);
  std::vector<float> centers(num_centers * dim);
  for (float& value : centers) value = box(random);
  std::vector<float> rows = normal_rows(n, dim, seed + 1);
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t center = random() % num_centers;
    for (std::size_t d = 0; d < dim; ++d) rows[i * dim + d] += centers[center * dim + d];
  }
  return rows;
}

double squared_distance(const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t i = 0; i < dim; ++i) sum += std::pow(double{a[i]} - double{b[i]}, 2);
  return sum;
}

double product(const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t i = 0; i < dim; ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

double distance_to(const float* row, const float* centroid, std::size_t dim, bool inner_product) {
  return inner_product ? -product(row, centroid, dim) : squared_distance(row, centroid, dim);
}

/// Distances of `row` from all centroids, in double.
std::vector<double> all_distances(const float* row, const std::vector<float>& centroids,
                                  std::size_t dim, bool inner_product) {
  std::vector<double> distances;
  for (std::size_t at = 0; at < centroids.size(); at += dim)
    distances.push_back(distance_to(row, &centroids[at], dim, inner_product));
  return distances;
}

/// Mean squared distance of the rows from their nearest centroids.
double objective(const std::vector<float>& rows, const std::vector<float>& centroids,
                 std::size_t dim) {
  std::vector<std::uint32_t> labels(rows.size() / dim);
  CentroidSearch(centroids, dim, false).assign(rows, labels);
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i)
    sum += squared_distance(&rows[i * dim], &centroids[labels[i] * dim], dim);
  return sum / static_cast<double>(labels.size());
}

std::vector<float> run(const std::vector<float>& rows, std::size_t dim,
                       const KMeansOptions& options, ComputePool* pool = nullptr) {
  auto centroids = kmeans(rows, dim, options, pool, Deadline::never());
  EXPECT_TRUE(centroids) << centroids.error().message;
  if (!centroids) return {};
  EXPECT_EQ(centroids->size(), options.num_clusters * dim);
  for (const float value : *centroids) EXPECT_TRUE(std::isfinite(value)) << value;
  return *std::move(centroids);
}

struct AssignCase {
  const KernelTable* kernels;
  std::size_t num_rows, num_centroids, dim;
  bool inner_product;
};

std::vector<AssignCase> assign_cases() {
  std::vector<AssignCase> cases;
  for (const KernelTable* kernels : supported_kernels()) {
    for (const bool inner_product : {false, true}) {
      for (const std::size_t dim : {1, 7, 8, 100, 512}) {
        for (const std::size_t num : {1, 15, 33, 256}) {
          for (const std::size_t rows : {1, 13, 401})
            cases.push_back({kernels, rows, num, dim, inner_product});
        }
      }
    }
  }
  return cases;
}

class CentroidSearchCases : public testing::TestWithParam<AssignCase> {};

TEST_P(CentroidSearchCases, AgreeWithDoublePrecision) {
  const auto& [kernels, num_rows, num, dim, inner_product] = GetParam();
  const auto rows = normal_rows(num_rows, dim, 1), centroids = normal_rows(num, dim, 2);
  const CentroidSearch search(centroids, dim, inner_product, *kernels);
  std::vector<std::uint32_t> labels(num_rows, 12345);
  std::vector<float> distances(num_rows);
  search.assign(rows, labels, distances);
  for (std::size_t i = 0; i < num_rows; ++i) {
    ASSERT_LT(labels[i], num);
    const float* row = &rows[i * dim];
    const auto truth = all_distances(row, centroids, dim, inner_product);
    const double tolerance = 1e-6 * (1 + 3 * product(row, row, dim));
    EXPECT_NEAR(truth[labels[i]], *std::ranges::min_element(truth), tolerance) << "row " << i;
    EXPECT_NEAR(distances[i], truth[labels[i]], tolerance) << "row " << i;
  }
}

TEST_P(CentroidSearchCases, ARowHasItsLabelWhateverIsBesideIt) {
  const auto& [kernels, num_rows, num, dim, inner_product] = GetParam();
  const auto rows = normal_rows(num_rows, dim, 3), centroids = normal_rows(num, dim, 4);
  const CentroidSearch search(centroids, dim, inner_product, *kernels);
  std::vector<std::uint32_t> together(num_rows);
  search.assign(rows, together);
  for (std::size_t i = 0; i < std::min<std::size_t>(num_rows, 20); ++i) {
    std::uint32_t alone = 12345;
    search.assign(std::span(rows).subspan(i * dim, dim), {&alone, 1});
    EXPECT_EQ(alone, together[i]);
  }
}

TEST_P(CentroidSearchCases, TheLowerOfEqualCentroidsIsTaken) {
  const auto& [kernels, num_rows, num, dim, inner_product] = GetParam();
  auto centroids = normal_rows(num, dim, 5);
  const auto copy = centroids;
  centroids.insert(centroids.end(), copy.begin(), copy.end());
  const auto rows = normal_rows(num_rows, dim, 6);
  std::vector<std::uint32_t> labels(num_rows);
  CentroidSearch(centroids, dim, inner_product, *kernels).assign(rows, labels);
  EXPECT_THAT(labels, Each(Le(num - 1)));
}

INSTANTIATE_TEST_SUITE_P(Levels, CentroidSearchCases, testing::ValuesIn(assign_cases()),
                         [](const auto& test) {
                           return std::string(test.param.kernels->name) + "_" +
                                  std::to_string(test.param.num_rows) + "x" +
                                  std::to_string(test.param.num_centroids) + "x" +
                                  std::to_string(test.param.dim) +
                                  (test.param.inner_product ? "_product" : "_l2");
                         });

struct RangeCase {
  std::string name;
  float offset, scale;  // values are offset + scale * normal
};
class CentroidSearchRange : public testing::TestWithParam<RangeCase> {};

TEST_P(CentroidSearchRange, TheNearestIsFound) {
  constexpr std::size_t kDim = 24;
  auto rows = normal_rows(200, kDim, 7), centroids = normal_rows(50, kDim, 8);
  for (auto* values : {&rows, &centroids})
    for (float& value : *values) value = GetParam().offset + GetParam().scale * value;
  for (const KernelTable* kernels : supported_kernels()) {
    std::vector<std::uint32_t> labels(200);
    CentroidSearch(centroids, kDim, false, *kernels).assign(rows, labels);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto truth = all_distances(&rows[i * kDim], centroids, kDim, false);
      EXPECT_LE(truth[labels[i]], *std::ranges::min_element(truth) * (1 + 1e-5));
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Cases, CentroidSearchRange,
                         testing::ValuesIn(std::vector<RangeCase>{
                             {"Plain", 0, 1},
                             {"FarFromTheOrigin", 1e4F, 1},
                             {"ProductsOverflow", 0, 1e30F},
                             {"ProductsUnderflow", 0, 1e-30F},
                             {"Denormal", 0, 1e-37F},
                         }),
                         [](const auto& info) { return info.param.name; });

TEST(CentroidSearch, RowsThatAreNotFiniteOrFarOutGetSomeLabel) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> centroids = {0, 1, 2, 3, 4, 5};
  const std::vector<float> rows = {inf, 0, -inf, inf, nan, 1, 3e38F, -3e38F};
  for (const bool inner_product : {false, true}) {
    std::vector<std::uint32_t> labels(4, 99);
    std::vector<float> distances(4);
    CentroidSearch(centroids, 2, inner_product).assign(rows, labels, distances);
    EXPECT_THAT(labels, Each(Le(2U)));
    for (const float distance : distances) EXPECT_FALSE(std::isnan(distance));
  }
}

TEST(CentroidSearch, NearestComesInOrder) {
  const std::vector<float> centroids = {5, 0, 2, 2, 9};
  const std::vector<float> row = {1};
  const CentroidSearch search(centroids, 1, false);
  EXPECT_THAT(search.nearest(row, 3), ElementsAre(Pair(1, 1), Pair(1, 2), Pair(1, 3)));
  EXPECT_THAT(search.nearest(row, 9),
              ElementsAre(Pair(1, 1), Pair(1, 2), Pair(1, 3), Pair(16, 0), Pair(64, 4)));
  EXPECT_THAT(CentroidSearch(centroids, 1, true).nearest(row, 2),
              ElementsAre(Pair(-9, 4), Pair(-5, 0)));
  EXPECT_TRUE(search.nearest(row, 0).empty());
}

TEST(CentroidSearch, NearestAgreesWithAssign) {
  const auto centroids = normal_rows(300, 64, 9), rows = normal_rows(50, 64, 10);
  for (const bool inner_product : {false, true}) {
    CentroidSearch made(centroids, 64, inner_product);
    const CentroidSearch search = std::move(made);
    std::vector<std::uint32_t> labels(50);
    std::vector<float> distances(50);
    search.assign(rows, labels, distances);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto found = search.nearest(std::span(rows).subspan(i * 64, 64), 1);
      EXPECT_THAT(found, ElementsAre(Pair(distances[i], labels[i])));
    }
  }
}

TEST(CentroidSearch, ManyThreadsMayAskAtOnce) {
  const auto centroids = normal_rows(100, 32, 11), rows = normal_rows(500, 32, 12);
  const CentroidSearch search(centroids, 32, false);
  std::array<std::vector<std::uint32_t>, 4> labels;
  {
    std::vector<std::jthread> threads;
    for (auto& found : labels) {
      found.resize(500);
      threads.emplace_back([&] { search.assign(rows, found); });
    }
  }
  for (const auto& found : labels) EXPECT_EQ(found, labels[0]);
}

struct StartCase {
  std::string name;
  KMeansOptions::Start start;
  std::size_t batch_rows;
  bool spherical;
};
class KMeansStarts : public testing::TestWithParam<StartCase> {
 protected:
  KMeansOptions options(std::size_t num_clusters, std::size_t num_iterations) const {
    KMeansOptions options;
    options.num_clusters = num_clusters;
    options.num_iterations = num_iterations;
    options.start = GetParam().start;
    options.batch_rows = GetParam().batch_rows;
    options.spherical = GetParam().spherical;
    return options;
  }
};

TEST_P(KMeansStarts, ThePoolChangesNothing) {
  const auto rows = blobs(3000, 20, 30, 3, 13);
  const auto wanted = options(70, 5);
  const auto alone = run(rows, 20, wanted);
  for (const std::size_t threads : {1, 2, 3}) {
    ComputePool pool({.num_threads = threads, .init_thread = {}, .set_width = {}});
    EXPECT_EQ(run(rows, 20, wanted, &pool), alone) << threads << " threads";
  }
  auto other = wanted;
  other.seed = 2;
  EXPECT_NE(run(rows, 20, other), alone);
}

TEST_P(KMeansStarts, DegenerateRowsGiveFiniteCentroids) {
  constexpr float kHuge = std::numeric_limits<float>::max();
  std::map<std::string, std::vector<float>> cases = {
      {"zeros", std::vector<float>(300, 0.0F)},
      {"equal", std::vector<float>(300, 0.1F)},
      {"tiny", normal_rows(100, 3, 14)},
      {"huge", std::vector<float>(300, kHuge)},
      {"huge of both signs", normal_rows(100, 3, 15)},
      {"one outlier", std::vector<float>(300, 1.0F)},
  };
  for (float& value : cases["tiny"]) value *= 1e-38F;
  for (float& value : cases["huge of both signs"]) value = value > 0 ? kHuge : -kHuge;
  cases["one outlier"].back() = 1e20F;
  for (const auto& [name, rows] : cases) {
    SCOPED_TRACE(name);
    for (const std::size_t num_clusters : {1, 7, 100}) run(rows, 3, options(num_clusters, 4));
    run(rows, 1, options(300, 3));
  }
}

TEST_P(KMeansStarts, FewerDistinctRowsThanClustersAreAllCentroids) {
  if (GetParam().spherical) return;  // centroids of norm 1 are no rows
  std::vector<float> rows;
  for (int i = 0; i < 200; ++i) rows.insert(rows.end(), {static_cast<float>(i % 5), 1});
  EXPECT_NEAR(objective(rows, run(rows, 2, options(20, 20)), 2), 0, 1e-6);
}

TEST_P(KMeansStarts, ProgressIsToldAndFallsTowardsTheEnd) {
  const auto rows = blobs(4000, 8, 20, 5, 16);
  auto wanted = options(20, 12);
  std::vector<double> means;
  wanted.progress = [&](std::size_t iteration, double mean) {
    means.push_back(mean);
    EXPECT_EQ(iteration, means.size());
  };
  run(rows, 8, wanted);
  ASSERT_EQ(means.size(), 12U);
  EXPECT_LT(means.back(), means.front());
}

INSTANTIATE_TEST_SUITE_P(Cases, KMeansStarts,
                         testing::ValuesIn(std::vector<StartCase>{
                             {"Random", KMeansOptions::Start::kRandom, 0, false},
                             {"PlusPlus", KMeansOptions::Start::kPlusPlus, 0, false},
                             {"Spherical", KMeansOptions::Start::kRandom, 0, true},
                             {"MiniBatch", KMeansOptions::Start::kRandom, 500, false},
                             {"MiniBatchPlusPlus", KMeansOptions::Start::kPlusPlus, 500, false},
                             {"TinyBatch", KMeansOptions::Start::kRandom, 30, false},
                         }),
                         [](const auto& info) { return info.param.name; });

TEST(KMeans, CentroidsAreTheMeansOfTheirRows) {
  const std::size_t dim = 6;
  const auto rows = blobs(2000, dim, 10, 8, 17);
  KMeansOptions options;
  options.num_clusters = 10;
  options.num_iterations = 100;  // settles long before
  const auto centroids = run(rows, dim, options);
  std::vector<double> sums(centroids.size());
  std::vector<double> counts(10);
  for (std::size_t i = 0; i < 2000; ++i) {
    const auto distances = all_distances(&rows[i * dim], centroids, dim, false);
    const auto label =
        static_cast<std::size_t>(std::ranges::min_element(distances) - distances.begin());
    ++counts[label];
    for (std::size_t d = 0; d < dim; ++d) sums[label * dim + d] += double{rows[i * dim + d]};
  }
  for (std::size_t at = 0; at < centroids.size(); ++at)
    EXPECT_NEAR(double{centroids[at]}, sums[at] / counts[at / dim], 1e-5);
}

TEST(KMeans, AsGoodAsFaiss) {
  const std::size_t dim = 32, n = 20'000, num_clusters = 256;
  const auto rows = blobs(n, dim, 300, 1, 18);
  faiss::Clustering reference(static_cast<int>(dim), static_cast<int>(num_clusters));
  reference.niter = 10;
  reference.max_points_per_centroid = static_cast<int>(n);
  faiss::IndexFlatL2 index(static_cast<std::int64_t>(dim));
  omp_set_num_threads(1);  // its threads wait for each other for minutes beside another process
  openblas_set_num_threads(1);
  reference.train(static_cast<std::int64_t>(n), rows.data(), index);
  const double theirs = objective(rows, reference.centroids, dim);
  KMeansOptions options;
  options.num_clusters = num_clusters;
  EXPECT_LT(objective(rows, run(rows, dim, options), dim), theirs * 1.01);
  options.start = KMeansOptions::Start::kPlusPlus;
  EXPECT_LT(objective(rows, run(rows, dim, options), dim), theirs * 1.01);
  options.batch_rows = 4096;  // 10 batches read as much as 2 iterations
  EXPECT_LT(objective(rows, run(rows, dim, options), dim), theirs * 1.05);
}

TEST(KMeans, PlusPlusFindsClustersThatARandomStartMisses) {
  // Half of the rows in one place, the rest in 49 others far apart.
  auto rows = normal_rows(5000, 4, 19);
  std::mt19937 random(20);
  for (std::size_t i = 0; i < 2500; ++i) {
    const auto place = static_cast<float>(random() % 49 + 1);
    rows[i * 4] += 1000 * place;
  }
  KMeansOptions options;
  options.num_clusters = 50;
  options.num_iterations = 0;
  const double from_random = objective(rows, run(rows, 4, options), 4);
  options.start = KMeansOptions::Start::kPlusPlus;
  EXPECT_LT(objective(rows, run(rows, 4, options), 4), from_random / 100);
}

TEST(KMeans, PlusPlusChoosesDifferentRows) {
  std::vector<float> rows;
  for (int i = 0; i < 3000; ++i) rows.push_back(static_cast<float>(i % 100));
  KMeansOptions options;
  options.num_clusters = 100;
  options.num_iterations = 0;
  options.start = KMeansOptions::Start::kPlusPlus;
  const auto centroids = run(rows, 1, options);
  EXPECT_EQ(std::set<float>(centroids.begin(), centroids.end()).size(), 100U);
}

TEST(KMeans, EmptyClustersSplitTheLargest) {
  // Copies of 40 places: a random start takes some twice and misses others.
  std::vector<float> rows;
  for (int i = 0; i < 4000; ++i)
    rows.insert(rows.end(), {static_cast<float>(i % 8), static_cast<float>(i / 8 % 5)});
  KMeansOptions options;
  options.num_clusters = 40;
  options.num_iterations = 0;
  EXPECT_GT(objective(rows, run(rows, 2, options), 2), 0.1);
  options.num_iterations = 50;
  EXPECT_LT(objective(rows, run(rows, 2, options), 2), 0.01);
}

TEST(KMeans, SphericalCentroidsHaveNormOne) {
  auto rows = normal_rows(500, 10, 21);
  std::fill_n(rows.begin(), 50, 0.0F);
  KMeansOptions options;
  options.num_clusters = 12;
  options.spherical = true;
  const auto centroids = run(rows, 10, options);
  for (std::size_t at = 0; at < centroids.size(); at += 10)
    EXPECT_NEAR(product(&centroids[at], &centroids[at], 10), 1, 1e-5);
}

TEST(KMeans, AsManyClustersAsRowsAreTheRows) {
  const auto rows = normal_rows(50, 3, 22);
  KMeansOptions options;
  options.num_clusters = 50;
  EXPECT_EQ(objective(rows, run(rows, 3, options), 3), 0);
}

TEST(KMeans, BadArgumentsAreNamed) {
  const std::vector<float> rows(30);
  KMeansOptions options;
  const auto message = [&](std::size_t dim) {
    const auto result = kmeans(rows, dim, options, nullptr, Deadline::never());
    EXPECT_EQ(result.error().code, StatusCode::kInvalidArgument);
    return result.error().message;
  };
  EXPECT_THAT(message(3), HasSubstr("num_clusters is 0; it must be 1..10"));
  options.num_clusters = 11;
  EXPECT_THAT(message(3), HasSubstr("num_clusters is 11; it must be 1..10"));
  EXPECT_THAT(message(0), HasSubstr("dim is 0"));
  EXPECT_THAT(message(4), HasSubstr("30 values are not whole rows of dim 4"));
}

TEST(KMeans, CanBeCalledOff) {
  const auto rows = normal_rows(5000, 16, 23);
  ComputePool pool({.num_threads = 2, .init_thread = {}, .set_width = {}});
  for (ComputePool* where : {static_cast<ComputePool*>(nullptr), &pool}) {
    std::stop_source stop;
    std::size_t num_iterations = 0;
    KMeansOptions options;
    options.num_clusters = 20;
    options.num_iterations = 1000;
    options.progress = [&](std::size_t iteration, double) {
      num_iterations = iteration;
      if (iteration == 3) stop.request_stop();
    };
    const auto deadline = Deadline::never().with_stop(stop.get_token());
    EXPECT_EQ(kmeans(rows, 16, options, where, deadline).error().code, StatusCode::kCancelled);
    EXPECT_EQ(num_iterations, 3U);
    const auto passed = Deadline::after(std::chrono::milliseconds(0));
    EXPECT_EQ(kmeans(rows, 16, options, where, passed).error().code, StatusCode::kDeadlineExceeded);
  }
}

}  // namespace
}  // namespace sightline::index
