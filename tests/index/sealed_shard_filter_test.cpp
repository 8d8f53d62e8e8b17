// Filtered recall is never below unfiltered recall minus 0.01, whatever the filter has to do with
// the query (DESIGN.md, "Filters keep recall").
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "index/internal/calibrate.h"
#include "tests/index/shard_fixture.h"

namespace sightline::index {
namespace {

enum class Correlation { kNone, kNear, kFar, kMoreAfar, kElsewhere };

const char* name_of(Correlation correlation) {
  switch (correlation) {
    case Correlation::kNone:
      return "uncorrelated";
    case Correlation::kNear:
      return "near";
    case Correlation::kFar:
      return "far";
    case Correlation::kMoreAfar:
      return "more afar";
    case Correlation::kElsewhere:
      return "elsewhere";
  }
  return "";
}

struct FilterCase {
  TestShard shard;
  unsigned seed = 0;
  double target = 0;  // recall without a filter that the shard is calibrated to
};

std::vector<FilterCase> filter_cases() {
  std::vector<FilterCase> cases;
  for (const Distance distance : {Distance::kL2, Distance::kInnerProduct}) {
    for (const char* spec : {"IVF128,Flat", "IVF128,SQ8", "IVF128,PQ8", "HNSW8"}) {
      for (const auto& [seed, target] :
           {std::pair(1U, 0.93), std::pair(2U, 0.93), std::pair(3U, 0.99)}) {
        FilterCase c;
        c.shard.spec = parse_shard_spec(spec).value();
        c.shard.distance = distance;
        c.shard.spec.ef_construction = 40;
        c.seed = seed;
        c.target = target;
        cases.push_back(c);
      }
    }
  }
  return cases;
}

class FilteredRecall : public testing::TestWithParam<FilterCase> {
 protected:
  static constexpr std::size_t kRows = 20'000, kDim = 32, kQueries = 100;
  // Distances computed under a filter, of what the exact scan of the rows it allows computes; and
  // under a mild one that has little to do with the query, in unfiltered searches.
  static constexpr double kMostOfExact = 1.25, kMostOfUnfiltered = 11;

  void SetUp() override {
    const FilterCase& c = GetParam();
    rows_ = clustered_rows(kRows, kDim, 300, c.seed);
    queries_ = clustered_rows(kQueries, kDim, 300, c.seed, 1);
    if (c.shard.distance == Distance::kInnerProduct) {
      normalise(rows_);
      normalise(queries_);
    }
    auto data = make_shard_data(rows_, c.shard);
    const auto effort =
        calibrate_shard(*data, kernels(), c.target, c.seed, nullptr, Deadline::never()).value();
    data->nprobe = effort.nprobe;
    data->ef_search = effort.ef_search;
    data->refine = effort.refine;
    shard_ = SealedShard::from_data(std::move(data));
    const auto oracle = make_oracle(rows_, c.shard);
    for (std::size_t i = 0; i < kQueries; ++i)
      nearest_.push_back(search(*oracle, i, nullptr, kRows));
  }

  std::vector<Candidate> search(const Shard& shard, std::size_t number, const Bitmap* allowed,
                                std::size_t k, SearchStats* stats = nullptr) const {
    ShardQuery query;
    query.vector = queries_[number];
    query.allowed = allowed;
    query.k = k;
    query.stats = stats;
    return shard.search(query, nullptr, Deadline::never()).value();
  }

  /// The `k` nearest rows of a query that are allowed.
  std::vector<Candidate> truth(std::size_t number, const Bitmap* allowed, std::size_t k) const {
    std::vector<Candidate> found;
    for (const Candidate& row : nearest_[number]) {
      if (found.size() == k) break;
      if (allowed == nullptr || allowed->contains(row.slot)) found.push_back(row);
    }
    return found;
  }

