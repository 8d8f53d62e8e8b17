#include "index/internal/calibrate.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/index/shard_fixture.h"

namespace sightline::index {
namespace {

constexpr std::size_t kDim = 32;

struct CalibrationCase {
  const char* spec;
  Distance distance;
  double target;
};
class Calibrations : public testing::TestWithParam<CalibrationCase> {};

/// recall@10 of queries that are no rows.
double held_out_recall(const TestRows& rows, const TestShard& options, const TestRows& queries) {
  const auto shard = make_sealed_shard(rows, options);
  const auto oracle = make_oracle(rows, options);
  double recall = 0;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    ShardQuery query;
    query.vector = queries[i];
    const auto found = shard->search(query, nullptr, Deadline::never()).value();
    const auto truth = oracle->search(query, nullptr, Deadline::never()).value();
    recall += recall_of(found, truth) / static_cast<double>(queries.size());
  }
  return recall;
}

TEST_P(Calibrations, OtherQueriesReachTheTargetTooAndNotFarMore) {
  const CalibrationCase& c = GetParam();
  const TestRows rows = clustered_rows(12'000, kDim, 60, 1, 0, 0.7F);
  TestShard options;
  options.spec = parse_shard_spec(c.spec).value();
  options.distance = c.distance;
  const auto data = make_shard_data(rows, options);
  ComputePool pool({.num_threads = 2, .init_thread = {}, .set_width = {}});
  const auto found = calibrate_shard(*data, kernels(), c.target, 7, &pool, Deadline::never());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_GE(found->recall, c.target);
  const bool has_lists = options.spec.nlist != 0;
  EXPECT_EQ(found->nprobe != 0, has_lists);
  EXPECT_EQ(found->ef_search != 0, options.spec.type == ShardType::kHnsw);
  EXPECT_EQ(found->refine != 0, has_lists && options.spec.type != ShardType::kIvfFlat);

  options.nprobe = found->nprobe;
  options.ef_search = found->ef_search;
  options.refine = found->refine;
  const TestRows queries = clustered_rows(200, kDim, 60, 1, 1, 0.7F);
  EXPECT_GE(held_out_recall(rows, options, queries), c.target - 0.03);
  if (has_lists) {
    EXPECT_LT(found->nprobe, options.spec.nlist / 2);
    options.nprobe = std::max<std::size_t>(1, found->nprobe / 3);
    EXPECT_LT(held_out_recall(rows, options, queries), c.target);
  }

  // The same seed gives the same, whatever the threads.
  const auto again = calibrate_shard(*data, kernels(), c.target, 7, nullptr, Deadline::never());
  EXPECT_EQ(again->nprobe, found->nprobe);
  EXPECT_EQ(again->ef_search, found->ef_search);
  EXPECT_EQ(again->refine, found->refine);
  EXPECT_EQ(again->recall, found->recall);
}

INSTANTIATE_TEST_SUITE_P(Types, Calibrations,
                         testing::ValuesIn(std::vector<CalibrationCase>{
                             {"IVF128,Flat", Distance::kL2, 0.95},
                             {"IVF128,Flat", Distance::kInnerProduct, 0.9},
                             {"IVF128,SQ8", Distance::kL2, 0.95},
                             {"IVF128,SQ8", Distance::kInnerProduct, 0.95},
                             {"IVF128,PQ8", Distance::kL2, 0.9},
                             {"IVF128,PQ16", Distance::kInnerProduct, 0.95},
                             {"HNSW16", Distance::kL2, 0.95},
                             {"HNSW16", Distance::kInnerProduct, 0.9},
                         }),
                         [](const auto& test) {
                           TestShard options;
                           options.spec = parse_shard_spec(test.param.spec).value();
                           options.distance = test.param.distance;
                           return name_of(options);
                         });

TEST(Calibrate, AHigherTargetIsNeverCheaper) {
  const TestRows rows = clustered_rows(6'000, kDim, 30, 1, 0, 0.7F);
  TestShard options;
  options.spec = parse_shard_spec("IVF64,Flat").value();
  const auto data = make_shard_data(rows, options);
  std::size_t last = 0;
  for (const double target : {0.0, 0.5, 0.9, 0.95, 0.99, 1.0}) {
    const auto found = calibrate_shard(*data, kernels(), target, 1, nullptr, Deadline::never());
    EXPECT_GE(found->nprobe, std::max<std::size_t>(1, last));
    EXPECT_GE(found->recall, target);
    last = found->nprobe;
  }
}

TEST(Calibrate, RowsWithoutClustersNeedManyListsAndAreToldTrue) {
  const TestRows rows = clustered_rows(6'000, kDim, 1, 1);
  const TestRows queries = clustered_rows(200, kDim, 1, 1, 1);
  for (const char* spec : {"IVF64,Flat", "IVF64,SQ8", "IVF64,PQ16"}) {
    TestShard options;
    options.spec = parse_shard_spec(spec).value();
    const auto data = make_shard_data(rows, options);
    const auto found = calibrate_shard(*data, kernels(), 0.9, 1, nullptr, Deadline::never());
    ASSERT_TRUE(found) << spec;
    EXPECT_GE(found->recall, 0.9) << spec;
    EXPECT_GT(found->nprobe, 16U) << spec;
    options.nprobe = found->nprobe;
    options.refine = found->refine;
    EXPECT_NEAR(held_out_recall(rows, options, queries), found->recall, 0.06) << spec;
  }
}

TEST(Calibrate, AGraphIsMeasuredByQueriesThatHaveNoPlaceInIt) {
  const TestRows rows = clustered_rows(6'000, 64, 1, 1);
  TestShard options;
  options.spec = parse_shard_spec("HNSW16").value();
  const auto data = make_shard_data(rows, options);
  const auto found = calibrate_shard(*data, kernels(), 0.9, 1, nullptr, Deadline::never());
  ASSERT_TRUE(found);
  options.ef_search = found->ef_search;
  const TestRows queries = clustered_rows(200, 64, 1, 1, 1);
  EXPECT_GE(held_out_recall(rows, options, queries), 0.89);
}

TEST(Calibrate, CodesTooCoarseForTheTargetAreToldByTheirRecall) {
  // One byte for 32 dimensions.
  const TestRows rows = clustered_rows(6'000, kDim, 1, 1);
  TestShard options;
  options.spec = parse_shard_spec("IVF4,PQ1").value();
  options.distance = Distance::kL2;
  const auto data = make_shard_data(rows, options);
  const auto found = calibrate_shard(*data, kernels(), 0.999, 1, nullptr, Deadline::never());
  ASSERT_TRUE(found);
  EXPECT_LT(found->recall, 0.999);
  EXPECT_GT(found->recall, 0.1);
  EXPECT_EQ(found->refine, 64U);
}

TEST(Calibrate, SmallShardsAndFlatOnes) {
  for (const char* spec : {"Flat", "IVF1,Flat", "IVF1,SQ8", "HNSW8"}) {
    for (const std::size_t num_rows : {1, 2, 11, 40}) {
      const TestRows rows = clustered_rows(num_rows, kDim, 1, 1);
      TestShard options;
      options.spec = parse_shard_spec(spec).value();
      const auto data = make_shard_data(rows, options);
      const auto found = calibrate_shard(*data, kernels(), 0.95, 1, nullptr, Deadline::never());
      ASSERT_TRUE(found) << spec << ": " << found.error().message;
      EXPECT_GE(found->recall, 0.95) << spec << " of " << num_rows;
    }
  }
}

TEST(Calibrate, CanBeCalledOff) {
  const TestRows rows = clustered_rows(2'000, kDim, 10, 1);
  TestShard options;
  options.spec = parse_shard_spec("IVF16,Flat").value();
  const auto data = make_shard_data(rows, options);
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = Deadline::never().with_stop(stop.get_token());
  EXPECT_EQ(calibrate_shard(*data, kernels(), 0.95, 1, nullptr, stopped).error().code,
            StatusCode::kCancelled);
}

}  // namespace
}  // namespace sightline::index
