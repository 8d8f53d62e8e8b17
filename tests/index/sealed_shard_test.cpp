#include "index/sealed_shard.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/index/shard_fixture.h"

namespace sightline::index {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ShardSpec spec_of(const char* text) { return parse_shard_spec(text).value(); }

std::vector<Candidate> search(const Shard& shard, const ShardQuery& query,
                              ComputePool* pool = nullptr) {
  auto found = shard.search(query, pool, Deadline::never());
  EXPECT_TRUE(found) << found.error().message;
  return found ? *std::move(found) : std::vector<Candidate>();
}

std::vector<TestShard> all_kinds() {
  std::vector<TestShard> kinds;
  for (const Distance distance : {Distance::kInnerProduct, Distance::kL2, Distance::kL1}) {
    TestShard kind;
    kind.distance = distance;
    kind.spec = spec_of("Flat");
    kinds.push_back(kind);
    if (distance == Distance::kL1) continue;
    for (const char* spec : {"IVF64,Flat", "IVF64,SQ8", "IVF64,PQ8", "HNSW16"}) {
      kind.spec = spec_of(spec);
      kinds.push_back(kind);
    }
    for (const char* spec : {"IVF64,SQ8", "IVF64,PQ8"}) {
      TestShard plain = kind;
      plain.spec = spec_of(spec);
      plain.by_residual = false;
      kinds.push_back(plain);
    }
    TestShard dense = kind;
    dense.spec = spec_of("IVF64,Flat");
    dense.gaps = false;
    kinds.push_back(dense);
  }
  return kinds;
}

std::string name_of_case(const testing::TestParamInfo<TestShard>& test) {
  return name_of(test.param);
}

// --- Every type, metric and way of asking --------------------------------------------------------

class Kinds : public testing::TestWithParam<TestShard> {
 protected:
  static constexpr std::size_t kDim = 24, kRows = 6'000, kQueries = 20;