  /// All rows, those first that a filter of `correlation` allows first. kNear, kFar: the nearest or
  /// farthest of the query; kMoreAfar: the farther, the likelier; kElsewhere: those about another
  /// query.
  std::vector<Candidate> order_of(std::size_t number, Correlation correlation) const {
    std::mt19937 random(GetParam().seed);
    const std::size_t centre = correlation == Correlation::kElsewhere ? number + 1 : number;
    std::vector<Candidate> order = nearest_[centre % kQueries];
    if (correlation == Correlation::kFar) std::reverse(order.begin(), order.end());
    if (correlation == Correlation::kNone) std::shuffle(order.begin(), order.end(), random);
    if (correlation == Correlation::kMoreAfar) {
      // A draw without replacement with weights (Efraimidis & Spirakis 2006).
      std::uniform_real_distribution<double> draw;
      for (std::size_t rank = 0; rank < order.size(); ++rank) {
        order[rank].distance =
            static_cast<float>(-std::log(draw(random)) / (1.0 + static_cast<double>(rank)));
      }
      std::sort(order.begin(), order.end(),
                [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
    }
    return order;
  }

  TestRows rows_, queries_;
  std::shared_ptr<SealedShard> shard_;
  std::vector<std::vector<Candidate>> nearest_;  // of each query all rows, nearest first
};

TEST_P(FilteredRecall, IsNotBelowThatWithoutAFilter) {
  double unfiltered = 0;
  SearchStats plain_stats;
  for (std::size_t i = 0; i < kQueries; ++i) {
    unfiltered +=
        recall_of(search(*shard_, i, nullptr, 10, &plain_stats), truth(i, nullptr, 10)) / kQueries;
  }
  ASSERT_GT(unfiltered, 0.85);
  if (GetParam().target < 0.95) {
    ASSERT_LT(unfiltered, 0.9999) << "too easy to notice a loss";
  }
  struct Sum {
    double recall = 0;
    SearchStats stats;
  };
  for (const Correlation correlation : {Correlation::kNone, Correlation::kNear, Correlation::kFar,
                                        Correlation::kMoreAfar, Correlation::kElsewhere}) {
    std::map<double, Sum> sums;
    for (std::size_t i = 0; i < kQueries; ++i) {
      const std::vector<Candidate> order = order_of(i, correlation);
      for (const double share : {0.001, 0.01, 0.1, 0.11, 0.25, 0.5, 0.9}) {
        Bitmap allowed;
        for (std::size_t at = 0; at < share * kRows; ++at) allowed.add(order[at].slot);
        const auto found = search(*shard_, i, &allowed, 10, &sums[share].stats);
        ASSERT_EQ(found.size(), 10U);
        sums[share].recall += recall_of(found, truth(i, &allowed, 10)) / kQueries;
      }
    }
    for (const auto& [share, sum] : sums) {
      const double effort =
          static_cast<double>(sum.stats.num_scanned) / static_cast<double>(plain_stats.num_scanned);
      const std::string what = name_of(GetParam().shard) + ", seed " +
                               std::to_string(GetParam().seed) + ", " + std::to_string(share) +
                               " " + name_of(correlation) + ": recall " +
                               std::to_string(sum.recall) + ", unfiltered " +
                               std::to_string(unfiltered) + ", effort " + std::to_string(effort);
      EXPECT_GE(sum.recall, unfiltered - 0.01) << what;
      if (share <= 0.1) {
        EXPECT_EQ(sum.stats.num_exact, kQueries) << what;
      }
      const auto scanned = static_cast<double>(sum.stats.num_scanned);
      EXPECT_LE(scanned, kMostOfExact * std::ceil(share * kRows) * kQueries) << what;
      const bool says_little =
          correlation == Correlation::kNone || correlation == Correlation::kNear;
      if (says_little && share >= 0.5) {
        EXPECT_LE(effort, kMostOfUnfiltered) << what;
      }
      if (std::getenv("SIGHTLINE_PRINT_RECALL") != nullptr) std::printf("%s\n", what.c_str());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, FilteredRecall, testing::ValuesIn(filter_cases()),
                         [](const auto& test) {
                           return name_of(test.param.shard) + "_" + std::to_string(test.param.seed);
                         });

}  // namespace
}  // namespace sightline::index
