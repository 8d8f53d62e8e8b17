#include "index/growing_shard.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>

#include "index/internal/faiss_compat.h"

namespace sightline::index {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<Slot> slots_of(const std::vector<Candidate>& found) {
  std::vector<Slot> slots;
  for (const Candidate& candidate : found) slots.push_back(candidate.slot);
  return slots;
}

std::vector<Slot> search(const Shard& shard, const ShardQuery& query, ComputePool* pool = nullptr) {
  const auto found = shard.search(query, pool, Deadline::never());
  EXPECT_TRUE(found) << found.error().message;
  return found ? slots_of(*found) : std::vector<Slot>();
}

void put(GrowingShard& shard, Slot slot, Version version, const std::vector<float>& row) {
  shard.put(slot, version, row);
}

TEST(GrowingShard, AReaderSeesTheRowsOfItsVersion) {
  GrowingShard shard(1, Distance::kL2);
  put(shard, 0, 1, {0});
  put(shard, 1, 2, {1});
  put(shard, 0, 3, {5});  // replaces
  shard.remove(1, 4);
  put(shard, 1, 6, {2});
  const std::vector<float> origin = {0};
  const auto at = [&](Version version) {
    ShardQuery query;
    query.vector = origin;
    query.read_version = version;
    std::vector<std::pair<Slot, float>> found;
    const auto candidates = shard.search(query, nullptr, Deadline::never()).value();
    for (const Candidate& candidate : candidates)
      found.emplace_back(candidate.slot, candidate.distance);
    return found;
  };
  EXPECT_THAT(at(0), IsEmpty());
  EXPECT_THAT(at(1), ElementsAre(std::pair(0, 0)));
  EXPECT_THAT(at(2), ElementsAre(std::pair(0, 0), std::pair(1, 1)));
  EXPECT_THAT(at(3), ElementsAre(std::pair(1, 1), std::pair(0, 5)));
  EXPECT_THAT(at(5), ElementsAre(std::pair(0, 5)));
  EXPECT_THAT(at(6), ElementsAre(std::pair(1, 2), std::pair(0, 5)));
  EXPECT_EQ(shard.num_rows(), 4U);
  EXPECT_EQ(shard.version_of(0), 3U);
  EXPECT_EQ(shard.version_of(1), 6U);
  EXPECT_EQ(shard.version_of(2), std::nullopt);
  EXPECT_THAT(shard.live_slots(), ElementsAre(0, 1));
  EXPECT_EQ(shard.num_live(), 2U);
}

TEST(GrowingShard, LiveRowsAreTheNewestOfEachSlot) {
  GrowingShard shard(2, Distance::kL2);
  for (Slot slot = 0; slot < 1'500; ++slot) put(shard, slot, 1, {static_cast<float>(slot), 0});
  put(shard, 700, 2, {1, 2});
  shard.remove(3, 3);
  shard.remove(3, 4);
  const auto rows = shard.live_rows();
  ASSERT_EQ(rows.size(), 1'499U);
  EXPECT_EQ(shard.num_live(), 1'499U);
  EXPECT_EQ(shard.num_rows(), 1'501U);
  Slot expected = 0;
  for (const RowRef& row : rows) {
    if (expected == 3) ++expected;
    ASSERT_EQ(row.slot, expected++);
    ASSERT_EQ(row.version, row.slot == 700 ? 2U : 1U);
    float first;
    std::memcpy(&first, row.values, sizeof first);
    ASSERT_EQ(first, row.slot == 700 ? 1 : static_cast<float>(row.slot));
  }
}

TEST(GrowingShard, StatsCountWhatTheReadersVersionHolds) {
  GrowingShard shard(1, Distance::kL2);
  for (Slot slot = 0; slot < 10; ++slot) put(shard, slot, slot + 1, {1});
  shard.remove(0, 11);
  Bitmap allowed;
  allowed.add_range(4, 20);
  const std::vector<float> origin = {0};
  SearchStats stats;
  ShardQuery query;
  query.vector = origin;
  query.allowed = &allowed;
  query.read_version = 8;  // slots 0 .. 7
  query.stats = &stats;
  search(shard, query);
  EXPECT_EQ(stats.num_rows, 8U);
  EXPECT_EQ(stats.num_allowed, 4U);
  EXPECT_EQ(stats.num_scanned, 4U);
  EXPECT_EQ(stats.num_exact, 1U);
  EXPECT_EQ(stats.num_approximate, 0U);
  query.read_version = 20;
  search(shard, query);  // is added
  EXPECT_EQ(stats.num_rows, 8U + 9U);
  EXPECT_EQ(stats.num_exact, 2U);
}

TEST(GrowingShard, OneCommitMayWriteASlotTwiceOrTakeItBack) {
  GrowingShard shard(1, Distance::kL2);
  put(shard, 0, 1, {3});
  put(shard, 0, 1, {4});
  put(shard, 1, 1, {5});
  shard.remove(1, 1);
  shard.remove(7, 1);
  const std::vector<float> origin = {0};
  ShardQuery query;
  query.vector = origin;
  const auto found = shard.search(query, nullptr, Deadline::never()).value();
  EXPECT_THAT(found, ElementsAre(Candidate{4, 0}));
}

TEST(GrowingShard, OnlyAllowedSlotsAreFound) {
  GrowingShard shard(1, Distance::kL2);
  for (Slot slot = 0; slot < 100; ++slot) put(shard, slot, 1, {static_cast<float>(slot)});
  Bitmap allowed;
  for (const Slot slot : {90U, 3U, 50U, 200U}) allowed.add(slot);
  const std::vector<float> origin = {0};
  ShardQuery query;
  query.vector = origin;
  query.allowed = &allowed;
  EXPECT_THAT(search(shard, query), ElementsAre(3, 50, 90));
  query.k = 2;
  EXPECT_THAT(search(shard, query), ElementsAre(3, 50));
  const Bitmap none;
  query.allowed = &none;
  EXPECT_THAT(search(shard, query), IsEmpty());
}

TEST(GrowingShard, BadQueriesAndDeadlines) {
  GrowingShard shard(2, Distance::kL2);
  put(shard, 0, 1, {1, 2});
  const std::vector<float> query_row = {0, 0};
  ShardQuery query;
  query.vector = std::span(query_row).first(1);
  EXPECT_THAT(shard.search(query, nullptr, Deadline::never()).error().message,
              HasSubstr("has 1 dimensions; this index has 2"));
  query.vector = query_row;
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

TEST(GrowingShard, OverflowingProductsCountAsFar) {
  GrowingShard shard(2, Distance::kInnerProduct);
  const float big = 3e38F;
  put(shard, 0, 1, {big, -big});  // inf - inf
  put(shard, 1, 1, {-1, 0});
  put(shard, 2, 1, {1, 0});
  const std::vector<float> row = {big, big};
  ShardQuery query;
  query.vector = row;
  EXPECT_THAT(search(shard, query), ElementsAre(2, 1, 0));
}

TEST(GrowingShard, SearchingManyShardsIsSearchingTheirUnion) {
  std::mt19937 random(5);
  const auto whole = std::make_shared<GrowingShard>(4, Distance::kL1);
  std::vector<std::shared_ptr<GrowingShard>> parts;
  for (int i = 0; i < 3; ++i) parts.push_back(std::make_shared<GrowingShard>(4, Distance::kL1));
  for (Slot slot = 0; slot < 3000; ++slot) {
    std::vector<float> row(4);
    for (float& value : row) value = static_cast<float>(random() % 4);
    put(*whole, slot, 1, row);
    put(*parts[random() % 3], slot, 1, row);
  }
  const std::vector<float> row = {1, 1, 2, 0};
  ShardQuery query;
  query.vector = row;
  query.k = 500;
  const ShardList list(parts.begin(), parts.end());
  EXPECT_EQ(search_shards(list, query, nullptr, Deadline::never()).value(),
            whole->search(query, nullptr, Deadline::never()).value());
  query.k = 0;
  EXPECT_FALSE(search_shards(list, query, nullptr, Deadline::never()));
  query.k = 1;
  EXPECT_THAT(search_shards({}, query, nullptr, Deadline::never()).value(), IsEmpty());
}

// --- FAISS as the oracle -------------------------------------------------------------------------

struct OracleCase {
  std::string name;
  Distance distance;
  faiss::MetricType metric;
  std::size_t dim, num_rows;
};
class Oracle : public testing::TestWithParam<OracleCase> {};

TEST_P(Oracle, FindsWhatAFlatIndexFinds) {
  const OracleCase& c = GetParam();
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> rows(c.num_rows * c.dim);
  for (float& value : rows) value = normal(random);
  faiss::IndexFlat flat(static_cast<FaissId>(c.dim), c.metric);
  flat.add(static_cast<FaissId>(c.num_rows), rows.data());

  ComputePool pool({.num_threads = 3, .init_thread = {}, .set_width = {}});
  for (const KernelTable* kernels : supported_kernels()) {
    GrowingShard shard(c.dim, c.distance, *kernels);
    for (std::size_t i = 0; i < c.num_rows; ++i)
      shard.put(static_cast<Slot>(i), i + 1, std::span(rows).subspan(i * c.dim, c.dim));
    for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{500}}) {
      std::vector<float> row(c.dim);
      for (float& value : row) value = normal(random);
      ShardQuery query;
      query.vector = row;
      query.k = k;
      const auto found = shard.search(query, &pool, Deadline::never());
      ASSERT_TRUE(found) << found.error().message;
      ASSERT_EQ(found->size(), std::min(k, c.num_rows));
      std::vector<float> distances(k);
      std::vector<FaissId> labels(k);
      flat.search(1, row.data(), static_cast<FaissId>(k), distances.data(), labels.data());
      for (std::size_t i = 0; i < found->size(); ++i) {
        float expected = distances[i];
        if (c.distance == Distance::kInnerProduct) expected = -expected;
        if (c.distance == Distance::kL2) expected = std::sqrt(expected);
        const float tolerance = 2e-5F * std::max(1.0F, std::abs(expected));
        ASSERT_NEAR((*found)[i].distance, expected, tolerance) << kernels->name;
        // Rows closer to each other than rounding may change places.
        if ((*found)[i].slot == labels[i]) continue;
        const auto same = std::find(labels.begin(), labels.end(), (*found)[i].slot);
        if (same == labels.end()) {
          ASSERT_NEAR((*found)[i].distance, found->back().distance, tolerance);
        } else {
          const auto at = static_cast<std::size_t>(same - labels.begin());
          ASSERT_NEAR(distances[at], distances[i], 4 * tolerance * std::max(1.0F, expected));
        }
      }
      // The order is total: the pool changes nothing.
      EXPECT_EQ(shard.search(query, nullptr, Deadline::never()).value(), *found);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(
    Distances, Oracle,
    testing::ValuesIn(std::vector<OracleCase>{
        {"InnerProduct", Distance::kInnerProduct, faiss::METRIC_INNER_PRODUCT, 200, 12'000},
        {"L2", Distance::kL2, faiss::METRIC_L2, 512, 9'000},
        {"L1", Distance::kL1, faiss::METRIC_L1, 33, 5'000},
        {"OneRow", Distance::kL2, faiss::METRIC_L2, 3, 1},
        {"OneBlock", Distance::kInnerProduct, faiss::METRIC_INNER_PRODUCT, 1, 1024},
        {"OneBlockAndARow", Distance::kL1, faiss::METRIC_L1, 2, 1025},
    }),
    [](const auto& test) { return test.param.name; });

TEST(GrowingShard, RandomHistoryAgreesWithAMapAtEveryVersion) {
  std::mt19937 random(19);
  GrowingShard shard(2, Distance::kL2);
  std::vector<std::map<Slot, float>> history(1);
  for (Version version = 1; version <= 300; ++version) {
    std::map<Slot, float> state = history.back();
    for (int i = 0; i < 8; ++i) {
      const Slot slot = random() % 60;
      if (random() % 3 == 0) {
        shard.remove(slot, version);
        state.erase(slot);
      } else {
        const auto value = static_cast<float>(random() % 1000);
        put(shard, slot, version, {value, 0});
        state[slot] = value;
      }
    }
    history.push_back(std::move(state));
  }
  const std::vector<float> origin = {0, 0};
  for (Version version = 0; version < history.size(); ++version) {
    ShardQuery query;
    query.vector = origin;
    query.k = 100;
    query.read_version = version;
    std::map<Slot, float> found;
    const auto candidates = shard.search(query, nullptr, Deadline::never()).value();
    for (const Candidate& candidate : candidates)
      ASSERT_TRUE(found.emplace(candidate.slot, candidate.distance).second);
    ASSERT_EQ(found, history[version]) << "version " << version;
  }
}

}  // namespace
}  // namespace sightline::index