  // Made once for each kind.
  struct Made {
    TestRows rows, queries;
    std::shared_ptr<SealedShard> shard;
    std::unique_ptr<GrowingShard> oracle;
  };
  const Made& made() const {
    static std::map<std::string, Made> all;
    Made& made = all[name_of(GetParam())];
    if (made.shard == nullptr) {
      made.rows = clustered_rows(kRows, kDim, 40, 3);
      made.queries = clustered_rows(kQueries, kDim, 40, 3, 1);
      made.shard = make_sealed_shard(made.rows, GetParam());
      made.oracle = make_oracle(made.rows, GetParam());
    }
    return made;
  }
  bool is_flat() const { return GetParam().spec.type == ShardType::kFlat; }
};

/// Every third slot, or every `every`-th.
Bitmap some_slots(std::size_t num_rows, std::size_t every, bool gaps) {
  Bitmap allowed;
  for (std::size_t row = 0; row < num_rows; row += every) allowed.add(test_slot(row, gaps));
  return allowed;
}

TEST_P(Kinds, PlainSearchFindsNearlyAllAndTheirTrueDistances) {
  double recall = 0;
  SearchStats stats;
  for (std::size_t i = 0; i < kQueries; ++i) {
    ShardQuery query;
    query.vector = made().queries[i];
    const auto truth = search(*made().oracle, query);
    query.stats = &stats;
    const auto found = search(*made().shard, query);
    ASSERT_EQ(found.size(), query.k);
    recall += recall_of(found, truth) / kQueries;

    query.stats = nullptr;
    query.k = kRows;
    std::map<Slot, float> distances;
    for (const Candidate& candidate : search(*made().oracle, query))
      distances[candidate.slot] = candidate.distance;
    for (std::size_t at = 0; at < found.size(); ++at) {
      ASSERT_EQ(found[at].distance, distances.at(found[at].slot));
      if (at > 0) {
        ASSERT_LE(found[at - 1].distance, found[at].distance);
      }
    }
  }
  EXPECT_GE(recall, is_flat() ? 1.0 : 0.9);
  EXPECT_EQ(stats.num_rows, kQueries * kRows);
  EXPECT_EQ(stats.num_allowed, kQueries * kRows);
  EXPECT_EQ(stats.num_exact, is_flat() ? kQueries : 0);
  EXPECT_EQ(stats.num_approximate, is_flat() ? 0 : kQueries);
  EXPECT_EQ(stats.num_widened, 0U);
  if (is_flat()) {
    EXPECT_EQ(stats.num_scanned, kQueries * kRows);
  } else {
    EXPECT_LT(stats.num_scanned, kQueries * kRows / 2);
  }
}

TEST_P(Kinds, ExactSearchIsTheOraclesAnswer) {
  ComputePool pool({.num_threads = 3, .init_thread = {}, .set_width = {}});
  const bool gaps = GetParam().gaps;
  const Bitmap third = some_slots(kRows, 3, gaps), few = some_slots(kRows, 50, gaps);
  for (const Bitmap* allowed : {static_cast<const Bitmap*>(nullptr), &third, &few}) {
    for (std::size_t i = 0; i < kQueries; ++i) {
      ShardQuery query;
      query.vector = made().queries[i];
      query.allowed = allowed;
      query.exact = true;
      query.k = i % 2 == 0 ? 10 : 300;
      SearchStats stats;
      query.stats = &stats;
      const auto found = search(*made().shard, query, i % 3 == 0 ? &pool : nullptr);
      EXPECT_EQ(stats.num_exact, 1U);
      EXPECT_EQ(stats.num_scanned, allowed == nullptr ? kRows : allowed->count());
      query.stats = nullptr;
      ASSERT_EQ(found, search(*made().oracle, query));
    }
  }
}

TEST_P(Kinds, ASelectorFindsAllowedRowsAlone) {
  const bool gaps = GetParam().gaps;
  for (const std::size_t every : {2, 3, 9, 20, 1000}) {
    const Bitmap allowed = some_slots(kRows, every, gaps);
    double recall = 0;
    SearchStats stats;
    for (std::size_t i = 0; i < kQueries; ++i) {
      ShardQuery query;
      query.vector = made().queries[i];
      query.allowed = &allowed;
      const auto truth = search(*made().oracle, query);
      query.stats = &stats;
      const auto found = search(*made().shard, query);
      ASSERT_EQ(found.size(), std::min<std::size_t>(query.k, allowed.count()));
      for (const Candidate& candidate : found) ASSERT_TRUE(allowed.contains(candidate.slot));
      if (allowed.count() <= 1000) {
        ASSERT_EQ(found, truth);
      }
      recall += recall_of(found, truth) / kQueries;
    }
    EXPECT_GE(recall, 0.9) << "every " << every;
    EXPECT_EQ(stats.num_allowed, kQueries * allowed.count());
    if (is_flat() || allowed.count() <= 1000) {
      EXPECT_EQ(stats.num_exact, kQueries) << "every " << every;
    }
    EXPECT_LE(stats.num_scanned, 5 * kQueries * allowed.count() / 4) << "every " << every;
    EXPECT_EQ(stats.num_exact + stats.num_approximate, kQueries);
  }
}

TEST_P(Kinds, NothingAllowedFindsNothing) {
  const std::uint32_t far_slot = 5'000'000;
  const Bitmap none, elsewhere = Bitmap::from_sorted(std::span(&far_slot, 1));
  for (const Bitmap* allowed : {&none, &elsewhere}) {
    ShardQuery query;
    query.vector = made().queries[0];
    query.allowed = allowed;
    EXPECT_THAT(search(*made().shard, query), IsEmpty());
  }
}

TEST_P(Kinds, ManyHitsAndMoreThanThereAre) {
  for (const std::size_t k : {std::size_t{1}, std::size_t{700}, kRows, 10 * kRows}) {
    ShardQuery query;
    query.vector = made().queries[1];
    query.k = k;
    const auto found = search(*made().shard, query);
    ASSERT_EQ(found.size(), std::min(k, kRows));
    if (k >= kRows) {
      ASSERT_EQ(found, search(*made().oracle, query));
    }
    std::set<Slot> slots;
    for (const Candidate& candidate : found) slots.insert(candidate.slot);
    EXPECT_EQ(slots.size(), found.size());
  }
}

TEST_P(Kinds, EffortUnsetInTheQueryAndTheShardStillFinds) {
  TestShard options = GetParam();
  options.nprobe = options.ef_search = options.refine = 0;
  const TestRows rows = clustered_rows(2'000, kDim, 10, 5);
  const auto shard = make_sealed_shard(rows, options);
  const auto oracle = make_oracle(rows, options);
  const Bitmap half = some_slots(2'000, 2, options.gaps);
  for (const Bitmap* allowed : {static_cast<const Bitmap*>(nullptr), &half}) {
    double recall = 0;
    for (std::size_t i = 0; i < 100; i += 10) {
      ShardQuery query;
      query.vector = rows[i];
      query.allowed = allowed;
      recall += recall_of(search(*shard, query), search(*oracle, query)) / 10;
    }
    EXPECT_GE(recall, 0.9);
  }
}

TEST_P(Kinds, ThreadsOfThePoolChangeNothing) {
  ComputePool pool({.num_threads = 3, .init_thread = {}, .set_width = {}});
  const Bitmap half = some_slots(kRows, 2, GetParam().gaps);
  for (std::size_t i = 0; i < kQueries; ++i) {
    ShardQuery query;
    query.vector = made().queries[i];
    query.allowed = i % 2 == 0 ? nullptr : &half;
    query.nprobe = 40;
    query.k = 50;
    EXPECT_EQ(search(*made().shard, query, &pool), search(*made().shard, query));
  }
}

TEST_P(Kinds, BadQueriesAndDeadlines) {
  const Shard& shard = *made().shard;
  ShardQuery query;
  query.vector = made().queries[0].first(3);
  EXPECT_THAT(shard.search(query, nullptr, Deadline::never()).error().message,
              HasSubstr("has 3 dimensions; this index has 24"));
  query.vector = made().queries[0];
  query.k = 0;
  EXPECT_EQ(shard.search(query, nullptr, Deadline::never()).error().code,
            StatusCode::kInvalidArgument);
  query.k = 1;
  const auto passed = Deadline::after(std::chrono::milliseconds(0));
  EXPECT_EQ(shard.search(query, nullptr, passed).error().code, StatusCode::kDeadlineExceeded);
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = Deadline::never().with_stop(stop.get_token());
  EXPECT_EQ(shard.search(query, nullptr, stopped).error().code, StatusCode::kCancelled);
}

INSTANTIATE_TEST_SUITE_P(Types, Kinds, testing::ValuesIn(all_kinds()), name_of_case);

// --- Tombstones ----------------------------------------------------------------------------------

class Deletions : public testing::TestWithParam<TestShard> {};

TEST_P(Deletions, AReaderSeesTheRowsOfItsVersion) {
  TestShard options = GetParam();
  options.version = 5;
  const TestRows rows = clustered_rows(300, 24, 3, 9);
  const auto shard = make_sealed_shard(rows, options);
  const auto oracle = make_oracle(rows, options);
  const auto end = [&](Slot slot, Version version) {
    shard->remove(slot, version);
    oracle->remove(slot, version);
  };
  end(test_slot(3, options.gaps), 7);
  end(test_slot(3, options.gaps), 9);  // has ended already
  end(test_slot(299, options.gaps), 8);
  end(4'000'000, 8);  // was never here
  end(test_slot(0, options.gaps), 9);
  for (Version version = 3; version <= 10; ++version) {
    for (const bool exact : {false, true}) {
      ShardQuery query;
      query.vector = rows[3];
      query.k = 1000;
      query.exact = exact;
      query.read_version = version;
      ASSERT_EQ(search(*shard, query), search(*oracle, query)) << "version " << version;
    }
  }
  EXPECT_EQ(shard->num_rows(), 300U);
  EXPECT_EQ(shard->num_live(), 297U);
  EXPECT_EQ(shard->version_of(test_slot(3, options.gaps)), std::nullopt);
  EXPECT_EQ(shard->sealed_version_of(test_slot(3, options.gaps)), 5U);
  EXPECT_EQ(shard->version_of(test_slot(4, options.gaps)), 5U);
  EXPECT_EQ(shard->version_of(4'000'000), std::nullopt);
  EXPECT_EQ(shard->sealed_version_of(4'000'000), std::nullopt);
}

TEST_P(Deletions, FurtherRowsTakeThePlaceOfDeletedOnes) {
  const TestShard& options = GetParam();
  const TestRows rows = clustered_rows(3'000, 24, 20, 9);
  const auto shard = make_sealed_shard(rows, options);
  const auto oracle = make_oracle(rows, options);
  // Far more than are ever left in a shard: most neighbours of every query are gone.
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (row % 5 == 0) continue;
    shard->remove(test_slot(row, options.gaps), 2);
    oracle->remove(test_slot(row, options.gaps), 2);
  }
  double recall = 0;
  for (std::size_t i = 0; i < 30; ++i) {
    ShardQuery query;
    query.vector = rows[i];
    query.k = 20;
    const auto found = search(*shard, query);
    ASSERT_EQ(found.size(), 20U);
    recall += recall_of(found, search(*oracle, query)) / 30;
  }
  EXPECT_GE(recall, 0.85);
}

TEST_P(Deletions, FewerSurvivorsThanHitsAreAllFound) {
  const TestShard& options = GetParam();
  const TestRows rows = clustered_rows(3'000, 24, 20, 9);
  const auto shard = make_sealed_shard(rows, options);
  const auto oracle = make_oracle(rows, options);
  Bitmap allowed;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (row % 2 == 0) allowed.add(test_slot(row, options.gaps));
    if (row % 500 == 0) continue;
    shard->remove(test_slot(row, options.gaps), 2);
    oracle->remove(test_slot(row, options.gaps), 2);
  }
  for (const Bitmap* filter : {static_cast<const Bitmap*>(nullptr), &std::as_const(allowed)}) {
    ShardQuery query;
    query.vector = rows[17];
    query.allowed = filter;
    const auto found = search(*shard, query);
    EXPECT_EQ(found.size(), 6U);
    EXPECT_EQ(found, search(*oracle, query));
  }
}

TEST_P(Deletions, LiveRowsAreThoseThatRemain) {
  const TestShard& options = GetParam();
  const TestRows rows = clustered_rows(300, 24, 3, 9);
  const auto shard = make_sealed_shard(rows, options);
  shard->remove(test_slot(1, options.gaps), 2);
  shard->remove(test_slot(298, options.gaps), 2);
  const auto live = shard->live_rows();
  ASSERT_EQ(live.size(), 298U);
  std::size_t row = 0;
  for (const RowRef& ref : live) {
    while (row == 1 || row == 298) ++row;
    ASSERT_EQ(ref.slot, test_slot(row, options.gaps));
    ASSERT_EQ(ref.version, 1U);
    ASSERT_EQ(std::memcmp(ref.values, rows[row].data(), rows.dim * sizeof(float)), 0);
    ++row;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Deletions, testing::ValuesIn(all_kinds()), name_of_case);

// --- Corners -------------------------------------------------------------------------------------

class HigherSlotFirst final : public SlotOrder {
 public:
  bool before(Slot a, Slot b) const override { return a > b; }
};

TEST(SealedShard, EqualRowsComeInTheOrderOfTheQuery) {
  const HigherSlotFirst order;
  TestRows rows = clustered_rows(1'000, 24, 4, 2);
  for (std::size_t row = 100; row < 130; ++row)  // 30 equal ones, of which k is a part
    std::copy_n(rows.values.begin(), 24,
                rows.values.begin() + static_cast<std::ptrdiff_t>(row * 24));
  for (const TestShard& options : all_kinds()) {
    const auto shard = make_sealed_shard(rows, options);
    const auto oracle = make_oracle(rows, options);
    for (const SlotOrder* by :
         {static_cast<const SlotOrder*>(nullptr), static_cast<const SlotOrder*>(&order)}) {
      ShardQuery query;
      query.vector = rows[0];
      query.order = by;
      query.k = 10;
      query.exact = true;
      EXPECT_EQ(search(*shard, query), search(*oracle, query)) << name_of(options);
    }
  }
}

TEST(SealedShard, CpuLevelsDifferByRoundingAlone) {
  // Neighbours whose distances differ in the last bits.
  TestRows rows = clustered_rows(2'000, 24, 4, 2);
  for (std::size_t row = 0; row < 40; ++row) {
    for (std::size_t i = 0; i < 24; ++i)
      rows.values[row * 24 + i] = rows.values[i] * (1 + 1e-7F * static_cast<float>(row % 5));
  }
  for (TestShard options : all_kinds()) {
    options.refine = 16;
    std::vector<Candidate> reference;
    for (const KernelTable* kernels : supported_kernels()) {
      const auto shard = make_sealed_shard(rows, options, *kernels);
      ShardQuery query;
      query.vector = rows[1999];
      query.k = 20;
      query.nprobe = 16;
      const auto found = search(*shard, query);
      ASSERT_EQ(found.size(), 20U);
      if (reference.empty()) reference = found;
      for (std::size_t i = 0; i < found.size(); ++i) {
        const float tolerance = 1e-5F * std::max(1.0F, std::abs(reference[i].distance));
        EXPECT_NEAR(found[i].distance, reference[i].distance, tolerance)
            << name_of(options) << " " << kernels->name;
      }
    }
  }
}

TEST(SealedShard, OverflowingProductsCountAsFar) {
  TestRows rows = clustered_rows(300, 24, 3, 2);
  const float big = 3e38F;
  rows.values[0] = big;
  rows.values[1] = -big;
  TestShard options;
  options.spec = spec_of("Flat");
  options.distance = Distance::kInnerProduct;
  const auto shard = make_sealed_shard(rows, options);
  std::vector<float> vector(24, 0.0F);
  vector[0] = vector[1] = big;
  ShardQuery query;
  query.vector = vector;
  query.k = 300;
  const auto found = search(*shard, query);
  ASSERT_EQ(found.size(), 300U);
  EXPECT_EQ(found, search(*make_oracle(rows, options), query));
  EXPECT_TRUE(std::isinf(found.back().distance));
}

TEST(SealedShard, OneRow) {
  for (TestShard options : all_kinds()) {
    if (options.spec.type == ShardType::kIvfPq) continue;  // needs 256 rows to train
    options.spec.nlist = std::min<std::size_t>(options.spec.nlist, 1);
    const TestRows rows = clustered_rows(1, 24, 1, 2);
    const auto shard = make_sealed_shard(rows, options);
    ShardQuery query;
    query.vector = rows[0];
    const auto found = search(*shard, query);
    ASSERT_EQ(found.size(), 1U) << name_of(options);
    EXPECT_EQ(found[0].slot, test_slot(0, options.gaps));
    shard->remove(found[0].slot, 2);
    EXPECT_THAT(search(*shard, query), IsEmpty()) << name_of(options);
  }
}

TEST(SealedShard, ShardsOfAllTypesAnswerTogether) {
  const TestRows rows = clustered_rows(6'000, 24, 12, 4);
  ShardList shards;
  auto whole = std::make_unique<GrowingShard>(24, Distance::kL2);
  auto growing = std::make_shared<GrowingShard>(24, Distance::kL2);
  const char* specs[] = {"Flat", "IVF16,Flat", "IVF16,SQ8", "IVF16,PQ8", "HNSW16"};
  for (std::size_t part = 0; part < 5; ++part) {
    TestRows some{24, {}};
    const auto first = rows.values.begin() + static_cast<std::ptrdiff_t>(part * 1'000 * 24);
    some.values.assign(first, first + 1'000 * 24);
    TestShard options;
    options.spec = spec_of(specs[part]);
    options.gaps = false;
    options.first_slot = static_cast<Slot>(part * 1'000);
    shards.push_back(make_sealed_shard(some, options));
  }
  for (std::size_t row = 0; row < rows.size(); ++row) {
    whole->put(static_cast<Slot>(row), 1, rows[row]);
    if (row >= 5'000) growing->put(static_cast<Slot>(row), 1, rows[row]);
  }
  shards.push_back(growing);
  ComputePool pool({.num_threads = 3, .init_thread = {}, .set_width = {}});
  for (std::size_t i = 0; i < 20; ++i) {
    ShardQuery query;
    query.vector = rows[i * 300];
    query.exact = true;
    query.k = 50;
    SearchStats stats;
    query.stats = &stats;
    const auto found = search_shards(shards, query, &pool, Deadline::never()).value();
    query.stats = nullptr;
    const auto truth = search(*whole, query);
    ASSERT_EQ(found, truth);
    EXPECT_EQ(stats.num_exact, 6U);
    EXPECT_EQ(stats.num_rows, 6'000U);
    query.exact = false;
    query.stats = &(stats = SearchStats());
    EXPECT_GE(recall_of(search_shards(shards, query, &pool, Deadline::never()).value(), truth),
              0.9);
    EXPECT_EQ(stats.num_exact, 2U);
    EXPECT_EQ(stats.num_approximate, 4U);
  }
}

}  // namespace
}  // namespace sightline::index
