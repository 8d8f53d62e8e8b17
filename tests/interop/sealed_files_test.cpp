// What DESIGN.md, 6 promises of sealed shards, asked of Debian's python3-faiss.
#include <gmock/gmock.h>

#include <array>
#include <string>
#include <vector>

#include "core/npy.h"
#include "index/sealed_shard.h"
#include "index/shard_builder.h"
#include "tests/index/shard_rows.h"
#include "tests/interop/python.h"
#include "tests/support/temp_dir.h"

namespace sightline::index {
namespace {

constexpr std::size_t kDim = 32;
constexpr std::size_t kRows = 3000;
constexpr std::size_t kQueries = 50;
constexpr std::size_t kHits = 10;

struct SealedCase {
  std::string spec, metric;
  std::vector<std::size_t> settings;  // nprobe, or ef
};
class SealedFile : public testing::TestWithParam<SealedCase> {
 protected:
  /// Answers of ours, as compare_shard.py reads them. Codes alone decide which rows are hits: as
  /// many are refined as are asked for.
  void write_answers(const SealedShard& shard, std::span<const float> queries,
                     std::size_t setting) {
    std::vector<float> slots(kQueries * kHits, -1), distances(kQueries * kHits);
    for (std::size_t q = 0; q < kQueries; ++q) {
      ShardQuery query;
      query.vector = queries.subspan(q * kDim, kDim);
      query.k = kHits;
      query.nprobe = query.ef_search = setting;
      query.refine = 1;
      const auto found = shard.search(query, nullptr, Deadline::never());
      ASSERT_TRUE(found) << found.error().message;
      for (std::size_t i = 0; i < found->size(); ++i) {
        slots[q * kHits + i] = static_cast<float>((*found)[i].slot);
        distances[q * kHits + i] = (*found)[i].distance;
      }
    }
    const std::array<std::uint64_t, 2> shape = {kQueries, kHits};
    dir_.write("slots-" + std::to_string(setting) + ".npy", npy_bytes(shape, slots));
    dir_.write("distances-" + std::to_string(setting) + ".npy", npy_bytes(shape, distances));
  }
  void write_rows(const char* name, std::span<const float> rows) {
    const std::array<std::uint64_t, 2> shape = {rows.size() / kDim, kDim};
    dir_.write(name, npy_bytes(shape, rows));
  }

  const testing_support::TempDir dir_;
};

TEST_P(SealedFile, FindsInStockFaissWhatItFindsHere) {
  SKIP_WITHOUT_PYTHON_FAISS();
  const auto& [spec, metric, settings] = GetParam();
  const Distance distance = metric == "euclid"      ? Distance::kL2
                            : metric == "manhattan" ? Distance::kL1
                                                    : Distance::kInnerProduct;
  const ShardRows drawn(kRows + kQueries, kDim, 21, metric == "cosine");
  const std::span<const float> rows = std::span(drawn.values()).first(kRows * kDim);
  const std::span<const float> queries = std::span(drawn.values()).last(kQueries * kDim);
  const auto built = build_shard(dir_ / "shard", drawn.refs().first(kRows),
                                 build_options(spec, kDim, distance), nullptr, Deadline::never());
  ASSERT_TRUE(built) << built.error().message;
  OpenShardOptions options;
  options.dim = kDim;
  options.distance = distance;
  const auto shard = SealedShard::open(dir_ / "shard", options);
  ASSERT_TRUE(shard) << shard.error().message;

  write_rows("rows.npy", rows);
  write_rows("queries.npy", queries);
  std::vector<std::string> arguments = {dir_.path(), spec,
                                        distance == Distance::kL2   ? "l2"
                                        : distance == Distance::kL1 ? "l1"
                                                                    : "product"};
  for (const std::size_t setting : settings) {
    ASSERT_NO_FATAL_FAILURE(write_answers(**shard, queries, setting));
    arguments.push_back(std::to_string(setting));
  }
  const auto run = testing_support::run_script("compare_shard.py", arguments);
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_THAT(run.output, testing::HasSubstr("500 hits"));
}

std::vector<SealedCase> sealed_cases() {
  std::vector<SealedCase> cases = {{"Flat", "manhattan", {1}}};
  for (const std::string metric : {"cosine", "dot", "euclid"}) {
    cases.push_back({"Flat", metric, {1}});
    for (const std::string codes : {"Flat", "SQ8", "PQ8"}) {
      cases.push_back({"IVF32," + codes, metric, {1, 4, 32}});
    }
    cases.push_back({"HNSW16", metric, {20, 64, 200}});
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Matrix, SealedFile, testing::ValuesIn(sealed_cases()),
                         [](const auto& info) {
                           return case_name(info.param.spec) + "_" + info.param.metric;
                         });

}  // namespace
}  // namespace sightline::index
